"""Checks the effects of a charter's terms, entry by entry, from the labs' own figures.

A second, small pause machine follows the log (docs/spec/pause.md); duties, dominance, dues and
withheld rounds are computed from the figures. The fold must agree.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from math import ceil

from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.fold.pause import COMPLIED, NOT_SHOWN, SILENT, compliance_of
from fermata.protocol.roles.overdue import overdue
from fermata.protocol.state.state import OPENED, REFUSED, Round, State, labs_of_round
from fermata.protocol.wire.codec import decode_entry
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.sim.reference.disclosed import Cells, Counted, cells_of, is_withheld, share_limit
from fermata.sim.reference.time_watch import TimeWatch
from fermata.sim.reference.verdicts import holds_at_end
from fermata.sim.reference.watch import Watch
from fermata.sim.setup.deployment import Deployment
from fermata.sim.setup.terms import BAND_TOP, BANDS, DUTY_MAX, HEAT, TIER_DUES, tier_of
from fermata.summary.records.dues import lines_of

RUNNING, TRIGGERED, PAUSED, LIFTING = "running", "triggered", "paused", "lifting"


class TermsWatch:
    """Follows the log that a Watch folds, and lets ``clock`` follow it in step.

    It checks nothing else for a charter without terms.
    """

    def __init__(self, deployment: Deployment, watch: Watch, clock: TimeWatch) -> None:
        self._shape = deployment.shape
        self._watch = watch
        self._clock = clock
        self._next = 0
        #: The second pause machine: as of entry ``_next``.
        self._phase, self._calm_rounds = RUNNING, 0
        self._asked: list[int] = []
        self._said: dict[int, set[str]] = {}
        self._settled: list[int] = []
        #: By round: whether it asks for duties, the share limit, and the cells that were closed.
        self._duties: dict[int, bool] = {}
        self._limits: dict[int, int | None] = {}
        self._cells: dict[int, Mapping[int, Cells]] = {}
        #: Kinds of what has happened, so that tests can see that it does happen.
        self.seen: set[str] = set()

    def follow(self, counted: Mapping[int, Counted], now_ms: int) -> None:
        """Checks the new entries, at a true time. ``counted``: figures behind each closed round."""
        while self._next < len(self._watch.leaves):
            entry, self._next = self._next, self._next + 1
            self._clock.follow(entry, now_ms)
            # Where a lab never made what counts (I2), there are no figures to go by.
            is_known = all(figures for by_lab in counted.values() for figures in by_lab.values())
            if self._shape.terms is not None and is_known:
                self._follow(entry, counted)

    def _follow(self, entry: int, counted: Mapping[int, Counted]) -> None:
        before, after = self._watch.states[entry], self._watch.states[entry + 1]
        terms = before.pause_terms
        if terms is None:
            return
        labs = _labs_in_force(before)
        if len(after.rounds) > len(before.rounds):
            self._open(after, counted)
        if self._watch.verdicts[entry].accepted:
            self._acknowledge(terms, entry, labs)
        if len(after.governance.lifts) > len(before.governance.lifts) and self._phase != RUNNING:
            self.seen.add("motion")
            self._turn(RUNNING)
            self._asked.append(entry)
        for old, new in zip(before.rounds, after.rounds, strict=False):
            if old.close is None and new.close is not None:
                self._close(after, new, counted)
        for round_ in after.rounds:
            quorum = after.charter_at(round_.number).endorsement_quorum
            if round_.number not in self._settled and round_.phase(quorum) in (OPENED, REFUSED):
                self._settle(entry, after, round_, counted)
        if self._watch.verdicts[entry].accepted:
            # PA2: after the effect of the entry itself, whatever that was.
            self._pass_time(terms, entry, after)
        pause = after.pause
        if (pause.phase, pause.calm_rounds) != (self._phase, self._calm_rounds):
            self._watch.violate(
                "I8",
                f"entry {entry}: the pause is {pause.phase} with {pause.calm_rounds} calm rounds,"
                f" the figures say {self._phase} with {self._calm_rounds}",
            )
        if tuple(c.entry for c in pause.changes if c.why in ("rule", "lifted", "motion")) != tuple(
            self._asked
        ):
            self._watch.violate("I8", f"entry {entry}: other changes ask the labs than should")

    # The pause.

    def _turn(self, phase: str, calm_rounds: int = 0) -> None:
        if self._phase != phase:
            self.seen.add(f"{self._phase} to {phase}")
        self._phase, self._calm_rounds = phase, calm_rounds

    def _pass_time(self, terms: PauseTerms, entry: int, after: State) -> None:
        if self._phase == TRIGGERED:
            asked, length_ms = self._asked[-1], terms.acknowledge_ms
            if self._clock.passed(asked, length_ms, is_right=True):
                self._turn(PAUSED)
        self._count(terms, _labs_in_force(after))
        is_due = self._phase == LIFTING and self._calm_rounds == terms.lift_rounds
        if is_due and not self._is_waiting(after):
            self._turn(RUNNING)
            self._asked.append(entry)

    def _is_waiting(self, state: State) -> bool:
        """Whether a closed round before the newest that has settled may yet fire (PA6)."""
        for round_ in state.rounds[: max(self._settled, default=0)]:
            terms = state.charter_at(round_.number).pause
            if round_.number in self._settled or round_.close is None or terms is None:
                continue
            window_ms = state.charter_at(round_.number).window_s * 1000
            length_ms = max(window_ms, terms.settle_within_ms)
            if not self._clock.passed(round_.close.entry, length_ms):
                self.seen.add("lift waits")
                return True
        return False

    def _count(self, terms: PauseTerms, labs: list[str]) -> None:
        if self._phase == TRIGGERED:
            said = self._said.get(self._asked[-1], set()) & set(labs)
            if said and len(said) >= ceil(terms.acknowledge_share * len(labs)):
                self._turn(PAUSED)

    def _acknowledge(self, terms: PauseTerms, entry: int, labs: list[str]) -> None:
        envelope = decode_entry(self._watch.leaves[entry]).envelope
        statement = statement_of(unseal(envelope)) if entry else None
        if statement is None or not statement.HasField("acknowledgement"):
            return
        named = statement.acknowledgement.change.index
        said = self._said.setdefault(named, set())
        if named not in self._asked or statement.author in said or statement.author not in labs:
            self._watch.violate("I8", f"entry {entry} acknowledges what it may not")
        said.add(statement.author)
        self._count(terms, labs)

    def _settle(
        self, entry: int, after: State, round_: Round, counted: Mapping[int, Counted]
    ) -> None:
        charter, number = after.charter_at(round_.number), round_.number
        newest = max(self._settled, default=0)
        self._settled.append(number)
        if charter.pause is None:
            return
        quorum = charter.endorsement_quorum
        values = [
            [Fraction(f[HEAT]) for f in counted[r.number].values()]
            if r.phase(quorum) == OPENED
            else None
            for r in after.rounds[:number]
        ]
        holds = holds_at_end(charter.rules, values)
        for verdict in after.judgements[number].verdicts:
            if verdict.holds is not holds[verdict.rule]:
                self._watch.violate("I8", f"rule {verdict.rule} says {verdict.holds} of {number}")
        fired = any(holds[rule] is True for rule in charter.pause.triggers)
        if fired and self._phase == RUNNING:
            self._turn(TRIGGERED)
            self._asked.append(entry)
        elif fired:
            self.seen.add("relapse")
            self._turn(TRIGGERED if self._phase == TRIGGERED else PAUSED)
        elif number > newest and self._phase in (PAUSED, LIFTING):
            self._cool(charter.pause, entry, after, holds[charter.pause.lift] is True, newest)

    def _cool(
        self, terms: PauseTerms, entry: int, after: State, is_calm: bool, newest: int
    ) -> None:
        number = self._settled[-1]
        if not is_calm:
            self._turn(PAUSED)
            return
        calm_rounds = self._calm_rounds + 1 if number == newest + 1 else 1
        waits = calm_rounds >= terms.lift_rounds and self._is_waiting(after)
        if calm_rounds < terms.lift_rounds or waits:
            self._turn(LIFTING, min(calm_rounds, terms.lift_rounds))
            return
        self._turn(RUNNING)
        self._asked.append(entry)

    # Rounds.

    def _open(self, after: State, counted: Mapping[int, Counted]) -> None:
        round_ = after.rounds[-1]
        sums = [
            sum((Fraction(f[HEAT]) for f in counted[r.number].values()), Fraction(0))
            for r in after.rounds
            if r.opening is not None
        ]
        self._limits[round_.number] = share_limit(self._shape, sums[-1] if sums else None)
        self._duties[round_.number] = self._phase in (PAUSED, LIFTING)
        if round_.asked.duties != self._duties[round_.number]:
            self._watch.violate(
                "I8", f"round {round_.number} is wrong about the duties it asks for"
            )
        if round_.asked.share_limits.get(HEAT) != self._limits[round_.number]:
            self._watch.violate("I5", f"round {round_.number} has another share limit")

    def _close(self, after: State, round_: Round, counted: Mapping[int, Counted]) -> None:
        shape, own, number = self._shape, counted[round_.number], round_.number
        charter = after.charter_at(number)
        for what in (
            *self._wrong_duties(charter, after, round_, own),
            *self._wrong_dues(charter, round_, own),
        ):
            self._watch.violate("I12", f"round {number}: {what}")
        window = shape.terms.window_rounds if shape.terms is not None else 0
        first = number - window if window else 1
        compared = [cells for other, cells in self._cells.items() if other >= first]
        withheld = is_withheld(shape, own, self._limits[number], compared)
        if withheld != bool(round_.close and round_.close.refusal):
            self._watch.violate(
                "I6", f"round {number} is wrongly {'opened' if withheld else 'kept'}"
            )
        if withheld:
            self.seen.add("withheld")
            return
        cells = self._cells[number] = cells_of(shape, own)
        named = [frozenset(c.labs) for c in round_.close.cells] if round_.close else []
        if named != [cell for panel in cells.values() for cell in panel]:
            self._watch.violate("I6", f"round {number} has other cells than its reports give")
        if len(named) > shape.panels:
            self.seen.add("cells")

    def _wrong_duties(
        self, charter: Charter, after: State, round_: Round, counted: Counted
    ) -> Iterator[str]:
        asked = self._duties[round_.number]
        stated = compliance_of(charter, round_, labs_of_round(after, round_))
        if not asked:
            if stated:
                yield "tells of duties outside of a pause"
            return
        has_duty = self._shape.terms is not None and self._shape.terms.has_duty
        for lab, answer in stated.items():
            right = SILENT if lab not in counted else NOT_SHOWN
            if lab in counted and int(counted[lab][HEAT]) <= DUTY_MAX:
                right = COMPLIED
            if has_duty:
                self.seen.add(right)
            if answer != (right if has_duty else "no duty"):
                yield f"{lab} is listed as {answer}"

    def _wrong_dues(self, charter: Charter, round_: Round, counted: Counted) -> Iterator[str]:
        terms = self._shape.terms
        if terms is None or not terms.dues:
            return
        for place, lab in enumerate(charter.labs):
            if terms.dues == "tier":
                right = TIER_DUES[tier_of(terms, place, self._shape.panels)]
            else:
                top = [
                    amount
                    for most, amount in BANDS
                    if lab in counted and int(counted[lab][HEAT]) <= most
                ]
                right = (*top, BAND_TOP)[0]
            if [line.amount for line in lines_of(charter, round_, (lab,))] != [Decimal(right)]:
                yield f"{lab} owes another amount than by its {terms.dues}"

    # The end.

    def check_end(self, state: State, now_ms: int) -> None:
        """Checks that every lab in force acknowledged every change that asked; nothing is late."""
        terms = state.pause_terms
        if terms is None:
            return
        labs = _labs_in_force(state)
        for asked in self._asked:
            for lab in labs:
                if lab not in self._said.get(asked, set()):
                    self._watch.violate("liveness", f"{lab} never acknowledges entry {asked}")
        for late in overdue(state, state.pause, terms, labs, now_ms):
            self._watch.violate("I13", f"{late.what} at the end: {late.detail}")
        motions = state.governance.motions.values()
        self.seen |= {f"{motion.kind} {motion.status}" for motion in motions}
        self.seen |= {"amendment in force"} if len(state.charters) > 1 else set()


def _labs_in_force(state: State) -> list[str]:
    exclusions = state.governance.exclusions
    return [lab for lab in state.chartered().charter.labs if lab not in exclusions]
