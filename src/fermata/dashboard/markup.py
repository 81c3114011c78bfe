"""Marks in pages that let a style sheet lay tables, numbers and times out for a small screen.

>>> str(digits("1234567.50"))
'<span class="digits"><span>1</span><span>234</span><span>567</span>.50</span>'
>>> str(digits("no number"))
'no number'
"""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal

from markupsafe import Markup, escape

#: Tables with so many columns are cards on a narrow screen; narrower tables fit on it.
CARD_COLUMNS_MIN = 4
#: Whole numbers up to so many digits are not grouped; those beyond the other one are told as a
#: power of ten first, with so many digits.
_PLAIN_DIGITS_MAX, _GROUPED_DIGITS_MAX, _POWER_DIGITS = 4, 15, 6
_NUMBER = re.compile(r"(-?)([0-9]+)((?:\.[0-9]+)?)\Z")
_TIME = re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_COLUMN = re.compile(r'<th scope="col">(.*?)</th>')
#: Cells that say nothing are left out of cards.
_EMPTY = re.compile(r'(<td(?: class="[a-z ]+")? role="cell" data-label="[^"]*")>(?=–</td>)')
_CELL = re.compile(r'<(td|th scope="row")((?: class="[a-z ]+")?)>')


def timed(text: str) -> str | Markup:
    """The text; if it has times, escaped, with each of them marked so that none is broken up."""
    if not _TIME.search(text):
        return text
    return Markup(_TIME.sub(r"<time>\g<0></time>", str(escape(text))))  # noqa: S704 - escaped


def digits(text: object) -> Markup:
    """A decimal with its thousands apart, or two of them with ".." between; else the text.

    A number beyond 15 digits is given as a power of ten, and then exactly. What a reader copies
    has the digits and nothing between them.
    """
    return Markup(" to ").join(_digits(part) for part in str(text).split(".."))


def _digits(text: str) -> Markup:
    match = _NUMBER.match(text)
    if match is None or len(match[2]) <= _PLAIN_DIGITS_MAX:
        return escape(text)
    sign, whole, fraction = match.groups()
    first = len(whole) % 3
    groups = [whole[:first]] if first else []
    groups += [whole[k : k + 3] for k in range(first, len(whole), 3)]
    spans = "".join(f"<span>{group}</span>" for group in groups)
    exact = f"{sign}{spans}{fraction}"
    if len(whole) <= _GROUPED_DIGITS_MAX:
        return Markup(f'<span class="digits">{exact}</span>')  # noqa: S704 - digits alone
    rounded = Context(prec=_POWER_DIGITS, rounding=ROUND_HALF_EVEN).create_decimal(text)
    exponent = rounded.adjusted()
    mantissa = f"{rounded.scaleb(-exponent).normalize():f}" if rounded else "0"
    about = "" if Decimal(text) == rounded else "about "
    return Markup(  # noqa: S704 - digits alone
        f'<span class="power">{about}{mantissa} × 10<sup>{exponent}</sup></span>'
        f' <span class="digits exact">{exact}</span>'
    )


def cards(table: Markup) -> Markup:
    """A table of these templates whose cells name their columns, if it has many.

    The roles say what a browser would say by itself if the style sheet left the table a table.
    """
    columns = _COLUMN.findall(table)
    if len(columns) < CARD_COLUMNS_MIN:
        return table
    head, body, rest = str(table).partition("<tbody>")
    head = head.replace("<table>", '<table class="cards" role="table">')
    head = head.replace("<thead><tr>", '<thead role="rowgroup"><tr role="row">')
    head = head.replace('<th scope="col">', '<th scope="col" role="columnheader">')
    rows = [_EMPTY.sub(r"\1 data-empty>", _named(row, columns)) for row in rest.split("<tr>")]
    body = body.replace("<tbody>", '<tbody role="rowgroup">')
    return Markup(head + body + '<tr role="row">'.join(rows))  # noqa: S704 - a template's markup


def _named(row: str, columns: list[str]) -> str:
    names = iter(columns)

    def named(cell: re.Match[str]) -> str:
        role = "cell" if cell[1] == "td" else "rowheader"
        return f'<{cell[1]}{cell[2]} role="{role}" data-label="{next(names)}">'

    return _CELL.sub(named, row)
