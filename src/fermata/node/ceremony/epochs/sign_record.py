"""An auditor brings the next epoch into the log, once its ceremony is done (CE10).

An auditor in force has its node give the epoch up, and hands that in. Of the auditors who have the
key afterwards the first chooses a quorum of these words, and signs the record with them; the others
sign the same bytes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fermata.crypto.signing import pae, verify_signature
from fermata.crypto.threshold.key_record import KeyRecord, epoch_id
from fermata.errors import ConfigError, Refusal, TransportError, VerificationError
from fermata.node.ceremony.epochs.giving_up import ask_node
from fermata.node.ceremony.items import END, RETIRE, SET_UP, SIGNATURE, TURN, Name
from fermata.node.ceremony.relay_client import RelayClient
from fermata.node.config import NodeConfig
from fermata.node.files import read_file, write_atomic
from fermata.node.opener.share_backup import load_share, share_path
from fermata.node.run.parts import connect, load_signing_key, passphrase_or_identity, tls_files
from fermata.protocol.ceremony.basis import BasesOfLog
from fermata.protocol.ceremony.kinds import ALL_KINDS
from fermata.protocol.ceremony.next_epoch import outcome_of
from fermata.protocol.ceremony.plan import Plan, kind_of, read_plan
from fermata.protocol.ceremony.record import CheckedRecord, check_record, make_record
from fermata.protocol.fold.governance.next_record import awaited, check_next_record
from fermata.protocol.fold.governance.retire import (
    RETIRE_TYPE,
    check_retires,
    record_digest,
    retirement,
)
from fermata.protocol.fold.references import at
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import KeyedState
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX, STATEMENT_TYPE, decode, encode, sha256
from fermata.protocol.wire.envelope import check_signatures, seal, unseal
from fermata.types import EntryIndex
from fermata.wire.v1.statement_pb2 import Retire, Statement

PAUSE_S = 0.5


def record_file(config: NodeConfig, epoch: int) -> Path:
    """Where an auditor keeps the record of a later epoch that it has signed."""
    return config.file.parent / f"key-record-epoch-{epoch}.bin"


@dataclass(frozen=True, slots=True)
class Done:
    """What an auditor did: it gave the epoch up, it signed the record of ``epoch``, or both."""

    epoch: int
    gave_up: bool
    signed: bool
    record_sha256: bytes


@dataclass(eq=False)
class RecordSigning:
    """An auditor's way. ``look`` reads the log and gives what is witnessed, now and again.

    ``wait_s``: how long to wait for the words and signatures of others.
    """

    config: NodeConfig
    look: Callable[[], Replica]
    say: Callable[[str], None]
    wait_s: float
    sleep: Callable[[float], None] = time.sleep

    def run(self, kind: str) -> Done:
        """Does what this auditor has to do. May be called again. Raises FermataError."""
        replica = self.look()
        bases = BasesOfLog(replica.trusted)
        with connect(self.config, tls_files(self.config)) as connection:
            relay = RelayClient(connection)
            plan = read_plan(relay.open(kind, False), bases.now(kind))
            return _Steps(self, relay, plan, replica).take()


class _Steps:
    """One run, with the ceremony that is done and the log as it is."""

    def __init__(self, of: RecordSigning, relay: RelayClient, plan: Plan, replica: Replica) -> None:
        self._of, self._relay, self._plan, self._replica = of, relay, plan, replica
        self._me = of.config.text.party
        state = replica.trusted()
        self._state: KeyedState = state.keyed()

    def take(self) -> Done:
        plan, config = self._plan, self._of.config
        data, checked = self._ceremony()
        statement = self._statement(data, checked)
        record = outcome_of(plan, checked.public_result).record
        is_new, is_old = (
            self._me in plan.basis.charter.auditors,
            self._me in plan.basis.old_auditors,
        )
        if is_new:
            self._check_own_share(record)
        # CE10.1: a record that the log refuses would leave those silent who gave their epoch up.
        check_next_record(self._state, statement, EntryIndex(self._state.size), has_retires=False)
        if is_old:
            said = ask_node(config.data, encode(statement), self._of.sleep)
            number = plan.basis.old_auditors.index(self._me) + 1
            self._relay.post(plan.id, Name(RETIRE, number), encode(said))
            self._of.say(
                f"gave epoch {record.epoch - 1} of the key up; the node is silent until"
                f" the log has epoch {record.epoch}"
            )
        if is_new:
            self._sign(statement, record)
        return Done(record.epoch, is_old, is_new, record_digest(statement))

    def _ceremony(self) -> tuple[bytes, CheckedRecord]:
        """The record of the ceremony, made of what the relay has, and checked whole."""
        plan, fetch = self._plan, self._relay.fetch
        standing = self._relay.standing(plan.id).participants
        missing = [plan.party(i) for i in plan.indices if not standing[i - 1].has_ended]
        if missing:
            raise Refusal(
                "CEREMONY_ABSENT",
                f"ceremony {plan.id.hex()[:16]}: is not done, and waits for {', '.join(missing)};"
                " take part first: fermata keys ceremony",
            )
        count = max(its.turns for its in standing)
        data = make_record(
            plan,
            {i: fetch(plan.id, Name(SET_UP, i)) for i in plan.indices},
            {
                (turn, i): fetch(plan.id, Name(TURN, i, turn))
                for turn in range(count)
                for i in plan.indices
            },
            {i: fetch(plan.id, Name(END, i)) for i in plan.indices},
        )
        checked = check_record(data, plan.basis, ALL_KINDS)
        own = self._of.config.file.parent / f"ceremony-{plan.id.hex()[:16]}.record"
        # CE10.2: a relay that shows another record than this participant took home.
        if own.exists() and own.read_bytes() != data:
            raise ConfigError("CEREMONY_RECORD", f"{own}: is not the record that the relay has")
        if not checked.is_usable:
            raise Refusal("CEREMONY_RECORD", f"ceremony {plan.id.hex()[:16]}: is not done")
        if not own.exists():
            write_atomic(own, data)
        return data, checked

    def _statement(self, ceremony: bytes, checked: CheckedRecord) -> Statement:
        plan = self._plan
        make = kind_of(plan, ALL_KINDS).statement
        if make is None:
            raise Refusal("CEREMONY_KIND", "ceremony: must be one that makes a key record")
        motion = awaited(self._state, plan.charter_sha256)
        entry = motion.entry if motion is not None else self._state.key.entry
        after = at(self._replica.tree, entry)
        return decode(Statement, make(plan, checked.public_result, sha256(ceremony), after))

    def _check_own_share(self, record: KeyRecord) -> None:
        """CE10.3: an auditor signs no key of which it has no share, nor gives one up for it."""
        config, plan = self._of.config, self._plan
        path = share_path(config.path(config.text.keys.share), record.epoch)
        unlock = passphrase_or_identity(config)
        share = load_share(path, config.genesis.deployment, unlock)
        auditors = plan.basis.charter.auditors
        try:
            share.check_place(config.genesis.sha256, auditors, self._me)
            share.check_epoch(record, epoch_id(record, auditors))
        except VerificationError as error:
            raise ConfigError("KEY_SHARE", f"{path}: {error}; do not sign") from None

    def _sign(self, statement: Statement, record: KeyRecord) -> None:
        plan, config = self._plan, self._of.config
        file = record_file(config, record.epoch)
        if file.exists():
            whole = read_file(file, ENVELOPE_BYTES_MAX)
        elif plan.index_of(self._me) == 1:
            whole = self._wait("for auditors to give the epoch up", lambda: self._chosen(statement))
        else:
            first = plan.party(1)
            whole = self._wait(f"for {first} to sign the record", self._first_signed)
        said = decode(Statement, whole)
        # CE10.4: a record other than that of the ceremony, or without a quorum behind it.
        if record_digest(said) != record_digest(statement):
            raise ConfigError("KEY_RECORD", f"{file}: is of another record than the ceremony made")
        check_retires(self._state.charter, self._state.key, said)
        # Before it leaves: of two sets of words this auditor signs the record with one alone.
        write_atomic(file, whole)
        envelope = seal(STATEMENT_TYPE, whole, {self._me: load_signing_key(config)})
        self._relay.post(plan.id, Name(SIGNATURE, plan.index_of(self._me)), envelope)

    def _chosen(self, statement: Statement) -> bytes:
        """The record with the first quorum of words that hold; none while there are too few."""
        plan, charter, key = self._plan, self._state.charter, self._state.key
        retired, digest = set(self._relay.standing(plan.id).retired), record_digest(statement)
        chosen = []
        for number, auditor in enumerate(plan.basis.old_auditors, 1):
            if auditor not in retired or auditor not in charter.auditors:
                continue
            data = self._relay.fetch(plan.id, Name(RETIRE, number))
            try:
                said = decode(Retire, data)
                message = encode(retirement(charter, key, auditor, digest, said.seen))
                verify_signature(
                    charter.signing_keys[auditor], said.signature, pae(RETIRE_TYPE, message)
                )
            except VerificationError as error:
                # CE10.5: one auditor's bad words must not stop those of a quorum.
                self._of.say(f"what {auditor} gave the epoch up with does not hold: {error}")
                continue
            chosen.append(said)
        if len(chosen) < charter.endorsement_quorum:
            return b""
        whole = Statement()
        whole.CopyFrom(statement)
        words = sorted(chosen, key=lambda said: said.auditor)[: charter.endorsement_quorum]
        whole.key_record.retires.extend(words)
        return encode(whole)

    def _first_signed(self) -> bytes:
        plan = self._plan
        data = self._relay.fetch(plan.id, Name(SIGNATURE, 1))
        if not data:
            return b""
        envelope = unseal(data)
        check_signatures(envelope, dict(plan.basis.charter.signing_keys), (plan.party(1),))
        return envelope.payload

    def _wait(self, what: str, ask: Callable[[], bytes]) -> bytes:
        self._of.say(f"waiting {what}")
        for _ in range(max(1, int(self._of.wait_s / PAUSE_S))):
            if data := ask():
                return data
            self._of.sleep(PAUSE_S)
        raise TransportError(
            "TIMEOUT", f"still waiting {what}, after {self._of.wait_s:.0f} s; run this again later"
        )
