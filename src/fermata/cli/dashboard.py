"""``fermata dashboard``: shows a bundle as pages, on this machine or in a folder."""

from pathlib import Path

import click

from fermata.cli.options import PATH, charter_hash_option
from fermata.cli.output import emit, json_option, progress_bar
from fermata.dashboard.checks import Checks, checks_view
from fermata.dashboard.pages import site_files
from fermata.dashboard.server import is_loopback, serving
from fermata.dashboard.source import BundleSource
from fermata.node.run.loop import Wake, stop_on_signal
from fermata.node.run.parts import clock_ms
from fermata.node.storage.bundles import check_new, pinned_hash, read_bundle, write_bundle
from fermata.protocol.charter.parse import MODULUS_BITS_MIN

LISTEN = "127.0.0.1:0"
WAIT_S = 3600.0


@click.command()
@click.argument("bundle", type=PATH, help="The folder of the bundle.")
@click.option("--export", "out", type=PATH, help="Write all pages into this new folder instead.")
@click.option(
    "--address", default=LISTEN, show_default=True,
    help="Where to serve, on this machine only; port 0 takes a free port.",
)  # fmt: skip
@charter_hash_option
@json_option
def dashboard(
    bundle: Path, out: Path | None, address: str, charter_hash: str | None, as_json: bool
) -> None:
    """Show a BUNDLE in a browser: the pause, rounds, log and all checks. Needs no network."""
    if out is not None:
        check_new(out)
    if not is_loopback(address):
        raise click.UsageError("--address: must be on this machine, such as 127.0.0.1:8443")
    pinned, files = pinned_hash(charter_hash), read_bundle(bundle)
    started_ms = clock_ms()
    with progress_bar("verifying the bundle", 1):
        source = BundleSource(files, pinned, MODULUS_BITS_MIN)
    view = checks_view(source.verification, started_ms)
    if out is not None:
        pages = site_files(source.snapshot(), view)
        write_bundle(out, pages)
        index = out / "index.html"
        made = {"export": str(index), "files": len(pages), "valid": view.is_valid}
        emit(as_json, made, f"{index}: {len(pages)} files; the bundle is valid")
        return
    wake = Wake()
    with stop_on_signal(wake), serving(source, Checks(source, clock_ms, view), address) as bound:
        data = {"url": f"http://{bound}/", "valid": view.is_valid}
        emit(as_json, data, f"http://{bound}/  (the bundle is valid; Ctrl-C stops the server)")
        while not wake.stopping.is_set():
            wake.wait(WAIT_S)
