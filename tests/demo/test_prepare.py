"""The demo's deployment on disk, for nodes that run apart."""

import pytest

from fermata.demo import layout
from fermata.demo.run import prepare_demo
from fermata.errors import ConfigError
from fermata.node.config import load_config
from fermata.node.run.parts import load_signing_key, open_store, tls_files


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare_demo(
        tmp_path_factory.mktemp("prepared") / "demo", "oversight:7440", lambda n: None
    )


def test_every_node_has_all_that_it_needs_in_its_own_folder(prepared):
    for party in prepared.parties:
        folder = prepared.node(party)
        config = load_config(folder / "fermata.toml")
        load_signing_key(config)
        tls_files(config)
        open_store(config).close()
        assert ".." not in (folder / "fermata.toml").read_text()
        if config.text.lab is not None:
            assert config.path(config.text.lab.metrics).is_file()


def test_nodes_reach_the_log_where_the_coordinator_listens(prepared):
    config = load_config(prepared.node(layout.COORDINATOR) / "fermata.toml")
    assert config.text.listen.address == "0.0.0.0:7440"
    config = load_config(prepared.node(layout.AUDITORS[0]) / "fermata.toml")
    assert config.text.log.address == "oversight:7440"
    assert config.text.telemetry.address == f"0.0.0.0:{layout.TELEMETRY_PORT}"


def test_an_address_of_another_form_makes_nothing(tmp_path):
    with pytest.raises(ConfigError) as caught:
        prepare_demo(tmp_path / "demo", "oversight", lambda n: None)
    assert caught.value.reason == "ADDRESS"
    assert not (tmp_path / "demo").exists()
