"""The charter's terms for reports: L58 to L65 of log.md, PA14, SU22 and V3.17."""

import functools
from collections import Counter
from dataclasses import replace
from typing import cast

import pytest

from fermata.errors import Refusal
from fermata.memory_store import MemoryStore
from fermata.protocol.roles.auditor import rounds_to_open
from fermata.protocol.roles.lab import Measurement
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.own_parts import OwnParts
from fermata.protocol.roles.succession.sealed_parts import Lacked, SealedParts
from fermata.protocol.standing.dropping import DROPPED, Dropper, reports_named
from fermata.protocol.standing.panel_round import figures_in
from fermata.protocol.standing.retention import letting_go, terms_of
from fermata.protocol.state.pause import PAUSED, RULE, RUNNING, Change
from fermata.protocol.verify.bundle import sealed_path, sealed_paths
from fermata.protocol.verify.verifier import verify_bundle
from fermata.protocol.wire.ports import LogWrapper, Store
from fermata.sim.faults import Crash, Fragile, Fuse
from fermata.types import Role
from harness.bundles import bundle_of_run
from harness.chains import COORDINATOR, MODULUS_BITS_MIN, Run, figures, make_deployment

ROUNDS = 5
LAST = "2026Q3"


def measure_of(deployment, is_answering):
    def measure(lab, period):
        number = deployment.charter.place(period)
        return Measurement(figures(deployment, lab, number) if is_answering(lab, number) else {})

    return measure


@functools.cache
def life(kept_rounds, silent_lab=""):
    """Five rounds. ``silent_lab`` reports in the first and abstains from then on."""
    deployment = make_deployment(labs=4, last=LAST, kept_rounds=kept_rounds)
    run = Run(deployment, measure_of(deployment, lambda lab, n: lab != silent_lab or n == 1))
    run.until_quiet(passes_max=200)
    assert len(run.state.rounds) == ROUNDS
    assert all(round_.opening is not None for round_ in run.state.rounds)
    return run


def parts_of(run, *numbers):
    return [
        seen.sealed_sha256 for n in numbers for seen in run.state.rounds[n - 1].reports.values()
    ]


def held(run, name, number):
    return {run.stores[name].sealed(digest) is not None for digest in parts_of(run, number)}


def test_coordinator_and_auditors_drop_the_parts_that_the_term_lets_go() -> None:
    run = life(2)
    assert terms_of(run.state, run.state.size).gone == {1, 2, 3}
    for name in (COORDINATOR, *run.charter.auditors):
        assert [held(run, name, n) for n in range(1, ROUNDS + 1)] == [
            {False}, {False}, {False}, {True}, {True},
        ], name  # fmt: skip
        assert run.stores[name].value(DROPPED) == (4).to_bytes(8, "big")


def test_without_a_term_everything_is_kept() -> None:
    run = life(0)
    assert terms_of(run.state, run.state.size).gone == frozenset()
    assert all(held(run, COORDINATOR, n) == {True} for n in range(1, ROUNDS + 1))
    assert run.stores[COORDINATOR].value(DROPPED) is None


def test_a_round_of_which_a_figure_stands_is_owed_whole_however_old_it_is() -> None:
    run = life(1, "lab-4")
    assert terms_of(run.state, run.state.size).gone == {2, 3, 4}
    assert held(run, COORDINATOR, 1) == held(run, "auditor-1", 1) == {True}


def test_pruning_moves_no_result() -> None:
    def results(run):
        return [round_.opening.sums for round_ in run.state.rounds]

    assert results(life(1, "lab-4")) == results(life(0, "lab-4"))


@functools.cache
def states_of(run):
    replica = Replica(run.charter, MemoryStore(), MODULUS_BITS_MIN)
    replica.pull(run.ledger)
    return [replica.state_at(size) for size in range(1, run.ledger.size() + 1)]


@pytest.mark.parametrize("silent_lab", ["", "lab-4"])
def test_what_is_let_go_follows_from_the_first_entries_alone_and_is_never_owed_again(
    silent_lab,
) -> None:
    run = life(1, silent_lab)
    before = frozenset()
    for state in states_of(run):
        now = terms_of(state, state.size)
        assert now == terms_of(run.state, state.size)
        assert before <= now.gone
        assert not now.gone & now.in_term
        before = now.gone
    assert before


def test_the_parts_of_a_sum_in_its_term_are_owed_when_its_figures_no_longer_stand() -> None:
    state = life(1, "lab-4").state
    last = state.rounds[-1]
    other = state.with_round(replace(last, close=replace(last.close, standing={})))
    assert 1 not in terms_of(other, state.size).gone


def test_a_close_that_is_not_among_the_first_entries_lets_nothing_go() -> None:
    state = life(1, "lab-4").state
    for round_ in state.rounds[3:]:
        # Of the first round's figure no sum is made any more; it stands until the last close.
        standing = round_.close.standing if round_.number < ROUNDS else {}
        close = replace(round_.close, figures={}, standing=standing)
        state = state.with_round(replace(round_, close=close))
    size = state.rounds[-1].close.entry
    assert [1 in terms_of(state, n).gone for n in (size, size + 1)] == [False, True]


def test_a_round_that_has_not_ended_and_one_whose_sum_was_false_are_owed() -> None:
    run = life(1)
    state = run.state
    waiting = state.with_round(replace(state.rounds[1], opening=None))
    assert 2 in terms_of(waiting, state.size).in_term
    false = state.with_round(replace(state.rounds[1], opening=None, fault="BOUND: a sum"))
    assert 2 in terms_of(false, state.size).in_term


def ends(number, following=None, **changes):
    """Whether a round that was not opened has ended; ``following``: changes of the next round."""
    state = life(1).state
    rounds = [replace(state.rounds[number - 1], opening=None, **changes)]
    if following is not None:
        rounds.append(replace(state.rounds[number], **following))
    for round_ in rounds:
        state = state.with_round(round_)
    return number not in terms_of(state, state.size).in_term


def test_a_round_ends_by_a_refusal_at_its_close_and_by_another_call_of_its_period() -> None:
    second = life(1).state.rounds[1]
    assert not ends(2)
    assert ends(2, close=replace(second.close, refusal="FEW"))
    assert not ends(2, close=None)
    assert ends(2, close=None, following={"period": second.period})


def test_a_round_without_a_result_makes_no_round_older() -> None:
    state = life(1).state
    last = state.rounds[4]
    refused = replace(last, opening=None, close=replace(last.close, refusal="FEW"))
    assert terms_of(state, state.size).in_term == {5}
    assert terms_of(state.with_round(refused), state.size).in_term == {4, 5}


def test_rounds_that_were_opened_in_a_pause_make_no_round_older() -> None:
    state = life(1).state
    opening = state.rounds[2].opening
    assert opening is not None

    def paused_at(entry):
        change = Change(entry, 0, RUNNING, PAUSED, 3, ("fast",), RULE)
        pause = replace(state.pause, changes=(change,))
        return terms_of(replace(state, pause=pause), state.size).in_term

    assert paused_at(opening.entry) == {2, 3, 4, 5}
    assert paused_at(opening.entry + 1) == {3, 4, 5}


def test_a_later_charter_changes_the_term_of_no_earlier_round() -> None:
    state = life(1).state
    version = state.charters[-1]
    for kept_rounds in (None, 4):
        charter = replace(version.charter, kept_rounds=kept_rounds)
        later = replace(version, charter=charter, from_round=3)
        both = replace(state, charters=(*state.charters, later))
        assert terms_of(both, state.size).gone == {1, 2}


def test_a_report_that_names_the_part_of_one_that_is_owed_takes_it_from_nobody() -> None:
    going = letting_go(life(1).state, life(1).state.size)
    start = going.entries_of(1).start
    (owed,) = {*parts_of(life(1), ROUNDS)[:1]}
    assert not going.lets_go(start, owed)
    assert going.lets_go(start, parts_of(life(1), 1)[0])
    assert not going.lets_go(0, bytes(32))


def test_an_auditor_gives_no_late_part_of_a_round_out_of_its_term() -> None:
    run = life(1)
    state = run.state
    for round_ in run.state.rounds:
        state = state.with_round(replace(round_, parts={}))
    assert [r.number for r in rounds_to_open(state, "auditor-1")] == [5]


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_call_to_the_store_leaves_no_part_behind(after) -> None:
    run, calls, has_crashed = life(1), 0, True
    while has_crashed:
        calls += 1
        disk = run.stores[COORDINATOR].copy()
        for part in life_with_all_parts().values():
            disk.put_sealed(part)
        disk.put_value(DROPPED, b"")
        fuse = Fuse("node", Counter())
        fuse.light(calls, after)
        try:
            drop_all(cast(Store, Fragile(disk, fuse, lambda call, arguments: None)), run)
            has_crashed = False
        except Crash:
            drop_all(disk, run)
        assert {disk.sealed(digest) for digest in parts_of(run, 1, 2, 3, 4)} == {None}
        assert all(disk.sealed(digest) for digest in parts_of(run, 5))
    assert calls > 12


def drop_all(store, run) -> None:
    dropper = Dropper(store)
    while dropper.step(run.state, run.state.size):
        pass


@functools.cache
def life_with_all_parts():
    """Every part that the log of the run was given, by digest."""
    deployment = life(1).deployment
    parts = {}

    class Keeping(MemoryStore):
        def drop_sealed(self, digests) -> None:
            """Keeps them."""

    keeping = Run(deployment, measure_of(deployment, lambda lab, n: True))
    keeping.stores[COORDINATOR].__class__ = Keeping
    keeping.until_quiet(passes_max=200)
    for digest in parts_of(keeping, *range(1, ROUNDS + 1)):
        parts[digest] = keeping.stores[COORDINATOR].sealed(digest)
    return parts


def test_a_full_bundle_has_what_is_owed_and_says_what_it_cannot_check() -> None:
    run = life(2)
    files = bundle_of_run(run, run.stores[COORDINATOR])
    assert sum(path.startswith("sealed/") for path in files) == 8
    verification = verify_bundle(files, run.charter.sha256, MODULUS_BITS_MIN)
    assert verification.is_valid
    said = verification.not_checked
    assert [what.partition(" ")[0] for what in said] == ["V5", "V6", "V7"]
    assert all("rounds 1, 2, 3: " in what and "charter's term lets go" in what for what in said)
    # Whoever reads that something was left out reads in the same line what was not.
    assert all(what.endswith("; made whole of rounds 4, 5") for what in said)


@pytest.mark.parametrize("silent_lab", ["", "lab-4"])
def test_of_some_round_that_was_opened_every_check_is_made_whole(silent_lab) -> None:
    for state in states_of(life(1, silent_lab)):
        gone, opened = terms_of(state, state.size).gone, [r for r in state.rounds if r.opening]
        assert not gone or opened
        newest = opened[-1:]
        assert all(gone.isdisjoint(n for n, _ in figures_in(r.close.figures)) for r in newest)
        assert gone.isdisjoint(r.number for r in newest)


def test_a_bundle_without_a_part_that_is_owed_is_invalid() -> None:
    run = life(2)
    files = bundle_of_run(run, run.stores[COORDINATOR])
    del files[sealed_path(parts_of(run, 4)[0])]
    verification = verify_bundle(files, run.charter.sha256, MODULUS_BITS_MIN)
    assert [c.number for c in verification.checks if c.status == "failed"] == [6, 7]


def test_a_bundle_with_a_part_that_is_let_go_is_invalid_and_says_why() -> None:
    run = life(1)
    part = life_with_all_parts()[parts_of(run, 1)[0]]
    files = bundle_of_run(run, run.stores[COORDINATOR])
    files[sealed_path(parts_of(run, 1)[0])] = part
    verification = verify_bundle(files, run.charter.sha256, MODULUS_BITS_MIN)
    (failed,) = [c for c in verification.checks if c.status == "failed"]
    assert failed.number == 3
    (finding,) = failed.findings
    assert finding.endswith("a sealed part that the charter's term lets go")


def test_a_bundle_of_before_stays_valid() -> None:
    """The log was shorter then, so that it owes other parts than the log of today."""
    run = Run(make_deployment(labs=4, last=LAST, kept_rounds=1))
    earlier = {}
    for _ in range(200):
        if run.step() == 0:
            break
        opened = sum(r.opening is not None for r in run.state.rounds)
        if (
            opened
            and opened not in earlier
            and run.ledger.replica.witnessed.size == run.ledger.size()
        ):
            earlier[opened] = bundle_of_run(run, run.stores[COORDINATOR])
    assert len(earlier) >= 2
    for files in earlier.values():
        assert verify_bundle(files, run.charter.sha256, MODULUS_BITS_MIN).is_valid


def test_whoever_asks_for_a_part_is_told_that_the_term_let_it_go() -> None:
    run = life(2)
    log = run.ledger.as_caller(Role.AUDITOR, "auditor-1")
    for digest, words in (
        (parts_of(run, 3)[0], "let the parts of round 3 go"),
        (bytes(32), "has no sealed part with that digest"),
    ):
        with pytest.raises(Refusal, match=words) as caught:
            log.fetch_sealed(digest)
        assert caught.value.reason == "NO_SEALED"


def test_a_standby_asks_nobody_for_what_is_let_go() -> None:
    run = life(2)
    asked = []

    class Asked(LogWrapper):
        def news(self, start, count_max):
            return self._log.news(start, count_max)

        def fetch_sealed(self, sealed_sha256):
            asked.append(sealed_sha256)
            return super().fetch_sealed(sealed_sha256)

    log = Asked(run.ledger.as_caller(run.charter.parties["auditor-1"].role, "auditor-1"))
    replica = Replica(run.charter, MemoryStore(), MODULUS_BITS_MIN)
    replica.pull(log)
    parts = SealedParts(replica)
    parts.look()
    assert parts.fetch([log]) == 8
    assert set(asked) == set(parts_of(run, 4, 5))
    assert parts.lacking == ()


def test_the_sealed_parts_of_a_round_are_named_by_the_reports_of_its_entries() -> None:
    run = life(2)
    going = letting_go(run.state, run.state.size)
    entries = going.entries_of(1)
    named = list(reports_named(run.leaves()[entries.start : entries.stop], entries.start))
    assert {digest for _, _, digest in named} == set(parts_of(run, 1))
    paths = sealed_paths(run.state, {1})
    assert set(paths) == {sealed_path(digest) for digest in parts_of(run, 1)}


def test_a_lab_gives_no_part_that_the_term_lets_go() -> None:
    run = life(2)
    lab = run.charter.labs[0]
    parts = OwnParts(run.drivers[lab].replica)
    parts.look()
    given = [
        parts.part(run.state.rounds[number].reports[lab].sealed_sha256) is not None
        for number in range(ROUNDS)
    ]
    assert given == [False, False, False, True, True]


def test_a_part_that_comes_after_its_round_was_let_go_is_not_kept() -> None:
    run = life(1)
    replica = Replica(run.charter, MemoryStore(), MODULUS_BITS_MIN)
    replica.pull(run.ledger)
    parts = SealedParts(replica)
    parts.look()
    (gone, *_), (owed, *_) = parts_of(run, 1), parts_of(run, 5)
    by_digest = life_with_all_parts()
    # It was lacking when it was asked for; the loop looks only at its next turn.
    lacked = Lacked(run.state.rounds[0].entry + 1, gone, run.charter.labs[0])
    parts._missing[lacked.entry] = lacked
    parts._publish()
    for digest in (gone, owed):
        assert parts.take("auditor-1", True, by_digest[digest])
    assert replica.store.sealed(gone) is None
    assert replica.store.sealed(owed) == by_digest[owed]
