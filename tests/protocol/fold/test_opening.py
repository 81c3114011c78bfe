"""Opening a round: F9, who is blamed, and what comes out."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import gcd

import pytest

from fermata.crypto.integers import int_to_bytes
from fermata.crypto.threshold.key_record import DELTA
from fermata.errors import InvalidEncoding
from fermata.protocol.fold.references import to_wire
from fermata.protocol.state.calls import has_impossible_sum
from fermata.protocol.state.state import Verdict
from fermata.protocol.statistics.results import digits_of, results_of
from fermata.summary.records.rounds import round_record
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.chains import Chain, Deployment, chain_at, figures, make_deployment
from harness.forged import endorse_unseen, forged, other_plaintexts

N = make_deployment().record.n


def rejected(chain: Chain, statement: statement_pb2.Statement, reason: str) -> Verdict:
    before = chain.state
    verdict = chain.put(chain.seal(statement))
    assert (verdict.accepted, verdict.reason) == (False, reason)
    assert verdict.author == statement.author
    assert chain.state == replace(before, position=chain.state.position)
    return verdict


def factor_of(deployment: Deployment) -> int:
    """A prime factor of the test key, from t = 2 of its shares."""
    first, second, _ = deployment.shares.values()
    exponent = (2 * first.value - second.value) * deployment.record.n - DELTA
    n = deployment.record.n
    while exponent % 2 == 0:
        exponent //= 2
        for base in (2, 3, 5, 7, 11):
            factor = gcd(pow(base, exponent, n) - 1, n)
            if 1 < factor < n:
                return factor
    raise AssertionError("no factor found")


def wrong_statement(chain: Chain, auditor: str, panel: int = 0) -> statement_pb2.Statement:
    """A part that is a unit, but not the auditor's."""
    statement = chain.opening_statement(auditor)
    parts = statement.partial_opening.panels[panel].parts
    parts[0] = int_to_bytes(pow(int.from_bytes(parts[0], "big"), 3, N), 64)
    return statement


# When, and for what.


def test_a_part_before_the_quorum_is_rejected(closed: Chain) -> None:
    closed.endorse("auditor-1", "auditor-2")
    later = closed.fork()
    later.endorse("auditor-3")
    rejected(closed, later.opening_statement("auditor-1"), "NO_QUORUM")


def test_a_part_of_a_round_that_is_not_closed_is_rejected(reported: Chain) -> None:
    body = statement_pb2.PartialOpening(round=1, close=EntryRef(index=8))
    statement = reported.deployment.statement("auditor-1", partial_opening=body)
    rejected(reported, statement, "NOT_CLOSED")
    body.round = 2
    statement = reported.deployment.statement("auditor-1", partial_opening=body)
    rejected(reported, statement, "NO_ROUND")


def another_close(body: statement_pb2.PartialOpening) -> None:
    body.close.Clear()
    body.close.index = 3


def another_epoch(body: statement_pb2.PartialOpening) -> None:
    body.epoch_id = b"\x01" * 32


def no_epoch(body: statement_pb2.PartialOpening) -> None:
    body.epoch_id = b""


def no_panels(body: statement_pb2.PartialOpening) -> None:
    del body.panels[:]


def one_panel(body: statement_pb2.PartialOpening) -> None:
    del body.panels[1]


def swapped_panels(body: statement_pb2.PartialOpening) -> None:
    body.panels[0].panel, body.panels[1].panel = "beta", "alpha"


def unknown_panel(body: statement_pb2.PartialOpening) -> None:
    body.panels[1].panel = "gamma"


def one_part_less(body: statement_pb2.PartialOpening) -> None:
    del body.panels[1].parts[1]


def one_part_more(body: statement_pb2.PartialOpening) -> None:
    body.panels[0].parts.append(body.panels[0].parts[0])


def part(data: bytes) -> Callable[[statement_pb2.PartialOpening], None]:
    def change(body: statement_pb2.PartialOpening) -> None:
        body.panels[1].parts[1] = data

    return change


CHANGES: dict[str, tuple[Callable[[statement_pb2.PartialOpening], None], str]] = {
    "another close": (another_close, "WRONG_CLOSE"),
    "another epoch": (another_epoch, "EPOCH_ID"),
    "no epoch": (no_epoch, "EPOCH_ID"),
    "no panels": (no_panels, "PANELS"),
    "one panel": (one_panel, "PANELS"),
    "swapped panels": (swapped_panels, "PANELS"),
    "unknown panel": (unknown_panel, "PANELS"),
    "one part less": (one_part_less, "LENGTH"),
    "one part more": (one_part_more, "LENGTH"),
    "no bytes": (part(b""), "WIDTH"),
    "a byte too few": (part(b"\x05" * 63), "WIDTH"),
    "a leading zero": (part(b"\x00" + b"\x05" * 64), "WIDTH"),
    "0": (part(int_to_bytes(0, 64)), "PART_RANGE"),
    "1": (part(int_to_bytes(1, 64)), "PART_RANGE"),
    "n - 1": (part(int_to_bytes(N - 1, 64)), "PART_RANGE"),
    "n": (part(int_to_bytes(N, 64)), "PART_RANGE"),
    "n + 5": (part(int_to_bytes(N + 5, 64)), "PART_RANGE"),
    "a multiple of p": (part(int_to_bytes(factor_of(make_deployment()) * 3, 64)), "PART_NOT_UNIT"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_part_with_this_is_rejected(endorsed: Chain, what: str) -> None:
    change, reason = CHANGES[what]
    statement = endorsed.opening_statement("auditor-1")
    change(statement.partial_opening)
    rejected(endorsed, statement, reason)
    assert endorsed.round.parts == {}


def test_a_second_part_of_an_auditor_is_rejected(endorsed: Chain) -> None:
    statement = endorsed.opening_statement("auditor-1")
    endorsed.put_ok(endorsed.seal(statement))
    rejected(endorsed, statement, "ALREADY_OPENED")
    rejected(endorsed, wrong_statement(endorsed, "auditor-1"), "ALREADY_OPENED")


# Who is blamed.


def test_fewer_parts_than_the_threshold_give_nothing(endorsed: Chain) -> None:
    endorsed.open_part("auditor-2")
    assert endorsed.round.opening is None
    assert endorsed.round.phase(3) == "endorsed"


@pytest.mark.parametrize(
    "order",
    [*itertools.permutations(("auditor-1", "auditor-2", "auditor-3"), 2)],
)
def test_any_t_parts_give_the_same_result(endorsed: Chain, order: tuple[str, str]) -> None:
    endorsed.open_part(*order)
    opening, reference = endorsed.round.opening, chain_at("opened").round.opening
    assert opening is not None
    assert reference is not None
    assert (opening.results, opening.plaintexts, opening.roots) == (
        reference.results,
        reference.plaintexts,
        reference.roots,
    )
    assert endorsed.round.phase(3) == "opened"


@pytest.mark.parametrize("cheat", ["auditor-1", "auditor-2", "auditor-3"])
@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("panel", [0, 1])
def test_a_wrong_part_names_its_auditor_and_the_result_still_comes(
    endorsed: Chain, cheat: str, position: int, panel: int
) -> None:
    order = [a for a in endorsed.deployment.charter.auditors if a != cheat]
    order.insert(position, cheat)
    for auditor in order:
        statement = (
            wrong_statement(endorsed, auditor, panel)
            if auditor == cheat
            else endorsed.opening_statement(auditor)
        )
        endorsed.put_ok(endorsed.seal(statement))
    assert endorsed.round.culprits == {cheat}
    reference = chain_at("opened").round.opening
    assert endorsed.round.opening is not None
    assert reference is not None
    assert endorsed.round.opening.results == reference.results


def test_a_wrong_and_a_right_part_give_nothing_and_blame_nobody(endorsed: Chain) -> None:
    endorsed.put_ok(endorsed.seal(wrong_statement(endorsed, "auditor-1")))
    endorsed.open_part("auditor-2")
    assert endorsed.round.opening is None
    assert endorsed.round.culprits == frozenset()


def test_a_part_for_another_round_is_found_to_be_wrong(endorsed: Chain) -> None:
    swapped = endorsed.opening_statement("auditor-1")
    panels = swapped.partial_opening.panels
    panels[1].parts[0], panels[1].parts[1] = panels[1].parts[1], panels[1].parts[0]
    endorsed.put_ok(endorsed.seal(swapped))
    endorsed.open_part("auditor-2", "auditor-3")
    assert endorsed.round.culprits == {"auditor-1"}
    assert endorsed.round.opening is not None


def test_the_negative_of_a_part_opens_the_same(endorsed: Chain) -> None:
    statement = endorsed.opening_statement("auditor-1")
    for panel in statement.partial_opening.panels:
        for i, data in enumerate(panel.parts):
            panel.parts[i] = int_to_bytes(N - int.from_bytes(data, "big"), 64)
    endorsed.put_ok(endorsed.seal(statement))
    endorsed.open_part("auditor-3")
    reference = chain_at("opened").round.opening
    assert endorsed.round.culprits == frozenset()
    assert endorsed.round.opening is not None
    assert reference is not None
    assert endorsed.round.opening.roots == reference.roots


# What comes out.


def test_the_sums_are_exact(opened: Chain) -> None:
    labs = opened.deployment.charter.labs
    opening = opened.round.opening
    assert opening is not None
    for metric in ("hours", "share", "wide-1", "wide-2", "wide-3", "wide-4", "wide-5"):
        values = [figures(opened.deployment, lab).get(metric) for lab in labs]
        exact = sum(Fraction(v) for v in values if v is not None)
        assert Fraction(opening.sums[metric]) == exact


def test_the_results_are_those_of_the_charter_in_its_order(opened: Chain) -> None:
    opening = opened.round.opening
    assert opening is not None
    assert [(r.metric, r.statistic, r.text) for r in opening.results] == [
        ("hours", "sum", "6021.021"),
        ("hours", "mean", "1003.503500"),
        ("hours", "count", "6"),
        ("share", "mean", "0.6667"),
        ("wide-1", "sum", f"{5 * 10**20 + 7 * (2 + 3 + 4 + 5 + 6) + 5 + 1}.25"),
    ]
    assert opening.results[1].value == Fraction("6021.021") / 6


def test_a_lab_that_reports_one_panel_counts_in_that_panel_only(collecting: Chain) -> None:
    for lab in collecting.deployment.charter.labs:
        values = figures(collecting.deployment, lab)
        if lab == "lab-3":
            values = {m: values[m] for m in ("hours", "share")}
        collecting.report(lab, values)
    collecting.close()
    collecting.endorse()
    collecting.open_part("auditor-1", "auditor-2")
    found = collecting.round
    assert found.close is not None
    assert found.opening is not None
    assert found.close.cohorts == {"alpha": 6, "beta": 4}
    exact = sum(
        Fraction(figures(collecting.deployment, f"lab-{i}")["wide-1"]) for i in (2, 4, 5, 6)
    )
    assert Fraction(found.opening.sums["wide-1"]) == exact


ALPHA = make_deployment().charter.panel("alpha").claims.statements.packing


@pytest.mark.parametrize(
    "plaintext",
    [
        6 * 400 << ALPHA.offsets[1][1],
        1 << ALPHA.offsets[1][1] + 30,
        N // 2,
        N // 3,
    ],
    ids=["above the bound", "above the slots", "n/2", "n/3"],
)
def test_a_sum_that_valid_reports_cannot_give_refuses_the_round(
    collecting: Chain, plaintext: int
) -> None:
    collecting.report_all(["lab-2", "lab-3", "lab-4", "lab-5", "lab-6"])
    statement = forged(collecting, "lab-1", witness=other_plaintexts({"alpha": (plaintext,)}))
    collecting.put_ok(collecting.seal(statement))
    collecting.close()
    endorse_unseen(collecting)
    collecting.open_part("auditor-1", "auditor-2")
    found = collecting.round
    assert found.phase(3) == "refused"
    assert found.opening is None
    assert found.fault == found.refusal != ""
    assert has_impossible_sum(found)
    assert "Impossible sum" in round_record(collecting.state, found).refusal
    assert found.close is not None
    body = statement_pb2.PartialOpening(round=1, close=to_wire(found.close.ref))
    rejected(
        collecting,
        collecting.deployment.statement("auditor-3", partial_opening=body),
        "ROUND_REFUSED",
    )
    collecting.open_round()
    assert collecting.round.number == 2


# Statistics alone.


def test_a_sum_at_its_bound_is_a_result_and_one_above_is_none(deployment: Deployment) -> None:
    charter = deployment.charter
    members = {"alpha": ("a", "b", "c"), "beta": ("a", "b", "c")}
    beta = charter.panel("beta").claims.statements.packing.pack([0] * 5)
    hours, share = (m.bound for m in charter.panel("alpha").metrics)
    shift = ALPHA.offsets[1][1]
    top = {"alpha": (3 * hours + (3 * share << shift),), "beta": beta}
    sums, results = results_of(charter, members, top, members)
    assert sums["hours"] == Decimal("2999999999999.997")
    assert sums["share"] == 300
    assert [r.text for r in results if r.metric == "share"] == ["100.0000"]
    for above in (3 * hours + 1 + (3 * share << shift), 3 * hours + (3 * share + 1 << shift)):
        with pytest.raises(InvalidEncoding) as caught:
            results_of(charter, members, {"alpha": (above,), "beta": beta}, members)
        assert caught.value.reason == "BOUND"
        assert str(above) not in str(caught.value)


def test_a_sum_of_nothing_is_the_sum_of_the_minima(deployment: Deployment) -> None:
    charter = deployment.charter
    members = {"alpha": ("a", "b", "c", "d"), "beta": ("a", "b", "c")}
    sums, _ = results_of(charter, members, {"alpha": (0,), "beta": (0, 0)}, members)
    assert sums["share"] == -400
    assert sums["hours"] == 0


@pytest.mark.parametrize(
    ("resolution", "digits"), [("0.001", 3), ("0.5", 1), ("0.50", 1), ("1", 0), ("100", 0)]
)
def test_a_mean_has_three_more_digits_than_the_resolution(
    deployment: Deployment, resolution: str, digits: int
) -> None:
    metric = replace(deployment.charter.panels[0].metrics[0], resolution=Decimal(resolution))
    assert digits_of(metric) == digits
