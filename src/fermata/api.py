"""What a pipeline or a researcher imports: it verifies a bundle and reads its results.

    import fermata

    bundle = fermata.open_bundle("bundle", charter_hash="9f3c...")
    for result in bundle.results:
        print(result.period, result.metric, result.statistic, result.text)

``fermata`` itself has all these names. Nothing here writes, or uses a network or a key. Only
``Results.to_numpy`` imports numpy, when it is called: everything that decides anything is exact.
"""

import time
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fermata.node.storage.bundles import pinned_hash, read_bundle, read_valid
from fermata.protocol.charter.parse import MODULUS_BITS_MIN, Charter
from fermata.protocol.reprs import Records, short_repr
from fermata.protocol.state.state import State
from fermata.protocol.verify.freshness import witnessed_ms
from fermata.protocol.verify.log_checks import NOTHING
from fermata.protocol.verify.verification import Verification
from fermata.protocol.verify.verifier import verify_bundle
from fermata.summary.records.drills import DrillRecord, drill_records
from fermata.summary.records.dues import Account, account_records
from fermata.summary.records.pause import PauseRecord, RuleRecord, pause_record, rule_records
from fermata.summary.records.rounds import ResultRecord, RoundRecord, result_records, round_records
from fermata.summary.records.succession import SuccessionRecord, succession_record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Results(Records[ResultRecord]):
    """All results, by round and, within a round, in the charter's order."""

    __slots__ = ()

    def to_numpy(self) -> "npt.NDArray[np.void]":
        """A structured array of shape (len(self),) with one element per result.

        Fields: ``round`` and ``cohort`` int64; ``period``, ``metric``, ``unit``, ``statistic``,
        ``group`` and ``text`` str; ``value`` float64. Cite ``text``, which is exact; ``value`` is
        the nearest double, for plots.
        """
        import numpy as np

        def width(name: str) -> str:
            return f"U{max((len(getattr(r, name)) for r in self), default=1) or 1}"

        columns: list[tuple[str, Any]] = [
            ("round", np.int64),
            *((name, width(name)) for name in ("period", "metric", "unit", "statistic", "group")),
            ("value", np.float64),
            ("text", width("text")),
            ("cohort", np.int64),
        ]
        rows = [tuple(getattr(r, name) for name, _ in columns) for r in self]
        return np.array(rows, dtype=columns)


@short_repr("charter_hash is_public size beyond age_s cosigners rounds results rules pause")
@dataclass(frozen=True, slots=True)
class Bundle:
    """The contents of a bundle that passed every check. ``charter_hash`` is entry 0's, in hex.

    ``charter`` is the one in force at the end. ``drills``: who has shown, and who has not, that it
    could open, oldest first; none without ``[drills]`` in the charter. ``accounts``: of dues, one
    for each unit in which any were ever owed. ``succession``: who leads the log, and every Handover
    in it; None if the charter names no successors.
    ``is_public``: the bundle has no sealed parts. ``not_checked`` says what could not be checked
    without them, a sentence for each check, and is empty for a full bundle.
    ``size`` counts the entries that a quorum of auditors has witnessed, of which all this is;
    ``beyond`` counts those after them. ``newest_ms`` is the log's time after the witnessed ones
    (milliseconds since 1970, UTC; 0 before the auditors have told a time), ``age_s`` is by how many
    seconds that is before this machine's clock. ``cosigners`` is how many auditors have witnessed
    all of these entries, and ``witnessed_ms`` when an honest one had (as ``newest_ms``).
    """

    charter_hash: str
    charter: Charter
    rounds: Records[RoundRecord]
    results: Results
    rules: Records[RuleRecord]
    pause: PauseRecord
    drills: Records[DrillRecord]
    accounts: tuple[Account, ...]
    succession: SuccessionRecord | None
    is_public: bool
    not_checked: tuple[str, ...]
    size: int
    newest_ms: int
    age_s: int
    cosigners: int
    witnessed_ms: int
    beyond: int


def verify(folder: str | PathLike[str], charter_hash: str | None = None) -> Verification:
    """Runs every check of docs/spec/verifier.md over a bundle's folder, and returns what it found.

    An invalid bundle raises nothing: the result has its checks and its evidence, and its ``state``
    is empty, since nothing in such a bundle may be taken for a result.

    ``charter_hash``: SHA-256 of the charter that you trust, 64 hex digits. Without it the bundle of
    any charter passes: then compare ``state.charter_sha256`` yourself.

    Raises ConfigError BUNDLE if the folder cannot be read as a bundle, BUNDLE_NEWER if its format
    is newer than this version's, CHARTER_HASH if the hash does not have 64 hex digits.
    """
    pinned = pinned_hash(charter_hash)
    verification = verify_bundle(read_bundle(Path(folder)), pinned, MODULUS_BITS_MIN)
    if verification.is_valid:
        return verification
    return replace(verification, state=State(), witnessed=NOTHING, beyond=0)


def open_bundle(folder: str | PathLike[str], charter_hash: str | None = None) -> Bundle:
    """The contents of a bundle, after every check that ``verify`` makes.

    Raises whatever ``verify`` raises, and Refusal BUNDLE_INVALID naming the checks that failed.
    """
    pinned = pinned_hash(charter_hash)
    verification, charter = read_valid(Path(folder), pinned, MODULUS_BITS_MIN)
    state = verification.state
    return Bundle(
        charter_hash=state.charters[0].charter.sha256.hex(),
        charter=charter,
        rounds=Records(round_records(state)),
        results=Results(r for round_ in state.rounds for r in result_records(state, round_)),
        rules=Records(r for round_ in state.rounds for r in rule_records(state, round_.number)),
        pause=pause_record(state, is_judged=True),
        drills=Records(drill_records(state)),
        accounts=account_records(state),
        succession=succession_record(state, {}),
        is_public=verification.is_public,
        not_checked=verification.not_checked,
        size=verification.size,
        newest_ms=verification.newest_ms,
        age_s=verification.age_s(time.time_ns() // 1_000_000),
        cosigners=verification.cosigners,
        witnessed_ms=witnessed_ms(verification.witnessed, charter.threshold),
        beyond=verification.beyond,
    )
