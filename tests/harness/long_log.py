"""A long log of small numbers: real statements, signatures and openings, proofs that nobody checks.

Reports hold random digests in place of ciphertexts, and the products of a close encrypt sums that
are made up, so that a million entries take minutes. All else is what a deployment logs.
"""

import random
from collections.abc import Iterator
from typing import Any

from fermata.crypto.integers import int_to_bytes
from fermata.crypto.paillier import ciphertext_to_bytes, encrypt, random_exponent
from fermata.crypto.report.proof_cache import ProofCache
from fermata.crypto.threshold.opening import partial_opening
from fermata.log.merkle import Tree, leaf_hash
from fermata.protocol.charter.claims import witness_of
from fermata.protocol.charter.encoding import encode_panel
from fermata.protocol.fold.apply import apply
from fermata.protocol.fold.references import bind, leaf_with, to_wire
from fermata.protocol.fold.round_rules import aggregate_digest
from fermata.protocol.standing.round_standing import round_standing
from fermata.protocol.state.state import State, Verdict
from fermata.protocol.wire.envelope import seal_statement
from fermata.wire.v1 import statement_pb2
from harness.deployments import (
    COORDINATOR,
    MODULUS_BITS_MIN,
    START_MS,
    Deployment,
    entropy_of,
    make_deployment,
)

#: How far apart the heartbeats of one node are (ms), and how many rounds a charter of it has.
BEAT_MS = 61_000
ROUND_S = 3600


class AllHold(ProofCache):
    """Takes every proof for one that was checked: the log's proofs are random bytes."""

    def __contains__(self, digest: bytes) -> bool:
        return True


def long_deployment(labs: int, rules: str, **settings: Any) -> Deployment:
    """Numbered rounds of an hour; every lab is an organisation of its own."""
    letters = "".join(chr(0x4E00 + i) for i in range(labs))
    return make_deployment(
        labs=labs,
        auditors=3,
        cadence="number",
        first="1",
        window_s=ROUND_S,
        interval_s=ROUND_S,
        heartbeat_s=ROUND_S,
        organisations=letters,
        extra=rules,
        **settings,
    )


class LongLog:
    """Writes a log of rounds with as many entries each as asked, through the fold."""

    def __init__(self, deployment: Deployment, proof_bytes: int = 64, seed: int = 0) -> None:
        self.deployment, self.cache = deployment, AllHold()
        self.state = State(
            charter_sha256=deployment.charter.sha256, modulus_bits_min=MODULUS_BITS_MIN
        )
        self.tree = Tree()
        self.time_ms = START_MS
        self._dice = random.Random(seed)
        self._entropy = entropy_of(seed, "long log")
        self._proof_bytes = proof_bytes

    def fork(self) -> "LongLog":
        """Another log with the same past."""
        twin = LongLog(self.deployment, self._proof_bytes)
        twin.state, twin.tree, twin.time_ms = self.state, self.tree.copy(), self.time_ms
        twin._dice.setstate(self._dice.getstate())
        return twin

    def take(self, leaf: bytes) -> Verdict:
        """Folds one leaf; a caller may replace it to measure."""
        self.state, verdict = apply(self.state, leaf, self.cache)
        self.tree = self.tree.copy()
        self.tree.append(leaf_hash(leaf))
        return verdict

    def _leaf(self, envelope: bytes, statement: statement_pb2.Statement | None) -> bytes:
        return leaf_with(self.tree, envelope, statement)

    def _put(self, leaf: bytes) -> bytes:
        verdict = self.take(leaf)
        if not verdict.accepted:
            raise ValueError(f"the long log has a refused entry: {verdict}")
        return leaf

    def _say(self, author: str, **body: Any) -> bytes:
        statement = self.deployment.statement(author, **body)
        bind(self.tree, statement)
        envelope = seal_statement(statement, {author: self.deployment.keys[author]})
        return self._put(self._leaf(envelope, statement))

    def start(self) -> Iterator[bytes]:
        """Charter, key record, and the auditors' first heartbeats."""
        yield self._put(self._leaf(self.deployment.charter_envelope, None))
        yield self._put(self._leaf(self.deployment.key_envelope, None))
        for auditor in self.deployment.charter.auditors:
            yield self._beat(auditor)

    def _beat(self, party: str) -> bytes:
        last = self.state.heartbeats.get(party)
        beat = statement_pb2.Heartbeat(
            count=last.count + 1 if last else 1, time_ms=self.time_ms, version="1"
        )
        return self._say(party, heartbeat=beat)

    def refused(self, count: int) -> Iterator[bytes]:
        """So many entries that break a rule: they change the log's length, and cost little."""
        for _ in range(count):
            leaf = self._dice.randbytes(40)
            self.take(leaf)
            yield leaf

    def round(self, entries: int) -> Iterator[bytes]:
        """One whole round of so many entries: what is left of them are heartbeats."""
        keyed = self.state.keyed()
        charter, number, first = keyed.charter, len(keyed.rounds) + 1, keyed.size
        opening = statement_pb2.OpenRound(
            round=number, period=charter.period(number), key_id=keyed.key.key_id
        )
        yield self._say(COORDINATOR, open_round=opening)
        for lab in charter.labs:
            yield self._say(lab, report=self._report(lab, number))
        yield self._say(COORDINATOR, close_round=self._close(number))
        yield from self._endorse_and_open(number)
        parties = (*charter.auditors, COORDINATOR, *charter.labs)
        while self.state.size - first < entries:
            self.time_ms += BEAT_MS
            for party in parties:
                if self.state.size - first < entries:
                    yield self._beat(party)
        # The next round may be opened once the auditors say that its time has come.
        self.time_ms = max(self.time_ms + BEAT_MS, keyed.time_ms + ROUND_S * 1000 + 2 * BEAT_MS)
        for auditor in charter.auditors:
            yield self._beat(auditor)

    def _report(self, lab: str, number: int) -> statement_pb2.Report:
        keyed = self.state.keyed()
        parts = []
        for panel in keyed.charter.panels:
            if lab in panel.labs:
                count = panel.claims.statements.packing.ciphertexts
                digests = [self._dice.randbytes(32) for _ in range(count)]
                proof = b"".join(digests) + self._dice.randbytes(self._proof_bytes)
                parts.append(
                    statement_pb2.ReportPart(panel=panel.id, ciphertext_sha256=digests, proof=proof)
                )
        return statement_pb2.Report(
            round=number,
            key_id=keyed.key.key_id,
            parts=parts,
            sealed_sha256=self._dice.randbytes(32),
        )

    def _values(self, number: int) -> dict[str, str]:
        """Figures that every lab has in a round: some growth, some noise."""
        level = 1000 * 1.01 ** (number % 60) * self._dice.uniform(0.95, 1.05)
        wide = {f"wide-{k}": f"{int(level * 10**k)}" for k in range(1, 6)}
        return {"hours": f"{level:.3f}", "share": "1.5", **wide}

    def _close(self, number: int) -> statement_pb2.CloseRound:
        keyed, round_ = self.state.keyed(), self.state.rounds[number - 1]
        charter, table, public_key = keyed.charter, self.deployment.table, keyed.key.public_key
        values = self._values(number)
        aggregates = []
        for cell in round_standing(keyed, round_).opened:
            panel = charter.panel(cell.panel)
            witness = witness_of(panel.claims, panel.metrics, encode_panel(panel, values))
            packed = panel.claims.statements.packing.pack(witness)
            products = [
                ciphertext_to_bytes(
                    public_key,
                    encrypt(
                        table,
                        len(cell.labs) * plaintext,
                        random_exponent(self._entropy, public_key),
                    ),
                )
                for plaintext in packed
            ]
            aggregates.append(statement_pb2.SealedPanel(panel=cell.id, ciphertexts=products))
        return statement_pb2.CloseRound(
            round=number,
            listed=[
                statement_pb2.ListedReport(lab=lab, entry=round_.reports[lab].entry)
                for lab in sorted(round_.reports)
            ],
            aggregates=aggregates,
        )

    def _endorse_and_open(self, number: int) -> Iterator[bytes]:
        keyed = self.state.keyed()
        charter, key = keyed.charter, keyed.key
        close = keyed.rounds[number - 1].close
        if close is None or close.refusal:
            raise ValueError(f"the long log has a round without a result: {close}")
        key_width = key.public_key.modulus_width
        wire = {
            cell: tuple(ciphertext_to_bytes(key.public_key, c) for c in products)
            for cell, products in close.aggregates.items()
        }
        said = statement_pb2.Endorsement(
            round=number, close=to_wire(close.ref), aggregate_sha256=aggregate_digest(wire)
        )
        for auditor in charter.auditors:
            yield self._say(auditor, endorsement=said)
        for auditor in charter.auditors:
            share = self.deployment.shares[auditor]
            panels = [
                statement_pb2.OpenedPanel(
                    panel=cell,
                    parts=[
                        int_to_bytes(
                            partial_opening(key.record, share, c, self._entropy), key_width
                        )
                        for c in products
                    ],
                )
                for cell, products in close.aggregates.items()
            ]
            body = statement_pb2.PartialOpening(
                round=number, close=to_wire(close.ref), epoch_id=key.epoch_id, panels=panels
            )
            yield self._say(auditor, partial_opening=body)
