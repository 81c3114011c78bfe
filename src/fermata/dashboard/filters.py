"""The templates, with the words of ``fermata.summary`` as filters under their names."""

from collections.abc import Callable
from html import escape
from inspect import getmembers, isfunction
from types import ModuleType

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fermata.dashboard.markup import cards, digits
from fermata.protocol.charter.periods import utc_text
from fermata.summary import governance_words, motion_words, words
from fermata.summary.node_words import leader_line, left_lines
from fermata.summary.standing_words import standing_line
from fermata.summary.time_words import log_time_line


def environment(folder: str, finalize: Callable[[object], object] | None = None) -> Environment:
    """The templates of a folder of this package; ``finalize`` sees every value that is shown."""
    templates = Environment(
        loader=PackageLoader("fermata.dashboard", folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalize,
    )
    templates.filters.update(
        _functions(words, governance_words, motion_words),
        standing_line=standing_line,
        log_time_line=log_time_line,
        leader_line=leader_line,
        left_lines=left_lines,
        utc_text=utc_text,
        plain=plain,
        digits=digits,
        cards=cards,
    )
    return templates


def _functions(*modules: ModuleType) -> dict[str, Callable[..., object]]:
    return {
        name: function for module in modules for name, function in getmembers(module, isfunction)
    }


def plain(text: str) -> Markup:
    """A charter's text for Markdown, with everything escaped that could be markup."""
    marked = "".join(f"\\{c}" if c in "\\`*_[]|#!~" else c for c in text)
    return Markup(escape(marked, quote=False))  # noqa: S704 - escaped
