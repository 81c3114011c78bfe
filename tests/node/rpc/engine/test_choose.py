"""EN4: which engine a configuration names, and what it refuses."""

import sys
from types import SimpleNamespace

import pytest

from fermata.crypto.report.proof_cache import ProofCache
from fermata.errors import ConfigError
from fermata.node.rpc.engine import choose
from fermata.node.rpc.engine.choose import make_engine, processes
from fermata.node.rpc.engine.own_process import OwnEngine
from fermata.node.rpc.engine.settings import EngineText
from fermata.node.rpc.engine.spread import Terms
from harness.crypto.keys import SeededEntropy
from harness.node.cluster import write_certificates
from harness.node.engines import Told, false_item, item


def config_of(folder, text=None):
    text = SimpleNamespace(engine=text)
    return SimpleNamespace(text=text, file=folder / "node.toml", path=lambda name: folder / name)


def made(folder, url, text=None):
    config, entropy = config_of(folder, text), SeededEntropy("x")
    return make_engine(config, url, entropy, lambda event, fields: None, ProofCache())


def test_the_default_is_the_node_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(choose, "_cores", lambda: 2)
    for engine in (
        made(tmp_path, ""), made(tmp_path, "local"), made(tmp_path, "", EngineText())
    ):  # fmt: skip
        assert type(engine) is OwnEngine
        assert not engine.is_ready


def test_en7_a_machine_with_one_core_has_one_process(tmp_path, monkeypatch):
    monkeypatch.setattr(choose, "_cores", lambda: 1)
    assert made(tmp_path, "local") is None


def test_the_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {3}, raising=False)
    assert choose._cores() == 1
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    assert choose._cores() == 7
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert choose._cores() == 1


def test_the_command_line_comes_before_the_file(tmp_path):
    text = EngineText(url="processes:2", at_once=3)
    assert made(tmp_path, "", text).terms.at_once == 3
    assert type(made(tmp_path, "local", text)) is OwnEngine


@pytest.mark.parametrize(
    "url",
    [
        "dask+tcp://127.0.0.1:8786",
        "dask://127.0.0.1:8786",
        "tls://127.0.0.1:8786",
        "dask+tls://",
        "dask+tls://127.0.0.1",
        "dask+tls://user@127.0.0.1:1",
        "dask+tls://127.0.0.1:8786/path",
        "processes:0",
        "processes:257",
        "processes:",
        "threads:2",
    ],
)
def test_any_other_url_is_refused_a_cluster_in_the_clear_among_them(url, tmp_path):
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, url)
    assert caught.value.reason == "ENGINE_URL"
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize("name", ["ca.pem", "cert.pem", "key.pem"])
def test_each_file_of_the_cluster_must_be_there(name, tmp_path):
    write_certificates(tmp_path / "engine")
    (tmp_path / "engine" / name).unlink()
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, "dask+tls://127.0.0.1:8786")
    assert caught.value.reason == "ENGINE_FILES"
    assert name in str(caught.value)


def test_without_the_extra_the_error_names_it(tmp_path, monkeypatch):
    write_certificates(tmp_path / "engine")
    monkeypatch.delitem(sys.modules, "fermata.node.rpc.engine.dask_cluster", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, "dask+tls://127.0.0.1:8786")
    assert caught.value.reason == "DASK_MISSING"
    assert "fermata-protocol[dask]" in str(caught.value)


def test_processes_of_this_machine_give_the_same_verdicts():
    told = Told(processes(2)(), Terms(task_s=120))
    try:
        assert told.verdict([item(1), item(2)]) is True
        assert told.verdict([false_item(1), item(2)]) is False
        assert told.names() == ["engine_ready"]
    finally:
        told.engine.close()
