"""``fermata keys ceremony``, ``keys cancel`` and ``keys record``: a key without a dealer."""

import sys
from pathlib import Path

import click

from fermata.cli.options import CONFIG, PATH
from fermata.cli.output import emit, json_option, plain_lines, say
from fermata.node.ceremony.take_part import Auditor, Taken, read_record
from fermata.node.config import load_config, read_charter
from fermata.protocol.ceremony.key_generation import KINDS, NAME
from fermata.protocol.ceremony.plan import REHEARSAL
from fermata.protocol.ceremony.record import DONE, CheckedRecord
from fermata.protocol.charter.periods import utc_text
from fermata.types import Role

KIND = click.option(
    "--kind", default=NAME, show_default=True, help="Which ceremony; keygen makes the key."
)
REHEARSE = click.option(
    "--rehearsal", is_flag=True, help="On a throwaway key of 512 bits, to practise."
)


@click.command()
@CONFIG
@KIND
@REHEARSE
@json_option
def ceremony(config_file: Path, kind: str, rehearsal: bool, as_json: bool) -> None:
    """Make the threshold key together with the other auditors, without a dealer.

    Every auditor runs this at the same time, while the coordinator gathers. It may be stopped and
    started again; it goes on where it was. At the end there is a record that all have signed.
    """
    config = load_config(config_file, Role.AUDITOR)
    if rehearsal:
        say(REHEARSAL)
    say(f"taking part as {config.text.party}; with me: {', '.join(config.genesis.auditors)}")
    taken = Auditor(config, KINDS, lambda line: say("\n".join(plain_lines([line])))).take_part(
        kind, rehearsal
    )
    emit(as_json, *_taken(taken))
    if taken.checked.outcome != DONE:
        sys.exit(1)


@click.command()
@CONFIG
@KIND
@REHEARSE
@click.option("--reason", required=True, help="Why, on one line; all participants see it.")
@json_option
def cancel(config_file: Path, kind: str, rehearsal: bool, reason: str, as_json: bool) -> None:
    """End the ceremony that goes on, for all; the reason is signed and stands in the record."""
    config = load_config(config_file, Role.AUDITOR)
    plan = Auditor(config, KINDS, say).cancel(kind, rehearsal, reason)
    data = {"ceremony": plan.id.hex(), "cancelled_by": config.text.party, "reason": reason}
    emit(as_json, data, f"cancelled ceremony {plan.id.hex()[:16]} as {config.text.party}")


@click.command()
@click.argument("file", type=PATH, help="A record of a ceremony.")
@click.option("--charter", "charter_file", type=PATH, required=True, help="The charter's file.")
@json_option
def record(file: Path, charter_file: Path, as_json: bool) -> None:
    """Check the record of a ceremony, and show who took part, how it ended, and who misbehaved.

    Bodies that evidence is about are read from the folder of the same name with .bodies.
    """
    digest, checked = read_record(file, read_charter(charter_file), KINDS)
    emit(as_json, record_data(digest, checked), "\n".join(record_lines(digest, checked)))
    if not checked.is_usable:
        sys.exit(1)


def _taken(taken: Taken) -> tuple[dict[str, object], str]:
    data = record_data(taken.sha256, taken.checked) | {"record": str(taken.record)}
    lines = record_lines(taken.sha256, taken.checked)
    lines.append(f"record: {taken.record}")
    if taken.share is not None:
        data["share"] = str(taken.share)
        lines.append(f"share: {taken.share}, sealed; make a backup of it now")
    return data, "\n".join(lines)


def record_data(digest: bytes, checked: CheckedRecord) -> dict[str, object]:
    """What a record shows, as data."""
    plan = checked.plan
    return {
        "ceremony": plan.id.hex(),
        "kind": plan.kind,
        "rehearsal": plan.is_rehearsal,
        "usable": checked.is_usable,
        "attempt": plan.attempt,
        "outcome": checked.outcome,
        "record_sha256": digest.hex(),
        "turns": checked.turns,
        "modulus_bits": plan.modulus_bits,
        "threshold": plan.threshold,
        "participants": [
            {
                "id": party,
                "version": checked.versions.get(party, ""),
                "set_up_ms": checked.times_ms[party][0],
                "end_ms": checked.times_ms[party][1],
                "resumed": checked.resumed.get(party, 0),
            }
            for party in plan.participants
        ],
        "culprits": checked.culprits,
        "named_without_proof": list(checked.named),
        "absent": list(checked.absent),
        "late": list(checked.late),
        "relay_named": checked.relay,
        "notes": checked.notes,
    }


def record_lines(digest: bytes, checked: CheckedRecord) -> list[str]:
    """What a record shows, for people."""
    plan = checked.plan
    lines = [REHEARSAL] if plan.is_rehearsal else []
    lines += [
        f"ceremony {plan.id.hex()[:16]}, {plan.kind}, attempt {plan.attempt}: {checked.outcome}"
        f" after {checked.turns} turns",
        f"a key of {plan.modulus_bits} bits, opened by {plan.threshold} of"
        f" {len(plan.participants)} auditors",
        f"record SHA256:{digest.hex()}",
    ]
    for party in plan.participants:
        begun_ms, ended_ms = checked.times_ms[party]
        begun = utc_text(begun_ms) if begun_ms else "never"
        ended = utc_text(ended_ms) if ended_ms else "never"
        line = f"  {party}: began {begun}, signed its end {ended}"
        if again := checked.resumed.get(party, 0):
            line += f", started again {again} times"
        lines.append(line)
    lines += [
        f"MISBEHAVED: {party} [{reason}], proven" for party, reason in checked.culprits.items()
    ]
    lines += [f"named without proof: {party}" for party in checked.named]
    lines += [f"absent, which is no offence: {party}" for party in checked.absent]
    lines += [f"late, or held back by the relay: {party}" for party in checked.late]
    if checked.relay:
        lines.append("the relay is named: it altered or kept back what was handed in")
    lines += [f"note of {party}: {note}" for party, note in checked.notes.items()]
    return plain_lines(lines)
