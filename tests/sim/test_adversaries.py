"""Each misbehaviour is refused, and the evidence names who did it."""

import pytest

from fermata.sim.adversaries import ALL
from fermata.sim.adversaries import auditor as adversaries_auditor
from fermata.sim.adversaries import clock as adversaries_clock
from fermata.sim.adversaries import committee as adversaries_committee
from fermata.sim.adversaries import consent as adversaries_consent
from fermata.sim.adversaries import coordinator as adversaries_coordinator
from fermata.sim.adversaries import drills as adversaries_drills
from fermata.sim.adversaries import epochs as adversaries_epochs
from fermata.sim.adversaries import lab as adversaries_lab
from fermata.sim.adversaries import pause as adversaries_pause
from fermata.sim.adversaries import proofs as adversaries_proofs
from fermata.sim.adversaries import standing as adversaries_standing
from fermata.sim.adversaries import starving as adversaries_starving
from fermata.sim.adversaries.misbehaviour import Misbehaviour
from fermata.sim.setup.deployment import COORDINATOR
from harness.plays import SEED, exposed, kinds_of, played, replays

#: What these define is asserted, and replayed, in test_adversaries_clock, _drills, _pause and
#: _standing.
ELSEWHERE = kinds_of(
    adversaries_clock,
    adversaries_committee,
    adversaries_drills,
    adversaries_pause,
    adversaries_standing,
)


@pytest.mark.parametrize(
    "name",
    ["OpensOneLab", "OpensOneLabInDisguise", "RepeatsReportInProduct", "BlindsProductAgain"],
)
def test_product_that_is_not_of_the_reports_is_never_opened(name: str) -> None:
    exposure = exposed(name)
    assert exposure.opened == ()
    assert exposure.reasons == {"P2_PRODUCT"}
    assert exposure.named == (COORDINATOR,)
    assert exposure.violations == ()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("DropsReport", "CLOSE_LIST"),
        ("CountsLabTwice", "CLOSE_LIST"),
        ("OpensBelowCohort", "CLOSE_PANELS"),
    ],
)
def test_close_that_is_not_the_derived_one_is_rejected_by_everyone(name: str, reason: str) -> None:
    exposure = exposed(name)
    assert exposure.opened == ()
    assert exposure.reasons == {reason}
    assert exposure.named == (COORDINATOR,)
    assert exposure.violations == ()


def test_superseded_report_that_is_replayed_does_not_count() -> None:
    exposure = exposed("ReplaysSupersededReport")
    assert exposure.opened == (1,)
    assert exposure.reasons == {"DUPLICATE"}
    assert exposure.named == (COORDINATOR,)
    assert exposure.violations == ()


def test_fork_opens_nothing_and_is_seen_by_whoever_compares() -> None:
    exposure = exposed("Forks")
    assert exposure.opened == ()
    assert exposure.named == (COORDINATOR,)
    assert set(dict(exposure.halted)) == {"auditor-3", "auditor-4", "auditor-5"}
    assert set(dict(exposure.halted).values()) <= {"SPLIT_VIEW", "ROLLBACK"}
    assert exposure.reasons == set()
    assert "I3" in {v.invariant for v in exposure.violations}


def test_votes_that_are_moved_to_another_motion_count_for_nothing() -> None:
    exposure = exposed("MovesVotes")
    assert exposure.reasons == {"SPLIT_VIEW"}
    assert exposure.violations == ()


def test_false_refusals_lose_no_endorsement_and_name_the_coordinator() -> None:
    exposure = exposed("RefusesFalsely")
    assert exposure.opened == (1,)
    assert exposure.named == (COORDINATOR,)
    assert exposure.reasons == {"EXCLUDED"}
    assert exposure.violations == ()


def test_fork_past_a_lost_copy_of_the_log_gets_no_second_endorsement() -> None:
    kind = adversaries_coordinator.ForksPastLostCopies()
    exposure = kind.play(SEED)
    assert exposure.opened == (1,)
    (elsewhere,) = kind.others
    (round_,) = elsewhere.state.rounds
    assert round_.opening is None
    assert set(round_.endorsements) == {"auditor-5"}
    assert exposure.named == (COORDINATOR,)
    assert "lab-5" in dict(exposure.halted)
    assert "I6" not in {v.invariant for v in exposure.violations}


def test_rollback_halts_everyone_who_has_seen_more() -> None:
    exposure = exposed("RollsBack")
    assert exposure.opened == ()
    assert exposure.named == (COORDINATOR,)
    seen_more = {"auditor-2", "auditor-3", "auditor-4", "auditor-5", "lab-3", "lab-4", "lab-5"}
    assert set(dict(exposure.halted)) == seen_more
    assert set(dict(exposure.halted).values()) <= {"SPLIT_VIEW", "ROLLBACK", "RECEIPT_BROKEN"}


def test_wrong_part_is_named_and_the_result_still_comes() -> None:
    exposure = exposed("SendsWrongPart")
    assert exposure.opened == (1,)
    assert exposure.named == ("auditor-1",)
    assert {v.invariant for v in exposure.violations} == {"I5"}


def test_late_parts_name_the_auditor_of_a_wrong_part_among_five() -> None:
    exposure = exposed("SendsWrongPartAmongFive")
    assert exposure.opened == (1,)
    assert exposure.named == ("auditor-1",)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("EndorsesTwice", "ALREADY_ENDORSED"), ("EndorsesOtherProducts", "WRONG_CLOSE")],
)
def test_wrong_endorsement_is_kept_as_evidence_and_does_not_count(name: str, reason: str) -> None:
    exposure = exposed(name)
    assert exposure.opened == (1,)
    assert exposure.reasons == {reason}
    assert exposure.named == ("auditor-1",)


def test_one_auditor_of_five_may_stay_away() -> None:
    exposure = exposed("OneStaysAway")
    assert exposure.opened == (1,)
    assert exposure.waits_for == ("auditor-1",)
    assert exposure.violations == ()


def test_round_waits_for_two_auditors_of_five_and_goes_on_after_their_return() -> None:
    kind, exposure = played(adversaries_auditor.TwoStayAway)
    assert kind.opened_meanwhile == 0
    # The others endorse nothing that is not witnessed.
    assert exposure.waits_for == tuple(f"auditor-{n}" for n in range(1, 6))
    assert exposure.opened == (1,)
    assert exposure.violations == ()


def test_rest_opens_when_two_leave_after_endorsing() -> None:
    exposure = exposed("TwoLeaveAfterEndorsing")
    assert exposure.opened == (1,)
    assert exposure.named == ()
    assert exposure.violations == ()


def test_part_that_is_sent_again_changes_nothing() -> None:
    exposure = exposed("ReplaysOwnPart")
    assert exposure.opened == (1,)
    assert exposure.named == ()
    assert exposure.violations == ()


def test_copied_report_is_kept_as_evidence_against_the_copier() -> None:
    exposure = exposed("CopiesReport")
    assert exposure.opened == (1,)
    assert exposure.reasons == {"CT_DUPLICATE"}
    assert exposure.named == ("lab-2",)
    assert exposure.violations == ()


def test_report_of_an_earlier_round_adds_nothing_to_the_log() -> None:
    kind, exposure = played(adversaries_lab.ReplaysEarlierRound)
    assert kind.entries[0] == kind.entries[1]
    assert exposure.reasons == {"ROUND_CLOSED"}
    assert exposure.opened == (1, 2)
    assert exposure.violations == ()


def test_report_at_the_deadline_is_late() -> None:
    """Its node keeps it until the close, since an auditor might plead for it."""
    exposure = exposed("ReportsLate")
    assert exposure.opened == (1,)
    assert exposure.reasons == {"LATE", "ROUND_CLOSED"}
    assert exposure.named == ()
    assert exposure.violations == ()


def test_flood_of_corrections_ends_at_the_limit() -> None:
    kind, exposure = played(adversaries_lab.FloodsCorrections)
    assert kind.logged == 16
    assert exposure.reasons == {"REVISIONS"}
    assert exposure.opened == (1,)
    assert exposure.violations == ()


EQUATIONS = {"EC1", "EC2", "EC3"}


@pytest.mark.parametrize(
    "name",
    [
        "ReportsOneTooMany",
        "ReportsOneTooFew",
        "ForgesLookup",
        "RandomisesCopy",
        "SquaresCopy",
        "InvertsCopy",
        "ProvesForOtherLab",
        "ProvesForOtherRound",
        "ProvesForOtherCharter",
        "MixesReports",
    ],
)
def test_report_whose_proof_fails_is_refused_and_where_it_is_logged_excluded(name: str) -> None:
    exposure = exposed(name)
    assert exposure.reasons & EQUATIONS
    assert exposure.reasons <= EQUATIONS
    assert exposure.opened == (1,)
    assert exposure.named == ("lab-5", COORDINATOR)
    assert exposure.violations == ()


def test_report_under_another_key_is_refused_and_where_it_is_logged_excluded() -> None:
    """Its numbers may be too large for this key already, before any equation is looked at."""
    exposure = exposed("ProvesUnderOtherKey")
    assert exposure.reasons <= EQUATIONS | {"ANNOUNCEMENT", "CT_RANGE"}
    assert exposure.opened == (1,)
    assert exposure.named == ("lab-5", COORDINATOR)
    assert exposure.violations == ()


@pytest.mark.parametrize("name", ["EncryptsOtherNumbers", "PutsFractionInSlot"])
def test_ciphertext_of_other_numbers_than_the_proven_is_refused_and_never_opened(
    name: str,
) -> None:
    exposure = exposed(name)
    assert exposure.reasons == {"PA", "P2_PROOF"}
    assert exposure.opened == ()
    assert exposure.named == (COORDINATOR,)
    assert exposure.violations == ()


def test_reports_that_prove_nothing_are_refused() -> None:
    exposure = exposed("ProvesNothing")
    assert exposure.reasons == {"PANELS", "LENGTH", "PROOF_DIGEST", "PROOF_LENGTH"}
    assert exposure.opened == (1,)
    assert exposure.named == ()
    assert exposure.violations == ()


def test_report_with_any_bit_flipped_is_refused() -> None:
    exposure = exposed("TampersWithEveryField")
    assert exposure.reasons <= EQUATIONS | {
        "POINT",
        "SCALAR",
        "RESPONSE",
        "PROOF_DIGEST",
        "SEALED_DIGEST",
    }
    assert exposure.reasons >= {"POINT", "PROOF_DIGEST", "SEALED_DIGEST"}
    assert exposure.opened == (1,)
    assert exposure.violations == ()


def test_report_that_the_coordinator_alters_speaks_against_the_coordinator() -> None:
    exposure = exposed("AltersReport")
    assert exposure.reasons == {"SIGNATURE"}
    assert exposure.opened == (1,)
    assert exposure.named == (COORDINATOR,)
    assert exposure.violations == ()


def test_sealed_part_that_the_coordinator_alters_is_never_opened() -> None:
    exposure = exposed("AltersSealedPart")
    assert exposure.reasons == {"SEALED_DIGEST"}
    assert exposure.opened == ()
    assert exposure.named == (COORDINATOR,)
    assert exposure.violations == ()


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind not in ELSEWHERE])
def test_misbehaviour_replays_from_its_seed(kind: type[Misbehaviour]) -> None:
    assert replays(kind)


def test_every_misbehaviour_is_in_the_table_once() -> None:
    modules = (
        adversaries_auditor,
        adversaries_clock,
        adversaries_committee,
        adversaries_consent,
        adversaries_coordinator,
        adversaries_drills,
        adversaries_epochs,
        adversaries_lab,
        adversaries_pause,
        adversaries_proofs,
        adversaries_standing,
        adversaries_starving,
    )
    defined = {
        value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and name[0] != "_"
    }
    assert defined == set(ALL)
