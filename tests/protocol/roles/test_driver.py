"""The loop of every role over a log in the same process, with restarts in between."""

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from fermata.errors import ConfigError, IdentityError, InvalidProof, TransportError
from fermata.memory_store import MemoryStore
from fermata.protocol.charter.periods import DAY_MS
from fermata.protocol.roles.driver import Driver, Signer
from fermata.protocol.roles.lab import Measurement
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.witness import Witnessed
from fermata.protocol.state.state import CharterVersion, State
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.protocol.wire.ports import Log, LogWrapper, Outside, Receipt
from fermata.summary.documents import results_document
from harness.chains import (
    COORDINATOR,
    MODULUS_BITS_MIN,
    PAUSE_TABLES,
    START_MS,
    Deployment,
    Run,
    chain_at,
    deadline_of,
    figures,
    make_deployment,
)


def one_round() -> Deployment:
    return make_deployment(last="2025Q3")


def test_a_run_goes_from_charter_to_results_by_itself() -> None:
    run = Run(make_deployment(last="2026Q1"))
    run.until_quiet()
    document = results_document(run.state)
    rounds = document["rounds"]
    assert isinstance(rounds, list)
    assert [(r["round"], r["state"], r["cohort"]) for r in rounds] == [
        ("2025Q3", "opened", 5),
        ("2025Q4", "opened", 5),
        ("2026Q1", "opened", 5),
    ]
    assert rounds[0]["results"][0] == {
        "metric": "hours",
        "statistic": "sum",
        "group": "",
        "value": "6021.021",
    }
    assert run.ledger.replica.rejected == []


def test_every_node_comes_to_the_same_state() -> None:
    run = Run(one_round())
    run.until_quiet()
    for driver in run.drivers.values():
        assert driver.replica.state == run.state


def test_all_auditors_cosign_the_last_head() -> None:
    run = Run(one_round())
    run.until_quiet()
    cosignatures = run.stores[COORDINATOR].cosignatures(run.ledger.size())
    assert set(cosignatures) == set(run.charter.auditors)


def test_nodes_that_restart_after_every_turn_come_to_the_same_results() -> None:
    run, calm = Run(one_round()), Run(one_round())
    calm.until_quiet()
    for _ in range(12):
        for name in list(run.drivers):
            run.now_ms += 1000
            run.drivers[name].step()
            if name != COORDINATOR:
                run.drivers[name] = run.make_driver(name, run.log_of(name))
    assert results_document(run.state) == results_document(calm.state)
    assert run.ledger.replica.rejected == []


def test_a_lab_whose_figures_are_wrong_sends_nothing_and_is_told_why() -> None:
    deployment = one_round()

    def measure(lab: str, period: str) -> Measurement:
        values = figures(deployment, lab)
        return Measurement({**values, "share": "NaN"} if lab == "lab-3" else values)

    run = Run(deployment, measure)
    run.until_quiet()
    assert run.reasons("metrics_refused") == {"lab-3": "METRIC_VALUE"}
    assert "lab-3" not in run.state.rounds[0].reports
    assert run.state.rounds[0].phase(3) == "collecting"
    run.now_ms = deadline_of(run, 1)
    run.until_quiet()
    assert run.state.rounds[0].phase(3) == "opened"
    assert run.state.rounds[0].cohort == 4


def test_a_lab_without_figures_abstains_and_one_that_has_none_yet_waits() -> None:
    deployment = one_round()
    ready = {"lab-5": False}

    def measure(lab: str, period: str) -> Measurement | None:
        if lab == "lab-4":
            return Measurement({})
        return Measurement(figures(deployment, lab)) if ready.get(lab, True) else None

    run = Run(deployment, measure)
    run.until_quiet()
    assert run.state.rounds[0].abstained == {"lab-4"}
    assert run.state.rounds[0].phase(3) == "collecting"
    ready["lab-5"] = True
    run.until_quiet()
    assert run.state.rounds[0].phase(3) == "opened"


def test_a_metric_that_the_charter_does_not_give_the_lab_is_refused() -> None:
    deployment = one_round()

    def measure(lab: str, period: str) -> Measurement:
        return Measurement({**figures(deployment, lab), "spare": "1"})

    run = Run(deployment, measure)
    run.until_quiet()
    assert run.reasons("metrics_refused") == dict.fromkeys(run.charter.labs, "METRIC_UNKNOWN")


def test_a_corrected_report_replaces_the_first() -> None:
    deployment = one_round()

    def measure(lab: str, period: str) -> Measurement | None:
        return None if lab == "lab-6" else Measurement(figures(deployment, lab))

    run = Run(deployment, measure)
    run.until_quiet()
    found = run.state.rounds[0]
    first = found.reports["lab-2"].entry
    slot = run.drivers["lab-2"].correct(found, Measurement({"hours": "1", "share": "1"}))
    assert slot == "answer/1/1"
    run.until_quiet()
    assert run.state.rounds[0].excluded == ((first, "SUPERSEDED"),)


def test_a_correction_that_cannot_be_encoded_fills_no_slot() -> None:
    run = Run(one_round())
    run.until_quiet("oversight", *run.charter.auditors, "lab-2")
    with pytest.raises(ConfigError):
        run.drivers["lab-2"].correct(run.state.rounds[0], Measurement({"hours": "1"}))
    assert run.stores["lab-2"].draft("answer/1/1") is None


def test_an_auditor_that_stays_away_leaves_the_round_unopened() -> None:
    run = Run(make_deployment())
    others = [name for name in run.drivers if name != "auditor-2"]
    run.until_quiet(COORDINATOR, *run.charter.auditors)
    run.until_quiet(*others)
    assert run.state.rounds[0].phase(3) == "closed"
    assert len(run.state.rounds) == 1
    for _ in range(4):
        run.step()
    assert run.state.rounds[0].phase(3) == "opened"


class Flaky(LogWrapper):
    """Loses the answer to every other append."""

    calls = 0

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        self.calls += 1
        receipt = super().append(envelope, sealed_part)
        if self.calls % 2:
            raise TransportError("UNAVAILABLE", "log: the answer was lost")
        return receipt


def test_a_lost_answer_is_asked_for_again_and_logged_once() -> None:
    run = Run(one_round())
    for name in (*run.charter.auditors, *run.charter.labs):
        log = Flaky(run.log_of(name))
        run.drivers[name] = run.make_driver(name, log)
    for _ in range(20):
        for driver in run.drivers.values():
            run.now_ms += 1000
            try:
                driver.step()
            except TransportError:
                continue
    assert run.state.rounds[0].phase(3) == "opened"
    assert run.ledger.replica.rejected == []
    assert run.state.rounds[0].excluded == ()


class Forgetful(LogWrapper):
    """Logs in a copy of its store, so that the receipt is true and the entry never seen again."""

    def __init__(self, run: Run, lab: str) -> None:
        super().__init__(run.log_of(lab))
        self.run, self.lab = run, lab

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        copy = Replica(self.run.charter, self.run.stores[COORDINATOR].copy(), MODULUS_BITS_MIN)
        key = self.run.deployment.keys[COORDINATOR]
        elsewhere = LogWriter(copy, key)
        return self.run.log_of(self.lab, elsewhere).append(envelope, sealed_part)


def test_a_lab_whose_receipt_is_not_kept_stops_and_says_so() -> None:
    run = Run(one_round())
    run.until_quiet(COORDINATOR, *run.charter.auditors)
    log = Forgetful(run, "lab-2")
    run.drivers["lab-2"] = run.make_driver("lab-2", log)
    run.step("lab-2")
    assert "lab-2" not in run.state.rounds[0].reports
    run.step("lab-1")
    with pytest.raises(InvalidProof) as caught:
        run.step("lab-2")
    assert caught.value.reason == "RECEIPT_BROKEN"


def test_only_auditors_may_fetch_sealed_parts() -> None:
    run = Run(one_round())
    with pytest.raises(IdentityError):
        run.log_of("lab-1").fetch_sealed(b"\x00" * 32)


def test_figures_do_not_print() -> None:
    assert "123.456" not in repr(Measurement({"hours": "123.456"}))


def test_results_before_there_is_a_charter_are_empty() -> None:
    assert results_document(State()) == {"charter_hash": None, "test": False, "rounds": []}


def test_a_round_is_opened_once_the_auditors_say_that_the_figures_are_old_enough() -> None:
    run = Run(make_deployment(first="2035Q3", last="2035Q3", disclosure="age_days = 93\n"))
    due_ms = START_MS + DAY_MS
    coordinator = run.drivers[COORDINATOR]
    run.until_quiet()
    run.now_ms = due_ms - 1001
    run.step(*run.charter.auditors)
    assert coordinator.step() == 0
    run.now_ms = due_ms
    run.step(*run.charter.auditors)
    assert coordinator.step() == 1
    assert len(run.state.rounds) == 1


def test_an_acknowledgement_that_an_amendment_overtook_is_said_anew() -> None:
    """The one planned before is bound to the old charter, and refused for good."""
    chain = chain_at("opened", extra=PAUSE_TABLES)
    assert [c.why for c in chain.state.pause.changes] == ["rule"]
    entry = chain.state.pause.changes[0].entry
    store = MemoryStore()
    replica = SimpleNamespace(
        state=chain.state,
        store=store,
        charter=chain.deployment.charter,
        tree=chain.tree,
        witnessed=Witnessed(chain.state.size, 3, {}),
    )
    lab = Driver(
        Signer("lab-1", chain.deployment.keys["lab-1"]),
        cast(Replica, replica),
        cast(Log, None),
        Outside(lambda: chain.time_ms, chain.entropy),
    )
    lab._plan()
    assert store.draft(f"acknowledgement/{entry}") is not None
    new = replace(chain.deployment.charter, sha256=bytes(32))
    version = CharterVersion(new, 2, chain.state.size)
    replica.charter = new
    replica.state = replace(chain.state, charter=new, charters=(*chain.state.charters, version))
    lab._plan()
    draft = store.draft(f"acknowledgement/{entry}/{version.entry}")
    assert draft is not None
    assert statement_of(unseal(draft.envelope)).charter_sha256 == new.sha256
