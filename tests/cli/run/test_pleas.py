"""``fermata lab plead`` and ``fermata auditor take``: what they refuse (e2e has what they do)."""

import pytest

from fermata.protocol.wire.plea_file import Pleading, write_pleading
from harness.nodes import fermata, lay_out


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = lay_out(tmp_path_factory.mktemp("pleas") / "site")
    site.deal()
    return site


def test_a_lab_with_nothing_to_plead_for_is_told_so(site):
    done = fermata("lab", "plead", "--config", site.write_config("lab-1"))
    assert done.error.endswith("[NOTHING_PENDING]")


def test_a_file_of_another_deployment_is_not_offered_to_the_node(site, tmp_path):
    file = tmp_path / "a.plea"
    file.write_bytes(write_pleading(bytes(32), Pleading(b"x")))
    done = fermata("auditor", "take", file, "--config", site.write_config("auditor-1"))
    assert done.error.endswith("[PLEA_FILE]")


def test_a_node_that_does_not_run_takes_nothing_yet(site, tmp_path):
    file = tmp_path / "a.plea"
    file.write_bytes(write_pleading(site.charter.sha256, Pleading(b"x")))
    config = site.write_config("auditor-1")
    done = fermata("auditor", "take", file, "--wait-s", "1", "--config", config)
    assert done.error.endswith("[NODE_AWAY]")
