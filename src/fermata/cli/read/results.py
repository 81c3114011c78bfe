"""``fermata results|report`` and ``fermata lab place``: the results, and a lab's place in them."""

import json
import sys
from pathlib import Path

import click

from fermata.cli.options import CONFIG, PATH, charter_hash_option
from fermata.cli.output import emit, json_option, say, say_if_test
from fermata.cli.read.view import trusted_view
from fermata.cli.run.lab import read_figures, round_of
from fermata.dashboard.report import report_files
from fermata.dashboard.standing import Standing, standings_of
from fermata.dashboard.tables import csv_text
from fermata.dashboard.views.overview import overview
from fermata.errors import ConfigError, Refusal
from fermata.node.config import load_config
from fermata.node.files import write_atomic
from fermata.node.storage.bundles import check_new, pinned_hash, read_valid, write_bundle
from fermata.protocol.charter.parse import MODULUS_BITS_MIN, Charter
from fermata.protocol.state.calls import round_of_period
from fermata.protocol.state.state import OPENED, State
from fermata.summary.documents import ROW_COLUMNS, result_rows
from fermata.types import Role


def state_of_bundle(folder: Path, charter_hash: str | None) -> tuple[State, Charter]:
    """A bundle's state and charter, after all checks. Raises as ``read_valid`` does."""
    pinned = pinned_hash(charter_hash)
    say("verifying the bundle")
    verification, charter = read_valid(folder, pinned, MODULUS_BITS_MIN)
    say_if_test(charter)
    return verification.state, charter


@click.command()
@click.argument("bundle", type=PATH, required=False, help="The folder of the bundle.")
@click.option("--config", "config_file", type=PATH, help="Node's TOML file, to read the log.")
@click.option(
    "--format", "form", type=click.Choice(["json", "csv"]), default="json", show_default=True,
    help="Print a JSON array, or a table with commas.",
)  # fmt: skip
@click.option("--out", type=PATH, help="Write into this file instead of printing.")
@charter_hash_option
def results(
    bundle: Path | None, config_file: Path | None, form: str, out: Path | None,
    charter_hash: str | None,
) -> None:  # fmt: skip
    """All results of all rounds, one row each, of a valid BUNDLE or of the log (--config)."""
    if (bundle is None) == (config_file is None):
        raise click.UsageError("give either a BUNDLE or --config")
    if config_file is not None:
        state = trusted_view(load_config(config_file)).trusted()
    elif bundle is not None:
        state, _ = state_of_bundle(bundle, charter_hash)
    rows = result_rows(state)
    text = csv_text(ROW_COLUMNS, rows) if form == "csv" else json.dumps(rows, indent=2) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        write_atomic(out, text.encode())


@click.command()
@click.argument("bundle", type=PATH, help="The folder of the bundle.")
@click.option("--out", type=PATH, required=True, help="A new folder for the pages.")
@charter_hash_option
@json_option
def report(bundle: Path, out: Path, charter_hash: str | None, as_json: bool) -> None:
    """Write the report of a valid bundle: a page for each round, an index and charts, offline."""
    check_new(out)
    state, charter = state_of_bundle(bundle, charter_hash)
    files = report_files(overview(state, charter))
    write_bundle(out, files)
    data = {"report": str(out / "index.html"), "files": len(files), "rounds": len(state.rounds)}
    emit(as_json, data, f"{out / 'index.html'}: {len(state.rounds)} rounds, {len(files)} files")


@click.command("place")
@CONFIG
@click.option("--period", required=True, help="The period to look at, such as 2024Q3.")
@click.option("--bundle", type=PATH, help="Read the results from a bundle instead of the log.")
@charter_hash_option
@json_option
def lab_place(
    config_file: Path, period: str, bundle: Path | None, charter_hash: str | None, as_json: bool
) -> None:
    """Your own place in a round's results, in words. It sends nothing, and keeps the head."""
    config = load_config(config_file, Role.LAB)
    me = config.text.party
    if bundle is None:
        state = trusted_view(config).trusted()
    else:
        state, _ = state_of_bundle(bundle, charter_hash)
        if state.charter_sha256 != config.genesis.sha256:
            raise ConfigError("CHARTER_HASH", f"{bundle}: must be of your deployment")
    round_of(state.charter_at(1), period)
    round_ = round_of_period(state.rounds, period)
    # The round's own charter: metrics and panels may have changed since, or before.
    charter = state.charter_at(round_.number if round_ is not None else len(state.rounds) + 1)
    encoded = read_figures(config, charter, period).encode(charter, me)
    if round_ is None or round_.phase(charter.endorsement_quorum) != OPENED:
        why = f" ({round_.refusal})" if round_ is not None and round_.refusal else ""
        raise Refusal("NO_RESULTS", f"{period}: has no results{why}")
    places = standings_of(charter, round_, me, encoded.values)
    if not places:
        raise Refusal("NOT_COUNTED", f"{period}: its results do not count a report of yours")
    data = [{"metric": p.metric, "value": p.value, "place": list(p.sentences)} for p in places]
    emit(as_json, data, _places_text(period, places))


def _places_text(period: str, places: tuple[Standing, ...]) -> str:
    lines = [f"{period}, from your metrics file as it is now (stays here)"]
    for place in places:
        lines.append(f"{place.metric}  {place.value}")
        lines += [f"  {sentence}" for sentence in place.sentences or ("no statistic to compare",)]
    return "\n".join(lines)
