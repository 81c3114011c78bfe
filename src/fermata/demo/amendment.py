"""The amendment of the demo's story: the committee tables it, and it needs the labs' consent."""

import subprocess
import sys
from collections.abc import Callable, Sequence

from fermata.demo.charter import AMENDED_FROM, DEPLOYMENT, HIGH_AMENDED, MEMBERS
from fermata.demo.joint_key import PROGRAM
from fermata.demo.layout import AMENDED, Demo
from fermata.demo.waiting import DemoFailed
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.client import GrpcLog
from fermata.node.storage import keystore
from fermata.protocol.fold.governance.tally import chair_of, tally
from fermata.protocol.fold.references import bind
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state import governance as g
from fermata.protocol.wire.envelope import seal_statement
from fermata.types import EntryIndex
from fermata.wire.v1 import envelope_pb2, statement_pb2


class Amending:
    """Acts for the people of the story, each with its own key and certificate.

    The chair tables the amended charter when the first results are there. Then the members vote for
    it, and labs until enough of their organisations have agreed. A vote for it accepts it; the
    owners of the other labs do so by command, since their nodes would answer no more. What could
    not be sent is sent at the next look.
    """

    def __init__(self, demo: Demo, address: str, say: Callable[[str], None]) -> None:
        self._demo, self._address, self._say = demo, address, say
        self._charter = (demo.folder / AMENDED).read_bytes()
        self._is_accepted = False

    def look(self, replica: Replica) -> None:
        """Does what is due by the log so far. Raises FermataError, also DemoFailed."""
        state = replica.state
        motion = next((m for m in state.governance.motions.values() if m.charter), None)
        if motion is None:
            # The chair is that of the newest round: the second, which opens with these results.
            if 1 in state.judgements and len(state.rounds) > 1:
                self._table(replica)
        elif motion.status == g.OPEN and motion.entry < replica.witnessed.size:
            said = tally(state, motion)
            needed = said.consent.needed - said.consent.count
            labs = [lab for lab in self._demo.labs if lab not in motion.consents][: max(0, needed)]
            for voter in [m for m in MEMBERS if m not in motion.votes] + labs:
                self._vote(replica, motion.entry, voter)
        elif motion.status == g.CARRIED and not self._is_accepted:
            self._accept([lab for lab in self._demo.labs if lab not in motion.consents])
            self._is_accepted = True

    def _table(self, replica: Replica) -> None:
        chair = chair_of(replica.state, g.AMENDMENT)
        motion = statement_pb2.Motion(
            kind=statement_pb2.MOTION_KIND_AMENDMENT,
            charter=self._charter,
            from_round=self._demo.charter.place(AMENDED_FROM),
            reason=f"a mean of {HIGH_AMENDED} should be enough to pull the pause",
        )
        if chair is not None:
            self._send(replica, statement_pb2.Statement(author=chair, motion=motion))

    def _vote(self, replica: Replica, entry: EntryIndex, voter: str) -> None:
        vote = statement_pb2.Vote(
            motion=envelope_pb2.EntryRef(index=entry), choice=statement_pb2.CHOICE_FOR
        )
        self._send(replica, statement_pb2.Statement(author=voter, vote=vote))

    def _accept(self, labs: Sequence[str]) -> None:
        """``fermata charter accept`` for each of these labs, all at once."""
        accepting = {}
        for lab in labs:
            node = self._demo.node(lab)
            words = ["charter", "accept", str(self._demo.folder / AMENDED), "--yes"]
            with (self._demo.folder / "logs" / f"{lab}.accept").open("wb") as said:
                accepting[lab] = subprocess.Popen(  # noqa: S603 - this program itself
                    [sys.executable, *PROGRAM, *words, "--config", str(node / "fermata.toml")],
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                )
        # All are waited for, so that none is left behind.
        codes = {lab: process.wait() for lab, process in accepting.items()}
        for lab, code in codes.items():
            if code != 0:
                logs = self._demo.folder / "logs"
                raise DemoFailed("DEMO", f"{lab} could not accept; see {logs}/{lab}.accept")
        self._say(f"(the owners of {', '.join(labs)}, which had not voted, accept that charter)")

    def _send(self, replica: Replica, statement: statement_pb2.Statement) -> None:
        """Signs a statement in its author's name, and sends it over its own connection."""
        author, charter = statement.author, replica.charter
        folder = self._demo.node(author)
        statement.charter_sha256 = charter.sha256
        bind(replica.tree, statement, replica.witnessed.size)
        identity = keystore.load_identity(folder / "keys" / "identity.txt")
        key = keystore.open_signing_key(
            folder / "keys" / "signing.age", DEPLOYMENT, identity,
            charter.parties[author].signing_key, author,
        )  # fmt: skip
        tls = folder / "tls"
        files = TlsFiles(tls / "key.pem", tls / "cert.pem", tls / "root.pem")
        with GrpcLog(self._address, DEPLOYMENT, files) as log:
            log.append(seal_statement(statement, {author: key}))
