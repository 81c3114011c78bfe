"""Amendments: what must be kept, who signs, and the round with which one comes into force."""

import base64
import functools
from dataclasses import replace
from typing import Any

import pytest

from fermata.errors import Refusal
from fermata.log.merkle import Tree
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.fold.apply import apply
from fermata.protocol.fold.governance.amendment import amend, charter_for_next_round
from fermata.protocol.fold.references import next_leaf
from fermata.protocol.roles.lab import rounds_to_answer
from fermata.protocol.state.state import State
from fermata.types import EntryIndex
from fermata.wire.v1 import statement_pb2 as wire
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.bundles import bundle_of, verify
from harness.chains import (
    MODULUS_BITS_MIN,
    PAUSE_TABLES,
    Chain,
    chain_at,
    make_deployment,
    seal_charter_file,
)
from harness.protocol.amendments import (
    COMMENT,
    MEMBERS,
    NEW_KEY,
    OTHER_TERMS,
    VOTE_MS,
    amended,
    carried,
    close_round,
    joining,
    signed,
    tabled,
    under,
)
from harness.protocol.findings import finding


@functools.cache
def _chain(stage: str) -> Chain:
    return chain_at(stage, members=MEMBERS)


@pytest.fixture
def chain() -> Chain:
    """Round 1 is open, member-1 has the chair."""
    return _chain("collecting").fork()


def refused(chain: Chain, code: str, data: bytes, **body: Any) -> str:
    before = chain.state.governance
    verdict = tabled(chain, data, **body)
    assert (verdict.accepted, verdict.reason) == (False, code), verdict
    assert chain.state.governance == before
    return verdict.detail


# What an amendment must keep.

KEEPS = {
    "the deployment": (('deployment = "tests"', 'deployment = "other"'), "deployment"),
    "the modulus": (("modulus_bits = 512", "modulus_bits = 576"), "[cryptography]"),
    "the headroom": (("threshold = 2", "threshold = 2\nheadroom_bits = 11"), "[cryptography]"),
    "the range base": (("threshold = 2", "threshold = 2\nrange_base = 2"), "[cryptography]"),
    "the key's origin": (
        ("threshold = 2", 'threshold = 2\nkey_origin = "distributed"'),
        "[cryptography]",
    ),
    "the coordinator": (('"Oversight"', '"Others"'), "the coordinator"),
    "the cadence": (
        ('cadence = "quarter"\nfirst = "2025Q3"', 'cadence = "month"\nfirst = "2025-07"'),
        "rounds.cadence",
    ),
    "the first period": (('first = "2025Q3"', 'first = "2025Q2"'), "rounds.first"),
    "a metric's unit": (('unit = "h"', 'unit = "s"'), "metric hours"),
    "a metric's minimum": (('min = "-100"', 'min = "-50"'), "metric share"),
    "a metric's maximum": (('max = "100"', 'max = "50"'), "metric share"),
    "a metric's resolution": (('resolution = "0.5"', 'resolution = "1"'), "metric share"),
    "a metric's panel": (
        ('id = "share"\npanel = "alpha"', 'id = "share"\npanel = "beta"'),
        "metric share",
    ),
}


@pytest.mark.parametrize("what", KEEPS)
def test_an_amendment_must_keep(chain: Chain, what: str) -> None:
    edit, fragment = KEEPS[what]
    assert fragment in refused(chain, "AMENDMENT_KEEPS", amended(chain, edit))


def test_an_amendment_of_a_test_charter_must_keep_it_one(chain: Chain) -> None:
    # A real one must give a week's notice, so that is edited too.
    edits = ("test = true", "test = false"), ("notice_s = 86400", "notice_s = 604800")
    assert "must keep test" in refused(chain, "AMENDMENT_KEEPS", amended(chain, *edits))


def test_an_amendment_must_keep_a_committee(chain: Chain) -> None:
    text = chain.deployment.charter_data.decode()
    data = text[: text.index("[committee]")] + text[text.index("[[panel]]") :]
    assert "a committee" in refused(chain, "AMENDMENT_KEEPS", data.encode())


def test_an_amendment_must_keep_a_pause() -> None:
    chain = Chain(make_deployment(extra=PAUSE_TABLES, members=MEMBERS))
    chain.start()
    data = amended(chain, (PAUSE_TABLES, ""))
    assert "a pause" in refused(chain, "AMENDMENT_KEEPS", data)


SECOND_ID = ('id = "successor-2"', 'id = "other"')
SUCCESSORS = {
    "another id": SECOND_ID,
    "another organisation": ('"Oversight successor-1"', '"Others"'),
    "another order": (
        'id = "successor-1"\norganisation = "Oversight successor-1"',
        'id = "successor-9"\norganisation = "Oversight successor-2"',
    ),
}


@pytest.mark.parametrize("what", SUCCESSORS)
def test_g18_1_successors_stay_once_there_are_any(what: str) -> None:
    chain = Chain(make_deployment(members=MEMBERS, successors=2))
    chain.start()
    data = amended(chain, SUCCESSORS[what])
    assert "keep the successors" in refused(chain, "AMENDMENT_KEEPS", data)


def test_g18_successors_may_be_reached_elsewhere_and_be_waited_for_longer() -> None:
    chain = Chain(make_deployment(members=MEMBERS, successors=2))
    chain.start()
    moved = ('"successor-2.example:7440"', '"moved.example:7440"')
    assert tabled(chain, amended(chain, moved, ("succession_s = 1", "succession_s = 2"))).accepted


def test_the_limits_of_all_versions_count_together() -> None:
    """Each version alone has few; moved from version to version they would search for a value."""
    sums = 'statistics = ["sum", "mean", "count"]'
    two = (sums, f'{sums}\ncount_above = ["1", "2"]')
    other = (sums, f'{sums}\ncount_above = ["2", "3"]')
    chain = Chain(make_deployment(members=MEMBERS, disclosure="thresholds_max = 2\n"))
    chain.start()
    assert tabled(chain.fork(), amended(chain, other)).accepted
    due_ms = carried(chain, amended(chain, two))
    second, third = amended(chain, two), amended(chain, other)
    under(chain, second).open_round(due_ms)
    close_round(chain)
    assert "had more limits" in refused(chain, "AMENDMENT_KEEPS", third)


def test_a_party_keeps_its_role(chain: Chain) -> None:
    data = amended(chain, ("lab-6", "swapped"), ("member-4", "lab-6"))
    assert "role of lab-6" in refused(chain, "AMENDMENT_KEEPS", data)


def test_an_amendment_that_is_no_charter_is_refused_with_its_line(chain: Chain) -> None:
    data = amended(chain, ("cohort_min = 3", "cohort_min = 2"))
    assert "cohort_min" in refused(chain, "CHARTER", data)
    refused(chain, "CHARTER", b"\xff")
    refused(chain, "CHARTER", b"#" * (256 * 1024 + 1))


def test_the_charter_in_force_is_no_amendment(chain: Chain) -> None:
    refused(chain, "AMENDMENT_SAME", chain.deployment.charter_data)


def test_an_amendment_from_a_round_that_is_open_is_refused(chain: Chain) -> None:
    refused(chain, "FROM_ROUND", amended(chain), from_round=1)


def test_an_amendment_by_another_than_the_chair_is_refused(chain: Chain) -> None:
    refused(chain, "NOT_CHAIR", amended(chain), author="member-2")


def test_one_amendment_at_a_time(chain: Chain) -> None:
    assert tabled(chain, amended(chain)).accepted
    refused(chain, "MOTION_OPEN", amended(chain, ("cohort_min = 3", "cohort_min = 4")))


def test_an_amendment_that_expired_makes_room(chain: Chain) -> None:
    assert tabled(chain, amended(chain)).accepted
    chain.time_ms += VOTE_MS
    assert tabled(chain, amended(chain), reason="again").accepted


def test_a_lost_amendment_makes_room(chain: Chain) -> None:
    entry = tabled(chain, amended(chain)).entry
    for member in ("member-1", "member-2"):
        chain.say(member, vote=wire.Vote(motion=EntryRef(index=entry), choice=wire.CHOICE_AGAINST))
    assert chain.state.governance.amendment is None
    assert tabled(chain, amended(chain), reason="again").accepted


# Which charter it changes.


def test_a_partys_signature_on_a_new_charter_is_not_used_for_another_step(chain: Chain) -> None:
    """Its amendment was lost, and another charter has come into force since."""
    data = joining(chain)
    signatures = signed(data, lab_7=NEW_KEY)
    entry = tabled(chain, data, signatures=signatures).entry
    for member in ("member-1", "member-2"):
        chain.say(member, vote=wire.Vote(motion=EntryRef(index=entry), choice=wire.CHOICE_AGAINST))
    other = amended(chain, ("cohort_min = 3", "cohort_min = 4"))
    due_ms = carried(chain, other)
    close_round(chain)
    under(chain, other).open_round(due_ms)
    said = refused(chain, "AMENDMENT_BASE", data, author="member-2", signatures=signatures)
    assert chain.deployment.charter.sha256.hex() in said


@pytest.mark.parametrize("previous", ["", f'previous = "{"0" * 64}"\n'])
def test_an_amendment_names_the_charter_that_it_changes(chain: Chain, previous: str) -> None:
    data = previous + chain.deployment.charter_data.decode().replace(*COMMENT)
    refused(chain, "AMENDMENT_BASE", data.encode())


def test_a_charter_that_changes_another_begins_no_log(chain: Chain) -> None:
    data = amended(chain)
    envelope = seal_charter_file(data, chain.deployment.keys)
    state = State(parse_charter(data, MODULUS_BITS_MIN).sha256, MODULUS_BITS_MIN)
    _, verdict = apply(state, next_leaf(Tree(), envelope))
    assert (verdict.accepted, verdict.reason) == (False, "CHARTER")
    assert "previous" in verdict.detail


@pytest.mark.parametrize("previous", ["0" * 63, "A" * 64, "0" * 65, "x"])
def test_a_previous_that_is_no_hash_is_refused_with_its_line(chain: Chain, previous: str) -> None:
    data = f'previous = "{previous}"\n'.encode() + chain.deployment.charter_data
    assert "previous: must be the hash" in refused(chain, "CHARTER", data)


# Who signs.


def test_a_new_party_must_have_signed(chain: Chain) -> None:
    data = joining(chain)
    refused(chain, "SIGNERS", data)
    assert tabled(chain, data, signatures=signed(data, lab_7=NEW_KEY)).accepted


def test_nobody_else_signs(chain: Chain) -> None:
    data = joining(chain)
    both = signed(data, lab_1=chain.deployment.keys["lab-1"], lab_7=NEW_KEY)
    refused(chain, "SIGNERS", data, signatures=both)


def test_a_signature_over_other_bytes_is_refused(chain: Chain) -> None:
    data = joining(chain)
    refused(chain, "SIGNATURE", data, signatures=signed(data + b"#", lab_7=NEW_KEY))


def test_a_party_with_a_new_key_signs_with_it(chain: Chain) -> None:
    old = base64.b64encode(chain.deployment.keys["lab-6"].public_key).decode()
    data = amended(chain, (old, base64.b64encode(NEW_KEY.public_key).decode()))
    refused(chain, "SIGNATURE", data, signatures=signed(data, lab_6=chain.deployment.keys["lab-6"]))
    assert tabled(chain, data, signatures=signed(data, lab_6=NEW_KEY)).accepted


# Coming into force.


def test_it_comes_into_force_with_the_next_opening_after_its_notice(chain: Chain) -> None:
    data, old = joining(chain), chain.state.charter
    due_ms = carried(chain, data, signatures=signed(data, lab_7=NEW_KEY))
    close_round(chain)
    assert chain.state.charter == old
    under(chain, data, lab_7=NEW_KEY)
    chain.open_round(due_ms)
    new = chain.deployment.charter
    assert chain.state.charter == new
    assert chain.state.charter_sha256 != new.sha256
    assert (chain.state.charter_at(1), chain.state.charter_at(2)) == (old, new)
    assert [(v.from_round, v.entry) for v in chain.state.charters] == [
        (1, 0),
        (2, chain.round.entry),
    ]
    assert chain.state.governance.amendment is None
    assert chain.abstain("lab-7").accepted


def test_before_its_notice_is_over_rounds_are_opened_under_the_old_charter(chain: Chain) -> None:
    data = amended(chain)
    due_ms = carried(chain, data)
    close_round(chain)
    twin = under(chain.fork(), data)
    envelope = twin.seal(twin.open_round_statement())
    verdict = chain.put(envelope, due_ms - 2)
    assert (verdict.accepted, verdict.reason) == (False, "TOO_EARLY")
    chain.open_round(due_ms - 1)
    assert len(chain.state.charters) == 1


def test_an_opening_under_the_old_charter_is_refused_when_the_new_one_is_due(chain: Chain) -> None:
    due_ms = carried(chain, amended(chain))
    close_round(chain)
    verdict = chain.put(chain.seal(chain.open_round_statement()), due_ms)
    assert (verdict.accepted, verdict.reason) == (False, "CHARTER_HASH")


def test_an_opening_under_a_charter_that_nobody_carried_is_refused(chain: Chain) -> None:
    data = amended(chain)
    assert tabled(chain, data).accepted
    close_round(chain)
    under(chain, data)
    verdict = chain.put(chain.seal(chain.open_round_statement()))
    assert (verdict.accepted, verdict.reason) == (False, "CHARTER_HASH")


def test_it_waits_for_its_round(chain: Chain) -> None:
    data = amended(chain)
    due_ms = carried(chain, data, from_round=3)
    close_round(chain)
    chain.open_round(due_ms)
    close_round(chain)
    assert charter_for_next_round(chain.state).sha256 != chain.deployment.charter.sha256
    under(chain, data)
    chain.open_round()
    assert chain.state.charter_at(3) == chain.deployment.charter


def test_statements_bound_to_the_old_charter_are_refused_afterwards(chain: Chain) -> None:
    data, before = amended(chain), chain.deployment
    due_ms = carried(chain, data)
    close_round(chain)
    under(chain, data).open_round(due_ms)
    statement = before.statement("lab-1", abstention=wire.Abstention(round=2))
    verdict = chain.put(before.seal(statement))
    assert (verdict.accepted, verdict.reason) == (False, "CHARTER_HASH")


def test_an_opened_round_keeps_its_result_and_is_verified_under_its_own_charter() -> None:
    chain = _chain("opened").fork()
    data = amended(chain, *OTHER_TERMS)
    due_ms = carried(chain, data)
    before = chain.state.rounds[0]
    under(chain, data).open_round(due_ms)
    assert chain.state.rounds[0] == before
    verification = verify(bundle_of(chain))
    assert verification.is_valid, verification.checks


def test_a_round_under_the_new_charter_is_reported_opened_and_verified(chain: Chain) -> None:
    data = amended(chain, COMMENT, ('labs = ["lab-2", ', "labs = ["))
    due_ms = carried(chain, data)
    close_round(chain)
    under(chain, data).open_round(due_ms)
    for lab in chain.deployment.charter.labs:
        able = any(p.id == "beta" and lab in p.labs for p in chain.deployment.charter.panels)
        values = {"hours": "1", "share": "1"} | (
            {f"wide-{i}": "2" for i in range(1, 6)} if able else {}
        )
        chain.report(lab, values)
    chain.close()
    chain.endorse()
    chain.open_part()
    assert chain.round.opening is not None
    verification = verify(bundle_of(chain))
    assert verification.is_valid, verification.checks


def test_a_charter_that_was_in_force_does_not_come_back(chain: Chain) -> None:
    first, data = chain.deployment.charter_data, amended(chain)
    due_ms = carried(chain, data)
    close_round(chain)
    under(chain, data).open_round(due_ms)
    refused(chain, "AMENDMENT_SAME", first, author="member-2")


def test_a_metric_that_was_dropped_comes_back_only_as_it_was(chain: Chain) -> None:
    text = chain.deployment.charter_data.decode()
    block = text[text.index('[[metric]]\nid = "share"') : text.index('[[metric]]\nid = "wide-1"')]
    data = amended(
        chain, (block, ""), ('[[aggregate]]\nmetric = "share"\nstatistics = ["mean"]\n', "")
    )
    due_ms = carried(chain, data)
    close_round(chain)
    under(chain, data).open_round(due_ms)
    other = block.replace('unit = "%"', 'unit = "1"')
    back = amended(chain, ('[[metric]]\nid = "wide-1"', other + '[[metric]]\nid = "wide-1"'))
    assert "metric share" in refused(chain, "AMENDMENT_KEEPS", back, author="member-2")


def test_a_quantity_stays_in_its_panel_under_any_id(chain: Chain) -> None:
    text = chain.deployment.charter_data.decode()
    block = text[text.index('[[metric]]\nid = "share"') : text.index('[[metric]]\nid = "wide-1"')]
    means = '[[aggregate]]\nmetric = "share"\nstatistics = ["mean"]\n'
    named = block.replace('"share"', '"spread"').replace('"%"', '"%"\nquantity = "spread"')
    data = amended(chain, (block, named), (means, ""))
    due_ms = carried(chain, data)
    close_round(chain)
    under(chain, data).open_round(due_ms)
    moved = named.replace('"spread"\npanel = "alpha"', '"other"\npanel = "beta"')
    there = amended(chain, (named, moved))
    said = refused(chain, "AMENDMENT_KEEPS", there, author="member-2")
    assert "the quantity spread must stay in panel alpha" in said


def test_a_lab_that_leaves_the_roster_takes_its_exclusion_along(chain: Chain) -> None:
    about = EntryRef(index=finding(chain, "lab-6"))
    exclusion = wire.Motion(kind=wire.MOTION_KIND_EXCLUSION, lab="lab-6", from_round=2, about=about)
    entry = chain.say("member-1", motion=exclusion).entry
    for member in ("member-1", "member-2", "member-3"):
        chain.say(member, vote=wire.Vote(motion=EntryRef(index=entry), choice=wire.CHOICE_FOR))
    text = chain.deployment.charter_data.decode()
    table = text[text.index('[[lab]]\nid = "lab-6"') : text.index("[committee]")]
    data = amended(chain, (table, ""), (', "lab-6"', ""))
    due_ms = carried(chain, data)
    close_round(chain)
    under(chain, data).open_round(due_ms)
    assert chain.state.governance.exclusions == {}
    assert chain.state.governance.notices == ()


# Duties.


def test_the_coordinator_opens_under_the_charter_that_is_due(chain: Chain) -> None:
    data, old = amended(chain), chain.deployment.charter.sha256
    due_ms = carried(chain, data)
    close_round(chain)
    chain.advance(due_ms - 1)
    ((slot, early, *_),) = chain.duties()
    chain.advance(due_ms)
    ((later, due, *_),) = chain.duties()
    assert (early.charter_sha256, due.charter_sha256) == (
        old,
        parse_charter(data, MODULUS_BITS_MIN).sha256,
    )
    assert slot == "open/2"
    assert later.startswith("open/2/")
    assert chain.put(chain.seal(due), due_ms).accepted


def test_an_excluded_lab_has_no_round_to_answer(chain: Chain) -> None:
    excluded = replace(chain.round, barred=frozenset({"lab-2"}))
    state = chain.state.with_round(excluded)
    assert rounds_to_answer(state, "lab-2") == []
    assert rounds_to_answer(state, "lab-3") == [excluded]


def test_a_state_without_a_charter_has_none_for_any_round() -> None:
    with pytest.raises(Refusal, match="not a valid charter"):
        State().charter_at(1)


def test_the_same_log_gives_the_same_state_after_an_amendment(chain: Chain) -> None:
    first = chain.fork().deployment
    data = amended(chain)
    due_ms = carried(chain, data)
    close_round(chain)
    under(chain, data).open_round(due_ms)
    state = State(charter_sha256=first.charter.sha256, modulus_bits_min=MODULUS_BITS_MIN)
    for leaf in chain.leaves:
        state, _ = apply(state, leaf)
    assert state == chain.state


# Limits that each report tells of.

BANDED = '[dues]\nunit = "EUR"\nmetric = "hours"\n\n[[dues.band]]\nat_most = "10"\namount = "1"\n\n'
BANDED += '[[dues.band]]\namount = "2"\n\n'
DUTY = PAUSE_TABLES[PAUSE_TABLES.index("[[duty]]") :]
#: A year of the log's time, in ms, after which they may move again.
YEAR_MS = 365 * 24 * 3600 * 1000
SHARED = 'dominance = "0.5"\ndominance_start = { hours = "24", ' + ", ".join(
    f'wide-{n} = "1000"' for n in range(1, 6)
)
#: Two moves of each kind, one after the other.
MOVES = {
    "a band's end": (
        ('at_most = "10"\namount', 'at_most = "11"\namount'),
        ('at_most = "11"', 'at_most = "12"'),
    ),
    "a duty's limit": ((DUTY, DUTY.replace('"10"', '"9"')), ('at_most = "9"', 'at_most = "8"')),
    "a share": (('dominance = "0.5"', 'dominance = "0.4"'), ('"0.4"', '"0.3"')),
    "a band, then a duty": (
        ('at_most = "10"\namount', 'at_most = "11"\namount'),
        (DUTY, DUTY.replace('"10"', '"9"')),
    ),
}


@pytest.mark.parametrize("edges", ["", '\nhistogram = ["8", "9", "10", "11", "12"]'])
@pytest.mark.parametrize("what", MOVES)
def test_limits_that_each_report_tells_of_move_once_a_year(what: str, edges: str) -> None:
    """Also from one edge of a histogram to another."""
    first, second = MOVES[what]
    sums = 'statistics = ["sum", "mean", "count"]'
    chain = Chain(
        make_deployment(
            members=MEMBERS, disclosure=SHARED + " }\n", extra=PAUSE_TABLES + "\n" + BANDED
        )
    )
    chain.start()
    data = amended(chain, first, (sums, sums + edges))
    due_ms = carried(chain, data)
    under(chain, data).open_round(due_ms)
    close_round(chain)
    again = amended(chain, second)
    started_ms = chain.state.clock.start_ms(chain.state.charters[-1].entry)
    assert started_ms is not None
    assert "less than a year ago" in refused(chain.fork(), "AMENDMENT_KEEPS", again)
    # What moves no limit is not held up.
    assert tabled(chain.fork(), amended(chain)).accepted
    early, late = chain.fork(), chain.fork()
    early.advance(started_ms + YEAR_MS - 1)
    assert "less than a year ago" in refused(early, "AMENDMENT_KEEPS", again)
    late.advance(started_ms + YEAR_MS)
    assert tabled(late, again).accepted


def test_the_exclusion_of_a_lab_ends_when_the_lab_leaves_the_roster() -> None:
    """A later charter may admit it again, which is then no exclusion of before."""
    state = _chain("collecting").state.chartered()
    governance = replace(state.governance, exclusions={"lab-1": 3, "lab-9": 2})
    after = amend(replace(state, governance=governance), EntryIndex(99), state.charter)
    assert after.governance.exclusions == {"lab-1": 3}
