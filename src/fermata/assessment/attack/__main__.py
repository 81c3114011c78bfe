"""``python -m fermata.assessment.attack BUNDLE``: what an outsider can tell of single values."""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fermata.assessment.attack.assumptions import Assumption, parse_assumption
from fermata.assessment.attack.bounds import Attack, Known, attack
from fermata.assessment.attack.releases import histories_of
from fermata.errors import ConfigError, FermataError, Refusal
from fermata.node.files import write_atomic
from fermata.node.sources.measure import read_measurement
from fermata.node.storage.bundles import read_valid
from fermata.protocol.charter.encoding import encode_value
from fermata.protocol.charter.parse import MODULUS_BITS_MIN, Charter
from fermata.protocol.state.state import State

NARROW = 1


def main(arguments: Sequence[str], modulus_bits_min: int = MODULUS_BITS_MIN) -> int:
    """Returns 1 if a value was bounded more narrowly than --limit, else 0, or an error's code."""
    options = _parser().parse_args(arguments)
    try:
        if not 0 <= options.limit <= 100:
            raise ConfigError("LIMIT", f"--limit {options.limit:g}: must be from 0 to 100 percent")
        assumptions = [parse_assumption(text) for text in options.assume or ["none"]]
        _say("reading and verifying the bundle")
        verification, charter = read_valid(options.bundle, None, modulus_bits_min)
        state = verification.state
        known = _known(state, charter, options.own)
        histories = histories_of(state)
        if not any(history.releases for history in histories):
            raise Refusal("NO_RESULTS", f"{options.bundle}: no round of it was opened")
        attacks = [
            attack(histories, assumption, known, options.whole, partial(_say_progress, assumption))
            for assumption in assumptions
        ]
        _say("")
        if options.out is not None:
            document = [_document(result) for result in attacks]
            write_atomic(options.out, (json.dumps(document, indent=2) + "\n").encode())
    except FermataError as error:
        _say("")
        sys.stderr.write(f"attack: {error} [{error.reason}]\n")
        return error.exit_code
    for result in attacks:
        _show(result)
    return _judge(attacks, options.limit / 100)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fermata.assessment.attack",
        description="Tries to bound single labs' values from everything that a run released.",
    )
    parser.add_argument("bundle", type=Path, help="a bundle's folder")
    parser.add_argument(
        "--assume",
        action="append",
        metavar="WHAT",
        help="how values move between rounds: none (default), constant, monotone or change=RATE;"
        " may be repeated",
    )
    parser.add_argument(
        "--own",
        action="append",
        default=[],
        metavar="LAB=FILE",
        help="a lab that pools its values, and its metrics file; may be repeated",
    )
    parser.add_argument("--whole", action="store_true", help="bins in whole labs: sharper, slower")
    parser.add_argument(
        "--limit",
        type=float,
        default=5.0,
        metavar="PERCENT",
        help="fail below this width, in percent of what the charter allows (default 5)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all widths as JSON")
    return parser


def _say(text: str) -> None:
    """One line of progress, in place of the last."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[2K{text}")
        sys.stderr.flush()


def _say_progress(assumption: Assumption, done: int, total: int) -> None:
    _say(f"assuming {assumption}: {done} of {total} metrics")


def _known(state: State, charter: Charter, own: Sequence[str]) -> Known:
    """Encoded values of the labs that pool them, for the rounds that they reported in."""
    known: dict[str, dict[tuple[int, str], int]] = {}
    for text in own:
        lab, _, file = text.partition("=")
        if lab not in charter.labs or not file:
            raise ConfigError("OWN", "--own: must be LAB=FILE, with a lab of the charter")
        for round_ in state.rounds:
            # A figure that waits may enter a sum of a later round.
            seen = round_.reports.get(lab) if round_.close is not None else None
            given = {part.panel for part in seen.parts} if seen is not None else set()
            panels = [p for p in charter.panels if p.id in given]
            read = read_measurement(Path(file), round_.period, charter.cadence) if panels else None
            for metric in (m for panel in panels for m in panel.metrics):
                if read is None or metric.id not in read.values:
                    raise ConfigError("OWN", f"{file}: has no {metric.id} for {round_.period}")
                value = encode_value(metric, read.values[metric.id])
                known.setdefault(metric.id, {})[round_.number, lab] = value
    return known


def _document(result: Attack) -> dict[str, object]:
    """Widths only: the bounds themselves would be the attack's loot."""
    return {
        "assumption": str(result.assumption),
        "contradicted": list(result.contradicted),
        "not_applicable": list(result.silent),
        "widths": [
            {"metric": b.metric, "round": b.period, "lab": lab, "cohort": b.cohort,
             "width": round(b.width, 6)}
            for b in result.bounds
            for lab in b.labs
        ],
    }  # fmt: skip


def _show(result: Attack) -> None:
    table = Table(
        title=f"Assuming {result.assumption}: widths in percent of what the charter allows",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for column in ("metric", "round", "cohort", "narrowest", "lab", "widest"):
        table.add_column(column, overflow="fold")
    places = dict.fromkeys((b.metric, b.period) for b in result.bounds)
    for metric, period in places:
        bounds = [b for b in result.bounds if (b.metric, b.period) == (metric, period)]
        best, worst = min(bounds, key=lambda b: b.width), max(bounds, key=lambda b: b.width)
        names = best.labs[0] if len(best.labs) == 1 else f"{len(best.labs)} labs alike"
        row = [metric, period, str(best.cohort), f"{100 * best.width:.1f}", names]
        table.add_row(*row, f"{100 * worst.width:.1f}")
    Console(width=120).print(table)
    for metric in result.contradicted:
        sys.stdout.write(f"{metric}: no values fit, so what was assumed is not so; no bounds\n")
    for metric in result.silent:
        sys.stdout.write(f"{metric}: has values below 0, attacked without the assumption\n")


def _judge(attacks: Sequence[Attack], limit: float) -> int:
    narrow = [(a, b) for a in attacks for b in a.narrower_than(limit)]
    for result, bound in narrow:
        sys.stdout.write(
            f"NARROW: {bound.metric} in {bound.period}, {len(bound.labs)} of {bound.cohort} labs,"
            f" assuming {result.assumption}: below {100 * limit:g} % of what the charter allows\n"
        )
    if not narrow:
        sys.stdout.write(f"no value is bounded to less than {100 * limit:g} % of its range\n")
    return NARROW if narrow else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
