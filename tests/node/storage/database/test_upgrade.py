"""Upgrade and rollback: what another version left on the disk or says over the wire."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fermata.errors import StorageError
from fermata.node.storage.database import sqlite_file as store_file
from fermata.node.storage.database.rows import Rows
from harness.chains import chain_at
from harness.node.stores import (
    check_every_row,
    content,
    fill,
    first_release_leaf,
    open_store,
)

VECTORS = Path(__file__).parents[2] / "vectors"


def released(path):
    """A store as an earlier release wrote it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((VECTORS / "store_schema_1.sql").read_text())
    return path


def test_a_store_of_the_first_release_is_read_by_this_one(tmp_path):
    with open_store(tmp_path / "new.db") as store:
        fill(store, make=first_release_leaf)
        wanted = content(store)
    with open_store(released(tmp_path / "store.db")) as store:
        assert content(store) == wanted
        check_every_row(store)


def test_a_store_of_the_first_release_is_brought_to_the_schema_of_this_one(tmp_path):
    path = released(tmp_path / "store.db")
    open_store(path).close()
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    assert version == len(store_file._scripts())


def test_a_store_of_the_first_release_becomes_its_first_openers(tmp_path):
    path = released(tmp_path / "store.db")
    open_store(path).close()
    with pytest.raises(StorageError) as caught:
        open_store(path, owner="coordinator/coordinator")
    assert caught.value.reason == "STORE_FOREIGN"


def test_after_a_rollback_the_message_says_what_to_do(tmp_path, monkeypatch):
    path = released(tmp_path / "store.db")
    scripts = store_file._scripts()
    later = "CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT"
    with monkeypatch.context() as newer:
        newer.setattr(store_file, "_scripts", lambda: [*scripts, later])
        open_store(path).close()
    before = path.read_bytes()
    with pytest.raises(StorageError) as caught:
        open_store(path)
    assert caught.value.reason == "STORE_NEWER"
    told = str(caught.value)
    assert f"schema {len(scripts) + 1}, this one knows {len(scripts)}" in told
    assert "start that version, or restore a backup made before the upgrade" in told
    assert path.read_bytes() == before


def test_an_upgrade_that_is_cut_off_is_done_again_at_the_next_start(tmp_path, monkeypatch):
    path = released(tmp_path / "store.db")
    scripts = store_file._scripts()
    with monkeypatch.context() as broken:
        broken.setattr(
            store_file, "_scripts", lambda: [*scripts, "CREATE TABLE later (id) STRICT; NONSENSE"]
        )
        with pytest.raises(StorageError):
            open_store(path)
    with open_store(path) as store:
        Rows(store._connection).check_tables()
        assert store.entry_count() == 3


@pytest.mark.parametrize("version", ["0.0.9", "0.1.0", "0.2.0", "1.0.0rc1"])
def test_nodes_of_other_versions_are_heard(version):
    chain = chain_at("keyed")
    assert chain.beat("lab-1", version=version).accepted
    assert chain.state.heartbeats["lab-1"].version == version
