"""Pictures of every page of the dashboard, and what axe says of it, from a bundle in a pause.

Writes docs/screenshots/<page>-<size>.png and docs/axe.md. Needs Chromium (make screenshots).
"""

import io
import sys
from pathlib import Path

from PIL import Image

from harness.browser import PAGES, SCHEMES, SIZES, axe_source, browser, served, violations

DOCS = Path(__file__).resolve().parent.parent / "docs"
COLOURS = 256
BYTES_MAX = 150_000
#: A picture of the whole of a long page would show nothing.
HEIGHT_MAX = 2000


def small(picture: bytes) -> bytes:
    """The same picture with so many colours, rare ones among them, cut at a height."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image = image.crop((0, 0, image.width, min(image.height, HEIGHT_MAX)))
    out = io.BytesIO()
    image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(out, "PNG", optimize=True)
    return out.getvalue()


def summary(version: str, rules: str, found: dict[tuple[str, str, str], list[str]]) -> str:
    """docs/axe.md: one row a page, one column a size and scheme."""
    columns = [(size, scheme) for size in SIZES for scheme in SCHEMES]
    heads = [f"{size}, {scheme}" for size, scheme in columns]
    lines = [
        "# Accessibility of the dashboard",
        "",
        f"Violations that axe {rules} found in Chromium {version}, with its default rules, every",
        "folded table open. From `make screenshots`; `make browser-test` fails if there is one.",
        "",
        "| page | " + " | ".join(heads) + " |",
        "|---|" + "---|" * len(heads),
    ]
    for name in PAGES:
        cells = [str(len(found[name, size, scheme])) for size, scheme in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    sizes = "; ".join(f"{name} {w} x {h} CSS pixels" for name, (w, h) in SIZES.items())
    return "\n".join([*lines, "", f"Sizes: {sizes}.", ""])


def main() -> int:
    """Returns 1 if axe found something or a picture is too large, 0 otherwise."""
    found: dict[tuple[str, str, str], list[str]] = {}
    axe, large = axe_source(), []
    (DOCS / "screenshots").mkdir(exist_ok=True)
    with served() as url, browser() as chrome:
        for size, (width, height) in SIZES.items():
            for scheme in SCHEMES:
                view = {"width": width, "height": height}
                page = chrome.new_page(viewport=view, color_scheme=scheme)
                for name in PAGES:
                    page.goto(url + name)
                    if scheme == "light" or name == "index.html":
                        dark = "-dark" if scheme == "dark" else ""
                        stem = f"{name.removesuffix('.html')}-{size}{dark}.png"
                        data = small(page.screenshot(full_page=True))
                        (DOCS / "screenshots" / stem).write_bytes(data)
                        large += [stem] if len(data) > BYTES_MAX else []
                    for details in page.locator("details").all():
                        details.evaluate("each => { each.open = true }")
                    found[name, size, scheme] = violations(page, axe)
                rules = page.evaluate("axe.version")
                page.close()
        (DOCS / "axe.md").write_text(summary(chrome.version, rules, found))
    for place, lines in found.items():
        for line in lines:
            print(*place, line, file=sys.stderr)
    for name in large:
        print(f"{name}: more than {BYTES_MAX} bytes", file=sys.stderr)
    return 1 if large or any(found.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
