"""Charters of one panel, from few words."""

from fermata.protocol.charter.metrics import ALONE, PAIRED
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter, parse_charter
from harness.chains import MODULUS_BITS_MIN, charter_text, party_keys

KEYS = party_keys(0, 6, 3)
HEAD = charter_text(KEYS, modulus_bits=1024).split("[[panel]]", maxsplit=1)[0]


def metric(name: str, low: str = "0", high: str = "10", step: str = "1", panel: str = "p") -> str:
    return (
        f'[[metric]]\nid = "{name}"\npanel = "{panel}"\nunit = "u"\n'
        f'min = "{low}"\nmax = "{high}"\nresolution = "{step}"\n\n'
    )


def _list(words: tuple[str, ...] | list[str]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


def aggregate(name: str, *statistics: str, other: str = "", **lists: list[str]) -> str:
    """``lists``: histogram, count_above."""
    text = f'[[aggregate]]\nmetric = "{name}"\n'
    text += f"statistics = {_list(statistics)}\n" if statistics else ""
    text += f'with = "{other}"\n' if other else ""
    for key, words in lists.items():
        text += f"{key} = {_list(words)}\n"
    return text + "\n"


def statement(name: str, **limits: str) -> str:
    text = f'[[statement]]\nmetric = "{name}"\n'
    return text + "".join(f'{key} = "{value}"\n' for key, value in limits.items()) + "\n"


def charter_file(*parts: str, panels: tuple[str, ...] = ("p",)) -> str:
    text = HEAD + "".join(f'[[panel]]\nid = "{panel}"\n\n' for panel in panels)
    body = "".join(parts)
    return (
        text + body
        if "[[aggregate]]" in body
        else text.replace("format = 1", "format = 1\naggregate = []") + body
    )


def charter_of(*parts: str, panels: tuple[str, ...] = ("p",)) -> Charter:
    return parse_charter(charter_file(*parts, panels=panels).encode(), MODULUS_BITS_MIN)


def panel_of(*parts: str) -> Panel:
    return charter_of(*parts).panels[0]


#: Two metrics of one panel, and of the first all statistics that there are.
EVERY_STATISTIC = (
    metric("x", "-10", "10", "0.25"),
    metric("y", "-3", "40", "0.5"),
    aggregate(
        "x",
        *ALONE,
        *PAIRED,
        other="y",
        histogram=["-5", "0", "0.25", "7.5"],
        count_above=["-9.75", "0", "10"],
    ),
    aggregate("y", "sum", "variance", "concentration"),
)
