"""What a verification says, and the run that collects it (docs/spec/verifier.md)."""

from collections.abc import Mapping
from dataclasses import dataclass

from fermata.crypto.report.proof_cache import ProofCache
from fermata.log.merkle import Tree
from fermata.protocol.reprs import short_repr
from fermata.protocol.roles.witness import Witnessed
from fermata.protocol.state.state import State, Verdict
from fermata.protocol.verify.bundle import MARKER, PUBLIC
from fermata.protocol.verify.check_texts import (
    FAILED,
    NEEDS_SEALED,
    NOT_CHECKED,
    OPEN_ONLY,
    PASSED,
    TITLES,
    Check,
    let_go_texts,
)
from fermata.protocol.verify.log_checks import NOTHING
from fermata.protocol.verify.pause_checks import Moment
from fermata.types import RoundNumber


@short_repr("is_valid is_public size beyond cosigners checks rejected state", rows="checks")
@dataclass(frozen=True, slots=True)
class Verification:
    """All checks in order, the state they led to, and the rejected entries (evidence).

    State, evidence and verdict are of the ``witnessed`` entries. ``beyond`` counts those after
    them, which only the coordinator, and too few auditors, have signed.
    """

    checks: tuple[Check, ...]
    state: State
    rejected: tuple[Verdict, ...]
    is_public: bool = False
    witnessed: Witnessed = NOTHING
    beyond: int = 0

    @property
    def not_checked(self) -> tuple[str, ...]:
        """What a bundle cannot show, a sentence for each check: a public one, and a full one of
        rounds whose sealed parts the charter's term has let go."""
        return tuple(
            f"V{c.number} ({c.title}): {said}"
            for c in self.checks
            if c.status != FAILED
            for said in c.findings
        )

    @property
    def size(self) -> int:
        """How many entries are witnessed, which the verdict is about."""
        return self.state.size

    @property
    def cosigners(self) -> int:
        """How many auditors have witnessed all of these entries."""
        return sum(seen.size >= self.witnessed.size for seen in self.witnessed.cosigned.values())

    @property
    def newest_ms(self) -> int:
        """The time of the newest witnessed entry, by the log: milliseconds since 1970, UTC."""
        return self.state.time_ms

    def age_s(self, now_ms: int) -> int:
        """Seconds from that time to ``now_ms``; below 0 if that is before it."""
        return (now_ms - self.newest_ms) // 1000

    @property
    def is_valid(self) -> bool:
        """Whether every check that the bundle's kind allows was reached and passed."""
        needless = NEEDS_SEALED if self.is_public else {}
        return all(c.status == PASSED or c.number in needless for c in self.checks)


class Run:
    """Collects findings; a check that found something has failed."""

    def __init__(self, files: Mapping[str, bytes], state: State, cache: ProofCache) -> None:
        self.files = files
        self.state = state
        self.cache = cache
        self.rejected: list[Verdict] = []
        self.moments: list[Moment] = []
        self.leaves: list[bytes] = []
        self.tree = Tree()
        self.witnessed = NOTHING
        #: Of figures that stand or wait, by (round, lab, panel).
        self.ciphertexts: dict[tuple[int, str, str], tuple[int, ...]] = {}
        #: Rounds whose sealed parts the term has let go.
        self.gone: frozenset[RoundNumber] = frozenset()
        #: Rounds with reports: those that are gone, and all others.
        self.unlinked: list[RoundNumber] = []
        self.linked: list[RoundNumber] = []
        #: Rounds with sums: those with some figure of a round that is gone, and all others.
        self.unmultiplied: list[RoundNumber] = []
        self.multiplied: list[RoundNumber] = []
        self._findings: dict[int, list[str]] = {}
        self._reached: set[int] = set()

    def reach(self, number: int) -> None:
        self._reached.add(number)

    def fail(self, number: int, what: str) -> None:
        self._reached.add(number)
        self._findings.setdefault(number, []).append(what)

    def result(self) -> Verification:
        checks = []
        for number in TITLES:
            if number in self._findings:
                checks.append(Check(number, FAILED, tuple(self._findings[number])))
            elif number not in self._reached:
                checks.append(Check(number, NOT_CHECKED))
            elif self.is_public and number in NEEDS_SEALED:
                checks.append(Check(number, NOT_CHECKED, (NEEDS_SEALED[number],)))
            else:
                checks.append(Check(number, PASSED, self._unchecked(number)))
        return Verification(
            tuple(checks),
            self.state,
            tuple(self.rejected),
            self.is_public,
            self.witnessed,
            len(self.leaves) - self.state.size,
        )

    def _unchecked(self, number: int) -> tuple[str, ...]:
        """What of a check that has passed was not made, and why."""
        if self.is_public:
            return (OPEN_ONLY,) if number == 5 else ()
        if number == 7:
            return let_go_texts(number, self.unmultiplied, self.multiplied)
        return let_go_texts(number, self.unlinked, self.linked)

    @property
    def is_public(self) -> bool:
        return self.files.get(MARKER) == PUBLIC
