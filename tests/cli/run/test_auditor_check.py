"""``fermata auditor check``: what an auditor's node would stumble over, said before it runs."""

import json
import shutil

import pytest

from fermata.cli.run.auditor_check import clock_text
from fermata.errors import ConfigError
from harness.nodes import COORDINATOR, Site, fermata, lay_out, until


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    site = lay_out(tmp_path_factory.mktemp("auditor") / "site")
    site.deal()
    return site


@pytest.fixture
def site(template, tmp_path):
    shutil.copytree(template.folder, tmp_path / "site", symlinks=True)
    return Site(tmp_path / "site")


def check(site):
    answer = fermata("auditor", "check", "--config", site.config("auditor-1"), "--json")
    rows = json.loads(answer.out)["checks"]
    return answer, {row["check"]: row.get("reason", row["result"]) for row in rows}


def test_all_is_well_with_a_log_that_has_the_key(site):
    with site.coordinator() as address:
        site.write_config("auditor-1", address)
        until(lambda: site.events(COORDINATOR, "round_opened"))
        answer, found = check(site)
    assert set(found.values()) == {"ok"}
    assert (answer.code, json.loads(answer.out)["ok"]) == (0, True)
    assert not (site.node("auditor-1") / "data").exists()


def test_every_trouble_is_listed_and_the_first_is_the_exit_code(site):
    site.enroll("lab-1", into="auditor-1")
    site.write_config("auditor-1", "127.0.0.1:1")
    answer, found = check(site)
    assert found["signing key"] == "ok"
    assert found["certificate"] == "WRONG_CERTIFICATE"
    assert found["key share"] == "NO_KEY"
    assert answer.code == 5
    assert answer.error.endswith("[WRONG_CERTIFICATE]")


def test_a_clock_that_is_behind_the_log_is_told():
    assert "40 s old" in clock_text(60_000, 100_000)
    assert "not compared" in clock_text(0, 100_000)
    with pytest.raises(ConfigError, match="at least 40 s behind"):
        clock_text(100_000, 60_000)
