"""A coordinator that logs what it likes, and what its auditors do about it."""

from collections.abc import Callable

from fermata.crypto.integers import int_to_bytes
from fermata.crypto.paillier import encrypt, random_exponent
from fermata.errors import Refusal
from fermata.log.checkpoint import (
    Checkpoint,
    parse_checkpoint,
    parse_note,
    sign_checkpoint,
    witness_line,
)
from fermata.log.merkle import Tree, leaf_hash
from fermata.memory_store import MemoryStore
from fermata.protocol.fold.references import bind, next_leaf
from fermata.protocol.roles.driver import Driver, Signer
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import decode
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.protocol.wire.ports import News, Outside, Receipt, Witness, gathered_news
from fermata.wire.v1 import statement_pb2
from harness.chains import COORDINATOR, MODULUS_BITS_MIN, Chain, entropy_of

CIPHERTEXT_WIDTH = 128


class RogueLog:
    """A Log without rules: it signs the head of whatever it holds, and shows what it likes."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.deployment = chain.deployment
        self.leaves = list(chain.leaves)
        self.sealed_parts = dict(chain.sealed_parts)
        self.now_ms = chain.time_ms
        #: What auditors have sent, logged or not.
        self.heard: list[bytes] = []
        self.cosigned: list[bytes] = []

    def log(self, envelope: bytes, time_ms: int | None = None) -> int:
        self.now_ms = self.now_ms + 1000 if time_ms is None else time_ms
        self.leaves.append(next_leaf(self.tree(), envelope))
        return len(self.leaves) - 1

    def log_statement(self, statement: statement_pb2.Statement, time_ms: int | None = None) -> int:
        if not statement.HasField("seen"):
            bind(self.tree(), statement)
        return self.log(self.deployment.seal(statement), time_ms)

    def tree(self) -> Tree:
        tree = Tree()
        for leaf in self.leaves:
            tree.append(leaf_hash(leaf))
        return tree

    def checkpoint(self) -> bytes:
        tree, origin = self.tree(), self.deployment.charter.log_origin
        key = self.deployment.keys[COORDINATOR]
        head = Checkpoint(origin, tree.size, tree.root())
        return sign_checkpoint(head, origin, key.sign, key.public_key)

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        self.heard.append(envelope)
        entry = self.log(envelope)
        proof = self.tree().inclusion_proof(entry, entry + 1)
        return Receipt(entry, self.leaves[entry], self.checkpoint(), tuple(proof))

    def read(self, start: int, count_max: int) -> list[bytes]:
        return self.leaves[start : start + count_max]

    def news(self, start: int, count_max: int) -> News:
        return gathered_news(self, start, count_max)

    def prove_inclusion(self, entry: int, size: int) -> list[bytes]:
        return self.tree().inclusion_proof(entry, size)

    def witnesses(self) -> list[Witness]:
        """The last cosignature of each auditor that has sent one."""
        charter, newest = self.deployment.charter, {}
        for note in map(parse_note, self.cosigned):
            size = parse_checkpoint(note.text).size
            names = {line.name for line in note.signatures}
            for auditor in charter.auditors:
                if (name := charter.witness_name(auditor)) in names:
                    newest[auditor] = Witness(auditor, size, witness_line(note, name))
        return [newest[auditor] for auditor in sorted(newest)]

    def prove_consistency(self, old_size: int, new_size: int) -> list[bytes]:
        return self.tree().consistency_proof(old_size, new_size)

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        if sealed_sha256 not in self.sealed_parts:
            raise Refusal("NO_SEALED", "log: has no sealed part with that digest")
        return self.sealed_parts[sealed_sha256]

    def add_cosignature(self, note: bytes) -> None:
        self.cosigned.append(note)

    def said(self, body: str) -> list[str]:
        """Who has said a statement of this kind to this log."""
        statements = [statement_of(unseal(envelope)) for envelope in self.heard]
        return [s.author for s in statements if s.WhichOneof("body") == body]


class Auditor:
    """An honest auditor's node, with all that it has told its operator."""

    def __init__(self, name: str, log: RogueLog, now_ms: Callable[[], int] | None = None) -> None:
        self.name, self.deployment = name, log.deployment
        self.store = MemoryStore()
        self.told: list[str] = []
        self.log = log
        self.now_ms = now_ms or (lambda: self.log.now_ms)
        self.driver = self.start()

    def start(self) -> Driver:
        """The node after a restart: only its store is left."""
        self.driver = Driver(
            Signer(self.name, self.deployment.keys[self.name]),
            Replica(self.deployment.charter, self.store, MODULUS_BITS_MIN),
            self.log,
            Outside(
                lambda: self.now_ms(),
                entropy_of(len(self.told), self.name),
                lambda event, fields: self.told.append(
                    " ".join([event, *(str(v) for v in fields.values())])
                ),
            ),
            share=self.deployment.shares[self.name],
        )
        return self.driver

    def follow(self, log: RogueLog) -> None:
        """From now on this log is shown to it."""
        self.log = log
        self.start()


def let_work(*auditors: Auditor) -> None:
    """Enough turns for everything that honest auditors would do."""
    for _ in range(5):
        for auditor in auditors:
            auditor.driver.step()


def all_auditors(log: RogueLog) -> list[Auditor]:
    return [Auditor(name, log) for name in log.deployment.charter.auditors]


Panels = dict[str, list[int]]


def ciphertexts_of(chain: Chain, lab: str) -> Panels:
    """A lab's ciphertexts, from its sealed part."""
    sealed = chain.sealed(chain.round.reports[lab].sealed_sha256)
    wire = decode(statement_pb2.SealedPart, sealed or b"")
    return {p.panel: [int.from_bytes(c, "big") for c in p.ciphertexts] for p in wire.panels}


def close_with(chain: Chain, change: Callable[[str, int, int], int]) -> statement_pb2.Statement:
    """The honest close with every product C replaced by change(panel, position, C)."""
    statement = chain.close_statement()
    for panel in statement.close_round.aggregates:
        for i, data in enumerate(panel.ciphertexts):
            product = change(panel.panel, i, int.from_bytes(data, "big"))
            panel.ciphertexts[i] = int_to_bytes(
                product % chain.deployment.record.n**2, CIPHERTEXT_WIDTH
            )
    return statement


def encryption_of(chain: Chain, message: int) -> int:
    """A fresh ciphertext."""
    table = chain.deployment.table
    return encrypt(table, message, random_exponent(chain.entropy, table.public_key))
