"""Sites that are made once for all tests of a run, in any process, and copied for each test."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.nodes import COORDINATOR, Site, lay_out


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Site]) -> Site:
    """The site of this name, which the first process that asks for it makes."""
    base = factory.getbasetemp()
    # The processes of one run have their folders in a common one.
    home = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    place = home / f"site-{name}"
    if not place.exists():
        made = make(factory.mktemp(name) / "site")
        try:
            made.folder.rename(place)
        except OSError:
            # Another process was faster.
            assert place.exists()
    return Site(place)


def copied(site: Site, folder: Path) -> Site:
    shutil.copytree(site.folder, folder, symlinks=True)
    return Site(folder)


def dealt(folder: Path) -> Site:
    """Keys, charter, certificates and the key record."""
    site = lay_out(folder)
    site.deal()
    return site


def opened(site: Site) -> Site:
    """A coordinator has run until the first round was open, and has stopped."""
    with site.coordinator() as address:
        site.open_round(address)
    (site.node(COORDINATOR) / "node.log").unlink()
    return site
