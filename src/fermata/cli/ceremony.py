"""``fermata keys ceremony``, ``keys cancel`` and ``keys record``: ceremonies of auditors."""

import sys
from pathlib import Path

import click

from fermata.cli.options import CONFIG, PATH
from fermata.cli.output import emit, json_option, plain_lines, say
from fermata.cli.read.view import trusted_view
from fermata.node.ceremony.take_part import Auditor, Taken, read_record
from fermata.node.config import NodeConfig, load_config, read_charter
from fermata.protocol.ceremony.basis import KEYGEN, LATER, Bases, BasesOfLog, BeforeTheLog
from fermata.protocol.ceremony.key_generation import KINDS
from fermata.protocol.ceremony.kinds import ALL_KINDS
from fermata.protocol.ceremony.plan import REHEARSAL
from fermata.protocol.ceremony.record import DONE, CheckedRecord
from fermata.protocol.charter.periods import utc_text
from fermata.types import Role

KIND = click.option(
    "--kind",
    default=KEYGEN,
    show_default=True,
    help="keygen makes the key; refresh or reshare makes the next epoch of a log's key.",
)
REHEARSE = click.option(
    "--rehearsal", is_flag=True, help="On a throwaway key of 512 bits, to practise."
)


@click.command()
@CONFIG
@KIND
@REHEARSE
@click.option(
    "--dealer",
    "dealers",
    multiple=True,
    help="Of a reshare: an auditor in force who is to deal, once for each; by default those who"
    " stay, as many as the threshold.",
)
@click.option(
    "--again",
    is_flag=True,
    help="In the place of one that is done, of which nobody has signed the key record or given"
    " the epoch up.",
)
@json_option
def ceremony(
    config_file: Path,
    kind: str,
    rehearsal: bool,
    dealers: tuple[str, ...],
    again: bool,
    as_json: bool,
) -> None:
    """Make the threshold key together with the other auditors, or the next epoch of it.

    Every auditor runs this at the same time: keygen while the coordinator gathers, refresh and
    reshare while the log runs. It may be stopped and started again; it goes on where it was. At the
    end there is a record that all have signed.
    """
    config = load_config(config_file, Role.AUDITOR)
    if rehearsal:
        say(REHEARSAL)
    auditor = _auditor(config, kind, dealers, again)
    basis = auditor.basis(kind)
    say(f"taking part as {config.text.party}; with me: {', '.join(basis.auditors)}")
    taken = auditor.take_part(kind, rehearsal)
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
    plan = _auditor(config, kind).cancel(kind, rehearsal, reason)
    data = {"ceremony": plan.id.hex(), "cancelled_by": config.text.party, "reason": reason}
    emit(as_json, data, f"cancelled ceremony {plan.id.hex()[:16]} as {config.text.party}")


@click.command()
@click.argument("file", type=PATH, help="A record of a ceremony.")
@click.option("--charter", "charter_file", type=PATH, help="The charter's file, for a keygen.")
@click.option(
    "--config", "config_file", type=PATH, help="A node's configuration, to read the log with."
)
@json_option
def record(file: Path, charter_file: Path | None, config_file: Path | None, as_json: bool) -> None:
    """Check the record of a ceremony, and show who took part, how it ended, and who misbehaved.

    Give --charter for a key generation, and --config for a refresh or reshare: the log says from
    which epoch it went on. Bodies that evidence is about are read from the folder of the same name
    with .bodies.
    """
    bases: Bases
    if charter_file is not None and config_file is None:
        bases = BeforeTheLog(read_charter(charter_file))
    elif config_file is not None and charter_file is None:
        bases = BasesOfLog(trusted_view(load_config(config_file)).trusted)
    else:
        raise click.UsageError("give either --charter or --config")
    digest, checked = read_record(file, bases, {**ALL_KINDS, **KINDS})
    emit(as_json, record_data(digest, checked), "\n".join(record_lines(digest, checked)))
    if not checked.is_usable:
        sys.exit(1)


def _auditor(
    config: NodeConfig, kind: str, dealers: tuple[str, ...] = (), again: bool = False
) -> Auditor:
    """This node's auditor, with what the log says if the ceremony goes on from a log's key."""

    def tell(line: str) -> None:
        say("\n".join(plain_lines([line])))

    known = {**ALL_KINDS, **KINDS}
    if kind not in known:
        raise click.UsageError(f"--kind must be one of {', '.join(known)}, got {kind}")
    if kind not in LATER:
        if dealers:
            raise click.UsageError("--dealer is for a reshare")
        return Auditor(config, KINDS, tell, again=again)
    return Auditor(config, KINDS, tell, BasesOfLog(trusted_view(config).trusted), dealers, again)


def _taken(taken: Taken) -> tuple[dict[str, object], str]:
    data = record_data(taken.sha256, taken.checked) | {"record": str(taken.record)}
    lines = record_lines(taken.sha256, taken.checked)
    lines.append(f"record: {taken.record}")
    if taken.share is not None:
        data["share"] = str(taken.share)
        lines.append(f"share: {taken.share}, sealed; make a backup of it now")
    if taken.checked.is_usable and taken.checked.plan.kind in LATER:
        lines.append("the log does not have it yet; now: fermata keys next-epoch")
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
        "disputed": [list(pair) for pair in checked.disputed],
        "absent": list(checked.absent),
        "late": list(checked.late),
        "dealers": list(plan.dealers),
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
    if plan.dealers:
        lines.append(f"dealers: {', '.join(plan.dealers)}")
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
    lines += [
        f"disputed: what {dealer} dealt to {receiver}; which of them misbehaved stands above"
        for dealer, receiver in checked.disputed
    ]
    lines += [f"absent, which is no offence: {party}" for party in checked.absent]
    lines += [f"late, or held back by the relay: {party}" for party in checked.late]
    if checked.relay:
        lines.append("the relay is named: it altered or kept back what was handed in")
    lines += [f"note of {party}: {note}" for party, note in checked.notes.items()]
    return plain_lines(lines)
