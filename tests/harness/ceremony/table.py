"""Auditors around a relay's folder in one process: each in a thread of its own."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fermata.node.ceremony.around import Around, Me
from fermata.node.ceremony.items import Name, fetch_pieces, post_pieces
from fermata.node.ceremony.participant import Finished, Participant
from fermata.node.ceremony.relay_folder import RelayFolder
from fermata.node.ceremony.state_file import StateFile
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.storage import keystore
from fermata.protocol.ceremony.basis import Bases, Basis, BeforeTheLog
from fermata.protocol.ceremony.plan import Kinds, Plan
from fermata.protocol.ceremony.record import CheckedRecord, check_record
from fermata.protocol.charter.parse import parse_charter
from harness.ceremony.coin import KINDS
from harness.deployments import charter_text, party_keys

AUDITORS = ("auditor-1", "auditor-2", "auditor-3")


class LocalRelay:
    """A Relay that is the folder itself."""

    def __init__(self, folder: RelayFolder, caller: str) -> None:
        self.folder, self.caller = folder, caller

    def open(self, kind: str, is_rehearsal: bool, dealers=(), instead=b"") -> bytes:
        return self.folder.open(self.caller, kind, is_rehearsal, dealers, instead).data

    def standing(self, ceremony: bytes):
        return self.folder.standing(self.caller, ceremony)

    def post(self, ceremony: bytes, name: Name, data: bytes) -> None:
        post_pieces(ceremony, name, data, lambda r: self.folder.post(self.caller, r))

    def fetch(self, ceremony: bytes, name: Name) -> bytes:
        return fetch_pieces(ceremony, name, lambda r: self.folder.fetch(self.caller, r))


@dataclass
class Table:
    """``relays``: what each auditor reaches instead of the folder, by auditor."""

    root: Path
    kinds: Kinds = field(default_factory=lambda: KINDS)
    life_ms: int = 20_000
    grace_ms: int = 2_000
    again: bool = False

    def __post_init__(self) -> None:
        self.keys = party_keys(0, 6, 3)
        self.charter = parse_charter(charter_text(self.keys, 2048).encode())
        self.lock = keystore.new_identity(self.root / "identity.txt")
        self.kind = getattr(self, "kind", "coin")
        self.dealers: tuple[str, ...] = ()
        self.relays: dict[str, object] = {}
        self.kinds_of: dict[str, Kinds] = {}
        self.results: dict[str, list[tuple[bytes, bytes]]] = {a: [] for a in AUDITORS}
        self.lines: dict[str, list[str]] = {a: [] for a in AUDITORS}
        self.reopen_relay()

    @property
    def bases(self) -> Bases:
        return BeforeTheLog(self.charter)

    @property
    def basis(self) -> Basis:
        return Basis(self.charter)

    def reopen_relay(self) -> None:
        place = self.root / "ceremonies"
        self.folder = RelayFolder(
            place, self.bases, tuple(self.kinds), clock_ms, entropy, self.life_ms
        )

    def relay(self, auditor: str):
        return self.relays.get(auditor) or LocalRelay(self.folder, auditor)

    def state(self, auditor: str) -> StateFile:
        return StateFile(self.root / auditor, self.charter.deployment, self.lock)

    def participant(self, auditor: str, state: StateFile | None = None) -> Participant:
        def keep(plan: Plan, public: bytes, secret: bytes) -> None:
            self.results[auditor].append((public, secret))

        around = Around(
            self.relay(auditor),
            state or self.state(auditor),
            self.kinds_of.get(auditor, self.kinds),
            clock_ms,
            entropy,
            lambda s: time.sleep(min(s, 0.02)),
            self.lines[auditor].append,
            keep,
            self.grace_ms,
        )
        key = self.keys[auditor]
        me = Me(auditor, key, self.bases, "1.0", self.dealers, self.again)
        return Participant(me, around)

    def run(
        self,
        only: tuple[str, ...] = AUDITORS,
        is_rehearsal: bool = False,
        wrap: Mapping[str, Callable[[], Finished]] | None = None,
        kind: str = "coin",
    ) -> dict[str, Finished | BaseException]:
        """Everybody to the end; what each took home, or what it raised."""
        out: dict[str, Finished | BaseException] = {}

        def play(auditor: str) -> None:
            default = lambda: self.participant(auditor).run(kind, is_rehearsal)  # noqa: E731
            try:
                out[auditor] = (wrap or {}).get(auditor, default)()
                self.state(auditor).erase()
            except BaseException as error:  # noqa: BLE001
                out[auditor] = error

        threads = [threading.Thread(target=play, args=(a,)) for a in only]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return out

    def check(
        self, finished: Finished | BaseException, kinds: Kinds | None = None
    ) -> CheckedRecord:
        if isinstance(finished, BaseException):
            raise finished
        return check_record(finished.record, self.basis, kinds or self.kinds, finished.bodies)
