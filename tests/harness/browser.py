"""A real Chromium with axe, for the dashboard's pages."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fermata.dashboard.pages import NAVIGATION
from fermata.dashboard.server import serving
from harness.dashboard import paused_checks, paused_source

#: axe 4.12.1 of the package axe-playwright-python, which uv.lock pins too.
AXE_SHA256 = "84494fec757e4710dc751c8d7a636e457f4532f08f85c86dc9070133fbff53bc"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LAB_PAGE = "lab-lab-6.html"
PAGES = (
    *(name for name, _ in NAVIGATION),
    "round-4.html",
    "round-5.html",
    "entry-7.html",
    LAB_PAGE,
)
SCHEMES = ("light", "dark")
#: CSS pixels: a small phone, a desk.
SIZES = {"phone": (320, 700), "desk": (1280, 900)}


def chromium() -> str:
    """The browser's program. Raises RuntimeError if this machine has none."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise RuntimeError(
            "no Chromium on this machine; install it, such as: apt-get install chromium"
        )
    return found


def axe_source() -> str:
    """The accessibility rules, which must be those that were looked at."""
    import axe_playwright_python

    data = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_bytes()
    if hashlib.sha256(data).hexdigest() != AXE_SHA256:
        raise RuntimeError("axe.min.js is not the file whose hash is in tests/harness/browser.py")
    return data.decode()


@contextmanager
def browser():  # type: ignore[no-untyped-def]
    """A Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium(), args=["--disable-gpu"])
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def served() -> Iterator[str]:
    """The bundle in a pause, served; its address with a slash at the end."""
    with serving(paused_source(), paused_checks(), "127.0.0.1:0") as address:
        yield f"http://{address}/"


def violations(page, source: str) -> list[str]:  # type: ignore[no-untyped-def]
    """What axe finds wrong with an open page, one line each."""
    page.evaluate(source)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['target']}: {node.get('failureSummary', '')}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
