"""Checks the effects of a charter's terms, entry by entry, from the labs' own figures.

A second, small pause machine follows the log (docs/spec/pause.md); duties, dominance and dues are
computed from the figures, and what the rules see from those that stand. The fold must agree.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from math import ceil

from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.fold.pause import COMPLIED, NOT_CONSENTED, NOT_SHOWN, SILENT, compliance_of
from fermata.protocol.roles.overdue import overdue
from fermata.protocol.state.state import OPENED, REFUSED, Round, State, labs_of_round
from fermata.protocol.wire.codec import decode_entry
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.sim.reference.disclosed import organisation_of, share_limit
from fermata.sim.reference.sums import Figures, Opened
from fermata.sim.reference.time_watch import TimeWatch
from fermata.sim.reference.verdicts import UNCHANGED, Stood, holds_at_end
from fermata.sim.reference.watch import Watch
from fermata.sim.setup.deployment import Deployment, lab_names
from fermata.sim.setup.terms import BAND_TOP, BANDS, DUTY_MAX, HEAT, TIER_DUES, tier_of
from fermata.summary.records.dues import lines_of

#: The labs whose reports count, with their figures.
Counted = Figures

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
        #: The entry of the last trigger; of that or a relapse; and of those or a calm round.
        self._began = self._restarted = self._counted_at = 0
        #: Whom the last trigger or relapse left out.
        self._left_out: frozenset[str] = frozenset()
        self._asked: list[int] = []
        self._said: dict[int, set[str]] = {}
        self._settled: list[int] = []
        #: By round: whether it asks for duties, and the share limit.
        self._duties: dict[int, bool] = {}
        self._limits: dict[int, int | None] = {}
        #: By round that was closed: the labs whose newest figure is beyond its share.
        self._beyond: dict[int, frozenset[str]] = {}
        self._opened: Callable[[int], Opened] = lambda number: {}
        #: Kinds of what has happened, so that tests can see that it does happen.
        self.seen: set[str] = set()

    def follow(
        self, counted: Mapping[int, Counted], opened: Callable[[int], Opened], now_ms: int
    ) -> None:
        """Checks the new entries, at a true time. ``counted``: figures behind each closed round;
        ``opened``: those that stand in what a round shows."""
        self._opened = opened
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
            self._open(after)
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
                self._settle(entry, after, round_)
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

    def _settle(self, entry: int, after: State, round_: Round) -> None:
        charter, number = after.charter_at(round_.number), round_.number
        newest = max(self._settled, default=0)
        self._settled.append(number)
        if charter.pause is None:
            return
        quorum = charter.endorsement_quorum
        values = [
            self._heat_of(r.number) or UNCHANGED
            if r.phase(quorum) == OPENED
            else None
            if r.phase(quorum) == REFUSED
            else ()
            for r in after.rounds[:number]
        ]
        sums = [self._stood_after(after.charter_at(r.number), r) for r in after.rounds[:number]]
        holds = holds_at_end(charter.rules, values, sums)
        self.seen.add(f"unable is {holds.get('unable')}")
        for verdict in after.judgements[number].verdicts:
            if verdict.holds is not holds[verdict.rule]:
                self._watch.violate("I8", f"rule {verdict.rule} says {verdict.holds} of {number}")
        fired = any(holds[rule] is True for rule in charter.pause.triggers)
        is_swept = self._is_swept(charter, after, round_)
        if fired:
            self._check_left_out(entry, after, round_)
            self._began = entry if self._phase == RUNNING else self._began
            self._restarted = self._counted_at = entry
        if fired and self._phase == RUNNING:
            self._turn(TRIGGERED)
            self._asked.append(entry)
        elif fired:
            self.seen.add("relapse")
            self._turn(TRIGGERED if self._phase == TRIGGERED else PAUSED)
        elif number > newest and self._phase in (PAUSED, LIFTING):
            is_calm = holds[charter.pause.lift]
            if is_calm is False:
                self._turn(PAUSED)
            elif is_calm and is_swept:
                self._cool(charter.pause, entry, after)
            elif is_calm:
                self.seen.add("calm round does not count")

    def _cool(self, terms: PauseTerms, entry: int, after: State) -> None:
        calm_rounds = self._calm_rounds + 1
        waits = calm_rounds >= terms.lift_rounds and self._is_waiting(after)
        if calm_rounds < terms.lift_rounds or waits:
            self._turn(LIFTING, min(calm_rounds, terms.lift_rounds))
            self._counted_at = entry
            return
        self._turn(RUNNING)
        self._asked.append(entry)

    def _check_left_out(self, entry: int, after: State, round_: Round) -> None:
        """PA6b: nobody is left out for a word that came late, or who has given a figure lately.

        Whom the fold leaves out beyond need is found; whom it keeps in beyond need is not.
        """
        left = set(after.pause.changes[-1].left_out)
        starts = [c for c in after.pause.changes[:-1] if c.why in ("rule", "relapse")]
        may = self._watch.consents.at_opening[round_.number] & self._watch.refusing[entry]
        if self._phase != RUNNING:
            may &= self._still_left_out(after, starts[-1].left_out if starts else ())
        closed = [r.number for r in after.rounds if r.close is not None]
        may -= self._watch.standing.gave.get(max(closed, default=0), frozenset())
        if left - may:
            self._watch.violate("I8", f"entry {entry} leaves out {sorted(left - may)}")
        if left:
            self.seen.add("lab left out")
        self._left_out = frozenset(left)

    def _still_left_out(self, after: State, labs: Iterable[str]) -> set[str]:
        """Of these, who has given no figure since the last trigger or relapse."""
        since = [r for r in after.rounds if r.close is not None and r.close.entry > self._restarted]
        gave = self._watch.standing.gave
        return {lab for lab in labs if not any(lab in gave[r.number] for r in since)}

    def _is_swept(self, charter: Charter, after: State, round_: Round) -> bool:
        """PA6a: whether everybody has renewed; all rules are about the first panel."""
        standing, rounds = self._watch.standing, after.rounds[: round_.number]
        closed = [r for r in rounds if r.close is not None]
        early = [r for r in closed if r.close is not None and r.close.entry <= self._began]
        # What stood when the pause began, and after each close since.
        looked_at = [*early[-1:], *closed[len(early) :]]
        stood = frozenset[str]().union(*(standing.stands[r.number] for r in looked_at))
        came_out = [r.number for r in closed if r.opening is not None]
        sums = [standing.opened(number).get(("panel-1", "")) for number in came_out]
        newest = [figures for figures in sums if figures is not None][-1:]
        renewed = {
            lab
            for figures in newest
            for lab, at in figures.items()
            if after.rounds[at - 1].entry > self._counted_at
        }
        nobody = round_.barred | self._still_left_out(after, self._left_out)
        return (stood & charter.panel("panel-1").labs) - nobody <= renewed

    # Rounds.

    def _heat_of(self, number: int) -> list[Fraction] | None:
        """The standing figures of the first panel; None if not all of its cells were opened."""
        figures = self._opened(number).get(("panel-1", ""))
        return None if figures is None else [Fraction(f[HEAT]) for f in figures.values()]

    def _stood_after(self, charter: Charter, round_: Round) -> Stood:
        """RU4, RU6a: whose figures stand in the first panel's sums, of when, and who waits.

        A charter with terms asks each period once, so a figure's round is the place of its period.
        """
        figures = self._watch.standing.opened(round_.number).get(("panel-1", ""), {})
        owner, own = organisation_of(self._shape), dict[str, list[int]]()
        for lab, reported in figures.items():
            own.setdefault(owner[lab], []).append(reported)
        means = [Fraction(sum(times), len(times)) for times in own.values()]
        at = sum(means, Fraction(0)) / max(1, len(means))
        if round_.number not in self._beyond:
            return Stood(frozenset(figures), at)
        away = self._watch.consents.away[round_.number]
        heard = charter.panel("panel-1").labs - round_.barred - away
        ages: dict[str, int] = {}
        for lab, reported in self._watch.standing.stands[round_.number].items():
            if lab in heard:
                ages[owner[lab]] = max(ages.get(owner[lab], 0), round_.number - reported)
        beyond = {owner[lab] for lab in self._beyond[round_.number] & heard}
        self.seen |= {"beyond together"} if len(beyond) > 1 else set()
        able = self._watch.able_at(round_)
        return Stood(frozenset(figures), at, ages, len(beyond), able)

    def _open(self, after: State) -> None:
        round_ = after.rounds[-1]
        known = [self._heat_of(r.number) for r in after.rounds if r.opening is not None]
        sums = [sum(heat, Fraction(0)) for heat in known if heat is not None]
        self._limits[round_.number] = share_limit(self._shape, sums[-1] if sums else None)
        self._duties[round_.number] = self._phase in (PAUSED, LIFTING)
        if round_.asked.duties != self._duties[round_.number]:
            self._watch.violate(
                "I8", f"round {round_.number} is wrong about the duties it asks for"
            )
        if round_.asked.share_limits.get(HEAT) != self._limits[round_.number]:
            self._watch.violate("I5", f"round {round_.number} has another share limit")

    def _close(self, after: State, round_: Round, counted: Mapping[int, Counted]) -> None:
        own, number = counted[round_.number], round_.number
        charter = after.charter_at(number)
        self._beyond[number] = self._beyond_after(number, own)
        for what in (
            *self._wrong_duties(charter, after, round_, own),
            *self._wrong_dues(charter, round_, own),
            *self._wrong_shares(round_, own),
        ):
            self._watch.violate("I12", f"round {number}: {what}")
        if round_.close is None or not round_.close.cells:
            self.seen.add("withheld")
        elif len(round_.close.cells) > self._shape.panels:
            self.seen.add("cells")

    def _beyond_after(self, number: int, counted: Counted) -> frozenset[str]:
        """D8: by the figures. Whoever has given none in this round is what it was before."""
        limit, heats = (
            self._limits[number],
            {lab: f[HEAT] for lab, f in counted.items() if HEAT in f},
        )
        beyond = {lab for lab, heat in heats.items() if limit is not None and int(heat) > limit}
        before = self._beyond[max(self._beyond)] if self._beyond else frozenset[str]()
        return (before - heats.keys()) | beyond

    def _wrong_shares(self, round_: Round, counted: Counted) -> Iterator[str]:
        limit = self._limits[round_.number]
        for lab, figures in counted.items():
            within = limit is not None and int(figures.get(HEAT, 0)) <= limit
            if limit is not None and not within:
                self.seen.add("beyond its share")
            if round_.reports[lab].flags.within_shares != within:
                yield f"{lab} is wrong about its share"

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
            if round_.close is not None and lab in self._watch.refusing[round_.close.entry]:
                right = NOT_CONSENTED
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
        for place, lab in enumerate(lab_names(self._shape)):
            if lab not in charter.labs:
                continue
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
