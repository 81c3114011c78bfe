"""``fermata keys next-epoch``: an auditor brings what a refresh or reshare made into the log."""

from pathlib import Path

import click

from fermata.cli.options import CONFIG
from fermata.cli.output import emit, json_option, plain_lines, say
from fermata.cli.read.view import trusted_view
from fermata.node.ceremony.epochs.sign_record import RecordSigning
from fermata.node.config import load_config
from fermata.protocol.ceremony.basis import LATER
from fermata.types import Role


@click.command("next-epoch")
@CONFIG
@click.option(
    "--kind", type=click.Choice(LATER), required=True, help="Which ceremony made the epoch."
)
@click.option(
    "--wait", "wait_s", type=click.IntRange(0, 86400), default=600, show_default=True,
    help="Seconds to wait for the others.",
)  # fmt: skip
@json_option
def next_epoch(config_file: Path, kind: str, wait_s: int, as_json: bool) -> None:
    """Give the key's epoch up, and sign the record of the next, once its ceremony is done.

    An auditor in force gives the epoch up for good: its running node then says nothing until the
    log holds the record. Every auditor who has a share of the next epoch signs the record. Once all
    have, the coordinator logs it. For an amendment this waits until its notice is over.
    """
    config = load_config(config_file, Role.AUDITOR)
    signing = RecordSigning(
        config,
        lambda: trusted_view(config),
        lambda line: say("\n".join(plain_lines([line]))),
        wait_s,
    )
    done = signing.run(kind)
    data = {
        "epoch": done.epoch,
        "gave_up": done.gave_up,
        "signed": done.signed,
        "record_sha256": done.record_sha256.hex(),
    }
    did = [
        *(["gave the epoch before up"] if done.gave_up else []),
        *(["signed its record"] if done.signed else []),
    ]
    text = f"epoch {done.epoch}, record {done.record_sha256.hex()}: {' and '.join(did)}"
    emit(as_json, data, text)
