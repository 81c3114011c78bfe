"""What a pipeline or a researcher imports: verify a bundle, and read what came out of it.

    import fermata

    bundle = fermata.open_bundle("bundle", charter_hash="9f3c...")
    for result in bundle.results:
        print(result.period, result.metric, result.statistic, result.text)

The names are reached through ``fermata`` itself. Nothing here writes, or uses a network or a key.
Only ``Results.to_numpy`` imports numpy, and only when it is called: what decides anything is exact.
"""

import math
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fermata.node.storage.bundles import pinned_hash, read_bundle, read_valid
from fermata.protocol.charter.parse import MODULUS_BITS_MIN, Charter
from fermata.protocol.fold.pause import compliance_of
from fermata.protocol.state.pause import Change, is_holding, missing
from fermata.protocol.state.state import OPENED, REFUSED, Round, State, labs_in_force, labs_of_round
from fermata.protocol.verify.verifier import Verification, verify_bundle
from fermata.summary.dues_account import Account, account_of, dues_lines

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """One number that came out of an opened round.

    ``exact`` is what follows from the opened sums; for ``stddev`` and ``geometric-mean`` it is
    rounded as docs/spec/charter.md (C9) says, and for the bin of a quartile it is the bin's lowest
    value. ``text`` is its decimal form as published, for a bin ``lowest..highest``. ``group`` is
    empty for a whole panel. ``cohort``: organisations whose values are in it.
    """

    round: int
    period: str
    metric: str
    unit: str
    statistic: str
    group: str
    exact: Fraction
    text: str
    cohort: int

    @property
    def value(self) -> float:
        """The nearest double; infinite where there is none."""
        try:
            return float(self.exact)
        except OverflowError:
            return math.inf if self.exact > 0 else -math.inf


class Results(tuple[ResultRecord, ...]):
    """All results, in the order of the rounds and, in a round, of the charter."""

    __slots__ = ()

    def to_numpy(self) -> "npt.NDArray[np.void]":
        """A structured array of shape (len(self),), one element a result.

        Fields: ``round`` and ``cohort`` int64; ``period``, ``metric``, ``unit``, ``statistic``,
        ``group`` and ``text`` str; ``value`` float64. Floats are for looking, ``text`` for citing.
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


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One reporting period. Times are milliseconds since 1970, UTC, by the log.

    ``state`` is collecting, closed, endorsed, opened or refused; ``refusal`` says why nothing came
    out, else it is empty. ``cohorts`` counts organisations by cell, empty before the close.
    ``reported``: labs whose report counts (so far). ``compliance``: in a round of a pause, what
    each lab showed of its duties; else empty.
    """

    number: int
    period: str
    state: str
    opened_ms: int
    deadline_ms: int
    cohorts: Mapping[str, int]
    refusal: str
    reported: tuple[str, ...]
    abstained: tuple[str, ...]
    compliance: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RuleRecord:
    """What one rule of the charter said as of one round; ``holds`` is None if unknown.

    ``value`` and ``limit`` are texts for people; ``streak`` counts rounds in a row, of
    ``for_rounds`` needed; ``why`` says why it is unknown.
    """

    round: int
    period: str
    rule: str
    holds: bool | None
    value: str
    limit: str
    streak: int
    for_rounds: int
    why: str


@dataclass(frozen=True, slots=True)
class PauseRecord:
    """The pause at the end of the log. ``phase``: running, triggered, paused or lifting.

    ``changes``: all that ever happened to it, oldest first. ``missing``: labs that have not
    acknowledged the last change that asks for it.
    """

    phase: str
    is_holding: bool
    changes: tuple[Change, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a bundle that passed every check tells. ``charter_hash`` is entry 0's, in hex.

    ``charter`` is the one in force at the end. ``account`` is None if the charter has no dues.
    ``size`` counts the log's entries, ``newest_ms`` is the time of the newest (milliseconds since
    1970, UTC, by the log), ``age_s`` how many seconds before this machine's clock that is, and
    ``cosigners`` how many auditors cosigned the head.
    """

    charter_hash: str
    charter: Charter
    rounds: tuple[RoundRecord, ...]
    results: Results
    rules: tuple[RuleRecord, ...]
    pause: PauseRecord
    account: Account | None
    size: int
    newest_ms: int
    age_s: int
    cosigners: int


def verify(folder: str | PathLike[str], charter_hash: str | None = None) -> Verification:
    """Runs every check of docs/spec/verifier.md over a bundle's folder; an invalid one is no error.

    Of an invalid bundle the checks and the evidence are given, and ``state`` is empty: nothing
    that such a bundle tells may be taken for a result.

    ``charter_hash``: SHA-256 of the charter that you trust, 64 hex digits. Without it anybody's
    charter passes: compare ``state.charter_sha256`` yourself.

    Raises ConfigError BUNDLE if the folder cannot be read as a bundle, BUNDLE_NEWER if its format
    is newer than this version's, CHARTER_HASH if the hash is not one.
    """
    pinned = pinned_hash(charter_hash)
    found = verify_bundle(
        read_bundle(Path(folder)), pinned, MODULUS_BITS_MIN, entropy=secrets.token_bytes
    )
    return found if found.is_valid else replace(found, state=State(), cosigners=0)


def open_bundle(folder: str | PathLike[str], charter_hash: str | None = None) -> Bundle:
    """What a bundle tells, after every check that ``verify`` makes.

    Raises as ``verify``, and Refusal BUNDLE_INVALID naming the checks that failed.
    """
    pinned = pinned_hash(charter_hash)
    found, charter = read_valid(Path(folder), pinned, MODULUS_BITS_MIN, entropy=secrets.token_bytes)
    state = found.state
    return Bundle(
        charter_hash=state.charters[0].charter.sha256.hex(),
        charter=charter,
        rounds=tuple(_round(state, each) for each in state.rounds),
        results=Results(r for each in state.rounds for r in _results(state, each)),
        rules=_rules(state),
        pause=_pause(state),
        account=_account(state),
        size=found.size,
        newest_ms=found.newest_ms,
        age_s=found.age_s(time.time_ns() // 1_000_000),
        cosigners=found.cosigners,
    )


def _round(state: State, found: Round) -> RoundRecord:
    charter, close = state.charter_at(found.number), found.close
    phase = found.phase(charter.endorsement_quorum)
    return RoundRecord(
        number=found.number,
        period=found.period,
        state=phase,
        opened_ms=found.opened_ms,
        deadline_ms=found.deadline_ms,
        cohorts=dict(close.cohorts) if close else {},
        refusal=found.refusal if phase == REFUSED else "",
        reported=close.listed if close else tuple(sorted(found.reports)),
        abstained=tuple(sorted(found.abstained)),
        compliance=dict(compliance_of(charter, found, labs_of_round(state, found))),
    )


def _results(state: State, found: Round) -> list[ResultRecord]:
    charter, close, opening = state.charter_at(found.number), found.close, found.opening
    if close is None or opening is None or found.phase(charter.endorsement_quorum) != OPENED:
        return []
    metrics = {m.id: m for p in charter.panels for m in p.metrics}
    return [
        ResultRecord(
            round=found.number,
            period=found.period,
            metric=r.metric,
            unit=metrics[r.metric].unit,
            statistic=r.statistic,
            group=r.group,
            exact=r.value,
            text=r.text,
            cohort=close.panel_cohort(metrics[r.metric].panel, r.group),
        )
        for r in opening.results
    ]


def _rules(state: State) -> tuple[RuleRecord, ...]:
    return tuple(
        RuleRecord(
            round=found.number,
            period=found.period,
            rule=v.rule,
            holds=v.holds,
            value=v.value,
            limit=v.limit,
            streak=v.streak,
            for_rounds=v.for_rounds,
            why=v.why,
        )
        for found in state.rounds
        if found.number in state.judgements
        for v in state.judgements[found.number].verdicts
    )


def _pause(state: State) -> PauseRecord:
    pause = state.pause
    return PauseRecord(
        pause.phase, is_holding(pause), pause.changes, missing(pause, labs_in_force(state))
    )


def _account(state: State) -> Account | None:
    if state.charter is None or state.charter.dues is None:
        return None
    return account_of(state.charter.dues.unit, dues_lines(state))
