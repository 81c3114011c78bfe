import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from fermata.errors import ConfigError
from fermata.node import files


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_written_file_has_data_and_mode(tmp_path):
    path = tmp_path / "a"
    files.write_atomic(path, b"one")
    assert (path.read_bytes(), _mode(path)) == (b"one", 0o644)
    files.write_atomic(path, b"two", 0o600)
    assert (path.read_bytes(), _mode(path)) == (b"two", 0o600)
    assert _names(tmp_path) == ["a"]


def test_file_and_directory_are_synced_before_and_after_the_rename(tmp_path, monkeypatch):
    steps = []
    sync, rename = os.fsync, Path.rename

    def tell_sync(descriptor):
        steps.append("dir" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def tell_rename(self, target):
        steps.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", tell_sync)
    monkeypatch.setattr(Path, "rename", tell_rename)
    files.write_atomic(tmp_path / "a", b"data")
    assert steps == ["file", "rename", "dir"]


@pytest.mark.parametrize("write", [files.write_atomic, files.write_secret])
def test_full_disk_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, write):
    old = tmp_path / "old"
    old.write_bytes(b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "text of the system")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError) as error:
        write(old, b"new")
    assert error.value.reason == "FILE_UNWRITABLE"
    assert "No space left" in str(error.value)
    assert "text of the system" not in str(error.value)
    assert old.read_bytes() == b"old"
    assert _names(tmp_path) == ["old"]


def test_write_into_a_missing_directory_is_refused(tmp_path):
    for write in (files.write_atomic, files.write_secret):
        with pytest.raises(ConfigError, match="cannot be written") as error:
            write(tmp_path / "no" / "a", b"data")
        assert error.value.reason == "FILE_UNWRITABLE"


def test_secret_is_written_for_its_owner_only(tmp_path):
    path = tmp_path / "secret"
    files.write_secret(path, b"secret")
    assert _mode(path) == 0o600
    assert files.read_secret(path) == b"secret"
    assert _names(tmp_path) == ["secret"]


def test_secret_is_never_overwritten(tmp_path):
    path = tmp_path / "secret"
    files.write_secret(path, b"first")
    with pytest.raises(ConfigError) as error:
        files.write_secret(path, b"second")
    assert error.value.reason == "FILE_EXISTS"
    assert path.read_bytes() == b"first"
    assert _names(tmp_path) == ["secret"]


def test_secret_is_not_written_through_a_dangling_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError) as error:
        files.write_secret(tmp_path / "link", b"secret")
    assert error.value.reason == "FILE_EXISTS"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o602, 0o644])
def test_secret_that_others_can_reach_is_refused(tmp_path, mode):
    path = tmp_path / "secret"
    files.write_secret(path, b"canary-5521")
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600") as error:
        files.read_secret(path)
    assert error.value.reason == "SECRET_MODE"
    assert "canary-5521" not in str(error.value)


def test_secret_behind_a_link_is_refused(tmp_path):
    files.write_secret(tmp_path / "secret", b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ConfigError) as error:
        files.read_secret(tmp_path / "link")
    assert error.value.reason == "SECRET_SYMLINK"


def test_secret_of_another_user_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "secret"
    files.write_secret(path, b"secret")
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(ConfigError, match="chown") as error:
        files.read_secret(path)
    assert error.value.reason == "SECRET_OWNER"


def test_pipe_and_directory_are_no_secret(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "dir").mkdir(mode=0o700)
    for name in ("pipe", "dir"):
        with pytest.raises(ConfigError) as error:
            files.read_secret(tmp_path / name)
        assert error.value.reason in ("FILE_KIND", "FILE_UNREADABLE")
        with pytest.raises(ConfigError):
            files.read_file(tmp_path / name, 10)


def test_missing_file_is_named(tmp_path):
    for read in (files.read_secret, lambda path: files.read_file(path, 10)):
        with pytest.raises(ConfigError, match="nowhere does not exist") as error:
            read(tmp_path / "nowhere")
        assert error.value.reason == "FILE_MISSING"


def test_file_of_the_largest_size_is_read_and_no_larger(tmp_path):
    path = tmp_path / "a"
    files.write_secret(path, b"12345")
    assert files.read_file(path, 5) == files.read_secret(path, 5) == b"12345"
    for read in (files.read_file, files.read_secret):
        with pytest.raises(ConfigError) as error:
            read(path, 4)
        assert error.value.reason == "FILE_SIZE"


def test_directory_appears_whole(tmp_path):
    made = tmp_path / "made"
    files.write_directory(made, {"a": (b"1", 0o600), "b": (b"2", 0o644)})
    assert (_names(made), _mode(made)) == (["a", "b"], 0o700)
    assert (_mode(made / "a"), _mode(made / "b")) == (0o600, 0o644)
    assert _names(tmp_path) == ["made"]


def test_directory_in_use_is_left_alone(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "theirs").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("full", "file"):
        with pytest.raises(ConfigError) as error:
            files.write_directory(tmp_path / name, {"a": (b"1", 0o600)})
        assert error.value.reason == "DIRECTORY_IN_USE"
    assert _names(tmp_path / "full") == ["theirs"]
    assert _names(tmp_path) == ["file", "full"]


def test_failed_directory_leaves_nothing(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError) as error:
        files.write_directory(tmp_path / "made", {"a": (b"1", 0o600)})
    assert error.value.reason == "FILE_UNWRITABLE"
    assert _names(tmp_path) == []


def test_link_is_moved_in_one_step(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files.write_link(tmp_path / "link", name)
        assert (tmp_path / "link").resolve() == tmp_path / name
    assert _names(tmp_path) == ["link", "one", "two"]


def test_link_does_not_replace_a_directory(tmp_path):
    (tmp_path / "dir").mkdir()
    with pytest.raises(ConfigError):
        files.write_link(tmp_path / "dir", "elsewhere")
    assert _names(tmp_path) == ["dir"]


def test_leftovers_of_a_killed_write_are_removed(tmp_path):
    (tmp_path / ".fermata-abc.tmp").write_bytes(b"half")
    (tmp_path / ".fermata-def.tmp").mkdir()
    (tmp_path / ".fermata-def.tmp" / "key.pem").write_bytes(b"half")
    (tmp_path / "kept.tmp").write_bytes(b"theirs")
    assert files.remove_leftovers(tmp_path) == 2
    assert _names(tmp_path) == ["kept.tmp"]


def test_lock_lets_one_thread_in_at_a_time(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(20):
            with files.exclusive_lock(tmp_path / "lock"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert len(most) == 80


def test_a_folder_in_a_files_place_leaves_no_descriptor_open(tmp_path):
    open_before = len(os.listdir("/proc/self/fd"))
    for read in (lambda: files.read_file(tmp_path, 10), lambda: files.read_secret(tmp_path)):
        with pytest.raises(ConfigError):
            read()
    assert len(os.listdir("/proc/self/fd")) == open_before


#: Modes of a folder in which every user can rename another file into a secret's place.
OPEN_MODES = [0o777, 0o707, 0o757, 0o703, 0o2777]


@pytest.mark.parametrize("mode", OPEN_MODES)
def test_a_secret_in_a_folder_that_anybody_may_write_is_refused(tmp_path, mode):
    folder = tmp_path / "keys"
    folder.mkdir()
    files.write_secret(folder / "identity.txt", b"secret")
    folder.chmod(mode)
    with pytest.raises(ConfigError, match="chmod o-w") as caught:
        files.read_secret(folder / "identity.txt")
    assert caught.value.reason == "FOLDER_MODE"


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o775, 0o2770, 0o1777])
def test_a_secret_in_a_folder_of_its_owner_or_group_or_a_sticky_one_is_read(tmp_path, mode):
    folder = tmp_path / "keys"
    folder.mkdir()
    files.write_secret(folder / "identity.txt", b"secret")
    folder.chmod(mode)
    assert files.read_secret(folder / "identity.txt") == b"secret"


@pytest.mark.parametrize("mode", OPEN_MODES)
@pytest.mark.parametrize("place", [".", "reports", "reports/deep"])
def test_every_folder_of_state_is_checked(tmp_path, place, mode):
    data = tmp_path / "data"
    (data / "reports" / "deep").mkdir(parents=True)
    files.check_tree(data)
    (data / place).chmod(mode)
    with pytest.raises(ConfigError) as caught:
        files.check_tree(data)
    assert caught.value.reason == "FOLDER_MODE"
    assert str((data / place).resolve()) in str(caught.value)
    (data / place).chmod(0o700)


@pytest.mark.parametrize("name", ["store.db", "store.db-wal", "head.note", "reports/1.age"])
def test_every_file_of_state_is_checked(tmp_path, name):
    data = tmp_path / "data"
    (data / "reports").mkdir(parents=True)
    (data / name).write_bytes(b"")
    files.check_tree(data)
    (data / name).chmod(0o666)
    with pytest.raises(ConfigError, match="chmod o-w") as caught:
        files.check_tree(data)
    assert caught.value.reason == "FILE_MODE"
    assert name in str(caught.value)


def test_a_file_of_state_of_another_user_is_refused(tmp_path, monkeypatch):
    (tmp_path / "store.db").write_bytes(b"")
    monkeypatch.setattr(files, "check_directory", lambda path: None)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ConfigError, match="chown") as caught:
        files.check_tree(tmp_path)
    assert caught.value.reason == "SECRET_OWNER"


def test_a_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    found = list(tmp_path.stat())
    found[stat.ST_UID] = os.geteuid() + 1
    monkeypatch.setattr(Path, "stat", lambda path: os.stat_result(found))
    with pytest.raises(ConfigError, match="chown") as caught:
        files.check_directory(tmp_path)
    assert caught.value.reason == "FOLDER_OWNER"
