"""``fermata lab push``: hands figures from a pipeline to its lab's own node."""

import sys
from pathlib import Path

import click

from fermata.cli.options import CONFIG
from fermata.cli.output import emit, json_option
from fermata.cli.run.lab import answer_place
from fermata.errors import ConfigError
from fermata.node.config import load_config
from fermata.node.rpc.local_service import REQUEST_BYTES_MAX, push, socket_path
from fermata.types import Role
from fermata.wire.v1 import local_service_pb2


@click.command("push")
@CONFIG
@click.argument(
    "figures", nargs=-1, metavar="[METRIC=VALUE]...", help="Figures, such as score=0.5."
)
@click.option("--period", default="", help="Period of the figures; default: the open round's.")
@click.option("--correct", is_flag=True, help="Correct a report that was made.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read lines of METRIC=VALUE.")
@json_option
def lab_push(
    config_file: Path,
    figures: tuple[str, ...],
    period: str,
    correct: bool,
    from_stdin: bool,
    as_json: bool,
) -> None:
    """Hand figures to the running node, which keeps them until the round's report.

    Other users of the machine can see a command's arguments; --stdin keeps figures out of them.
    """
    config = load_config(config_file, Role.LAB)
    values = [_pushed(word) for word in figures]
    if from_stdin:
        lines = sys.stdin.read(REQUEST_BYTES_MAX).splitlines()
        values += [_pushed(line.strip()) for line in lines if line.strip()]
    if not values:
        raise click.UsageError("give METRIC=VALUE or --stdin")
    request = local_service_pb2.PushRequest(period=period, values=values, correct=correct)
    answer = push(socket_path(config.data), request)
    data: dict[str, object] = {
        "period": answer.period,
        "replaced": list(answer.replaced),
        "slot": answer.slot,
    }
    text = f"{answer.period}: {len(values)} kept"
    if answer.replaced:
        text += f", in place of earlier ones: {', '.join(answer.replaced)}"
    if answer.slot:
        round_, correction = answer_place(answer.slot)
        data |= {"round": round_, "correction": correction}
        text += f"; correction {correction} of the report of round {round_} is made and waits"
    emit(as_json, data, text)


def _pushed(word: str) -> local_service_pb2.PushedValue:
    """Parses a word such as ``score=0.5``. Raises ConfigError PUSH_WORD, which shows no figure."""
    metric, equals, value = word.partition("=")
    if not equals or not metric or not value:
        raise ConfigError("PUSH_WORD", "a figure must be METRIC=VALUE, such as score=0.5")
    return local_service_pb2.PushedValue(metric=metric, value=value)
