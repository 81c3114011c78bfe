"""Which of the figures of a source is the metric's: as its table says, and never by a guess."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_05UP, Decimal, localcontext
from typing import NoReturn

from fermata.errors import ConfigError
from fermata.node.sources.mapping import SourceText, is_score, is_task, unit_of
from fermata.node.sources.paths import SourceFile
from fermata.node.sources.reading import Reading, choices, shown

#: Places of a value after the point, and digits before it: those that encoding takes.
DIGITS_MAX = 40
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?\Z")
_EXACT_DIGITS = 300
_GRID = Decimal(1).scaleb(-DIGITS_MAX)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reading, and the file that it stands in."""

    file: SourceFile
    reading: Reading

    @property
    def place(self) -> str:
        """File and field, for messages."""
        return f"{shown_path(self.file.name)}: {shown(self.reading.field)}"


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric's figure: where it stands, what stands there, and the decimal that it is.

    ``model`` and ``samples`` ("9 of 9") are as the file states them, empty if it does not.
    """

    metric: str
    file: str
    field: str
    read: str = dataclasses.field(repr=False)
    value: str = dataclasses.field(repr=False)
    model: str = ""
    samples: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A figure, or why there is none yet; with the files that had a part in it."""

    figure: Figure | None
    absent: str = ""
    files: tuple[SourceFile, ...] = ()


def choose(
    text: SourceText, candidates: Sequence[Candidate], period: str, bounds: tuple[int, int] | None
) -> Choice:
    """The metric's figure among those of its source. ``bounds``: the period's times, in ms.

    Raises ConfigError with a reason of SOURCE_..., naming file, field and what to choose from.
    """
    of_task = [c for c in candidates if is_task(text, c.reading)]
    if not of_task:
        tasks = choices(c.reading.task for c in candidates)
        had = f"; there are figures of {tasks}" if tasks else ""
        wanted = f" of {shown(text.task)}" if text.task else ""
        return Choice(None, f"{text.place}: has no figure{wanted}{had}")
    now = [c for c in of_task if _is_of(text, c.reading, period, bounds)]
    if not now:
        return Choice(None, f"{text.place}: has no figure of {period}")
    whole = _finished(text, _of_model(text, _of_score(text, now)))
    if not whole:
        return Choice(None, f"{text.place}: has no finished run of {period}")
    _check_dated(text, whole)
    _check_one_thing(text, whole)
    # By identity: a file may have very many records, of which equal ones are alike here.
    taken = {id(c) for c in whole}
    had_part = (c.file for c in now if id(c) in taken or c.reading.unfinished)
    files = tuple({id(file): file for file in had_part}.values())
    counted = _with_samples(text, whole)
    _check_counted(text, counted)
    return Choice(_aggregate(text, counted), files=files)


def _is_of(text: SourceText, reading: Reading, period: str, bounds: tuple[int, int] | None) -> bool:
    if text.is_own:
        return reading.period == period
    if text.period_rule != "run-date" or bounds is None or reading.completed_ms is None:
        return True
    return bounds[0] <= reading.completed_ms < bounds[1]


def _of_score(text: SourceText, candidates: list[Candidate]) -> list[Candidate]:
    """The figures of the score; runs that failed before they had any stay, to be told of."""
    wanted = [c for c in candidates if is_score(text, c.reading) or _has_failed(c)]
    if not wanted:
        have = choices(c.reading.scores[0] for c in candidates if c.reading.scores)
        _refuse(
            "SOURCE_FIELD", text, f"{candidates[0].file.name}: has no such score; it has {have}"
        )
    return wanted


def _has_failed(candidate: Candidate) -> bool:
    """Whether a run ended before it had scores; a figure that only lacks a name did not."""
    return not candidate.reading.scores and bool(candidate.reading.fault)


def _of_model(text: SourceText, candidates: list[Candidate]) -> list[Candidate]:
    """The figures of one model: the one that is asked for, or the only one that there is.

    No aggregation joins two models: the newest or the best of several figures would be that of
    whichever model was measured last, or is strongest.
    """
    if text.is_own:
        return candidates
    unnamed = [c for c in candidates if not c.reading.model]
    if unnamed and not text.accept_unnamed:
        _refuse(
            "SOURCE_MODEL",
            text,
            f"{unnamed[0].place}: does not say which model was evaluated; if you know that it is"
            " the one to report, say accept_unnamed = true",
        )
    models = {c.reading.model for c in candidates if c.reading.model}
    if text.model:
        wanted = [c for c in candidates if c.reading.model in ("", text.model)]
        if not wanted:
            had = choices(models)
            _refuse("SOURCE_MODEL", text, f"{text.place}: has no figure of {text.model}; of {had}")
        return wanted
    if len(models) > 1 or (models and unnamed):
        named = choices(models) + (" and one that is not named" if unnamed else "")
        _refuse("SOURCE_AMBIGUOUS", text, f"{text.place}: which model? It has {named}")
    return candidates


def _with_samples(text: SourceText, candidates: list[Candidate]) -> list[Candidate]:
    """The figures, of as many samples as the configuration says that the data set has.

    Raises ConfigError SOURCE_INCOMPLETE for those that are of others.
    """
    if not text.samples:
        return candidates
    if text.is_mean_of_records:
        if len(candidates) != text.samples:
            said = f"{len(candidates)} of {text.samples} samples have a record"
            _refuse("SOURCE_INCOMPLETE", text, f"{text.place}: {said}; find what is missing")
        return [replace(c, reading=replace(c.reading, scored=1, samples=1)) for c in candidates]
    for c in candidates:
        scored, samples = c.reading.scored, c.reading.samples
        if scored not in (None, text.samples) or samples not in (None, text.samples):
            said = f"{scored if scored is not None else samples} samples, not {text.samples}"
            _refuse("SOURCE_INCOMPLETE", text, f"{c.place}: the file says {said}, as samples does")
    return [replace(c, reading=replace(c.reading, samples=text.samples)) for c in candidates]


def _check_counted(text: SourceText, candidates: list[Candidate]) -> None:
    """Refuses a figure whose file does not say that all samples of the data set were scored."""
    if text.is_own or text.accept_uncounted:
        return
    for c in candidates:
        if not c.reading.is_counted:
            _refuse(
                "SOURCE_UNCOUNTED",
                text,
                f"{c.place}: does not say how many samples of how many were scored; if you know"
                " that all were, or that the metric has no samples, say accept_uncounted = true",
            )


def _finished(text: SourceText, candidates: list[Candidate]) -> list[Candidate]:
    for c in candidates:
        if c.reading.unfinished and text.incomplete == "refuse":
            _refuse(
                "SOURCE_INCOMPLETE",
                text,
                f"{c.file.name}: {c.reading.unfinished}; move the file away, wait for its end, or"
                ' say incomplete = "skip"',
            )
    return [c for c in candidates if not c.reading.unfinished]


def _check_dated(text: SourceText, candidates: list[Candidate]) -> None:
    """Refuses a figure without a time where its time is to say its period."""
    if text.is_own or text.period_rule != "run-date":
        return
    for c in candidates:
        if c.reading.completed_ms is None:
            _refuse(
                "SOURCE_DATE",
                text,
                f"{c.place} does not say when it was measured, in a form that leaves no choice"
                " (ISO 8601 with an offset, or seconds or milliseconds since 1970); put"
                ' {period} into the path, or say period = "current"',
            )


def _check_one_thing(text: SourceText, candidates: list[Candidate]) -> None:
    """Refuses figures of several tasks or scores: no aggregation means them all."""
    first = candidates[0].reading
    if any(c.reading.task != first.task for c in candidates):
        tasks = choices(c.reading.task for c in candidates)
        _refuse("SOURCE_AMBIGUOUS", text, f"{text.place}: which task? It has {tasks}")
    if any(c.reading.scores != first.scores for c in candidates):
        scores = choices(c.reading.scores[0] for c in candidates)
        _refuse(
            "SOURCE_AMBIGUOUS", text, f"{candidates[0].file.name}: which score? It has {scores}"
        )
    for c in candidates:
        if c.reading.unit and unit_of(c.reading.unit) != unit_of(text.unit):
            said = f"{c.place} is in {shown(c.reading.unit)}, the configuration says {text.unit}"
            _refuse("SOURCE_UNIT", text, said)


def _aggregate(text: SourceText, candidates: list[Candidate]) -> Figure:
    if text.aggregation == "count":
        return _counted(text, candidates)
    values = [_decimal(text, c.reading.text, c.place) for c in candidates]
    if text.aggregation == "mean" and len(candidates) > 1:
        with localcontext(prec=_EXACT_DIGITS):
            total = sum(values, Decimal(0))
        value = format(_mean(total, len(values)), "f")
        place = f"{len(candidates)} {'records' if text.has_records else 'files or runs'}"
        return Figure(text.metric, place, "mean", "mean", value, *_stated(candidates))
    if text.aggregation == "only" or len(candidates) == 1:
        if len(candidates) > 1:
            places = choices(c.place for c in candidates)
            _refuse(
                "SOURCE_AMBIGUOUS",
                text,
                f"{len(candidates)} figures: {places}; say aggregation = latest, max, min or mean,"
                f" or narrow the path{' or where' if text.has_records else ''}",
            )
        index = 0
    elif text.aggregation == "latest":
        index = _latest(text, candidates)
    else:
        pick = max if text.aggregation == "max" else min
        index = values.index(pick(values))
    chosen = candidates[index]
    value = format(values[index], "f")
    reading = chosen.reading
    stated = _stated([chosen])
    return Figure(text.metric, chosen.file.name, reading.field, reading.text, value, *stated)


def _counted(text: SourceText, candidates: list[Candidate]) -> Figure:
    """The number of records as a figure."""
    number = str(len(candidates))
    value = plain_value(text, number, text.place)
    model, _ = _stated(candidates)
    return Figure(text.metric, f"{number} records", "count", number, value, model)


def _stated(candidates: Sequence[Candidate]) -> tuple[str, str]:
    """Model and samples as the files state them, over all figures that one value is made of."""
    scored = [c.reading.scored for c in candidates]
    samples = [c.reading.samples for c in candidates]
    counted = "" if None in (*scored, *samples) else f"{_sum(scored)} of {_sum(samples)}"
    return candidates[0].reading.model, counted


def _sum(counts: Sequence[int | None]) -> int:
    return sum(count for count in counts if count is not None)


def _latest(text: SourceText, candidates: list[Candidate]) -> int:
    times = [c.reading.completed_ms or 0 for c in candidates]
    newest = [index for index, time in enumerate(times) if time == max(times)]
    if len(newest) > 1 or not max(times):
        places = choices(candidates[index].place for index in newest)
        _refuse("SOURCE_AMBIGUOUS", text, f"none of these is the latest: {places}")
    return newest[0]


def is_number(written: str) -> bool:
    """Whether a text is a finite number in plain notation, of no more digits than are taken."""
    return bool(_NUMBER.match(written))


def plain_value(text: SourceText, written: str, place: str) -> str:
    """A number of a source as the decimal that is reported, in the charter's unit.

    Raises ConfigError SOURCE_VALUE naming the place, never the number.
    """
    return format(_decimal(text, written, place), "f")


def _decimal(text: SourceText, written: str, place: str) -> Decimal:
    """The number in the charter's unit, exactly, with no more digits than a report can take."""
    if not _NUMBER.match(written):
        _refuse("SOURCE_VALUE", text, f"{place}: is no finite number, or one too long")
    number = Decimal(written)
    if number.is_zero() and number.is_signed():
        _refuse("SOURCE_VALUE", text, f"{place}: is a negative zero")
    with localcontext(prec=_EXACT_DIGITS):
        value = number * text.factor
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -DIGITS_MAX or value.adjusted() >= DIGITS_MAX:
        _refuse("SOURCE_VALUE", text, f"{place}: has more digits than a report can take")
    return value


def _mean(total: Decimal, count: int) -> Decimal:
    """A mean that rounds onto any grid as the exact one does.

    A last digit that stands for what was cut off is never 0 or 5 (ROUND_05UP), so that no value
    which is not half-way between two steps looks as if it were.
    """
    with localcontext(prec=_EXACT_DIGITS, rounding=ROUND_05UP):
        return (total / count).quantize(_GRID)


def _refuse(reason: str, text: SourceText, what: str) -> NoReturn:
    line = "".join(c if c.isprintable() else "?" for c in f"{text.metric}: {what}")
    raise ConfigError(reason, line)


def shown_path(name: str) -> str:
    """A path's end, where it differs from others."""
    return name if len(name) <= 100 else f"...{name[-100:]}"
