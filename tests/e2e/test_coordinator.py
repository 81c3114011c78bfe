"""A coordinator that breaks the rules opens nothing, and the auditors say why."""

from collections.abc import Sequence

from fermata.errors import InvalidProof
from fermata.protocol.fold.reports import Sealed, aggregate, ciphertexts_of
from fermata.protocol.state.state import CLOSED, ThresholdKey
from fermata.types import RoundNumber
from harness.e2e.deployment import FULL, SMALL
from harness.e2e.fleet import check_sums, opened, run_cli, wait_for
from harness.e2e.rogue_coordinator import Numbers, RogueCoordinator

#: Any: reports of one round are multiplied.
ROUND = RoundNumber(1)


def one_lab(key: ThresholdKey, reports: Sequence[Sealed]) -> Numbers:
    """Asks to open what a single lab has sent."""
    return {panel: part.ciphertexts for panel, part in reports[0].items()}


def product(key: ThresholdKey, reports: Sequence[Sealed]) -> Numbers:
    """The product of some reports, panel by panel."""
    labs = {str(i): report for i, report in enumerate(reports)}
    figures = {panel: {i: ROUND for i, r in labs.items() if panel in r} for panel in reports[0]}
    return aggregate(key, figures, ciphertexts_of(ROUND, labs))


def blind(key: ThresholdKey, numbers: Numbers) -> Numbers:
    """Multiplies by an encryption of zero: the same plaintext in other bytes."""
    n = key.record.n
    zero = pow(3, n, n * n)
    return {panel: tuple(c * zero % (n * n) for c in cs) for panel, cs in numbers.items()}


def check_wrong_products(rogue, fleet, products, number):
    assert rogue.open_round() == number
    fleet.report(number)
    rogue.close_round(products=products)
    for auditor in fleet.deployment.auditors:
        fleet.wait_told(auditor, "close_not_endorsed", round=number, reason="P2_PRODUCT")


def test_products_that_are_not_the_reports_are_endorsed_by_nobody(new_fleet):
    fleet = new_fleet(SMALL)
    charter = fleet.deployment.charter
    wrong = {
        "one lab": one_lab,
        "one lab in disguise": lambda key, reports: blind(key, one_lab(key, reports)),
        "the product in disguise": lambda key, rs: blind(key, product(key, rs)),
        "one report twice": lambda key, rs: product(key, [*rs, rs[0]]),
    }
    with RogueCoordinator(fleet) as rogue:
        fleet.start(*fleet.deployment.auditors)
        rogue.open_round()
        fleet.report(1)
        rogue.close_round()
        check_sums(fleet.deployment, fleet.wait_opened(1))
        for number, products in enumerate(wrong.values(), 2):
            check_wrong_products(rogue, fleet, products, number)
        # An honest product, but closed before its time, which would shut a lab out.
        number = rogue.open_round()
        fleet.report(number, *fleet.deployment.labs[:-1])
        rogue.close_round()
        assert rogue.view.ledger.replica.rejected[-1].reason == "TOO_EARLY"
        fleet.check_all_run()
        assert set(fleet.stop().values()) == {0}
        assert len(rogue.state.rounds) == number
        assert rogue.state.rounds[-1].close is None
        for found in rogue.state.rounds[1:-1]:
            assert found.phase(charter.endorsement_quorum) == CLOSED
            assert not found.endorsements
            assert not found.parts


def cosigned(view, auditors):
    """Whether these auditors have cosigned the log after the close of its round."""
    close = view.ledger.state.rounds[0].close
    return {w.auditor for w in view.ledger.witnesses() if w.size > close.entry} == set(auditors)


def test_of_two_closes_of_one_round_none_is_endorsed_and_they_are_found_out(new_fleet):
    fleet = new_fleet(FULL)
    made = fleet.deployment
    with RogueCoordinator(fleet) as rogue:
        rogue.tell()
        rogue.open_round()
        rogue.tell()
        rogue.witness()
        fleet.report(1, *made.labs[:-1])
        other = rogue.fork()
        other_address = rogue.serve(other)
        fleet.report(1, made.labs[-1])
        # One close with the last lab, one without it, after the deadline in a log that auditors lie
        # to.
        rogue.tell(other, ahead_ms=made.shape.window_s * 1000)
        rogue.close_round()
        rogue.close_round(other)
        fleet.start(*made.auditors[:2])
        fleet.address = other_address
        fleet.start(*made.auditors[2:])
        views = (rogue.view, made.auditors[:2]), (other, made.auditors[2:])
        for view, auditors in views:
            wait_for(
                f"{auditors} cosign",
                lambda view=view, auditors=auditors: cosigned(view, auditors),
            )
        assert [len(v.ledger.state.rounds[0].close.listed) for v, _ in views] == [5, 4]
        # Neither close is witnessed by a quorum. An auditor that had seen its own to be would have
        # endorsed it in the step in which it cosigned the next head.
        for auditor in made.auditors:
            fleet.wait_told(auditor, "waiting_for", status="unwitnessed")
        assert [v.ledger.state.rounds[0].endorsements for v, _ in views] == [{}, {}]
        # Once the auditors are shown one log, those of the other stop for good.
        with other.lock:
            other.ledger = rogue.view.ledger
        for auditor in made.auditors[2:]:
            assert fleet.exit_code(auditor) == InvalidProof.exit_code
            told = fleet.stderr(auditor)
            # WITHHELD: the head of one branch, and then the entries of the other.
            found = ("[SPLIT_VIEW]\n", "[ROLLBACK]\n", "[WITHHELD]\n")
            assert told.endswith(found), told
        fleet.check_all_run()
        for view, _ in views:
            assert not opened(view.ledger.state, 1)
            assert not view.ledger.state.rounds[0].parts


def test_a_lab_that_is_shut_out_is_counted_by_the_word_of_an_auditor(new_fleet, tmp_path):
    fleet = new_fleet(SMALL)
    deployment = fleet.deployment
    victim, auditor = deployment.labs[-1], deployment.auditors[0]
    file = tmp_path / "report.plea"
    with RogueCoordinator(fleet) as rogue:
        rogue.view.shut_out.add(victim)
        fleet.start(*deployment.auditors, victim)
        rogue.open_round()
        fleet.report(1, *deployment.labs[:-1])
        fleet.wait_told(victim, "log_unreachable")
        assert victim not in rogue.state.rounds[0].reports
        config = deployment.write_config(victim, fleet.address)

        def plead():
            return run_cli("lab", "plead", "--config", config, "--out", file)

        assert wait_for("the lab's file", lambda: plead().returncode == 0 or file.exists())
        config = deployment.write_config(auditor, fleet.address)
        taken = run_cli("auditor", "take", file, "--config", config)
        assert taken.returncode == 0, taken.stderr
        fleet.wait_told(auditor, "plea_taken")
        wait_for("the report", lambda: victim in rogue.state.rounds[0].reports)
        # Once it is logged, the auditor lets the file go, and takes it a second time no more.
        fleet.wait_told(auditor, "plea_settled")
        again = run_cli("auditor", "take", file, "--config", config)
        assert again.stderr.endswith("[DUPLICATE]\n"), again.stderr
        rogue.close_round()
        check_sums(deployment, fleet.wait_opened(1))
