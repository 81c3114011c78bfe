"""The files of pleas: what a lab's node writes, and what an auditor's node keeps (PL5, PL6)."""

from pathlib import Path

import pytest

from fermata.errors import Refusal
from fermata.memory_store import MemoryStore
from fermata.node.storage.pleas import (
    KEPT_MAX,
    TAKEN,
    UNLOGGED,
    PleaFiles,
    Unlogged,
    answer_to,
    offer,
    unlogged_files,
)
from fermata.protocol.wire.plea_file import Pleading, read_pleading, write_pleading
from fermata.protocol.wire.ports import Draft

CHARTER = bytes(range(32))


def file_of(name: str) -> tuple[bytes, Pleading]:
    pleading = Pleading(name.encode(), b"sealed part")
    return write_pleading(CHARTER, pleading), pleading


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def files(data: Path) -> PleaFiles:
    return PleaFiles(data / TAKEN, CHARTER)


def test_what_is_offered_is_kept_over_a_restart_in_the_order_of_its_coming(
    data: Path, files: PleaFiles
) -> None:
    offered = [file_of(name) for name in ("b", "a", "c")]
    for file, pleading in offered:
        offer(data, file)
        assert answer_to(data, file) is None
        assert files.incoming() == [file]
        files.keep(file, pleading)
        answer = answer_to(data, file)
        assert answer is not None
        assert answer.reason == ""
    kept = [pleading for _, pleading in offered]
    assert files.kept() == kept
    again = PleaFiles(data / TAKEN, CHARTER)
    assert again.kept() == kept
    again.drop(kept[0])
    assert files.kept() == again.kept() == kept[1:]
    assert {p.stat().st_mode & 0o777 for p in (data / TAKEN).iterdir()} == {0o600}
    assert (data / TAKEN).stat().st_mode & 0o777 == 0o700


def test_what_is_not_taken_is_answered_with_the_reason(data: Path, files: PleaFiles) -> None:
    file, pleading = file_of("a")
    offer(data, file)
    files.refuse(file, Refusal("LATE", "plea: too late"))
    assert files.incoming() == []
    answer = answer_to(data, file)
    assert answer is not None
    assert (answer.reason, answer.message) == ("LATE", "plea: too late")
    # It may be offered again, and then taken.
    offer(data, file)
    assert answer_to(data, file) is None
    files.keep(file, pleading)
    assert answer_to(data, file) != answer


def test_a_damaged_file_is_removed_and_the_others_stay(data: Path, files: PleaFiles) -> None:
    for name in ("a", "b"):
        file, pleading = file_of(name)
        offer(data, file)
        files.keep(file, pleading)
    damaged = sorted((data / TAKEN).glob("*.plea"))[0]
    damaged.write_bytes(b"{")
    assert files.kept() == [file_of("b")[1]]
    assert not damaged.exists()


def test_a_file_that_others_can_read_or_that_is_too_large_is_not_looked_at(
    data: Path, files: PleaFiles
) -> None:
    offer(data, file_of("a")[0])
    path = next((data / TAKEN).glob("*.new"))
    path.chmod(0o644)
    assert files.incoming() == []
    assert not path.exists()


def test_no_more_than_so_many_are_kept(data: Path, files: PleaFiles) -> None:
    for k in range(KEPT_MAX + 1):
        file, pleading = file_of(str(k))
        offer(data, file)
        if files.incoming():
            files.keep(file, pleading)
    assert len(files.kept()) == KEPT_MAX
    files.drop(files.kept()[0])
    assert len(files.incoming()) == 1


def test_a_lab_writes_what_it_has_signed_and_the_log_has_not(data: Path) -> None:
    store = MemoryStore()
    unlogged = Unlogged(data, CHARTER, store)
    unlogged.look()
    assert unlogged_files(data) == {}
    store.put_draft(Draft("answer/3/0", b"envelope", b"sealed"))
    store.put_draft(Draft("acknowledgement/7", b"other"))
    store.put_draft(Draft("motion/1", b"neither"))
    unlogged.look()
    written = unlogged_files(data)
    assert list(written) == ["acknowledgement-7", "answer-3-0"]
    pleading = read_pleading(CHARTER, written["answer-3-0"].read_bytes())
    assert pleading == Pleading(b"envelope", b"sealed")
    assert (data / UNLOGGED).stat().st_mode & 0o777 == 0o700
    store.settle_draft("answer/3/0", "logged")
    # Also after a restart what is settled goes.
    Unlogged(data, CHARTER, store).look()
    assert list(unlogged_files(data)) == ["acknowledgement-7"]
