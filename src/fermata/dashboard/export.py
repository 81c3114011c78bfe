"""The dashboard as a folder of pages, without server, script or network."""

from fermata.dashboard.checks import ChecksView
from fermata.dashboard.pages import names, render
from fermata.dashboard.source import Snapshot


def site_files(now: Snapshot, checks: ChecksView) -> dict[str, bytes]:
    """Every page as of now, by file name; the links between them are relative."""
    pages = {name: render(now, checks, name, is_file=True) for name in names(now)}
    return {name: page.body for name, page in pages.items() if page is not None}
