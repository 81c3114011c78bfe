from dataclasses import replace

import pytest

from fermata.crypto.threshold.key_record import DELTA, KeyRecord
from fermata.crypto.threshold.reshare.next_record import check_next
from fermata.crypto.threshold.reshare.outcome import Dispute, Outcome, check_outcome
from fermata.crypto.threshold.reshare.plan import StepKind
from fermata.errors import FermataError, InvalidEncoding, InvalidProof
from harness.crypto.keys import dealt
from harness.crypto.next_epochs import BEFORE, Epoch

KEY = dealt(256, 2, 3)
OLD = KEY.record
FIRST = Epoch(OLD, {share.index: share for share in KEY.shares})
REFRESHED, RESHARED = FIRST.refreshed(), FIRST.reshared(2, 3, {1: 1, 2: 2})
N = OLD.n


def test_check_next_says_what_the_step_was() -> None:
    assert check_next(OLD, REFRESHED.record) == StepKind.REFRESH
    assert check_next(OLD, RESHARED.record) == StepKind.RESHARE
    assert check_next(REFRESHED.record, REFRESHED.reshared(3, 5, {1: 2, 6: 3}).record) == "reshare"


def with_value(record: KeyRecord, index: int, value: int) -> KeyRecord:
    values = list(record.verification)
    values[index - 1] = value
    return replace(record, verification=tuple(values))


TWICE = RESHARED.reshared(2, 3, {1: 3, 4: 1}).record
NEGATED = tuple(N - v_i for v_i in OLD.verification)
REFUSED: list[tuple[str, KeyRecord, KeyRecord]] = [
    ("KEY_NEXT", OLD, dealt(256, 3, 5).record),
    ("KEY_NEXT", OLD, replace(REFRESHED.record, theta=2)),
    ("KEY_NEXT", OLD, replace(REFRESHED.record, origin="distributed")),
    ("KEY_NEXT", OLD, OLD),
    ("KEY_NEXT", OLD, replace(REFRESHED.record, epoch=3)),
    # Of two reshares at once, and of one fewer than before.
    ("KEY_NEXT", REFRESHED.record, TWICE),
    ("KEY_NEXT", RESHARED.record, REFRESHED.refreshed().record),
    # Refreshes that change no share, or who can open.
    ("KEY_NEXT", OLD, replace(OLD, epoch=2)),
    ("KEY_NEXT", OLD, replace(OLD, epoch=2, verification=NEGATED)),
    ("KEY_NEXT", OLD, replace(REFRESHED.record, threshold=3)),
    ("KEY_NEXT", OLD, replace(REFRESHED.record, verification=REFRESHED.record.verification[:2])),
    # What check_key refuses.
    ("KEY_SHARES", OLD, with_value(REFRESHED.record, 2, 4)),
    ("KEY_SHARES", OLD, replace(RESHARED.record, kappa=DELTA)),
    ("KEY_SHARES", OLD, replace(REFRESHED.record, kappa=DELTA**3)),
    ("KEY_RANGE", OLD, with_value(REFRESHED.record, 2, 1)),
]


@pytest.mark.parametrize(("reason", "old", "new"), REFUSED)
def test_a_record_that_does_not_follow_is_refused(
    reason: str, old: KeyRecord, new: KeyRecord
) -> None:
    with pytest.raises(FermataError) as error:
        check_next(old, new)
    assert error.value.reason == reason


OUTCOMES = [epoch.outcome for epoch in (REFRESHED, RESHARED) if epoch.outcome is not None]
DISPUTES = (Dispute(1, 3, bytes(range(32))), Dispute(2, 1, bytes(32)))


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("disputes", [(), DISPUTES[:1], DISPUTES])
def test_an_outcome_comes_back_from_its_bytes(
    outcome: Outcome, disputes: tuple[Dispute, ...]
) -> None:
    outcome = replace(outcome, disputes=disputes)
    assert Outcome.from_bytes(outcome.to_bytes(), N) == outcome
    check_outcome(OLD, BEFORE, outcome)


DATA = OUTCOMES[0].to_bytes()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DATA[:-1],
        DATA + b"\n",
        DATA.replace(b"epoch: 2", b"epoch: 02"),
        DATA.replace(b"epoch: 2", b"epoch: 10000"),
        DATA.replace(b"kind: refresh", b"kind: rotate"),
        DATA.replace(b"theta: 1", b"theta: 01"),
        DATA.replace(b"theta: 1", b"theta: -1"),
        DATA.replace(b"dealers: 1 2 3", b"dealers: 1 2 8"),
        DATA.replace(b"threshold: 2", b"threshold: 0"),
        DATA.replace(b"next-epoch\n", b"next-epoch\r\n"),
        DATA.upper(),
        DATA + b"dispute: 1 8 " + b"0" * 64 + b"\n",
        DATA + b"verification: 0\n",
        DATA.replace(b"\nkey: ", b"\nkey: 00")[:-2],
        DATA + b"dispute: 1 2 " + b"0" * 64 + b"\n" * 33000,
    ],
)
def test_bytes_that_are_no_outcome_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidEncoding) as error:
        Outcome.from_bytes(data, N)
    assert error.value.reason == "NEXT_EPOCH"


def test_the_outcome_of_another_key_is_refused() -> None:
    with pytest.raises(InvalidEncoding, match="another key") as error:
        Outcome.from_bytes(DATA, dealt(256, 3, 5).record.n)
    assert error.value.reason == "NEXT_EPOCH"


@pytest.mark.parametrize(
    ("outcome", "change"),
    [
        (OUTCOMES[0], {"before": bytes(32)}),
        (OUTCOMES[0], {"kind": StepKind.RESHARE}),
        (OUTCOMES[0], {"kind": StepKind.RESHARE, "dealers": (1, 2)}),
        (OUTCOMES[1], {"kind": StepKind.REFRESH, "dealers": (1, 2, 3)}),
        (OUTCOMES[1], {"kind": StepKind.REFRESH}),
        (OUTCOMES[0], {"dealers": (1, 2)}),
        (OUTCOMES[1], {"dealers": (1, 2, 3)}),
        (OUTCOMES[1], {"dealers": (2, 1)}),
        (OUTCOMES[1], {"dealers": (1, 1)}),
        (OUTCOMES[1], {"dealers": (1, 4)}),
    ],
)
def test_an_outcome_that_says_other_than_its_record_is_refused(
    outcome: Outcome, change: dict[str, object]
) -> None:
    with pytest.raises(InvalidProof) as error:
        check_outcome(OLD, BEFORE, replace(outcome, **change))  # type: ignore[arg-type]
    assert error.value.reason == "KEY_NEXT"
