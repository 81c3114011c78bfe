"""Each misbehaviour about pause, disclosure, dues and committee is refused or seen by everyone."""

import pytest

from fermata.sim.adversaries import committee as adversaries_committee
from fermata.sim.adversaries import pause as adversaries_pause
from fermata.sim.adversaries.misbehaviour import Misbehaviour
from fermata.sim.setup.deployment import COORDINATOR
from fermata.wire.v1 import statement_pb2
from harness.plays import exposed, kinds_of, played, replays


@pytest.mark.parametrize(
    ("name", "what", "opened"),
    [
        ("WithholdsTrigger", "unsettled", ()),
        ("SendsNoOpenRound", "unopened", (1,)),
        ("ClosesNever", "unclosed", ()),
        ("DropsAcknowledgement", "unacknowledged", (1,)),
    ],
)
def test_what_the_coordinator_withholds_is_late_on_every_node_at_the_charter_s_time(
    name: str, what: str, opened: tuple[int, ...]
) -> None:
    kind, exposure = played(getattr(adversaries_pause, name))
    assert exposure.opened == opened
    assert len(kind.late) == 7
    assert set(kind.early.values()) == {frozenset()}
    assert set(kind.late.values()) == {frozenset({what})}
    assert exposure.violations == ()


def test_without_heartbeats_a_round_waits_past_its_deadline_and_every_node_says_so() -> None:
    kind, exposure = played(adversaries_pause.LogsNoHeartbeats)
    assert exposure.opened == ()
    assert len(kind.late) == 7
    # Its deadline is known, and the log's time does not reach it.
    assert set(kind.early.values()) == {frozenset({"unclosed"})}
    assert set(kind.late.values()) == {frozenset({"unclosed", "silent"})}
    assert not any("CloseRound" in line for line in exposure.lines)
    assert exposure.violations == ()


def test_a_coordinator_cannot_say_that_a_round_asks_for_no_duties() -> None:
    """Everyone derives it from the pause, so there is no such lie to play."""
    fields = statement_pb2.OpenRound.DESCRIPTOR.fields_by_name
    assert set(fields) == {"round", "period", "key_id"}


@pytest.mark.parametrize(
    ("name", "reasons", "opened"),
    [
        ("ClosesOtherCells", {"CLOSE_PANELS"}, (1,)),
        ("SwapsCells", {"P2_PRODUCT"}, ()),
        ("IgnoresAge", {"TOO_FRESH"}, (1,)),
        ("OpensUnderOtherCharter", {"CHARTER_HASH", "TOO_EARLY"}, (1, 2)),
    ],
)
def test_coordinator_that_breaks_a_term_is_named_and_opens_nothing_by_it(
    name: str, reasons: set[str], opened: tuple[int, ...]
) -> None:
    exposure = exposed(name)
    assert exposure.opened == opened
    assert exposure.reasons == reasons
    assert exposure.named == (COORDINATOR,)
    assert exposure.violations == ()


@pytest.mark.parametrize(
    ("name", "opened"),
    [("ClaimsLowerBand", (1,)), ("ClaimsWithinShares", (1, 2)), ("ClaimsCompliance", (1, 2))],
)
def test_claim_that_is_not_so_has_no_proof(name: str, opened: tuple[int, ...]) -> None:
    exposure = exposed(name)
    assert exposure.reasons
    assert exposure.reasons <= {"EC1", "EC2", "EC3"}
    assert exposure.opened == opened
    assert exposure.named == ("lab-4", COORDINATOR)
    assert exposure.violations == ()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ClaimsDutyOutsidePause", "SHOWN"),
        ("AcknowledgesNothing", "NO_CHANGE"),
        ("VotesTwice", "VOTED"),
        ("VotesOutOfTerm", "NOT_IN_TERM"),
        ("VotesInOwnMatter", "RECUSED"),
        ("TablesOutOfTurn", "NOT_CHAIR"),
    ],
)
def test_statement_out_of_order_is_refused_and_leaves_no_trace(name: str, reason: str) -> None:
    exposure = exposed(name)
    assert exposure.opened == (1,)
    assert exposure.reasons == {reason}
    assert exposure.named == ()
    assert exposure.violations == ()


@pytest.mark.parametrize("kind", kinds_of(adversaries_pause, adversaries_committee))
def test_misbehaviour_about_pause_and_committee_replays_from_its_seed(
    kind: type[Misbehaviour],
) -> None:
    assert replays(kind)
