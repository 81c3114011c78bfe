"""What a lab keeps of its reports is on the disk, sealed, and only its owner's to read."""

import errno
import os
import stat

import pytest

from fermata.errors import ConfigError, StorageError
from fermata.node.storage import keystore, report_secrets
from fermata.node.storage.report_secrets import (
    SPARE_BYTES,
    ReportSecretsFolder,
    ReportsTerm,
    drop_files,
)
from fermata.protocol.wire.report_secrets import EvidenceFile, PanelSecrets, ReportSecrets
from harness.chains import Run, make_deployment

KEPT = ReportSecrets(
    3, b"\x0a" * 32, (PanelSecrets("all", (123456789123, 5), 987654321987),),
    (EvidenceFile("metrics.csv", b"canary-of-the-evidence" * 100_000),),
)  # fmt: skip


@pytest.fixture
def identity(tmp_path):
    return keystore.new_identity(tmp_path / "identity.txt")


@pytest.fixture
def reports(tmp_path, identity):
    found = ReportSecretsFolder(tmp_path / "reports", "spring", identity)
    found.prepare()
    return found


def path_of(tmp_path):
    return tmp_path / "reports" / f"3-{'0a' * 32}.age"


def reason(call, error=ConfigError):
    with pytest.raises(error) as caught:
        call()
    return caught.value.reason


def test_a_kept_report_comes_back_with_evidence_of_megabytes(reports):
    reports.keep(KEPT)
    assert reports.find(3, b"\x0a" * 32) == KEPT


def test_the_file_is_its_owners_alone_and_shows_nothing(tmp_path, reports):
    reports.keep(KEPT)
    path = path_of(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    data = path.read_bytes()
    assert data.startswith(b"age-encryption.org/v1\n")
    for secret in (b"123456789123", b"987654321987", b"canary"):
        assert secret not in data
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_file_is_never_replaced_and_the_node_ends(tmp_path, reports):
    reports.keep(KEPT)
    before = path_of(tmp_path).read_bytes()
    assert reason(lambda: reports.keep(KEPT), StorageError) == "STORE_UNWRITABLE"
    assert path_of(tmp_path).read_bytes() == before


def test_a_folder_that_is_gone_keeps_nothing_and_the_node_ends(tmp_path, identity):
    reports = ReportSecretsFolder(tmp_path / "nowhere", "spring", identity)
    assert reason(lambda: reports.keep(KEPT), StorageError) == "STORE_UNWRITABLE"


def test_a_disk_that_is_almost_full_is_not_filled_further(tmp_path, identity):
    room = len(KEPT.to_bytes()) + SPARE_BYTES
    reports = ReportSecretsFolder(tmp_path / "reports", "spring", identity, lambda folder: room - 1)
    reports.prepare()
    assert reason(lambda: reports.keep(KEPT), StorageError) == "STORAGE_FULL"
    assert list((tmp_path / "reports").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "wanted"),
    [(errno.ENOSPC, "STORAGE_FULL"), (errno.EDQUOT, "STORAGE_FULL"), (errno.EIO, "STORE_IO"),
     (errno.EROFS, "STORE_UNWRITABLE"), (errno.EACCES, "STORE_UNWRITABLE")],
)  # fmt: skip
def test_a_report_that_cannot_be_kept_tells_its_cause(reports, monkeypatch, number, wanted):
    def fails(descriptor):
        raise OSError(number, "text of the system")

    monkeypatch.setattr(os, "fsync", fails)
    assert reason(lambda: reports.keep(KEPT), StorageError) == wanted


def test_what_a_killed_write_left_is_removed(tmp_path, reports):
    (tmp_path / "reports" / ".fermata-x.tmp").write_bytes(b"half")
    reports.prepare()
    assert list((tmp_path / "reports").iterdir()) == []


def test_a_report_that_was_not_kept_is_named(reports):
    assert reason(lambda: reports.find(3, bytes(32))) == "KEPT_REPORT"


def test_another_identity_deployment_or_damage_is_refused(tmp_path, reports, identity):
    reports.keep(KEPT)
    find = lambda found: lambda: found.find(3, b"\x0a" * 32)  # noqa: E731
    folder = tmp_path / "reports"
    other = keystore.new_identity(tmp_path / "other.txt")
    assert reason(find(ReportSecretsFolder(folder, "spring", other))) == "KEYFILE_UNREADABLE"
    assert reason(find(ReportSecretsFolder(folder, "autumn", identity))) == "KEYFILE_FOREIGN"
    path_of(tmp_path).write_bytes(path_of(tmp_path).read_bytes()[:-1])
    assert reason(find(reports)) == "KEYFILE_UNREADABLE"


def test_a_file_of_another_form_is_refused_with_its_path(tmp_path, reports, identity):
    keystore.save_sealed(path_of(tmp_path), b"{}", "kept-report", "spring", identity)
    with pytest.raises(ConfigError, match=r"3-0a.*\.age: report secrets"):
        reports.find(3, b"\x0a" * 32)


def files(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"sealed")
    return {path.name for path in folder.iterdir()}


def name_of(number, digit="a"):
    return f"{number}-{digit * 64}.age"


def test_l64_the_files_of_rounds_that_are_let_go_are_deleted_and_no_other(tmp_path):
    others = ["notes.txt", "1-a.age", f"01-{'a' * 64}.age", f"{name_of(1)}.bak", name_of(11)]
    going = [name_of(1), name_of(1, "b"), name_of(3)]
    files(tmp_path, *others, *going, name_of(2))
    assert drop_files(tmp_path, {1, 3}) == len(going)
    assert files(tmp_path) == {*others, name_of(2)}


def test_l64_a_few_files_go_at_a_time_and_the_rest_after_a_crash(tmp_path, monkeypatch):
    monkeypatch.setattr(report_secrets, "DROPPED_AT_ONCE", 2)
    names = [name_of(number) for number in range(1, 6)]
    files(tmp_path, *names)
    assert drop_files(tmp_path, range(1, 6)) == 2
    assert len(files(tmp_path)) == 3
    # Nothing but the folder says what is left.
    assert [drop_files(tmp_path, range(1, 6)) for _ in range(3)] == [2, 1, 0]


def test_l64_a_folder_that_cannot_be_written_ends_the_node_with_a_reason(tmp_path, monkeypatch):
    files(tmp_path, name_of(1))

    def refuse(path, missing_ok=False):
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    assert reason(lambda: drop_files(tmp_path, {1}), StorageError) == "STORE_UNWRITABLE"


def test_l64_a_node_looks_again_once_a_round_has_ended(tmp_path, monkeypatch):
    run = Run(make_deployment(last="2025Q4", audit_rounds=1))
    files(tmp_path, name_of(1), name_of(2))
    replica = run.drivers["lab-1"].replica
    looked = []

    def counted(folder, numbers):
        looked.append(set(numbers))
        return drop_files(folder, numbers)

    monkeypatch.setattr(report_secrets, "drop_files", counted)
    term, moments = ReportsTerm(tmp_path, replica), set()
    for _ in range(40):
        run.step()
        term.look()
        second = replica.state.round(2)
        opened = second.opening.entry if second and second.opening else replica.state.size
        moments.add((opened < replica.state.size, not (tmp_path / name_of(1)).exists()))
        # L59: the coordinator alone makes no lab delete anything.
        assert (tmp_path / name_of(1)).exists() == (opened >= replica.witnessed.size)
    assert moments == {(False, False), (True, False), (True, True)}
    assert replica.state.rounds[1].opening is not None
    assert files(tmp_path) == {name_of(2)}
    # Round 1 is let go once, and in between nobody looks through the folder.
    assert looked[-1] == {1}
    assert len(looked) < 12


def test_l64_whoever_asks_for_what_was_let_go_is_told_so(reports):
    for is_let_go, words in ((False, "another machine"), (True, "audit_rounds")):
        with pytest.raises(ConfigError, match=words) as caught:
            reports.find(3, b"\x0a" * 32, is_let_go)
        assert caught.value.reason == "KEPT_REPORT"
