# Needs only python3 (3.11 or newer) and make. uv is taken from PATH, or installed into .tools.
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --locked --quiet

.PHONY: setup demo test lint types proto proto-check sim bench clean

setup: $(UV)
	@$(UV) sync --locked --quiet

.tools/bin/uv:
	@echo "installing uv into .tools" >&2
	@$(PYTHON) -m venv .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check "uv>=0.9,<1"

demo: setup
	@$(RUN) fermata demo

test: setup
	@$(RUN) pytest

lint: setup
	@$(RUN) ruff check src tests scripts
	@$(RUN) ruff format --check src tests scripts
	@$(RUN) mypy
	@$(RUN) lint-imports
	@cd proto && ../$(RUN) buf lint

proto: setup
	@$(RUN) python scripts/generate_wire.py

proto-check: setup
	@$(RUN) python scripts/generate_wire.py --check

SEEDS ?= 50
sim: setup
	@$(RUN) python -m fermata.sim --seeds $(SEEDS)

clean:
	rm -rf .venv .tools dist build demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis
