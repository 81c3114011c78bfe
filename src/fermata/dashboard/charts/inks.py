"""Colours of charts: attributes for light pages, which a style sheet replaces in other modes.

A reader without the style sheet, such as a Markdown viewer, still sees the light colours.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Ink(NamedTuple):
    """A colour for light pages, for dark ones, and its system colour in forced colours."""

    light: str
    dark: str
    forced: str


#: Contrast of texts, lines and annotations (the first four) with the last three is 4.5 or more.
INKS: Mapping[str, Ink] = {
    "ink": Ink("#1a1a1a", "#ececec", "CanvasText"),
    "quiet": Ink("#595959", "#b4b4b4", "CanvasText"),
    "line": Ink("#0b57a4", "#8cc4ff", "LinkText"),
    "limit": Ink("#a02a00", "#ffa784", "CanvasText"),
    "grid": Ink("#d0d0d0", "#3c4046", "Canvas"),
    "ground": Ink("#ffffff", "#16181c", "Canvas"),
    # Forced colours have no quiet one for a grid, and none for shading: there edges show spans and
    # bands.
    "span": Ink("#ede8da", "#302c20", "Canvas"),
    "band": Ink("#fbe3da", "#40261c", "Canvas"),
}


def _rules(scheme: str) -> str:
    return "\n".join(
        f'  .chart [{place}="{ink.light}"] {{ {place}: {getattr(ink, scheme)}; }}'
        for ink in INKS.values()
        for place in ("fill", "stroke")
    )


CSS_CHARTS = f"""
.chart {{ max-width: 28rem; width: 100%; height: auto; display: block; }}
@media (prefers-color-scheme: dark) {{
{_rules("dark")}
}}
@media (forced-colors: active) {{
  .chart {{ forced-color-adjust: none; }}
{_rules("forced")}
}}
"""
