"""Writes tests/vectors/fold_*.json: two faults at once, for every pair of checks of F5 to F10.

    PYTHONPATH=tests python scripts/make_fold_vectors.py [--check]

``fold_logs.json`` holds the logs. Every other file continues one of them, after ``size`` of
its leaves, with further leaves; the last breaks two checks, and its verdict has the reason of the
first. docs/spec/vectors.md describes the form.
"""

import itertools
from collections.abc import Callable
from typing import Any

from fermata.crypto.integers import random_prime
from fermata.wire.v1 import envelope_pb2
from fermata.wire.v1 import statement_pb2 as wire
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.chains import MODULUS_BITS_MIN, Chain, make_deployment
from harness.deployments import COORDINATOR, entropy_of
from harness.protocol.findings import finding
from harness.protocol.state_digest import state_digest
from vectors.common import run, text_of

TIERS = """
[dues]
unit = "EUR"

[[tier]]
id = "f"
panels = ["alpha", "beta"]
dues = "2"

[[tier]]
id = "s"
panels = ["alpha"]
dues = "1"
"""
REASONS = {
    5: "NO_KEY NO_ROUND ROUND_CLOSED EXCLUDED LATE KEY_ID PANELS TIER SHOWN LENGTH PROOF_DIGEST"
    " LENGTH DUPLICATE REVISIONS CT_DUPLICATE CT_REUSED",
    6: "NO_ROUND ROUND_CLOSED EXCLUDED LATE REPORTED DUPLICATE",
    7: "NO_KEY NO_ROUND ROUND_CLOSED TOO_EARLY CLOSE_LIST CLOSE_EXCLUDED CLOSE_PANELS LENGTH"
    " CT_RANGE PLEA",
    8: "NO_ROUND ALREADY_ENDORSED NOT_CLOSED ROUND_REFUSED WRONG_CLOSE WRONG_CLOSE",
    9: "NO_ROUND NOT_CLOSED ROUND_REFUSED WRONG_CLOSE NO_KEY NO_QUORUM ALREADY_OPENED EPOCH_ID"
    " PANELS LENGTH WIDTH PART_RANGE PART_NOT_UNIT",
    10: "TIME STALE SEEN_BACK TOO_OFTEN VERSION PLEA_AUTHOR PLEA_LIST LENGTH"
    " CONSENT_AUTHOR LENGTH CONSENT_CHARTER",
}
LOGS = ("main", "refused", "unproven", "given_up", "starved")
#: The log, its stage, statements before, the statement or a sealed one, and its time.
Made = tuple[str, str, list[wire.Statement], wire.Statement | bytes, int | None]
LATER = "a round that was not opened, or a log without a key, has no state of its own"
EXCLUSIVE = "no log reaches a state in which both fail"


class Impossible(Exception):
    """These faults cannot be in one entry."""


class Logs:
    """The honest logs, with their sizes at each stage."""

    def __init__(self) -> None:
        self.deployment = make_deployment(members="xyz", tiers="sfffss", extra=TIERS)
        self.sizes: dict[str, dict[str, int]] = {name: {} for name in LOGS}
        main = self._opened("main")
        refused, unproven, given_up = main.fork(), main.fork(), main.fork()
        for lab in ("lab-1", "lab-2", "lab-3", "lab-4"):
            main.report(lab)
        self._mark("main", "waiting", main)
        starved = main.fork()
        self.deadline_ms = main.deadline_ms
        main.abstain("lab-5")
        self._mark("main", "reported", main)
        self.close = main.close_statement()
        main.close()
        self._mark("main", "closed", main)
        self.endorsement = main.endorsement_statement("auditor-1")
        main.endorse()
        self._mark("main", "endorsed", main)
        self.part = main.opening_statement("auditor-1")
        main.open_part("auditor-1")
        self._mark("main", "parted", main)
        main.open_round()
        self._mark("main", "second", main)
        refused.report("lab-1")
        for lab in ("lab-2", "lab-3", "lab-4", "lab-5"):
            refused.abstain(lab)
        refused.close()
        self._mark("refused", "closed", refused)
        for lab in ("lab-1", "lab-2", "lab-3"):
            unproven.report(lab)
        # Its proof is found out at the close, and then the lab has not answered.
        forged = _prove(_plain_report(main, "unproven"))
        unproven.put_ok(unproven.seal(self.deployment.statement("lab-4", report=forged)))
        unproven.abstain("lab-5")
        unproven.close()
        self._mark("unproven", "closed", unproven)
        # Nobody closes round 1, and round 2 is opened over it.
        given_up.open_round(given_up.deadline_ms + given_up.round.window_ms)
        self._mark("given_up", "closed", given_up)
        # An auditor has what lab-5 answered, and nobody logs it until the close waits no longer.
        self.sizes["starved"] = dict(self.sizes["main"])
        starved.pass_deadline()
        starved.pleas["auditor-1"] = [self.plea()]
        starved.advance(starved.time_ms + 60_000)
        self._mark("starved", "pleaded", starved)
        starved.advance(starved.due_ms(starved.round.plea_limit))
        starved.close()
        chains = (main, refused, unproven, given_up, starved)
        self.chains = dict(zip(LOGS, chains, strict=True))

    def _mark(self, log: str, stage: str, chain: Chain) -> None:
        self.sizes[log][stage] = len(chain.leaves)

    def _opened(self, log: str) -> Chain:
        chain = Chain(self.deployment)
        chain.put_ok(self.deployment.charter_envelope)
        self._mark(log, "charter", chain)
        chain.put_ok(self.deployment.key_envelope)
        about = EntryRef(index=finding(chain, "lab-6"))
        motion = wire.Motion(
            kind=wire.MOTION_KIND_EXCLUSION, lab="lab-6", from_round=1, about=about
        )
        tabled = chain.say("member-1", motion=motion)
        for member in ("member-1", "member-2"):
            body = wire.Vote(motion=EntryRef(index=tabled.entry), choice=wire.CHOICE_FOR)
            if not chain.say(member, vote=body).accepted:
                raise SystemExit("a vote of the base log was rejected")
        chain.open_round(chain.time_ms + 86_400_000)
        self._mark(log, "collecting", chain)
        return chain

    def plea(self) -> wire.Plea:
        """That an auditor has an answer of lab-5."""
        return wire.Plea(round=1, lab="lab-5", envelope_sha256=_digests("plea")())

    def at(self, log: str, stage: str) -> Chain:
        """A chain with the log's leaves up to a stage."""
        chain = Chain(self.deployment)
        for leaf in self.chains[log].leaves[: self.sizes[log][stage]]:
            chain.put_leaf(leaf)
        chain.time_ms = chain.state.time_ms
        return chain

    def report_of(self, lab: str) -> wire.Report:
        """What a lab reported in round 1."""
        seen = self.chains["main"].state.rounds[0].reports[lab]
        entry = envelope_pb2.LogEntry.FromString(self.chains["main"].leaves[seen.entry])
        envelope = envelope_pb2.Envelope.FromString(entry.envelope)
        return wire.Statement.FromString(envelope.payload).report

    def envelope_of(self, lab: str) -> bytes:
        """The envelope of it."""
        seen = self.chains["main"].state.rounds[0].reports[lab]
        return envelope_pb2.LogEntry.FromString(self.chains["main"].leaves[seen.entry]).envelope


def _digests(seed: str) -> Callable[[], bytes]:
    draw = entropy_of(0, f"fold vectors {seed}")
    return lambda: draw(32)


def _plain_report(chain: Chain, seed: str) -> wire.Report:
    """A report in the right form; the fold looks at its proof only when the round is closed."""
    draw = _digests(seed)
    key = chain.state.key
    report = wire.Report(round=1, key_id=key.key_id if key else b"", sealed_sha256=draw())
    for panel, count in (("alpha", 1), ("beta", 2)):
        report.parts.add(panel=panel, ciphertext_sha256=[draw() for _ in range(count)])
    return report


def _prove(report: wire.Report) -> wire.Report:
    for part in report.parts:
        part.proof = b"".join(part.ciphertext_sha256)
    return report


def _refuse(faults: set[int], *pairs: tuple[int, set[int]]) -> None:
    for one, others in pairs:
        if one in faults and faults & others:
            raise Impossible(LATER if one in (1, 2) else EXCLUSIVE)


def report(logs: Logs, faults: set[int]) -> Made:
    """F5."""
    _refuse(
        faults,
        (1, {3, 4, 5, 13, 14, 15}),
        (2, {3, 4, 5, 13, 14}),
        (4, {13, 14}),
        (13, {6, 7, 8, 9, 10, 11, 12, 15, 16}),
    )
    if {3, 14} <= faults:
        raise Impossible("16 reports before the close: not made, as the log would be long")
    stage = "charter" if 1 in faults else "closed" if 3 in faults else "reported"
    lab = "lab-6" if 4 in faults else "lab-2"
    time_ms = logs.deadline_ms if 5 in faults else None
    before: list[wire.Statement] = []
    if 14 in faults:
        for k in range(15):
            spare = _prove(_plain_report(logs.chains["main"], f"spare {k}"))
            before.append(logs.deployment.statement("lab-2", report=spare))
    if 13 in faults:
        return "main", stage, before, logs.envelope_of("lab-2"), time_ms
    wanted = _plain_report(logs.chains["main"], str(sorted(faults)))
    alpha, beta = wanted.parts
    if 15 in faults:
        alpha.ciphertext_sha256[0] = logs.report_of("lab-1").parts[0].ciphertext_sha256[0]
    if 16 in faults:
        beta.ciphertext_sha256[1] = beta.ciphertext_sha256[0]
    if 10 in faults:
        alpha.ciphertext_sha256.append(_digests("more")())
    _prove(wanted)
    if 11 in faults:
        alpha.proof = b"\0"
    if 12 in faults:
        wanted.sealed_sha256 = b"\0" * 31
    if 2 in faults:
        wanted.round = 99
    if 6 in faults:
        wanted.key_id = b"\0" * 32
    if 9 in faults:
        wanted.dues_band = 99
    if 8 in faults:
        if 16 in faults:  # Without the second panel the digest is taken from another round.
            alpha.ciphertext_sha256[0] = logs.report_of("lab-2").parts[0].ciphertext_sha256[0]
            _prove(wanted)
            wanted.round, stage = 2, "second"
        del wanted.parts[1]
    if 7 in faults:
        parts = list(reversed(wanted.parts)) if 8 not in faults else [alpha, alpha]
        copies = [wire.ReportPart.FromString(p.SerializeToString()) for p in parts]
        del wanted.parts[:]
        wanted.parts.extend(copies)
    statement = logs.deployment.statement(lab, report=wanted)
    return "main", stage, before, statement, time_ms


def abstention(logs: Logs, faults: set[int]) -> Made:
    """F6."""
    _refuse(faults, (1, {2, 3, 4, 5, 6}), (3, {5, 6}), (5, {6}))
    stage = "closed" if 2 in faults else "reported"
    lab = "lab-6" if 3 in faults else "lab-5" if 6 in faults else "lab-2"
    statement = logs.deployment.statement(lab, abstention=wire.Abstention(round=1))
    return (
        "main",
        stage,
        [],
        statement,
        logs.deadline_ms if 4 in faults else None,
    )


def close(logs: Logs, faults: set[int]) -> Made:
    """F7."""
    _refuse(faults, (1, {3, 4, 10}), (2, {3, 4, 10}), (3, {10}))
    log = "starved" if 10 in faults else "unproven" if {3, 4} <= faults else "main"
    stages = {1: "charter", 3: "closed", 4: "waiting", 10: "pleaded"}
    stage = next((s for f, s in stages.items() if f in faults), "reported")
    before: list[wire.Statement] = []
    if {4, 10} <= faults:
        chain = logs.at("main", "waiting")
        time_ms = chain.time_ms + 60_000
        before.append(chain.beat_statement("auditor-1", time_ms, pleas=[logs.plea()]))
    statement = wire.Statement.FromString(logs.close.SerializeToString())
    wanted = statement.close_round
    if 2 in faults:
        wanted.round = 99
    if 5 in faults:
        del wanted.listed[0]
    if 6 in faults:
        wanted.excluded.add(entry=1, reason="LATE")
    if 7 in faults:
        del wanted.aggregates[-1]
    first = wanted.aggregates[0]
    if 8 in faults:
        first.ciphertexts.append(first.ciphertexts[0])
    if 9 in faults:
        first.ciphertexts[0] = bytes(len(first.ciphertexts[0]))
    return log, stage, before, statement, None


def endorsement(logs: Logs, faults: set[int]) -> Made:
    """F8."""
    _refuse(faults, (1, {2, 3, 4, 5, 6}), (2, {3}))
    if {2, 4} <= faults:
        raise Impossible("only a second call ends an endorsed round: not made")
    log = "given_up" if {3, 4} <= faults else "refused" if 4 in faults else "main"
    stage = "endorsed" if 2 in faults else "closed"
    stage = "reported" if 3 in faults and log == "main" else stage
    statement = wire.Statement.FromString(logs.endorsement.SerializeToString())
    wanted = statement.endorsement
    own = logs.chains[log].state.rounds[0].close
    wanted.close.CopyFrom(
        EntryRef(index=own.entry - (5 in faults) if own and 3 not in faults else 0)
    )
    if 6 in faults:
        wanted.aggregate_sha256 = bytes(32)
    return log, stage, [], statement, None


def opening(logs: Logs, faults: set[int]) -> Made:
    """F9."""
    later = set(range(2, 14))
    if faults == {1, 5}:
        part = wire.PartialOpening(round=1, close=EntryRef(index=0))
        statement = logs.deployment.statement("auditor-1", partial_opening=part)
        return "main", "charter", [], statement, None
    _refuse(faults, (1, later), (2, {7}), (6, {7}), (5, later | {1}))
    if {3, 7} <= faults:
        raise Impossible("only a second call ends such a round: not made")
    log = "given_up" if {2, 3} <= faults else "refused" if 3 in faults else "main"
    stages = {3: "closed", 2: "reported", 6: "closed", 7: "parted"}
    stage = next((s for f, s in stages.items() if f in faults), "endorsed")
    statement = wire.Statement.FromString(logs.part.SerializeToString())
    wanted = statement.partial_opening
    own = logs.chains[log].state.rounds[0].close
    wanted.close.CopyFrom(
        EntryRef(index=own.entry - (4 in faults) if own and 2 not in faults else 0)
    )
    beta = wanted.panels[1]
    width = len(beta.parts[0])
    if 8 in faults:
        wanted.epoch_id = b"\0" * 32
    if 13 in faults:
        entropy = entropy_of(logs.deployment.seed, "dealer")
        prime = random_prime(entropy, logs.deployment.charter.modulus_bits // 2)
        beta.parts[0] = prime.to_bytes(width, "big")
    if 12 in faults:
        beta.parts[0] = bytes(width) if 13 in faults else (1).to_bytes(width, "big")
    if 11 in faults:
        beta.parts[1] = b"\0"
    if 10 in faults:
        beta.parts.append(beta.parts[0])
    if 9 in faults:
        wanted.panels[0].panel = "gamma"
    return log, stage, [], statement, None


def heartbeat(logs: Logs, faults: set[int]) -> Made:
    """F10. An auditor's is never too often if its time is an hour later; a lab's may be."""
    chain = logs.at("main", "collecting")
    last = chain.state.heartbeats["auditor-1"]
    later_ms = last.time_ms + 3_600_000
    author, count, before = "auditor-1", last.count, []
    if faults & {7, 8} and faults & {10, 11}:
        raise Impossible("only an auditor's has pleas, and only a lab's names a charter")
    if 4 in faults and faults & {7, 8, 9}:
        later_ms = last.time_ms
    elif faults == {6, 9}:
        author, count = COORDINATOR, 0
    elif faults & {6, 10, 11} and not faults & {3, 4, 9}:
        author, count = "lab-1", 0
    elif faults & {4, 6, 10, 11} and 9 not in faults:
        author, count = "lab-1", 1
        first = wire.Heartbeat(count=count, time_ms=last.time_ms)
        before.append(logs.deployment.statement(author, heartbeat=first))
    wanted = wire.Heartbeat(count=count + (2 not in faults), time_ms=later_ms)
    if 1 in faults:
        wanted.time_ms = 10**15
    if 5 in faults:
        wanted.version = "\t"
    if faults & {6, 7, 8}:
        labs = ("lab-2", "lab-1") if 7 in faults else ("lab-1", "lab-2")
        digest = _digests("plea")()[8 in faults :]
        wanted.pleas.extend(wire.Plea(round=1, lab=lab, envelope_sha256=digest) for lab in labs)
    if faults & {9, 10, 11}:
        known = logs.deployment.charter.sha256
        wanted.accepted_charter_sha256 = _digests("charter")() if 11 in faults else known
        if 10 in faults:
            wanted.accepted_charter_sha256 = known[1:]
    statement = logs.deployment.statement(author, heartbeat=wanted)
    if 3 in faults:
        statement.seen.CopyFrom(chain.ref(0))
    return "main", "collecting", before, statement, None


RULES = {5: report, 6: abstention, 7: close, 8: endorsement, 9: opening, 10: heartbeat}


def vectors() -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """All files by name, and the pairs that have none, with the reason."""
    logs = Logs()
    files: dict[str, dict[str, Any]] = {
        "fold_logs.json": {
            "what": "logs; keys from public seeds, never to be used",
            "modulus_bits_min": MODULUS_BITS_MIN,
            "charter_sha256": logs.deployment.charter.sha256.hex(),
            "logs": {
                name: {
                    "leaves": [leaf.hex() for leaf in chain.leaves],
                    "state": state_digest(chain.state),
                }
                for name, chain in logs.chains.items()
            },
        }
    }
    missing: dict[str, str] = {}
    for rule, make in RULES.items():
        reasons = REASONS[rule].split()
        for pair in itertools.combinations(range(1, len(reasons) + 1), 2):
            name = f"F{rule}.{pair[0]} F{rule}.{pair[1]}"
            try:
                log, stage, before, last, time_ms = make(logs, set(pair))
            except Impossible as why:
                missing[name] = str(why)
                continue
            chain = logs.at(log, stage)
            start = len(chain.leaves)
            for earlier in before:
                chain.put_ok(chain.seal(earlier))
            envelope = last if isinstance(last, bytes) else chain.seal(last)
            verdict = chain.put(envelope, time_ms and max(time_ms, chain.time_ms))
            if verdict.reason != reasons[pair[0] - 1]:
                raise SystemExit(f"{name}: {verdict}")
            files[f"fold_f{rule}_{pair[0]:02}_{pair[1]:02}.json"] = {
                "faults": name,
                "log": log,
                "size": start,
                "leaves": [leaf.hex() for leaf in chain.leaves[start:]],
                "reasons": [v.reason for v in chain.verdicts[start:]],
                "state": state_digest(chain.state),
            }
    files["fold_logs.json"]["pairs_without_a_file"] = missing
    return files, missing


def make() -> dict[str, str]:
    files, missing = vectors()
    print(f"{len(files) - 1} pairs, {len(missing)} that cannot be, or were not made")
    return {name: text_of(content) for name, content in files.items()}


if __name__ == "__main__":
    run(__doc__, "fold_*.json", make)
