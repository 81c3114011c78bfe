"""Who opens for this auditor: a process beside its node, or a person with another machine."""

from fermata.node.config import OFFLINE
from fermata.node.opener.offline import OfflineOpener, OpeningFiles
from fermata.node.opener.process import OpenerProcess
from fermata.node.run.assembly import Base
from fermata.node.run.key_shares import erase_older, has_share
from fermata.node.run.parts import start_opener
from fermata.protocol.drills.duties import DrillOpener
from fermata.protocol.roles.auditor import Opener
from fermata.protocol.roles.replica import Replica
from fermata.types import Role


class OwnOpening:
    """An auditor's opener, and the checks of its share: at the start, and once there is a key.

    ``opener`` and ``drill_opener`` are None for everybody else. Raises ConfigError KEY_SHARE, and
    what unlocking raises.
    """

    def __init__(self, base: Base) -> None:
        self._base = base
        self.opener: Opener | None = None
        self.drill_opener: DrillOpener | None = None
        self._process: OpenerProcess | None = None
        #: Of the key whose share was checked.
        self._checked = b""
        telemetry, config = base.telemetry, base.config
        if config.role != Role.AUDITOR:
            return
        if config.text.keys.share == OFFLINE:
            reported: set[tuple[str, int, str]] = set()

            def tell_once(event: str, number: int, reason: str) -> None:
                if (event, number, reason) not in reported:
                    reported.add((event, number, reason))
                    telemetry.event(event, round=number, reason=reason)

            files = OpeningFiles(config.data)
            offline = OfflineOpener(base.signer, base.replica, files, tell_once)
            self.opener, self.drill_opener = offline, offline.drill
            return
        self._process = start_opener(
            config, base.replica, lambda event, reason: telemetry.event(event, reason=reason)
        )
        self.opener, self.drill_opener = self._process, self._process.drill
        base.stack.callback(self.close)
        if has_share(config, base.replica):
            self._process.check()

    def look(self, replica: Replica) -> None:
        """Checks the share of each new epoch, and erases those of epochs that are over.

        Raises ConfigError KEY_SHARE, since no opening part from a wrong share would be right.
        """
        key = replica.state.key
        if self._process is None or key is None:
            return
        config = self._base.config
        if self._checked != key.epoch_id and has_share(config, replica):
            self._process.check()
            self._checked = key.epoch_id
        first, me = config.path(config.text.keys.share), config.text.party
        for epoch in erase_older(first, me, replica, self._process.check):
            self._base.telemetry.event("share_erased", where=f"epoch {epoch}")

    def close(self) -> None:
        """Ends the opener; from any thread."""
        if self._process is not None:
            self._process.close()
