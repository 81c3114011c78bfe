"""Bundles as folders: whole or not at all, and nothing but regular files."""

import os
import resource
import subprocess
import sys
from contextlib import contextmanager, nullcontext

import pytest

from fermata.errors import ConfigError, TransportError
from fermata.memory_store import MemoryStore
from fermata.node.storage.bundle_files import due_bytes
from fermata.node.storage.bundles import (
    check_new,
    export_bundle,
    pull_witnessed,
    read_bundle,
    write_bundle,
)
from fermata.protocol.roles.replica import Replica
from fermata.protocol.verify.bundle import FULL
from fermata.protocol.verify.log_checks import judged_state
from fermata.protocol.verify.verifier import verify_bundle
from fermata.protocol.wire.ports import LogWrapper, Witness
from fermata.protocol.wire.witnesses import decode_witnesses
from harness.bundles import witness_of
from harness.chains import MODULUS_BITS_MIN, Run, make_deployment

FILES = {
    "bundle.json": FULL,
    "checkpoint": b"note",
    "witnesses": b"lines",
    "tile/0/000": b"x",
    "sealed/ab.bin": b"y",
}


@pytest.fixture(scope="module")
def finished():
    """A deployment in one process whose first round was opened and whose head is cosigned."""
    run = Run(make_deployment(last="2025Q3"))
    run.until_quiet()
    return run


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self):
        self.now_ms = 1000

    def __call__(self):
        return self.now_ms

    def sleep(self, seconds):
        self.now_ms += int(seconds * 1000)


def reader_of(run):
    return Replica(run.charter, MemoryStore(), MODULUS_BITS_MIN)


def test_what_is_written_is_read_again(tmp_path):
    out = tmp_path / "new" / "bundle"
    write_bundle(out, FILES)
    assert read_bundle(out) == FILES
    assert os.listdir(out.parent) == ["bundle"]


def test_nothing_is_overwritten_not_even_a_broken_link(tmp_path):
    out = tmp_path / "bundle"
    write_bundle(out, FILES)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    for path in (out, link):
        with pytest.raises(ConfigError) as caught:
            write_bundle(path, {"checkpoint": b"other"})
        assert caught.value.reason == "FILE_EXISTS"
    assert read_bundle(out) == FILES
    assert not (tmp_path / "nowhere").exists()


def test_a_bundle_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(ConfigError) as caught:
        write_bundle(tmp_path / "bundle", {"checkpoint": b"x", "checkpoint/below": b"y"})
    assert caught.value.reason == "FILE_UNWRITABLE"
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError):
        write_bundle(tmp_path / "file" / "bundle", FILES)


def test_an_empty_folder_is_as_good_as_none_where_that_is_asked_for(tmp_path):
    check_new(tmp_path, may_be_empty=True)
    with pytest.raises(ConfigError):
        check_new(tmp_path)
    (tmp_path / "x").write_text("")
    with pytest.raises(ConfigError):
        check_new(tmp_path, may_be_empty=True)


def add_link(folder):
    (folder / "sealed" / "link").symlink_to("/etc/hostname")


def add_folder_link(folder):
    (folder / "more").symlink_to("/etc")


def add_pipe(folder):
    os.mkfifo(folder / "pipe")


@pytest.mark.parametrize("spoil", [add_link, add_folder_link, add_pipe])
def test_a_bundle_holds_regular_files_only(tmp_path, spoil):
    write_bundle(tmp_path / "bundle", FILES)
    spoil(tmp_path / "bundle")
    with pytest.raises(ConfigError) as caught:
        read_bundle(tmp_path / "bundle")
    assert caught.value.reason == "BUNDLE"


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "readme").write_text("")
    for path in ("none", "file", "folder"):
        with pytest.raises(ConfigError) as caught:
            read_bundle(tmp_path / path)
        assert caught.value.reason == "BUNDLE"


def test_a_bundle_that_is_too_large_is_refused(tmp_path, monkeypatch):
    write_bundle(tmp_path / "bundle", FILES)
    monkeypatch.setattr("fermata.node.storage.bundle_files.BUNDLE_BYTES_MAX", 7)
    with pytest.raises(ConfigError, match="more than 7 bytes"):
        read_bundle(tmp_path / "bundle")
    monkeypatch.undo()
    monkeypatch.setattr("fermata.node.storage.bundle_files.BUNDLE_FILES_MAX", 3)
    with pytest.raises(ConfigError, match="more than 3 files"):
        read_bundle(tmp_path / "bundle")


PROGRAM = """
import resource, sys
import fermata
from fermata import api
api.MODULUS_BITS_MIN = int(sys.argv[2])
found = fermata.verify(sys.argv[1])
print(found.is_valid, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.fixture(scope="module")
def bundle(finished):
    """The files of a bundle of the finished run."""
    log, replica, clock = finished.log_of("auditor-1"), reader_of(finished), Clock()
    pull_witnessed(replica, log, 0, clock, clock.sleep)
    return export_bundle(replica, log)


def peak_mb_of_verifying(folder):
    """The verdict and the peak of memory, in MB, of a process that verifies this folder."""
    words = [sys.executable, "-c", PROGRAM, folder, str(MODULUS_BITS_MIN)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    verdict, peak_mb = done.stdout.split()
    return verdict, int(peak_mb)


def places(files):
    """A name that does not belong, one in each folder, and every file that belongs."""
    size = next(p for p in files if p.startswith("tile/entries/")).rpartition("/")[2]
    extra = ["extra.bin", "tile/entries/001", "tile/9/000", f"tile/entries/x001/000.p/{size}"]
    return [*extra, "sealed/" + "0" * 64 + ".bin", "tile/entries/000", *files]


def test_no_file_however_large_costs_the_verifier_its_size(bundle, tmp_path):
    write_bundle(tmp_path / "bundle", bundle)
    verdict, plain_mb = peak_mb_of_verifying(tmp_path / "bundle")
    assert verdict == "True"
    for path in places(bundle):
        if path == "bundle.json":
            continue
        target = tmp_path / "bundle" / path
        kept = target.read_bytes() if target.exists() else None
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "ab") as file:
            file.truncate(1536 * 1024 * 1024)
        verdict, peak_mb = peak_mb_of_verifying(tmp_path / "bundle")
        assert (verdict, peak_mb < plain_mb + 64) == ("False", True), (path, plain_mb, peak_mb)
        if kept is None:
            target.unlink()
        else:
            target.write_bytes(kept)


def test_a_marker_however_large_is_not_read(bundle, tmp_path):
    write_bundle(tmp_path / "bundle", bundle)
    os.truncate(tmp_path / "bundle" / "bundle.json", 1536 * 1024 * 1024)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ConfigError) as caught:
        read_bundle(tmp_path / "bundle")
    assert caught.value.reason == "BUNDLE"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_every_file_of_a_bundle_may_have_its_size(bundle, tmp_path):
    write_bundle(tmp_path / "bundle", bundle)
    assert dict(read_bundle(tmp_path / "bundle")) == bundle
    assert all(len(data) <= due_bytes(path) for path, data in bundle.items())


@pytest.mark.parametrize("path", ["checkpoint", "sealed/ab.bin"])
@pytest.mark.parametrize("become", ["gone", "link", "pipe"])
def test_a_file_that_changes_while_it_is_read_is_an_error_and_no_verdict(tmp_path, path, become):
    write_bundle(tmp_path / "bundle", FILES)
    files = read_bundle(tmp_path / "bundle")
    target = tmp_path / "bundle" / path
    target.unlink()
    if become == "link":
        target.symlink_to("/etc/hostname")
    elif become == "pipe":
        os.mkfifo(target)
    with pytest.raises(ConfigError) as caught:
        _ = files[path]
    assert caught.value.reason == "BUNDLE"


def test_a_bundle_of_a_running_log_is_valid(finished, tmp_path):
    log, replica, clock = finished.log_of("auditor-1"), reader_of(finished), Clock()
    pull_witnessed(replica, log, 0, clock, clock.sleep)
    steps = []

    @contextmanager
    def bar(count):
        steps.append(f"of {count}")
        yield steps.append
        steps.append("closed")

    write_bundle(tmp_path / "bundle", export_bundle(replica, log, open_bar=bar))
    files = read_bundle(tmp_path / "bundle")
    verification = verify_bundle(files, finished.charter.sha256, MODULUS_BITS_MIN)
    assert verification.is_valid, verification.checks
    labs = len(finished.charter.labs)
    assert steps == [f"of {labs}", *range(1, labs + 1), "closed"]


def test_the_log_is_folded_once_for_a_bundle_and_its_bar(finished, monkeypatch):
    log, replica, clock, judged = finished.log_of("auditor-1"), reader_of(finished), Clock(), []
    pull_witnessed(replica, log, 0, clock, clock.sleep)

    def counted(replica):
        judged.append(replica)
        return judged_state(replica)

    monkeypatch.setattr("fermata.node.storage.bundles.judged_state", counted)
    public = export_bundle(replica, log, is_public=True, open_bar=no_steps)
    assert len(judged) == 1
    assert not any(path.startswith("sealed/") for path in public)


def no_steps(count):
    """A bar of a bundle in which nothing is fetched."""
    assert count == 0
    return nullcontext(lambda done: None)


class Late(LogWrapper):
    """A log whose cosignatures are older than its head, or missing, until a time."""

    def __init__(self, log, clock, until_ms, early):
        super().__init__(log)
        self.clock, self.until_ms, self.early = clock, until_ms, early

    def witnesses(self):
        return super().witnesses() if self.clock.now_ms >= self.until_ms else self.early


def earlier(run, size):
    """Every auditor's cosignature of the head of so many entries."""
    tree = run.ledger.replica.tree
    return [witness_of(run.deployment, tree, name, size) for name in run.charter.auditors]


def test_the_entries_that_the_log_has_are_waited_for_until_they_are_witnessed(finished):
    clock, replica = Clock(), reader_of(finished)
    log = Late(finished.log_of("auditor-1"), clock, 5000, earlier(finished, 4))
    pull_witnessed(replica, log, 10, clock, clock.sleep)
    assert clock.now_ms >= 5000
    assert replica.trusted() == replica.state


def test_after_the_wait_what_is_witnessed_by_then_is_exported(finished, tmp_path):
    clock, replica = Clock(), reader_of(finished)
    log = Late(finished.log_of("auditor-1"), clock, 10**9, earlier(finished, 4))
    pull_witnessed(replica, log, 10, clock, clock.sleep)
    assert (replica.trusted().size, replica.state.size) == (4, finished.state.size)
    write_bundle(tmp_path / "bundle", export_bundle(replica, log))
    found = verify_bundle(read_bundle(tmp_path / "bundle"), None, MODULUS_BITS_MIN)
    assert (found.is_valid, found.size, found.beyond) == (True, 4, replica.state.size - 4)


def test_nothing_is_exported_of_which_nothing_is_witnessed(finished):
    clock, replica = Clock(), reader_of(finished)
    log = Late(finished.log_of("auditor-1"), clock, 10**9, earlier(finished, 4)[:1])
    for _ in ("read", "and not read"):
        with pytest.raises(TransportError, match="of 3 auditors needed") as caught:
            export_bundle(replica, log)
        assert caught.value.reason == "NOT_COSIGNED"
        pull_witnessed(replica, log, 10, clock, clock.sleep)


def test_cosignatures_that_do_not_hold_are_not_exported(finished):
    """The log hands out what it likes; a bundle with such a line would be invalid."""
    size, clock, replica = finished.state.size, Clock(), reader_of(finished)
    log = Late(finished.log_of("auditor-1"), clock, 10**9, earlier(finished, 4))
    replica.pull(log)
    _, newer, third = earlier(finished, size)
    forged, stranger = Witness("auditor-1", size, newer.line), Witness("lab-1", size, third.line)
    older = earlier(finished, 3)[2]
    log.early = [forged, newer, older, stranger]
    replica.pull(log)
    files = export_bundle(replica, log)
    first, _, third = earlier(finished, 4)
    assert decode_witnesses(files["witnesses"]) == [first, newer, third]
    found = verify_bundle(files, None, MODULUS_BITS_MIN)
    assert (found.is_valid, found.size) == (True, 4)
