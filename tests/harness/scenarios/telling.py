"""What the fold made of an entry, in plain words: one line a fact, always in the same order."""

from collections.abc import Iterable, Iterator, Sequence

from fermata.protocol.fold.governance.tally import overdue_motions, round_in_office, tally
from fermata.protocol.fold.pause import acknowledgements_due, compliance_of
from fermata.protocol.roles.overdue import overdue
from fermata.protocol.state.governance import (
    APPEAL,
    APPEALED,
    DISPUTE,
    FILED,
    FINAL,
    OPEN,
    Dispute,
    Motion,
)
from fermata.protocol.state.judgement import Judgement
from fermata.protocol.state.pause import ACKNOWLEDGED, DEADLINE, asking, is_holding, late, missing
from fermata.protocol.state.pleas import waiting_for
from fermata.protocol.state.state import (
    Round,
    State,
    Verdict,
    labs_in_force,
    labs_of_round,
)
from fermata.summary.consent_words import consent_text
from harness.chains import START_MS

KINDS = {
    "KeyRecord": "key record",
    "OpenRound": "opening of a round",
    "CloseRound": "close",
    "PartialOpening": "part of an opening",
}


def clock(time_ms: int) -> str:
    """A time since the start, as hours:minutes:seconds."""
    return span(time_ms - START_MS) if time_ms else "no time yet"


def span(length_ms: int) -> str:
    """A length of time, as hours:minutes:seconds."""
    seconds = length_ms // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def names(parties: Iterable[str]) -> str:
    """Parties in a line; three or more in a row are told by the first and the last."""
    runs: list[list[str]] = []
    for party in parties:
        stem, _, number = party.rpartition("-")
        follows = number.isdigit() and runs and runs[-1][-1] == f"{stem}-{int(number) - 1}"
        if follows:
            runs[-1].append(party)
        else:
            runs.append([party])
    told = [f"{r[0]} to {r[-1]}" if len(r) > 2 else ", ".join(r) for r in runs]
    return ", ".join(told) or "nobody"


class Teller:
    """Collects lines. Entries of one kind in a row that change nothing more are one line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._row: list[Verdict] = []
        self._row_ms = 0

    def entry(self, before: State, after: State, verdict: Verdict) -> None:
        """Tells an entry and what follows from it."""
        last = self._row[-1] if self._row else verdict
        if (last.kind, last.reason) != (verdict.kind, verdict.reason):
            self._end_row()
        self._row.append(verdict)
        self._row_ms = after.time_ms
        effects = list(effects_of(before, after))
        if effects:
            self._end_row()
            self.lines += effects

    def say(self, lines: Iterable[str]) -> None:
        """Tells something that is no entry."""
        self._end_row()
        self.lines += lines

    def told(self) -> list[str]:
        """The lines since the last call."""
        self._end_row()
        lines, self.lines = self.lines, []
        return lines

    def _end_row(self) -> None:
        if self._row and not _is_beat(self._row[0]):
            self.lines.append(_row_text(self._row, self._row_ms))
        if self._row:
            self._row = []


def _is_beat(verdict: Verdict) -> bool:
    """An auditor said the time; only what follows from it is told."""
    return verdict.kind == "Heartbeat" and verdict.accepted


def _row_text(row: Sequence[Verdict], time_ms: int) -> str:
    first, last = row[0], row[-1]
    which = f"entry {first.entry}" if len(row) == 1 else f"entries {first.entry}-{last.entry}"
    kind = KINDS.get(first.kind, first.kind.lower())
    authors = [v.author for v in row if v.author]
    by = f" by {names(authors)}" if authors else ""
    verdict = "accepted" if first.accepted else f"refused, {first.reason}"
    return f"{which} at {clock(time_ms)}: {kind}{by}: {verdict}"


def effects_of(before: State, after: State) -> Iterator[str]:
    """What is different after an entry, other than the log's size and time."""
    for found in after.rounds:
        yield from _round_effects(after, before.round(found.number), found)
    for number, judgement in after.judgements.items():
        if number not in before.judgements:
            yield from _rules(judgement)
    yield from _committee_effects(before, after)
    yield from _pause_effects(before, after)


def _round_effects(state: State, old: Round | None, new: Round) -> Iterator[str]:
    if old is None and state.charter and state.charter.committee:
        yield f"{state.charter.committee.chair(new.number)} has the chair"
    if old is None and new.asked.duties:
        yield f"round {new.number} asks every lab to show that it keeps its duties"
    if new.close and not (old and old.close):
        count = len(new.close.listed)
        yield f"round {new.number} is closed: {count} reports, cohort {new.cohort}"
        yield from _compliance(state, new)
    if new.refusal and not (old and old.refusal):
        yield f"round {new.number} is refused: {new.refusal}"
    if new.opening and not (old and old.opening):
        results = ", ".join(f"{r.statistic} of {r.metric} {r.text}" for r in new.opening.results)
        yield f"round {new.number} is opened: {results}"


def _compliance(state: State, found: Round) -> Iterator[str]:
    charter, labs = state.charter_at(found.number), labs_of_round(state, found)
    answers = compliance_of(charter, found, labs)
    for answer in dict.fromkeys(answers.values()):
        labs = names(lab for lab, given in answers.items() if given == answer)
        yield f"duties in round {found.number}: {answer}: {labs}"


def _rules(judgement: Judgement) -> Iterator[str]:
    told: dict[str, list[str]] = {}
    for v in judgement.verdicts:
        known = "holds" if v.holds else "does not hold"
        text = f"value {v.value}, limit {v.limit}: {known}"
        told.setdefault(f"unknown: {v.why}" if v.holds is None else text, []).append(v.rule)
    for text, rules in told.items():
        yield f"rule {', '.join(rules)}: {text}"
    for rule in judgement.late:
        yield f"rule {rule}: holds as of a later round, now that this one is known"


def _pause_effects(before: State, after: State) -> Iterator[str]:
    terms = after.charter.pause if after.charter else None
    if terms is None:
        return
    for change in after.pause.changes[len(before.pause.changes) :]:
        why = change.why
        if change.rules and change.why not in (ACKNOWLEDGED, DEADLINE):
            why += f": {', '.join(change.rules)}"
        if change.calm_rounds:
            why += f"; calm rounds {change.calm_rounds} of {terms.lift_rounds}"
        yield f"pause: {change.before} -> {change.after} ({why})"
        if change.acknowledge_ms:
            length = span(change.acknowledge_ms)
            yield f"labs are to acknowledge entry {change.entry} within {length}"
    for change in asking(before.pause):
        known = late(before.pause, change)
        for lab in late(after.pause, change):
            if lab not in known:
                yield f"{lab} acknowledged entry {change.entry} late"


def _committee_effects(before: State, after: State) -> Iterator[str]:
    old, new = before.governance, after.governance
    for entry, motion in new.motions.items():
        known = old.motions.get(entry)
        if (known is None or known.status != motion.status) and motion.kind not in (
            DISPUTE,
            APPEAL,
        ):
            yield _motion_text(after, motion)
    for entry, dispute in new.disputes.items():
        known_dispute = old.disputes.get(entry)
        if known_dispute is None or known_dispute.status != dispute.status:
            yield _dispute_text(dispute)
    for lab, number in new.exclusions.items():
        if lab not in old.exclusions:
            yield f"{lab} is excluded from round {number} on"
    for version in after.charters[max(1, len(before.charters)) :]:
        yield f"the amended charter is in force from round {version.from_round} on"


def _motion_text(state: State, motion: Motion) -> str:
    about = f" of {motion.lab}" if motion.lab else ""
    text = f"motion {motion.entry}, {motion.kind}{about}: {motion.status}"
    if motion.status == OPEN:
        count = tally(state, motion)
        text += f", {count.votes_for} of the {count.needed} votes needed"
        text += consent_text(count.consent)
    if motion.notice_ms:
        text += (
            f", with the first round from {motion.from_round} on that is opened"
            f" {span(motion.notice_ms)} after this entry or later"
        )
    return text


def _dispute_text(dispute: Dispute) -> str:
    text = f"dispute {dispute.entry} of {dispute.author} about {dispute.lab}: {dispute.status}"
    if dispute.status in (FILED, APPEALED):
        return f"{text}, a ruling is due within {span(dispute.ruling_ms)}"
    if dispute.status == FINAL:
        return f"{text}, {'upheld' if dispute.is_upheld else 'dismissed'}"
    return f"{text}, an appeal is possible for {span(dispute.appeal_ms)}"


def committee(state: State) -> Iterator[str]:
    """How the committee stands: the chair, open motions, disputes without a final ruling."""
    if state.charter is None or state.charter.committee is None:
        return
    yield f"{state.charter.committee.chair(round_in_office(state))} has the chair"
    for motion in state.governance.open_motions:
        yield _motion_text(state, motion)
    for dispute in state.governance.disputes.values():
        if dispute.status != FINAL:
            yield _dispute_text(dispute)


def owed_by(state: State, lab: str) -> str:
    """What a lab has not done yet."""
    owed = []
    current, charter = state.current, state.charter
    if current and charter and current.close is None and lab in waiting_for(charter, current):
        owed.append(f"a report in round {current.number}")
    owed += [f"acknowledgement of entry {e}" for e in acknowledgements_due(state, lab)]
    return f"{lab} owes {' and '.join(owed) or 'nothing'}"


def overdue_at(state: State, now_ms: int) -> list[str]:
    """What is overdue by a reader's clock."""
    terms = state.charter.pause if state.charter else None
    if terms is None:
        return []
    found = overdue(state, state.pause, terms, labs_in_force(state), now_ms)
    late = [(o.what, o.since_ms, o.detail) for o in found] + overdue_motions(state, now_ms)
    told = [f"overdue since {clock(since)}: {what}, {detail}" for what, since, detail in late]
    return told or ["nothing is overdue"]


def standing(state: State) -> Iterator[str]:
    """Where things stand."""
    terms = state.charter.pause if state.charter else None
    if terms is None:
        return
    pause = state.pause
    hold = "hold" if is_holding(pause) else "go on"
    yield f"the pause is {pause.phase}, labs {hold}"
    yield f"calm rounds: {pause.calm_rounds} of {terms.lift_rounds}"
    asked = asking(pause)
    if asked:
        waiting = names(missing(pause, labs_in_force(state)))
        yield f"entry {asked[-1].entry} not acknowledged by: {waiting}"
