"""A store that moves between a file and PostgreSQL."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from fermata.errors import ConfigError, StorageError
from fermata.node.config import NodeConfig, load_config
from fermata.node.storage.database import choose
from fermata.node.storage.database.choose import copy_store, open_database
from fermata.node.storage.database.postgres import PostgresStore
from fermata.node.storage.database.postgres_server import PgRows
from fermata.node.storage.database.rows import NOTES, Rows, Table, Value
from fermata.node.storage.database.sqlite import SqliteStore
from harness.node.postgres import Databases
from harness.node.stores import content, fill
from harness.nodes import Site, fermata, lay_out


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return lay_out(tmp_path_factory.mktemp("copy") / "site")


@pytest.fixture
def site(template: Site, tmp_path: Path) -> Site:
    shutil.copytree(template.folder, tmp_path / "site", symlinks=True)
    return Site(tmp_path / "site")


def config_of(site: Site, url: str = "", party: str = "lab-1") -> NodeConfig:
    """A lab's configuration with a store in a database, or in its file."""
    path = site.config(party)
    text = path.read_text().split("\n[store]\n")[0].rstrip() + "\n"
    path.write_text(f'{text}\n[store]\nurl = "{url}"\n' if url else text)
    config = load_config(path)
    config.data.mkdir(mode=0o700, exist_ok=True)
    return config


def reason_of(config: NodeConfig) -> str:
    with pytest.raises(StorageError) as caught:
        open_database(config)
    return caught.value.reason


def test_a_store_goes_to_postgresql_and_back_with_all_that_it_holds(
    site: Site, databases: Databases, tmp_path: Path
) -> None:
    config, url = config_of(site), databases.new()
    with open_database(config) as store:
        fill(store)
        before = content(store)
    assert copy_store(config, url) == 3
    there = config_of(site, url)
    with open_database(there) as store:
        assert isinstance(store, PostgresStore)
        assert content(store) == before
        store.put_value("later", b"yes")
    assert copy_store(there, str(tmp_path / "back.db")) == 3
    (config.data / "store.db").rename(tmp_path / "old.db")
    (tmp_path / "back.db").rename(config.data / "store.db")
    with open_database(config_of(site)) as store:
        assert isinstance(store, SqliteStore)
        assert (content(store), store.value("later")) == (before, b"yes")


def test_a_store_that_was_copied_is_not_used_any_more(site: Site, databases: Databases) -> None:
    config, url = config_of(site), databases.new()
    with open_database(config) as store:
        fill(store)
    copy_store(config, url)
    assert reason_of(config) == "STORE_MOVED"
    with pytest.raises(StorageError) as caught:
        copy_store(config, str(config.data / "other.db"))
    assert caught.value.reason == "STORE_MOVED"


@pytest.mark.parametrize("step", ["put_value", "copy_from"])
def test_a_copy_that_was_cut_off_is_made_good_by_the_same_command(
    site: Site, databases: Databases, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    config, url = config_of(site), databases.new()
    with open_database(config) as store:
        fill(store)
        before = content(store)

    def fail(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(choose.RowStore, step, fail)
        with pytest.raises(KeyboardInterrupt):
            copy_store(config, url)
    assert copy_store(config, url) == 3
    assert copy_store(config, url) == 3
    with open_database(config_of(site, url)) as store:
        assert content(store) == before


def test_a_database_with_other_rows_is_not_overwritten(site: Site, databases: Databases) -> None:
    config, url = config_of(site), databases.new()
    with open_database(config_of(site, url)) as store:
        store.extend(0, [b"another log"], b"head")
    config = config_of(site)
    with open_database(config) as store:
        fill(store)
    with pytest.raises(StorageError) as caught:
        copy_store(config, url)
    assert caught.value.reason == "STORE_TAKEN"
    # Nothing was moved, so the store is still in use.
    with open_database(config) as store:
        assert store.entry_count() == 3


def test_a_store_in_use_and_one_that_is_not_there_are_not_copied(
    site: Site, databases: Databases
) -> None:
    config, url = config_of(site), databases.new()
    with pytest.raises(StorageError) as caught:
        copy_store(config, url)
    assert caught.value.reason == "STORE_MISSING"
    with open_database(config), pytest.raises(StorageError) as caught:
        copy_store(config, url)
    assert caught.value.reason == "STORE_IN_USE"


def test_a_backup_of_a_store_in_postgresql_is_a_file(
    site: Site, databases: Databases, tmp_path: Path
) -> None:
    config = config_of(site, databases.new())
    with open_database(config) as store:
        fill(store)
        store.backup(tmp_path / "copy.db")
        # One whole file, with nothing beside it.
        assert [path.name for path in tmp_path.glob("copy.db*")] == ["copy.db"]
        before = content(store)
        with pytest.raises(StorageError) as caught:
            store.backup(tmp_path / "copy.db")
        assert caught.value.reason == "BACKUP_EXISTS"
    with SqliteStore.open(tmp_path / "copy.db", config.genesis.sha256, config.owner) as copy:
        assert content(copy) == before


def test_a_backup_whose_disk_fails_leaves_no_file_and_a_store_that_goes_on(
    site: Site, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(site, databases.new())
    put = Rows.put

    def fail(rows: Rows, table: Table, *row: Value) -> None:
        if table is NOTES and not isinstance(rows, PgRows):
            raise sqlite3.OperationalError("disk I/O error")
        put(rows, table, *row)

    with open_database(config) as store:
        fill(store)
        with monkeypatch.context() as patch:
            patch.setattr(Rows, "put", fail)
            with pytest.raises(StorageError) as caught:
                store.backup(tmp_path / "copy.db")
        assert caught.value.reason == "BACKUP_FAILED"
        assert list(tmp_path.glob("copy.db*")) == []
        assert store.entry_count() == 3
        store.put_value("after", b"yes")


def test_a_url_of_another_kind_is_refused_with_its_line(site: Site) -> None:
    with pytest.raises(ConfigError, match=r"store\.url: must begin with postgresql://") as caught:
        config_of(site, "mysql://host/store")
    assert caught.value.reason == "CONFIG"


def test_the_command_says_what_to_write_into_the_configuration(
    site: Site, databases: Databases
) -> None:
    config, url = config_of(site), databases.new()
    with open_database(config) as store:
        fill(store)
    answer = fermata("store", "copy", "--config", site.config("lab-1"), "--to", url)
    assert answer.code == 0
    assert f'url = "{url}"' in answer.out
    assert "3 log entries" in answer.out
