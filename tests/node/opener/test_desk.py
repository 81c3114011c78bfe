"""What an opener checks itself before it uses its share: OP2, against a log without rules."""

from dataclasses import replace

import pytest

from fermata.crypto.threshold.auditor_share import auditor_share
from fermata.errors import ConfigError, InvalidProof, Refusal
from fermata.log.checkpoint import add_signatures, cosign
from fermata.node.opener.desk import Desk
from fermata.node.opener.marks import HEAD, OPENED, Marks
from fermata.node.opener.offline import make_task
from fermata.node.opener.task_file import TaskLog, decode_task, encode_task
from fermata.protocol.roles.auditor import check_close, open_part
from fermata.protocol.wire.codec import decode
from fermata.wire.v1 import statement_pb2
from harness.chains import MODULUS_BITS_MIN, chain_at, entropy_of
from harness.rogue import RogueLog

ME = "auditor-1"


def log_at(stage: str, witnessed: str = "") -> RogueLog:
    """A log that has come so far, of which all auditors have cosigned ``witnessed`` (all)."""
    log = RogueLog(chain_at(stage))
    every, made = log.leaves, log.deployment
    log.leaves = every[: len(chain_at(witnessed).leaves)] if witnessed else every
    note = log.checkpoint()
    for auditor in made.charter.auditors:
        key, name = made.keys[auditor], made.charter.witness_name(auditor)
        log.add_cosignature(add_signatures(note, [cosign(note, name, key.sign, key.public_key, 1)]))
    log.leaves = every
    return log


def desk_of(log: RogueLog, folder) -> Desk:
    charter = log.deployment.charter
    folder.mkdir(exist_ok=True)
    return Desk(charter, ME, Marks(folder / "marks"), entropy_of(1, ME), MODULUS_BITS_MIN)


def share_of(log: RogueLog, me: str = ME):
    made = log.deployment
    return auditor_share(made.shares[me], made.record, made.charter.sha256, made.charter.auditors)


def reason_of(what, *arguments) -> str:
    with pytest.raises((Refusal, InvalidProof, ConfigError)) as caught:
        what(*arguments)
    return caught.value.reason


def opened(desk: Desk, log) -> bytes:
    desk.read(log)
    passed = desk.checked(1, log)
    statement = desk.open(passed, share_of(log))
    desk.keep(passed, statement)
    return statement


def test_a_round_that_a_quorum_has_endorsed_is_opened_as_the_auditor_would(tmp_path) -> None:
    log = log_at("endorsed")
    desk = desk_of(log, tmp_path)
    said = decode(statement_pb2.Statement, opened(desk, log))
    state = desk.replica.trusted().keyed()
    close = check_close(state, state.rounds[0], log.fetch_sealed)
    made = log.deployment
    wanted = open_part(state, state.rounds[0], close, ME, made.shares[ME], entropy_of(2, ME))
    assert said.partial_opening == wanted.partial_opening
    assert (said.author, said.seen.index) == (ME, len(log.leaves) - 1)


def test_a_task_file_is_opened_as_the_log_is(tmp_path) -> None:
    log = log_at("endorsed")
    node = desk_of(log, tmp_path / "node")
    node.read(log)
    charter = log.deployment.charter_data
    made = make_task(node.replica, log, charter, ME, 1)
    task = decode_task(b"".join(encode_task(made)))
    assert task == made
    assert set(task.sealed) == set(log.sealed_parts)
    far = desk_of(log, tmp_path / "far")
    far.read(TaskLog(task))
    statement = far.open(far.checked(1, TaskLog(task)), share_of(log))
    assert statement == opened(node, log)
    # A task without one of its sealed parts opens nothing.
    less = replace(task, sealed=dict(list(task.sealed.items())[1:]))
    assert reason_of(far.checked, 1, TaskLog(less)) == "TASK_FORM"


@pytest.mark.parametrize(
    ("stage", "witnessed", "reason"),
    [
        ("keyed", "", "NO_ROUND"),
        ("endorsed", "keyed", "NO_ROUND"),
        ("reported", "", "NO_QUORUM"),
        ("closed", "", "NO_QUORUM"),
        ("endorsed", "closed", "NO_QUORUM"),
    ],
)
def test_a_round_is_opened_only_if_its_endorsements_are_witnessed(
    tmp_path, stage: str, witnessed: str, reason: str
) -> None:
    log = log_at(stage, witnessed)
    desk = desk_of(log, tmp_path)
    desk.read(log)
    assert reason_of(desk.checked, 1, log) == reason


@pytest.mark.parametrize(
    "endorsers",
    [("auditor-2", "auditor-3", "auditor-4"), (ME, "auditor-2")],
    ids=["without this auditor", "without a quorum"],
)
def test_a_round_that_too_few_or_others_alone_have_endorsed_is_not_opened(
    endorsers, tmp_path
) -> None:
    chain = chain_at("closed", auditors=4)
    chain.endorse(*endorsers)
    assert chain.deployment.charter.endorsement_quorum == 3
    log = RogueLog(chain)
    note, made = log.checkpoint(), log.deployment
    for auditor in made.charter.auditors:
        key, name = made.keys[auditor], made.charter.witness_name(auditor)
        log.add_cosignature(add_signatures(note, [cosign(note, name, key.sign, key.public_key, 1)]))
    desk = desk_of(log, tmp_path)
    desk.read(log)
    assert reason_of(desk.checked, 1, log) == "NO_QUORUM"


def test_sealed_parts_are_checked_here_and_not_believed(tmp_path) -> None:
    log = log_at("endorsed")
    desk = desk_of(log, tmp_path)
    desk.read(log)
    first, second, *_ = log.sealed_parts
    log.sealed_parts[first] = log.sealed_parts[second]
    assert reason_of(desk.checked, 1, log) == "SEALED_DIGEST"


def test_a_log_of_another_charter_is_refused(tmp_path) -> None:
    log, other = log_at("endorsed"), log_at("endorsed")
    log.leaves = log.leaves[1:] + log.leaves[:1]
    desk = desk_of(log, tmp_path)
    assert reason_of(desk.read, log) == "CHARTER_HASH"
    share = replace(share_of(other), charter_sha256=bytes(32))
    desk = desk_of(other, tmp_path)
    desk.read(other)
    assert reason_of(desk.open, desk.checked(1, other), share) == "SHARE_CHARTER"


def test_a_share_of_another_auditor_or_epoch_gives_no_part(tmp_path) -> None:
    log = log_at("endorsed")
    desk = desk_of(log, tmp_path)
    desk.read(log)
    passed = desk.checked(1, log)
    assert reason_of(desk.open, passed, share_of(log, "auditor-2")) == "SHARE_AUDITOR"
    old = replace(share_of(log), epoch=2, epoch_id=bytes(32))
    assert reason_of(desk.open, passed, old) == "SHARE_EPOCH"
    assert reason_of(desk.check_share, old) == "SHARE_EPOCH"
    assert not (tmp_path / "marks").exists()


def test_an_older_log_than_was_opened_from_is_refused(tmp_path) -> None:
    opened(desk_of(log_at("endorsed"), tmp_path), log := log_at("endorsed"))
    older = log_at("closed")
    assert reason_of(desk_of(older, tmp_path).read, older) == "LOG_BEHIND"
    desk_of(log, tmp_path).read(log)


def test_another_log_than_was_opened_from_is_refused(tmp_path) -> None:
    log = log_at("endorsed")
    opened(desk_of(log, tmp_path), log)
    head = tmp_path / "marks" / HEAD
    head.write_bytes(b"3 " + bytes(32).hex().encode() + b"\n")
    assert reason_of(desk_of(log, tmp_path).read, log) == "LOG_FORKED"


def test_of_one_round_another_close_is_never_opened(tmp_path) -> None:
    log = log_at("endorsed")
    opened(desk_of(log, tmp_path), log)
    path = tmp_path / "marks" / OPENED
    number, entry, leaf_hash, epoch = path.read_bytes().split()
    for other in (
        [number, b"1", leaf_hash, epoch],
        [number, entry, bytes(32).hex().encode(), epoch],
        [number, entry, leaf_hash, bytes(32).hex().encode()],
    ):
        path.write_bytes(b" ".join(other) + b"\n")
        desk = desk_of(log, tmp_path)
        desk.read(log)
        assert reason_of(desk.checked, 1, log) == "OPENED_OTHER"
    # Another round's line says nothing of this one.
    path.write_bytes(b" ".join([b"2", entry, bytes(32).hex().encode(), epoch]) + b"\n")
    desk.checked(1, log)


def test_what_was_given_is_given_again_after_a_restart(tmp_path) -> None:
    log = log_at("endorsed")
    statement = opened(desk_of(log, tmp_path), log)
    desk = desk_of(log, tmp_path)
    desk.read(log)
    assert desk.given(desk.checked(1, log)) == statement


def test_marks_are_their_owners_files_and_damage_to_them_is_told(tmp_path) -> None:
    log = log_at("endorsed")
    opened(desk_of(log, tmp_path), log)
    marks = Marks(tmp_path / "marks")
    assert {p.stat().st_mode & 0o777 for p in marks.folder.iterdir()} == {0o600}
    saved = marks.saved()
    (marks.folder / HEAD).write_bytes(b"0 0\n")
    assert reason_of(marks.saved) == "MARKS"
    (marks.folder / HEAD).unlink()
    assert reason_of(marks.saved) == "MARKS"
    (marks.folder / HEAD).write_bytes(saved.splitlines(keepends=True)[0])
    (marks.folder / OPENED).write_bytes(b"nonsense\n")
    assert reason_of(marks.saved) == "MARKS"


def test_marks_that_come_back_from_a_backup_forget_nothing(tmp_path) -> None:
    log = log_at("endorsed")
    opened(desk_of(log, tmp_path), log)
    marks, empty = Marks(tmp_path / "marks"), Marks(tmp_path / "empty")
    saved = marks.saved()
    empty.restore(b"")
    assert not empty.folder.exists()
    empty.restore(saved)
    assert empty.saved() == saved
    marks.restore(saved)
    head, *lines = saved.splitlines(keepends=True)
    older = b"1 " + bytes(32).hex().encode() + b"\n"
    assert reason_of(marks.restore, older + b"".join(lines)) == "MARKS_OLDER"
    assert reason_of(marks.restore, head) == "MARKS_OLDER"
    assert reason_of(empty.restore, b"nonsense\n") == "MARKS"
    assert marks.saved() == saved
