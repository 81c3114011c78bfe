"""How soon a charter's triggers hold, in words, for ``fermata charter check --power``."""

import textwrap
from collections.abc import Iterable

from fermata.assessment.power.measure import (
    EVENTS,
    HIDDEN,
    RATES,
    SWINGS,
    WATCHED,
    Blinding,
    Power,
)
from fermata.cli.output import table_text
from fermata.summary.documents import document

#: Lives that are simulated: about ten seconds for each metric that a trigger reads.
LIVES = 25
NEVER = "-"


def power_data(power: Power) -> dict[str, object]:
    """The measurement for programs; ``rounds`` is null where it is above the rounds watched."""
    return {
        "lives": power.lives,
        "watched_rounds": WATCHED,
        "model": power.model,
        "start": {
            name: document(base, "start growth noise is_log")
            for name, base in power.baselines.items()
        },
        "delays": [document(d, "trigger metric event rate rounds") for d in power.delays],
        "swings": [document(b, "trigger metric event swing rounds") for b in power.blindings],
    }


def power_text(power: Power) -> str:
    """The same as two tables for people."""
    if not power.delays:
        return "There is no pause, so there is no trigger of which the power could be measured."
    rates = "/".join(f"{rate:.0%}"[:-1] for rate in RATES)
    title = (
        f"After how many rounds a trigger holds ({power.lives} lives, the middle one;"
        f" {rates} % of the labs report; {NEVER} is more than {WATCHED}):"
    )
    names = [event.name for event in EVENTS]
    rows = []
    for trigger, metric in dict.fromkeys((d.trigger, d.metric) for d in power.delays):
        cells = [
            "/".join(
                _rounds(d.rounds)
                for d in power.delays
                if (d.trigger, d.metric, d.event) == (trigger, metric, name)
            )
            for name in names
        ]
        rows.append([trigger, metric, *cells])
    lines = ["", table_text(["trigger", "metric", *names], rows, title)]
    lines += [*_assumed(power), "", _swings_text(power.blindings)]
    return "\n".join(lines)


def _assumed(power: Power) -> Iterable[str]:
    for name, base in power.baselines.items():
        unit = " (log10)" if base.is_log else ""
        yield (
            f"  {name} is {base.start:.4g}{unit} in every lab when it happens, and grows by"
            f" {base.growth:.3g} a round with a noise of {base.noise:.2g}."
        )
    model = f"How sums come about: {power.model}."
    yield textwrap.fill(model, 100, initial_indent="  ", subsequent_indent="  ")


def _swings_text(blindings: Iterable[Blinding]) -> str:
    """How soon, while one lab reports what it likes."""
    swings = list(blindings)
    labels = ["steady", *(f"x{s:g}" for s in SWINGS[1:-1]), "whole range"]
    rows = []
    for trigger, metric in dict.fromkeys((b.trigger, b.metric) for b in swings):
        for event in HIDDEN:
            cells = [
                _rounds(b.rounds)
                for b in swings
                if (b.trigger, b.metric, b.event) == (trigger, metric, event.name)
            ]
            rows.append([trigger, metric, event.name, *cells])
    title = (
        f"The same at {RATES[0]:.0%} while one lab swings by so much in both directions, in the"
        " pattern that hides most:"
    )
    return table_text(["trigger", "metric", "what happens", *labels], rows, title)


def _rounds(rounds: int | None) -> str:
    return NEVER if rounds is None else str(rounds)
