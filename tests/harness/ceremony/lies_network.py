"""Key generations of processes over gRPC in which one auditor lies, one lie after another."""

import json
import shutil
import subprocess
from pathlib import Path

from fermata.cli.ceremony import record_data
from fermata.node.ceremony.take_part import read_record
from fermata.node.config import read_charter
from fermata.protocol.ceremony.basis import BeforeTheLog
from fermata.protocol.ceremony.kinds import ALL_KINDS
from fermata.protocol.ceremony.messages import payload_of
from fermata.wire.v1 import ceremony_service_pb2 as wire
from harness.ceremony.keygen_lies import FORMS, LIAR, TOLD, Row, may_stay_untold
from harness.ceremony.processes import AUDITORS, CeremonyPlay

PROGRAM = "fermata.cli.main"
LYING, CROOKED = "harness.ceremony.lying_command", "harness.ceremony.crooked_command"
CEREMONY = ("keys", "ceremony", "--config", "fermata.toml", "--rehearsal", "--json")
#: Of one rehearsal: some batches of candidates on a busy machine.
LIMIT_S = 600
#: Of a lie whose time comes in two ceremonies of three.
TRIES = 12


class LyingPlay:
    """One coordinator, whose relay may be crooked, and rehearsals in which an auditor lies."""

    def __init__(self, play: CeremonyPlay) -> None:
        self._play, self._other = play, play.made.folder / "other"
        self._other.mkdir()
        play.gather(CROOKED, CEREMONY_OTHER=str(self._other))

    def tell(self, row: Row) -> dict[str, dict[str, object]]:
        """What each other auditor's record shows of a ceremony in which the liar tells this lie.

        It is what ``fermata keys record`` shows to somebody who was not there. A ceremony that
        ends before the lie's time is held again.
        """
        for _ in range(TRIES):
            told = self._tell_once(row)
            if not may_stay_untold(row.name) or (self._other / TOLD).exists():
                return told
        raise AssertionError(f"{row.name}: was told in none of {TRIES} ceremonies")

    def _tell_once(self, row: Row) -> dict[str, dict[str, object]]:
        shutil.rmtree(self._other)
        self._other.mkdir()
        liar = AUDITORS[LIAR - 1]
        env = {"CEREMONY_LIE": row.name, "CEREMONY_OTHER": str(self._other)}
        taking = {
            a: self._play.start(a, LYING, *CEREMONY, **env)
            if a == liar
            else self._play.start(a, PROGRAM, *CEREMONY)
            for a in AUDITORS
        }
        ended = {a: self.taken(a, process) for a, process in taking.items()}
        # The liar's program repeats with its lie what others did.
        return {a: self._checked(a, told) for a, told in ended.items() if a != liar}

    def taken(self, auditor: str, process: "subprocess.Popen[str]") -> dict[str, object]:
        out, _ = process.communicate(timeout=LIMIT_S)
        assert out, (auditor, self._play.stderr(auditor)[-2000:])
        told: dict[str, object] = json.loads(out)
        return told

    def _checked(self, auditor: str, told: dict[str, object]) -> dict[str, object]:
        file = self._play.made.node(auditor) / str(told["record"])
        bases = BeforeTheLog(read_charter(self.charter_file))
        shown = record_data(*read_record(file, bases, ALL_KINDS))
        assert shown | {"record": told["record"]} == told
        return shown | {"file": str(file)}

    @property
    def charter_file(self) -> Path:
        """What anybody needs to check a record."""
        return self._play.made.folder / "charter.toml"


def check_row(row: Row, told: dict[str, dict[str, object]]) -> None:
    """Fails unless each other auditor's record names the liar for the reason, and nobody else."""
    liar = AUDITORS[LIAR - 1]
    assert set(told) == set(AUDITORS) - {liar}
    for auditor, shown in told.items():
        what = (row.name, auditor, shown)
        assert shown["absent"] == shown["late"] == [], what
        assert not shown["relay_named"], what
        if row.reason:
            assert shown["outcome"] == "stopped", what
            assert shown["culprits"] == {liar: row.reason}, what
            assert shown["named_without_proof"] == [], what
        else:
            assert shown["culprits"] == {}, what
            assert shown["named_without_proof"] == ["auditor-1"] * bool(row.message == "end"), what
        if FORMS[row.evidence]:
            assert FORMS[row.evidence] in forms_of(Path(str(shown["file"]))), what


def forms_of(record: Path) -> set[str]:
    """In which forms evidence stands in a record."""
    ends = wire.CeremonyRecord.FromString(record.read_bytes()).ends
    read = [wire.CeremonyEnd.FromString(payload_of(end)) for end in ends]
    return {end.accusation.WhichOneof("evidence") for end in read} - {None}
