"""Every error number of the system is told for what it is, wherever a file is read or written."""

import errno
import os
import re
import sqlite3

import pytest

from fermata.errors import ConfigError
from fermata.node import causes, files
from fermata.node.storage.database import sqlite_file as store_file

NUMBERS = sorted(errno.errorcode)
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
DEVICE = {errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.EREMOTEIO}
SOME = sorted(FULL | DEVICE | {errno.EROFS, errno.EACCES, errno.EMFILE})
ROOM = ("make room", "quota", "LimitFSIZE")
IO_CODES = sorted(
    {
        getattr(sqlite3, name)
        for name in dir(sqlite3)
        if name.startswith("SQLITE_IOERR_")
        and name.removeprefix("SQLITE_IOERR_")
        not in ("FSYNC", "DIR_FSYNC", "READ", "SHORT_READ", "CORRUPTFS", "NOMEM")
    }
)


def reason_of(number):
    return (
        "STORAGE_FULL" if number in FULL else "STORE_IO" if number in DEVICE else "STORE_UNWRITABLE"
    )


def speaks_of_room(text):
    return any(word in text for word in ROOM)


def fails(number):
    def call(*_args, **_named):
        raise OSError(number, "text of the system")

    return call


@pytest.mark.parametrize("number", NUMBERS, ids=errno.errorcode.get)
def test_only_a_full_disk_is_told_to_make_room(number, tmp_path):
    text = causes.cause_text(OSError(number, "text of the system"))
    assert errno.errorcode[number] in text
    assert os.strerror(number) in text
    assert "text of the system" not in text
    assert speaks_of_room(text) is (number in FULL)
    error = store_file.system_error(OSError(number, "x"), tmp_path)
    assert error.reason == reason_of(number)
    assert speaks_of_room(str(error)) is (number in FULL)


def test_a_full_disk_is_told_with_what_is_free_on_it(tmp_path):
    text = causes.cause_text(OSError(errno.ENOSPC, "x"), tmp_path / "gone" / "file")
    assert re.search(r"make room on the disk, of which [0-9.]+ (bytes|[KMG]iB) are free$", text)
    assert "free" not in causes.cause_text(OSError(errno.EROFS, "x"), tmp_path)


@pytest.mark.parametrize("number", SOME)
@pytest.mark.parametrize("write", [files.write_atomic, files.write_secret])
def test_a_write_that_fails_tells_its_cause(number, write, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", fails(number))
    with pytest.raises(ConfigError) as caught:
        write(tmp_path / "a", b"data")
    assert caught.value.reason == "FILE_UNWRITABLE"
    assert errno.errorcode[number] in str(caught.value)
    assert speaks_of_room(str(caught.value)) is (number in FULL)


def database_error(code):
    error = sqlite3.OperationalError("text that must not be passed on")
    error.sqlite_errorcode, error.sqlite_errorname = code, "SQLITE_NAME"
    return error


@pytest.mark.parametrize("code", [*IO_CODES, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY])
@pytest.mark.parametrize("number", SOME)
def test_a_failure_of_the_database_is_told_by_the_error_of_the_disk(
    code, number, tmp_path, monkeypatch
):
    monkeypatch.setattr(os, "fsync", fails(number))
    found = store_file.storage_error(database_error(code), tmp_path / "store.db")
    assert found.reason == reason_of(number)
    assert errno.errorcode[number] in str(found)
    assert speaks_of_room(str(found)) is (number in FULL)


@pytest.mark.parametrize("code", IO_CODES)
def test_a_failed_write_on_a_disk_with_room_is_never_a_full_disk(code, tmp_path):
    found = store_file.storage_error(database_error(code), tmp_path / "store.db")
    assert found.reason == "STORE_IO"
    assert not speaks_of_room(str(found))
    assert "passed on" not in str(found)


@pytest.mark.parametrize(
    ("free", "needed", "said"),
    [
        (5000, 20_000, "5000 bytes free, 19.5 KiB needed"),
        (3 * 2**20, 2**30, "3.0 MiB free, 1.0 GiB needed"),
        (0, 1, "0 bytes free, 1 bytes needed"),
    ],
)
def test_a_disk_that_is_almost_full_says_how_much_is_free_and_needed(free, needed, said):
    assert said in causes.no_room_text(free, needed)
