"""An auditor's node in a ceremony: from its configuration to the files that it takes home.

<data>/ceremony, <data>/rehearsal     the state while it goes on
<share>.pending                       the new share, until all have signed that it is done
ceremony-<id>.record                  what all signed, beside the configuration
ceremony-<id>.bodies/<sha256>         what evidence in the record is about, if somebody lied
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fermata import __version__
from fermata.crypto.threshold.opening import KeyShare
from fermata.errors import ConfigError, InvalidProof, Refusal
from fermata.node.ceremony.around import Around, Me
from fermata.node.ceremony.epochs.sign_record import record_file
from fermata.node.ceremony.items import END, SIGNATURE, Name, Relay
from fermata.node.ceremony.participant import Finished, Participant
from fermata.node.ceremony.relay_client import RelayClient
from fermata.node.ceremony.state_file import StateFile
from fermata.node.config import OFFLINE, NodeConfig, read_charter
from fermata.node.files import (
    SECRET_MODE,
    ensure_directory,
    exclusive_lock,
    read_file,
    write_atomic,
)
from fermata.node.joining.key_check import check_own_share
from fermata.node.joining.key_check import check_record as check_record_file
from fermata.node.opener.share_backup import load_share, set_aside, share_path
from fermata.node.run.parts import (
    clock_ms,
    connect,
    entropy,
    load_signing_key,
    passphrase_or_identity,
    tls_files,
)
from fermata.node.storage import keystore
from fermata.node.storage.signatures import read_own, sealed_charter, sign_file
from fermata.protocol.ceremony.basis import LATER, Bases, Basis, BeforeTheLog
from fermata.protocol.ceremony.messages import TEXT_CHARS_MAX, sign
from fermata.protocol.ceremony.next_epoch import key_before, later_kinds
from fermata.protocol.ceremony.plan import Kinds, Plan, read_plan
from fermata.protocol.ceremony.record import RECORD_BYTES_MAX, CheckedRecord, check_record
from fermata.protocol.fold.references import first_entry
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX, STATEMENT_TYPE, decode, sha256
from fermata.protocol.wire.envelope import seal
from fermata.wire.v1 import ceremony_service_pb2 as wire

#: The key record in the folder of the configuration.
RECORD = "key-record.bin"
BODY_FILE_BYTES_MAX = 17 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Taken:
    """What an auditor took home: where the record is, and what it shows. ``share``: of a key."""

    record: Path
    sha256: bytes
    checked: CheckedRecord
    share: Path | None = None


@dataclass(eq=False)
class Auditor:
    """An auditor's node that takes part in ceremonies.

    ``kinds``: those that it knows before there is a log. ``bases``: what the log says, for the
    kinds that make a later epoch; None before there is a log. ``dealers``: whom it asks to deal if
    a reshare begins with it. ``again``: whether one that is done is to be held again (CE12).
    """

    config: NodeConfig
    kinds: Kinds
    say: Callable[[str], None]
    bases: Bases | None = None
    dealers: tuple[str, ...] = ()
    again: bool = False

    def __post_init__(self) -> None:
        config = self.config
        # CE7.8: before the charter is whole, nobody knows whose ceremony it is.
        if config.text.party not in config.roster.auditors:
            raise ConfigError("PARTY", f"{config.file}: must be an auditor of the charter")
        # Before there is a log there is no charter in force but the one that it will begin with.
        bases = self.bases or BeforeTheLog(read_charter(config.charter_file))
        key = load_signing_key(config)
        self._me = Me(config.text.party, key, bases, __version__, self.dealers, self.again)
        self._unlock = passphrase_or_identity(config)
        if self.bases is not None:
            self.kinds = later_kinds(self._own_share, config.genesis.sha256)

    def basis(self, kind: str) -> Basis:
        """What a ceremony of this kind goes on from. Raises Refusal."""
        return self._me.bases.now(kind)

    def take_part(self, kind: str, is_rehearsal: bool) -> Taken:
        """Takes part to the end. Raises FermataError; it may be called again after that."""
        ensure_directory(self.config.data)
        with exclusive_lock(self.config.data / "ceremony.lock"):
            state = self._state(is_rehearsal)
            if not is_rehearsal and not state.path.exists():
                self._make_way(kind)
            with connect(self.config, tls_files(self.config)) as connection:
                around = Around(
                    RelayClient(connection),
                    state,
                    self.kinds,
                    clock_ms,
                    entropy,
                    time.sleep,
                    self.say,
                    self._keep,
                )
                finished = Participant(self._me, around).run(kind, is_rehearsal)
                taken = self._take_home(finished)
                if taken.share is not None:
                    self._sign_result(taken, around.relay)
            # Last: until then a crash leaves what it takes to do this again.
            state.erase()
            return taken

    def cancel(self, kind: str, is_rehearsal: bool, reason: str) -> Plan:
        """Signs that this auditor ends the ceremony that goes on, for all to see.

        Raises ConfigError REASON, Refusal CEREMONY_TAKEN if its end is signed already.
        """
        if not reason or len(reason) > TEXT_CHARS_MAX or not reason.isprintable():
            what = f"must be one line of at most {TEXT_CHARS_MAX} printable characters"
            raise ConfigError("REASON", f"--reason {what}")
        with connect(self.config, tls_files(self.config)) as connection:
            relay = RelayClient(connection)
            plan = read_plan(relay.open(kind, is_rehearsal), self._me.bases.now(kind))
            index = plan.index_of(self._me.party)
            end = wire.CeremonyEnd(
                ceremony=plan.id,
                sender=index,
                outcome=wire.CEREMONY_OUTCOME_CANCELLED,
                turns=relay.standing(plan.id).participants[index - 1].turns,
                time_ms=clock_ms(),
                reason="CEREMONY_CANCELLED",
                note=reason,
            )
            relay.post(plan.id, Name(END, index), sign(end, self._me.party, self._me.key))
        return plan

    def _sign_result(self, taken: Taken, relay: Relay) -> None:
        """Signs the key record that all make of the ceremony's record, and hands it in."""
        me, plan = self._me, taken.checked.plan
        make = self.kinds[plan.kind].statement
        # With a log the record needs more than its ceremony: see ``epochs.sign_record``.
        if make is None or taken.share is None or plan.kind in LATER:
            return
        charter = plan.basis.charter
        after = first_entry(sealed_charter(self.config.charter_file, charter))
        statement = make(plan, taken.checked.public_result, taken.sha256, after)
        file = self.config.file.parent / RECORD
        # CE7.11: an auditor signs one key, and no key of which it has no share.
        if (
            read_own(file, me.party) is not None
            and read_file(file, ENVELOPE_BYTES_MAX) != statement
        ):
            raise ConfigError("KEY_RECORD", f"{file}: is another key record, and signed here")
        record = check_record_file(charter, self.config.charter_file, statement, file)
        check_own_share(taken.share, charter, record, me.party, self._unlock)
        write_atomic(file, statement)
        sign_file(file, me.party, me.key, statement)
        envelope = seal(STATEMENT_TYPE, statement, {me.party: me.key})
        relay.post(plan.id, Name(SIGNATURE, plan.index_of(me.party)), envelope)

    def _state(self, is_rehearsal: bool) -> StateFile:
        folder = self.config.data / ("rehearsal" if is_rehearsal else "ceremony")
        return StateFile(folder, self.config.genesis.deployment, self._unlock)

    def _own_share(self, plan: Plan) -> KeyShare:
        """This auditor's share of the epoch that ends. Raises ConfigError KEY_SHARE."""
        key, config = key_before(plan), self.config
        if config.text.keys.share == OFFLINE:
            raise ConfigError(
                "KEY_SHARE",
                f"{config.file}: a share on a machine without a network cannot deal; let others"
                " deal in a reshare, or hold the ceremony with the share on this machine",
            )
        path = share_path(config.path(config.text.keys.share), key.record.epoch)
        share = load_share(path, config.genesis.deployment, self._unlock)
        try:
            share.check_place(config.genesis.sha256, key.auditors, config.text.party)
            share.check_epoch(key.record, key.epoch_id)
        except InvalidProof as error:
            raise ConfigError("KEY_SHARE", f"{path}: {error}") from None
        return share.share

    def _make_way(self, kind: str) -> None:
        """Sees to it that the new share has a place, before the ceremony begins.

        A share of an epoch that never began is set aside if the ceremony is held again. Raises
        ConfigError FILE_EXISTS, KEY_RECORD.
        """
        basis, config = self._me.bases.now(kind), self.config
        share = self._place(basis)
        if not share.exists():
            return
        # CE12.1: a share that is in use, or that others go by.
        if basis.key is None or not self.again:
            how = "bring its epoch into the log, or hold the ceremony --again"
            how = how if basis.key is not None else "move it away"
            raise ConfigError("FILE_EXISTS", f"{share} exists and is never overwritten; {how}")
        record = record_file(config, basis.key.record.epoch + 1)
        # CE12.2: an auditor that signed for this epoch may be needed with this share.
        if record.exists():
            raise ConfigError("KEY_RECORD", f"{record}: is signed; bring it into the log")
        aside = set_aside(share)
        self.say(f"{share.name} is of an epoch that never began, and is now {aside.name}")

    def _place(self, basis: Basis) -> Path:
        """Where the share goes that a ceremony makes."""
        first = self.config.path(self.config.text.keys.share)
        return first if basis.key is None else share_path(first, basis.key.record.epoch + 1)

    def _share(self, plan: Plan) -> Path:
        return self._place(plan.basis)

    def _pending(self, plan: Plan) -> Path:
        share = self._share(plan)
        return share.with_name(share.name + ".pending")

    def _keep(self, plan: Plan, public_result: bytes, secret_result: bytes) -> None:
        """Keeps the share apart until all have signed; a rehearsal's is dropped."""
        if plan.is_rehearsal or not secret_result:
            return
        deployment = self.config.genesis.deployment
        kept = self.kinds[plan.kind].to_keep(plan, public_result, secret_result)
        sealed = keystore.seal(kept, keystore.KEY_SHARE, deployment, self._unlock)
        pending = self._pending(plan)
        ensure_directory(pending.parent)
        write_atomic(pending, sealed, SECRET_MODE)

    def _take_home(self, finished: Finished) -> Taken:
        plan, folder = finished.plan, self.config.file.parent
        mark = "rehearsal" if plan.is_rehearsal else "ceremony"
        path = folder / f"{mark}-{plan.id.hex()[:16]}.record"
        write_atomic(path, finished.record)
        if finished.bodies:
            place = bodies_of(path)
            ensure_directory(place)
            for digest, body in finished.bodies.items():
                write_atomic(place / digest.hex(), body)
        checked = check_record(finished.record, plan.basis, self.kinds, finished.bodies)
        gets_share = plan.index_of(self._me.party) in plan.signers
        share = self._share(plan) if checked.is_usable and gets_share else None
        pending = self._pending(plan)
        if share is not None and pending.exists():
            # CE7.9: a share that is in use is never replaced by a ceremony.
            if share.exists():
                raise ConfigError(
                    "FILE_EXISTS",
                    f"{share} exists and is never overwritten; move it away, then rename"
                    f" {pending} to {share.name}",
                )
            pending.rename(share)
        elif not plan.is_rehearsal:
            pending.unlink(missing_ok=True)
        return Taken(path, sha256(finished.record), checked, share)


def bodies_of(record: Path) -> Path:
    """The folder of the bodies that belong to a record's file."""
    return record.with_suffix(".bodies")


def read_record(path: Path, bases: Bases, kinds: Kinds) -> tuple[bytes, CheckedRecord]:
    """The SHA-256 of a record's file, and what it shows. Raises ConfigError, VerificationError."""
    data = read_file(path, RECORD_BYTES_MAX)
    bodies = {}
    if bodies_of(path).is_dir():
        for file in sorted(bodies_of(path).iterdir()):
            body = read_file(file, BODY_FILE_BYTES_MAX)
            bodies[sha256(body)] = body
    try:
        basis = bases.of_plan(decode(wire.CeremonyRecord, data, RECORD_BYTES_MAX).plan)
        return sha256(data), check_record(data, basis, kinds, bodies)
    except Refusal as error:
        raise Refusal(error.reason, f"{path}: {error}") from None
