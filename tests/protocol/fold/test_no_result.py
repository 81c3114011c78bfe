"""Rounds without a result begin a pause by a rule of kind no-result, if they have ended."""

import functools
from dataclasses import replace

from fermata.protocol.fold.pause import fired_late
from fermata.protocol.state.pause import RUNNING, TRIGGERED
from fermata.protocol.state.state import OPENED
from fermata.protocol.verify.pause_checks import findings_v10
from harness.bundles import bundle_of, verify
from harness.chains import PAUSE_TABLES, Chain, make_deployment, moments_of

DARK = """
[[rule]]
id = "dark"
kind = "no-result"
panel = "alpha"
at_least = "2"
"""
TABLES = DARK + PAUSE_TABLES.replace('["hot"]', '["hot", "dark"]').replace(
    'fail_safe = "none"\n', ""
)
QUIET = "10"


@functools.cache
def _chain(tables: str = TABLES) -> Chain:
    chain = Chain(make_deployment(extra=tables))
    chain.start()
    return chain


def one_round(chain: Chain, *reporters: str) -> None:
    """A round in which these labs report and the others abstain; opened unless it is refused."""
    chain.open_round()
    for lab in chain.deployment.charter.labs:
        if lab in reporters:
            chain.report(lab, {"hours": QUIET, "share": "1"} | (BETA if lab != "lab-1" else {}))
        else:
            chain.abstain(lab)
    chain.close()
    if not chain.round.refusal:
        chain.endorse()
        chain.open_part()


BETA = {f"wide-{k}": "1" for k in range(1, 6)}
EVERYBODY = tuple(f"lab-{k}" for k in range(1, 7))
TOO_FEW = EVERYBODY[:2]


def check_verifier(chain: Chain) -> None:
    assert list(findings_v10(chain.state, moments_of(chain.deployment, chain.leaves))) == []
    verification = verify(bundle_of(chain))
    assert verification.is_valid, verification.checks


def test_rounds_that_come_to_nothing_begin_a_pause_and_begin_it_again() -> None:
    chain = _chain().fork()
    one_round(chain, *EVERYBODY)
    one_round(chain, *TOO_FEW)
    assert chain.state.pause.phase == RUNNING
    one_round(chain, *TOO_FEW)
    assert [(c.after, c.rules) for c in chain.state.pause.changes] == [(TRIGGERED, ("dark",))]
    one_round(chain, *TOO_FEW)
    assert [c.why for c in chain.state.pause.changes] == ["rule", "relapse"]
    said = {v.rule: (v.holds, v.value) for v in chain.state.judgements[4].verdicts}
    assert said["dark"] == (True, "3")
    # What keeps the other rules quiet is what makes this one hold.
    assert said["hot"] == (None, "")
    check_verifier(chain)


def test_a_result_between_them_ends_the_run() -> None:
    chain = _chain().fork()
    for reporters in (TOO_FEW, EVERYBODY, TOO_FEW, EVERYBODY):
        one_round(chain, *reporters)
    assert chain.state.pause.phase == RUNNING
    values = [j.verdicts[0].value for j in chain.state.judgements.values()]
    assert values == ["1", "0", "1", "0"]
    check_verifier(chain)


def test_without_the_rule_the_same_rounds_begin_nothing() -> None:
    chain = _chain(PAUSE_TABLES).fork()
    for reporters in (EVERYBODY, TOO_FEW, TOO_FEW, TOO_FEW):
        one_round(chain, *reporters)
    assert chain.state.pause.phase == RUNNING


def test_a_round_that_is_given_up_late_counts_from_then_on() -> None:
    """The older of two rounds ends without a result when the newer one has ended so already."""
    chain = _chain().fork()
    for reporters in (EVERYBODY, TOO_FEW, TOO_FEW):
        one_round(chain, *reporters)
    charter, quorum = chain.deployment.charter, chain.deployment.charter.endorsement_quorum
    first, older, newer = chain.state.rounds
    assert (first.phase(quorum), older.close is not None) == (OPENED, True)
    assert older.close is not None
    waiting = replace(older, close=replace(older.close, refusal=""))
    given_up = replace(waiting, fault="its sums contradict each other")

    def late(round_two: object) -> tuple[str, ...]:
        return fired_late(lambda _: charter, (first, round_two, newer), 2, (1, 3), quorum)  # type: ignore[arg-type]

    assert late(given_up) == ("dark",)
    # While it waits, one round is without a result, and that is no alarm.
    assert late(waiting) == ()
