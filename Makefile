# Needs only python3 (3.11 or newer) and make. uv is taken from PATH, or installed into .tools.
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo $(CURDIR)/.tools/bin/uv)
RUN := $(UV) run --locked --quiet
# Python keeps what it has compiled, also where the environment says otherwise: else every worker
# of the tests, and every process that they start, would compile all of it again.
export PYTHONDONTWRITEBYTECODE =

# Every target is a name; none makes a file that is called so.
.PHONY: setup setup-services demo test scenarios lint proto proto-check proto-breaking docs-check site \
	vectors vectors-check exchange mutants coverage pictures browser-test token-test screenshots bench bench-scale bench-keys keygen-sim succession-sim ceremony-lies ceremony-lies-table bitflips attack sim sim-scale lives presence model succession-model deploy-check image-check clean

setup: $(UV)
	@$(UV) sync --locked --quiet --compile-bytecode --all-extras
	@$(UV) run --locked --quiet --no-sync python -m compileall -q src

$(CURDIR)/.tools/bin/uv:
	@echo "installing uv into .tools" >&2
	@$(PYTHON) -m venv .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check "uv>=0.9,<1"

OUT ?= demo-out
# dealer or joint: who makes the key.
KEY ?= dealer
demo: setup
	@$(RUN) fermata demo --out $(OUT) --key $(KEY)

# Whole deployments of processes run alone; everything else on up to four cores, file by file,
# in the order of tests/conftest.py.
test: setup
	@$(RUN) pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
		--ignore=tests/e2e
	@$(RUN) pytest tests/e2e

# Tells tests/scenarios/*.txt anew; the tests only compare.
scenarios: setup
	@PYTHONPATH=tests $(RUN) python scripts/tell_scenarios.py

lint: setup
	@$(RUN) ruff check src tests scripts docs
	@$(RUN) ruff format --check src tests scripts docs
	@$(RUN) mypy
	@$(RUN) mypy --config-file scripts/mypy.ini scripts docs/examples deploy/probe.py
	@$(RUN) lint-imports
	@$(RUN) python scripts/check_prose.py src/fermata
	@$(RUN) python scripts/check_names.py --check
	@cd proto && $(RUN) buf lint

proto: setup
	@$(RUN) python scripts/generate_wire.py

proto-check: setup
	@$(RUN) python scripts/generate_wire.py --check

# Compares the wire contract with the one of the last release (proto/baseline.binpb).
proto-breaking: setup
	@cd proto && $(RUN) buf breaking --against baseline.binpb

# tests/vectors, from the code as it is (docs/spec/vectors.md). ARGS: names of generators.
vectors: setup
	@$(RUN) python scripts/make_vectors.py $(ARGS)

vectors-check: setup
	@$(RUN) python scripts/make_vectors.py --check $(ARGS)

# Exchanges neighbouring checks of F5 to F10 in a copy of the source; the vectors must notice.
exchange: setup
	@$(RUN) python scripts/exchange_checks.py

# Plants the bugs of scripts/mutants.toml in a copy; tests must notice each. ARGS: words of a rule.
mutants: setup
	@$(RUN) python scripts/mutants.py $(ARGS)

# Lines and branches that tests reach, without whole deployments; a report, and no limit.
# ARGS names some tests.
coverage: setup
	@$(RUN) --group coverage coverage erase
	@$(RUN) --group coverage coverage run -m pytest -n auto --maxprocesses 4 --dist loadfile \
		$(or $(ARGS),--ignore=tests/e2e)
	@$(RUN) --group coverage coverage combine --quiet
	@$(RUN) --group coverage coverage report

docs-check: setup
	@$(RUN) python scripts/check_docs.py
	@$(RUN) python scripts/check_links.py
	@$(RUN) python scripts/check_prose.py docs
	@PYTHONPATH=tests $(RUN) python scripts/tell_ceremony_lies.py --check

# The documents as pages, in build/site; begin at index.html. A warning is an error, and Sphinx
# warns only about what it reads, so it reads everything again.
site: setup
	@rm -rf build/site build/site-state
	@$(RUN) --group docs sphinx-build -q -W -n --keep-going -j auto -d build/site-state -c docs/site . build/site
	@$(RUN) python scripts/check_links.py --pages build/site
	@$(RUN) --group docs pytest -m site tests/test_site.py

# Services that some tests need and that are not Python packages; without them those tests say so.
setup-services:
	@command -v apt-get >/dev/null || { echo "needs apt-get; install PostgreSQL's server by hand"; exit 1; }
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || apt-get install -y -q --no-install-recommends postgresql

# The pictures of docs, from the imports and from scripts/picture_texts.py.
pictures: setup
	@$(RUN) python scripts/draw_pictures.py

# ARGS=--strict fails where a tool is missing; Debian has the others in prometheus,
# prometheus-alertmanager and systemd.
deploy-check: setup
	@$(RUN) --group deploy python scripts/check_deploy.py $(ARGS)

# Builds the image with buildah and starts it; skipped, with a line, where buildah is absent. The
# environment may have BASE, INDEX and CA_FILE: see scripts/check_image.py.
image-check: setup
	@$(RUN) python scripts/check_image.py

# The dashboard in a real Chromium, with axe; fails where there is no Chromium.
browser-test: setup
	@$(RUN) --group browser pytest -m browser tests/dashboard

# Signing keys in a token of SoftHSM (Debian: softhsm2); skipped, with a line, where it is absent.
token-test: setup
	@$(RUN) --extra pkcs11 pytest -m token -rs tests/node/pki/test_token_key.py

# docs/screenshots/*.png and docs/axe.md, from what a demo has left: OUT=, or BUNDLE= of any other.
screenshots: setup
	@PYTHONPATH=tests $(RUN) --group browser python scripts/take_screenshots.py $(BUNDLE)

# The peers are of the group `bench`, which no other target installs.
bench: setup
	@$(RUN) python scripts/measure_round.py --out bench.json
	@$(RUN) python scripts/bench_proof.py --out bench.json
	@$(RUN) python scripts/bench_sets.py --out bench.json
	@$(RUN) --group bench python scripts/bench_peers.py --out bench.json
	@$(RUN) python scripts/bench_report.py --figures bench.json --svg bench.svg

# Every bit of a small report turned over by itself: about ten minutes. PART and BIT replay one.
bitflips: setup
	@PYTHONPATH=tests $(RUN) python scripts/flip_bits.py $(if $(PART),--part $(PART)) $(if $(BIT),--bit $(BIT))

# What grows, each script's rows in bench-scale.json: an entry and a start in a log of a million
# entries (ARGS for fewer), a round of a thousand labs (whose reports are kept in build/), a cluster.
bench-scale: setup
	@PYTHONPATH=tests $(RUN) python scripts/bench_scale.py --said 60 --out bench-scale.json $(ARGS)
	@mkdir -p build/thousand
	@$(RUN) python scripts/bench_thousand.py --cache build/thousand --out bench-scale.json
	@PYTHONPATH=tests $(RUN) python scripts/bench_dask.py --out bench-scale.json

# Wall times of key generation without a dealer, in bench-keys.json; alone on the machine, an hour
# or more. RUNS for other than five, ARGS=--only joint_2048_3 for one of them.
RUNS ?= 5
bench-keys: setup
	@$(RUN) --group bench python scripts/bench_keys.py --runs $(RUNS) --out bench-keys.json $(ARGS)

SEEDS ?= 50
# Key generations in memory among crashes, half of them with a party that lies; some six seconds of
# CPU each.
keygen-sim: setup
	@$(RUN) python -m fermata.sim.keygen --seeds $(SEEDS)

# Deployments whose coordinators stop, sleep, lie and come back; about ten seconds each.
succession-sim: setup
	@$(RUN) python -m fermata.sim.succession --seeds $(SEEDS)

# Every lie of a key generation over the network, in processes; about half an hour. The tests tell
# a few of them. ARGS: -k with words of some lies.
ceremony-lies: setup
	@$(RUN) pytest -m "lies or not lies" $(ARGS) tests/e2e/test_ceremony_lies.py

# docs/spec/ceremony-lies.md, from the same lies in memory.
ceremony-lies-table: setup
	@PYTHONPATH=tests $(RUN) python scripts/tell_ceremony_lies.py

# One round of 100 to 10,000 labs with small keys, stage by stage: about twenty minutes. In
# sim-scale.json and sim-scale.svg; docs/scale.svg is one such. ARGS=--sizes 100,300 for fewer.
sim-scale: setup
	@PYTHONPATH=tests:scripts $(RUN) python scripts/sim_scale.py --out sim-scale.json --svg sim-scale.svg $(ARGS)

# Whole deployments with faults. ARGS=--start 100 for other seeds.
sim: setup
	@$(RUN) python -m fermata.sim --seeds $(SEEDS) $(ARGS)

# Random lives of a panel whose parts stand, by exact algebra; the tests play sixty.
LIVES ?= 2000
lives: setup
	@$(RUN) python -m fermata.sim.lives --lives $(LIVES)

# What absence does to results, rules, joiners and lifts: the tables of docs/presence.md.
presence: setup
	@PYTHONPATH=tests:scripts $(RUN) --group attack python scripts/measure_presence.py

# Every state of the pause; a smaller model is part of the tests.
LABS ?= 4
LIFT_ROUNDS ?= 3
model: setup
	@$(RUN) python -m fermata.sim.model --labs $(LABS) --lift-rounds $(LIFT_ROUNDS)

# Every history of a fork and a handover, of committees of up to so many auditors; SU6 and SU8.
AUDITORS ?= 7
succession-model: setup
	@$(RUN) python -m fermata.sim.model.succession --auditors $(AUDITORS)

# What an outsider learns of single labs from a run: docs/attack.md. ARGS: --assume, --own, --limit.
BUNDLE ?= $(OUT)/bundle
ARGS ?=
attack: setup
	@$(RUN) --group attack python -m fermata.assessment.attack $(BUNDLE) $(ARGS)

clean:
	rm -rf .venv .tools dist build demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
