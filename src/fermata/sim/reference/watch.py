"""Looks at a whole run from outside and checks the invariants I1 to I8 after every step."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fermata.crypto.report.proof_cache import ProofCache
from fermata.crypto.report.verifier import verify_open
from fermata.crypto.threshold.opening import KeyShare, partial_opening
from fermata.errors import VerificationError
from fermata.log.checkpoint import parse_checkpoint, parse_note
from fermata.log.merkle import Tree, leaf_hash
from fermata.protocol.drills.duties import ANSWER
from fermata.protocol.fold.apply import apply
from fermata.protocol.fold.proofs import PROOF, context_of
from fermata.protocol.state.consents import not_consenting
from fermata.protocol.state.position import Position
from fermata.protocol.state.report_flags import NOTHING_ASKED, flags_of, shown_ranges, statements_of
from fermata.protocol.state.state import Round, State, Verdict
from fermata.protocol.wire.codec import decode_entry, encode, sha256
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.protocol.wire.ports import Draft, Receipt, Store
from fermata.sim.dice import stream
from fermata.sim.reference.consent_book import ConsentBook
from fermata.sim.reference.drill_watch import DrillWatch
from fermata.sim.reference.standing_watch import Figures, StandingWatch
from fermata.sim.setup.canaries import Canaries
from fermata.sim.setup.deployment import MODULUS_BITS_MIN, Deployment
from fermata.wire.v1 import statement_pb2


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that did not hold, and what the watch saw."""

    invariant: str
    detail: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.detail}"


@dataclass(eq=False)
class Watch:
    """Follows the coordinator's disk and everything that parties sign, send and hand out.

    It keeps a fold of its own, from the disk alone; the states in the nodes' memories must agree.
    """

    deployment: Deployment
    disk: Store
    canaries: Canaries
    cache: ProofCache

    def __post_init__(self) -> None:
        self._charter = self.deployment.charter
        #: By auditor, its share of the key in force.
        self.shares: Mapping[str, KeyShare] = self.deployment.shares
        self._tree = Tree()
        self._roots = [self._tree.root()]
        self._envelopes: dict[bytes, int] = {}
        self._receipts: list[Receipt] = []
        self._heads: dict[bytes, None] = {}
        self._checked: set[bytes] = set()
        self._openings: list[statement_pb2.Statement] = []
        self._vouched: dict[tuple[str, str, int], bytes] = {}
        self._last_report: dict[tuple[str, int], int] = {}
        self.leaves: list[bytes] = []
        self.states = [
            State(charter_sha256=self._charter.sha256, modulus_bits_min=MODULUS_BITS_MIN)
        ]
        self.verdicts: list[Verdict] = []
        self.violations: list[Violation] = []
        self.consents = ConsentBook()
        #: After each entry, who has not consented.
        self.refusing: list[frozenset[str]] = []
        self.standing = StandingWatch(self.deployment, self.violate, self.consents.away)
        self.drills = DrillWatch(lambda: self.shares, self.violate)

    @property
    def state(self) -> State:
        """The state that follows from the coordinator's disk."""
        return self.states[-1]

    def violate(self, invariant: str, detail: str) -> None:
        """Records that an invariant does not hold."""
        self.violations.append(Violation(invariant, detail))

    # What the nodes and the network tell.

    def saw_call(self, node: str, name: str, args: tuple[Any, ...]) -> None:
        """Notes a node's call to its store or to the log."""
        if name == "put_value" and args[0] == ANSWER:
            # K37.5: an auditor keeps its answer to a drill before it commits itself to it.
            return
        self.canaries.saw(f"{node}'s {name}", _bytes_in(args))
        if name == "put_draft" and isinstance(args[0], Draft):
            self._saw_statement(node, args[0].envelope)

    def saw_request(self, caller: str, envelope: bytes, sealed_part: bytes) -> None:
        """A statement on its way to the log."""
        self.canaries.saw(f"a request of {caller}", (envelope, sealed_part))
        self._saw_statement(caller, envelope)

    def saw_receipt(self, receipt: Receipt) -> None:
        """A receipt that the log has given out."""
        self._receipts.append(receipt)
        self.saw_head(receipt.checkpoint)

    def saw_head(self, note: bytes) -> None:
        """A signed head that the log has shown."""
        if note not in self._checked:
            self._heads[note] = None

    def saw_refusal(self, error: VerificationError) -> None:
        """An error with which the log answered instead of a receipt."""
        self.canaries.saw("a refusal", (str(error).encode(),))

    def _saw_statement(self, node: str, envelope: bytes) -> None:
        """I6 and P5: an auditor endorses one close and gives one part, whatever happens."""
        statement = statement_of(unseal(envelope))
        body = statement.WhichOneof("body") or ""
        if body == "endorsement":
            number = statement.endorsement.round
            said = statement.endorsement.close.leaf_hash + statement.endorsement.aggregate_sha256
        elif body == "partial_opening":
            # A node that crashed before its draft was durable signs it again with another seen.
            number, said = statement.partial_opening.round, encode(statement.partial_opening)
        else:
            if body == "drill_part":
                # K37: a nonce is for everybody once its auditor shows its part.
                self.canaries.release(statement.drill_part.nonce)
            return
        first = self._vouched.setdefault((node, body, number), said)
        if first != said:
            self.violate("I6", f"{node} made two different {body} statements of round {number}")
        elif body == "partial_opening":
            self._openings.append(statement)

    # What is checked after every step.

    def check(self) -> list[Verdict]:
        """Reads what is new on the coordinator's disk; returns the verdicts on the new entries."""
        known = len(self.verdicts)
        count = self.disk.entry_count()
        if count < len(self.leaves):
            self.violate("I1", f"the log shrank from {len(self.leaves)} to {count} entries")
            return []
        for leaf in self.disk.leaves(len(self.leaves), count):
            self._grow(leaf)
        self._check_receipts()
        self._check_heads()
        for statement in self._openings:
            self._check_part(statement)
        self._openings.clear()
        return self.verdicts[known:]

    def check_disk(self) -> None:
        """I1, I3: after a restart of the coordinator every entry is what it was."""
        if self.disk.leaves(0, len(self.leaves)) != self.leaves:
            self.violate("I3", "an entry of the log changed")

    def check_replica(self, node: str, state: State) -> None:
        """I8: the state of a node is the state that everybody derives from the same entries."""
        if state.size >= len(self.states):
            self.violate("I1", f"{node} has {state.size} entries, the log {len(self.states) - 1}")
        elif state != self.states[state.size]:
            self.violate("I8", f"{node} derives another state from {state.size} entries")

    def refold(self) -> State:
        """I8: the state of the log folded from its start; every entry must give the same pause."""
        state = self.states[0]
        for entry, leaf in enumerate(self.leaves):
            state, _ = apply(state, leaf, self.cache)
            if state.pause != self.states[entry + 1].pause:
                self.violate("I8", f"entry {entry} gives another pause than it gave before")
        return state

    def check_refusal(self, before: State, after: State) -> None:
        """I7: a refusal leaves the log as it was, except for one entry as evidence at most."""
        if after.size > before.size + 1 or not _is_untouched(before, after):
            self.violate("I7", "a refused statement changed the log's state")

    def _grow(self, leaf: bytes) -> None:
        entry, before = len(self.leaves), self.state
        after, verdict = apply(before, leaf, self.cache)
        envelope = decode_entry(leaf).envelope
        first = self._envelopes.setdefault(sha256(envelope), entry)
        if first != entry and verdict.accepted:
            self.violate("I2", f"entry {entry} repeats entry {first}")
        if not verdict.accepted and not _is_untouched(before, after):
            self.violate("I7", f"entry {entry} was rejected and changed the state")
        self.leaves.append(leaf)
        self.states.append(after)
        self.verdicts.append(verdict)
        self._tree.append(leaf_hash(leaf))
        self._roots.append(self._tree.root())
        if entry:
            said = statement_of(unseal(envelope)) if verdict.accepted else None
            self.drills.follow(entry, said, before, after)
            if said is not None:
                self.consents.saw(verdict.author, said, after)
        self._check_consents(entry, after)
        if verdict.accepted and verdict.kind == "Report":
            number = statement_of(unseal(envelope)).report.round
            self._last_report[(verdict.author, number)] = entry
        if verdict.accepted and verdict.kind == "CloseRound":
            close = statement_of(unseal(envelope)).close_round
            self._check_close(close)
            reports = {listed.lab: self._report(listed.entry) for listed in close.listed}
            self.standing.close(after, close.round, reports)

    def _check_consents(self, entry: int, after: State) -> None:
        """I8: every lab that has not consented is known as such, after every entry."""
        refusing = self.consents.refusing(after) if after.charter is not None else frozenset()
        self.refusing.append(refusing)
        if set(not_consenting(after)) != refusing:
            self.violate("I8", f"entry {entry}: without consent are {sorted(refusing)}")
        at_opening = self.consents.at_opening
        if any(r.unconsenting != at_opening.get(r.number) for r in after.rounds[-1:]):
            self.violate("I8", f"entry {entry}: the round has others without consent")

    def _check_close(self, close: statement_pb2.CloseRound) -> None:
        """I2: a close lists each lab at most once, with its last accepted and proven report."""
        listed = [(r.lab, r.entry) for r in close.listed]
        unproven = {e.entry for e in close.excluded if e.reason == PROOF}
        last = sorted(
            (lab, entry) for (lab, number), entry in self._last_report.items()
            if number == close.round and entry not in unproven
        )  # fmt: skip
        for entry in unproven:
            if self._is_proven(entry):
                self.violate("I2", f"round {close.round} does not count entry {entry}")
        for _, entry in listed:
            if not self._is_proven(entry):
                self.violate("I2", f"round {close.round} counts entry {entry} without its proof")
        if listed != last:
            self.violate("I2", f"round {close.round} counts other reports than the last of each")

    def able_at(self, round_: Round) -> int | None:
        """RU12: how many auditors could open by the newest drill before a round's close.

        By the key in force now: no run of a charter with terms has a second epoch.
        """
        if round_.close is None:
            return None
        return self.drills.able_before(round_.close.entry, self.state.keyed().key.epoch_id)

    def _statement(self, entry: int) -> statement_pb2.Statement:
        return statement_of(unseal(decode_entry(self.leaves[entry]).envelope))

    def _report(self, entry: int) -> statement_pb2.Report:
        return self._statement(entry).report

    def _is_proven(self, entry: int) -> bool:
        """Whether the open proofs of a report hold, each checked by itself."""
        statement = self._statement(entry)
        key = self.state.keyed().key
        round_ = self.state.round(statement.report.round)
        charter = self.state.charter_at(statement.report.round)
        flags = flags_of(statement.report)
        for part in statement.report.parts:
            panel = charter.panel(part.panel)
            asked = round_.asked if round_ is not None else NOTHING_ASKED
            statements = statements_of(panel, shown_ranges(charter, asked, panel, flags))
            where = context_of(charter, statement.report.round, part.panel, statement.author)
            try:
                verify_open(statements, key.public_key, where, part.proof)
            except VerificationError:
                return False
        return True

    def _check_receipts(self) -> None:
        """I1: every entry with a receipt is on the disk."""
        for receipt in self._receipts:
            here = receipt.entry < len(self.leaves)
            if not here or self.leaves[receipt.entry] != receipt.leaf:
                self.violate("I1", f"the receipt for entry {receipt.entry} is not kept")
        self._receipts.clear()

    def _check_heads(self) -> None:
        """I3: every signed head that was shown is a prefix of the one log."""
        for note in self._heads:
            head = parse_checkpoint(parse_note(note).text)
            if head.size >= len(self._roots) or self._roots[head.size] != head.root:
                self.violate("I3", f"a signed head of {head.size} entries is not of the log")
        self._checked.update(self._heads)
        self._heads.clear()

    def _check_part(self, statement: statement_pb2.Statement) -> None:
        """I5: an opening part is of the product of the standing figures, and of nothing else."""
        opening, state = statement.partial_opening, self.state
        round_ = state.round(opening.round)
        if round_ is None or round_.close is None:
            self.violate("I5", f"{statement.author} opens round {opening.round} before its close")
            return
        key = state.keyed().key
        share = self.shares[statement.author]
        entropy = stream(0, "watch")
        for panel in opening.panels:
            figures = self.standing.sums[opening.round].get(panel.panel, {})
            if len({self._charter.parties[lab].organisation for lab in figures}) < (
                self._charter.cohort_min
            ):
                self.violate("I5", f"{statement.author} opens {panel.panel} below the cohort")
            for position, part in enumerate(panel.parts):
                name = panel.panel.partition("/")[0]
                product = self._product(figures, name, position, key.record.n)
                right = partial_opening(key.record, share, product, entropy)
                if int.from_bytes(part, "big") != right:
                    self.violate("I5", f"{statement.author} opens what is not the product")

    def _product(self, figures: Figures, panel: str, position: int, n: int) -> int:
        """The product of one ciphertext of every figure, each from the round it was given in."""
        product = 1
        for lab, number in figures.items():
            report = self._report(self._last_report[(lab, number)])
            sealed = self.disk.sealed(report.sealed_sha256) or b""
            for part in statement_pb2.SealedPart.FromString(sealed).panels:
                if part.panel == panel:
                    product = product * int.from_bytes(part.ciphertexts[position], "big") % (n * n)
        return product


def _is_untouched(before: State, after: State) -> bool:
    """Whether two states are equal except for the log's length and the rejected reports that a
    close must name."""

    def bare(state: State) -> State:
        rounds = tuple(replace(r, excluded=()) for r in state.rounds)
        return replace(state, position=Position(), rounds=rounds)

    return before is after or bare(before) == bare(after)


def _bytes_in(args: Iterable[Any]) -> Iterable[bytes]:
    for arg in args:
        if isinstance(arg, bytes):
            yield arg
        elif isinstance(arg, Draft):
            yield from (arg.envelope, arg.sealed_part, arg.slot.encode())
        elif isinstance(arg, str):
            yield arg.encode()
        elif isinstance(arg, list | tuple):
            yield from _bytes_in(arg)
