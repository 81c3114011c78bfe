"""Pictures of the dashboard's pages of a demo, and what axe says of these pages.

Writes <page>-<size>.png into docs/screenshots, and docs/axe.md. `fermata dashboard` shows the
bundle that a demo has left, so a reader who runs the demo gets the same pages. Needs Chromium.
"""

import argparse
import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from harness.browser import LAB_PAGE, PAGES, SCHEMES, SIZES, axe_source, browser, violations

#: A page of each kind, by the name that its pictures have; the lab's is the first that there is.
NAMES = (*(name for name in PAGES if name != LAB_PAGE), "lab.html")
DOCS = Path(__file__).resolve().parent.parent / "docs"
COLOURS = 256
BYTES_MAX = 150_000
#: Pixels. A picture of the whole of a long page would show nothing.
HEIGHT_MAX = 1200

#: What axe found on a page, by page, size and scheme.
Found = dict[tuple[str, str, str], list[str]]


@contextmanager
def dashboard_of(bundle: Path) -> Iterator[str]:
    """`fermata dashboard` while it shows a bundle; its address with a slash at the end.

    Raises SystemExit if it does not start; it has said why on standard error.
    """
    words = [sys.executable, "-m", "fermata.cli.main", "dashboard", str(bundle)]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise SystemExit(process.wait())
        yield line.split()[0]
    finally:
        process.terminate()
        process.wait()


def small(picture: bytes) -> bytes:
    """The same picture with so many colours, rare ones among them, cut at a height."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image = image.crop((0, 0, image.width, min(image.height, HEIGHT_MAX)))
    out = io.BytesIO()
    image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(out, "PNG", optimize=True)
    return out.getvalue()


def summary(version: str, rules: str, found: Found) -> str:
    """docs/axe.md: one row per page, one column per size and scheme."""
    columns = [(size, scheme) for size in SIZES for scheme in SCHEMES]
    heads = [f"{size}, {scheme}" for size, scheme in columns]
    lines = [
        "# Accessibility of the dashboard",
        "",
        f"Violations that axe {rules} found in Chromium {version} on the demo's pages, with its",
        "default rules and every folded table open. `make screenshots` counts them, and fails if",
        "there is one.",
        "",
        "| page | " + " | ".join(heads) + " |",
        "|---|" + "---|" * len(heads),
    ]
    for name in NAMES:
        cells = [str(len(found[name, size, scheme])) for size, scheme in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    sizes = "; ".join(f"{name} {w} x {h} CSS pixels" for name, (w, h) in SIZES.items())
    return "\n".join([*lines, "", f"Sizes: {sizes}.", ""])


def take(bundle: Path) -> tuple[Found, dict[str, bytes], str]:
    """What axe found, the pictures by file name, and the text of docs/axe.md."""
    found: Found = {}
    pictures: dict[str, bytes] = {}
    axe, rules = axe_source(), ""
    with dashboard_of(bundle) as url, browser() as chrome:
        for size, (width, height) in SIZES.items():
            for scheme in SCHEMES:
                view = {"width": width, "height": height}
                page = chrome.new_page(viewport=view, color_scheme=scheme)
                page.goto(f"{url}participants.html")
                lab = page.locator('a[href^="lab-"]').first.get_attribute("href")
                for name in NAMES:
                    answer = page.goto(url + (lab if name == "lab.html" else name))
                    if answer.status != 200:
                        raise SystemExit(f"{bundle}: the dashboard has no page {name}")
                    if scheme == "light" or name == "index.html":
                        dark = "-dark" if scheme == "dark" else ""
                        stem = f"{name.removesuffix('.html')}-{size}{dark}.png"
                        pictures[stem] = small(page.screenshot(full_page=True))
                    for details in page.locator("details").all():
                        details.evaluate("each => { each.open = true }")
                    found[name, size, scheme] = violations(page, axe)
                rules = page.evaluate("axe.version")
                page.close()
        return found, pictures, summary(chrome.version, rules, found)


def main() -> int:
    """Returns 1 if axe found something or a picture is too large, 0 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="folder that `fermata demo` has left")
    bundle = parser.parse_args().bundle
    if not bundle.is_dir():
        parser.error(f"{bundle}: there is no such bundle; run `make demo` first, or give BUNDLE=")
    found, pictures, text = take(bundle)
    for old in (DOCS / "screenshots").glob("*.png"):
        old.unlink()
    (DOCS / "screenshots").mkdir(exist_ok=True)
    for stem, data in pictures.items():
        (DOCS / "screenshots" / stem).write_bytes(data)
    (DOCS / "axe.md").write_text(text)
    for place, lines in found.items():
        for line in lines:
            print(*place, line, file=sys.stderr)
    large = [stem for stem, data in pictures.items() if len(data) > BYTES_MAX]
    for name in large:
        print(f"{name}: more than {BYTES_MAX} bytes", file=sys.stderr)
    largest = max(len(data) for data in pictures.values())
    print(f"{len(pictures)} pictures of {bundle}, the largest of {largest} bytes")
    return 1 if large or any(found.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
