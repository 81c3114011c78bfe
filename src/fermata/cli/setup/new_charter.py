"""The packaged charter with a roster of a given size, for ``fermata charter new``.

>>> "[[lab]]" in charter_text(5, 3, 0, "example", "2026Q1")
True
"""

import datetime
from pathlib import Path
from string import Template

TEMPLATE = Path(__file__).with_name("charter_template.toml")
#: The template's cohort_min: with fewer labs no sum would ever come out.
LABS_MIN, LABS_MAX = 5, 256
#: With fewer auditors nobody but a dealer can make a key (docs/spec/keys.md, K12).
TOGETHER_MIN = 3
_TOGETHER = """\
# The auditors make the key together. With "any" a dealer may make it, who could keep it.
key_origin = "distributed"
"""
#: Who makes the key of a charter, in words, by its ``key_origin``.
KEY_MADE_BY = {
    "distributed": "the key: its auditors make it together, and no dealer can",
    "any": 'the key: a dealer may make it, who could keep it (key_origin is not "distributed")',
}
_COMMITTEE = """\
[committee]
quorum = "2/3"
rotation = [{rotation}]
notice_s = 1209600
vote_s = 604800
ruling_s = 1209600
appeal_s = 604800
# The chair passes on with each round, and after this time without one.
# turn_s = 2592000
"""


def charter_text(
    labs: int,
    auditors: int,
    members: int,
    deployment: str,
    first: str,
    *,
    has_dealer: bool = False,
) -> str:
    """The template for so many parties; ``first`` is the first period, a quarter.

    Names that people must fill in are in angle brackets, and signing keys are empty. Without
    ``has_dealer`` it takes no key that a dealer made: then there must be ``TOGETHER_MIN`` auditors.
    """
    # The least that the charter may have (C3.3, C3.5): the most auditors may be away.
    threshold = max(min(2, auditors), (auditors - 1) // 2 + 1)
    names = [f"member-{i}" for i in range(1, members + 1)]
    tables = "".join(_table("member", name, "first_round = 1\nlast_round = 0\n") for name in names)
    committee = _COMMITTEE.format(rotation=", ".join(f'"{name}"' for name in names))
    if not members:
        committee = "".join(
            f"# {line}\n" for line in (*_table("member", "member-1").splitlines(), "[committee]")
        )
    return Template(TEMPLATE.read_text()).substitute(
        deployment=deployment,
        threshold=threshold,
        key_origin="" if has_dealer else _TOGETHER,
        first=first,
        auditors="\n".join(_table("auditor", f"auditor-{i}") for i in range(1, auditors + 1)),
        labs="\n".join(_table("lab", f"lab-{i}") for i in range(1, labs + 1)),
        committee=f"{tables}\n{committee}" if members else committee,
    )


def quarter_of(time_ms: int) -> str:
    """The quarter in which a time (milliseconds since 1970, UTC) lies, such as 2026Q1."""
    day = datetime.datetime.fromtimestamp(time_ms / 1000, datetime.UTC)
    return f"{day.year}Q{(day.month - 1) // 3 + 1}"


def _table(role: str, party: str, more: str = "") -> str:
    head = f'[[{role}]]\nid = "{party}"\norganisation = "<organisation of {party}>"\n'
    return f'{head}signing_key = ""\n{more}'
