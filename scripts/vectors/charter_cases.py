"""Charters with one defect each that tests/vectors/charters.json adds to the tests' own, by key."""

import base64

from fermata.crypto.signing import SigningKey
from harness.deployments import (
    AUTHORITY,
    DUTY_TABLE,
    HEARTBEAT_S,
    PAUSE_RULES,
    PAUSE_TABLE,
    PAUSE_TABLES,
)

STATISTICS = 'metric = "share"\nstatistics = ["mean"]'
COHORT = "cohort_min = 3"
WINDOW = "window_s = 3600"
HEARTBEAT = f"heartbeat_s = {HEARTBEAT_S}"
NUMBERED = 'cadence = "number"\nfirst = "1"\nwindow_s = 1\ninterval_s = 9\n'
COMMITTEE = """
[committee]
quorum = "2/3"
rotation = ["member-1", "member-2"]
notice_s = 604800
vote_s = 7200
ruling_s = 3600
appeal_s = 1800

[[member]]
id = "member-1"
organisation = "Agency"
signing_key = "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w="

[[member]]
id = "member-2"
organisation = "Ministry"
signing_key = "gTl3Dqh9F19Wo1Rmw0x+zMuNipG07jeiXfYPW4/Js5Q="
"""
TIERS = '\n[[tier]]\nid = "t"\npanels = ["alpha"]\ndues = "1"\n'
BANDS = """
[dues]
unit = "EUR"
metric = "hours"

[[dues.band]]
at_most = "10"
amount = "1"

[[dues.band]]
amount = "2.50"
"""
GROUPS = """
[[group]]
panel = "alpha"
id = "east"
labs = ["lab-1", "lab-2", "lab-3"]

[[group]]
panel = "alpha"
id = "west"
labs = ["lab-4", "lab-5", "lab-6"]
"""
STATEMENT = '\n[[statement]]\nmetric = "share"\nat_most = "50"\n'
DRILLS = "\n[drills]\nevery_s = 200\nanswer_s = 100\n"
SUCCESSION = """
[succession]
succession_s = 172800

[[successor]]
id = "second"
organisation = "Oversight two"
signing_key = "gTl3Dqh9F19Wo1Rmw0x+zMuNipG07jeiXfYPW4/Js5Q="
"""
NODE = f'addresses = ["log.example:7440", "[::1]:1"]\nauthority = "{AUTHORITY}"\n'
#: Where the coordinator's table ends.
AUDITOR = "[[auditor]]"
ALL = PAUSE_TABLES + COMMITTEE + BANDS + GROUPS + STATEMENT + DRILLS

Edit = tuple[str, str, str, str]


def edited(key: str, old: str, new: str, more: str = "") -> Edit:
    """The key of docs/spec/charter-checks.md, what is replaced, by what, and tables at the end."""
    return key, old, new, more


def added(key: str, more: str) -> Edit:
    """The key, and tables at the end."""
    return edited(key, "format = 1", "format = 1", more)


def successor(number: int) -> str:
    """A table of a successor, with a key of its own."""
    key = SigningKey.from_seed(bytes([100 + number]) * 32).public_key
    text = base64.b64encode(key).decode()
    table = f'\n[[successor]]\nid = "s-{number}"\norganisation = "o"\nsigning_key = "{text}"\n'
    return table + NODE


def succeeded(key: str, old: str = "", new: str = "") -> Edit:
    """The key, and an edit of what a charter with a successor has more than others."""
    node, tables = NODE.replace(old, new), (SUCCESSION + NODE).replace(old, new)
    return edited(key, AUDITOR, f"{node}\n{AUDITOR}", tables)


REFUSED: dict[str, Edit] = {
    "a successor without the table": added("successor", SUCCESSION[SUCCESSION.index("[[") :]),
    "succession without a successor": added("succession", SUCCESSION[: SUCCESSION.index("[[")]),
    "eight successors": edited(
        "successor",
        AUDITOR,
        f"{NODE}\n{AUDITOR}",
        SUCCESSION[: SUCCESSION.index("[[")] + "".join(map(successor, range(8))),
    ),
    "a wait shorter than two heartbeats": succeeded("succession_s", "172800", "172799"),
    "a coordinator without an address": added("coordinator", SUCCESSION + NODE),
    "a successor without an address": edited("", AUDITOR, f"{NODE}\n{AUDITOR}", SUCCESSION),
    "an address in a charter without successors": edited(
        "coordinator", AUDITOR, f"{NODE}\n{AUDITOR}"
    ),
    "an address without a port": succeeded("addresses", "log.example:7440", "log.example"),
    "a port above all": succeeded("addresses", "log.example:7440", "log.example:65536"),
    "one address twice": succeeded("addresses", "[::1]:1", "log.example:7440"),
    "five addresses": succeeded("addresses", '"[::1]:1"', '"a:1", "a:2", "a:3", "a:4"'),
    "an authority that is no sequence": succeeded("authority", "MIGA", "MYGA"),
    "an authority that is cut": succeeded("authority", 'AAAAAAA="', 'AAA="'),
    "an authority in another spelling": succeeded("authority", '="', '"'),
    "a successor with the coordinator's id": succeeded("id", '"second"', '"oversight"'),
    "a signing key of 35 bytes": edited("signing_key", 'signing_key = "', 'signing_key = "AAAA'),
    "a key that may not stand there": edited("format", "format = 1", "format = 1\ntheme = 2"),
    "format as text": edited("format", "format = 1", 'format = "1"'),
    "a minimum of negative zero": edited("min", 'min = "0"', 'min = "-0"'),
    "31 digits before the point": edited("max", 'max = "100"', f'max = "{"1" * 31}"'),
    "change_min of two": edited("change_min", COHORT, f"{COHORT}\nchange_min = 2"),
    "change_min above the cohort": edited("change_min", COHORT, f"{COHORT}\nchange_min = 4"),
    "fresh_min of two": edited("fresh_min", COHORT, f"{COHORT}\nfresh_min = 2"),
    "fresh_min above the cohort": edited("fresh_min", COHORT, f"{COHORT}\nfresh_min = 4"),
    "sets that change at any time": edited("", COHORT, f"{COHORT}\nset_rounds = 0"),
    "figures that leave at once": edited("", COHORT, f"{COHORT}\nghost_rounds = 0"),
    "an age of numbers": edited(
        "age_days",
        f'cadence = "quarter"\nfirst = "2025Q3"\n{WINDOW}\n\nlast = ""\n{HEARTBEAT}\n'
        "\n[disclosure]",
        f"{NUMBERED}\n[disclosure]\nage_days = 1",
    ),
    "a wait for pleas above half of the window": edited(
        "plea_s", WINDOW, f"{WINDOW}\nplea_s = 1801"
    ),
    "a drill that is not over when the next is due": added(
        "answer_s", DRILLS.replace("200", "199")
    ),
    "no time for a drill": added("answer_s", DRILLS.replace("100", "0")),
    "a heartbeat more often than the log takes one": edited("", HEARTBEAT, "heartbeat_s = 59"),
    "a heartbeat less than once a day": edited("", HEARTBEAT, "heartbeat_s = 86401"),
    "more edges than the charter allows": edited(
        "thresholds_max",
        COHORT,
        f"{COHORT}\nthresholds_max = 0",
        STATEMENT,
    ),
    "start values without a limit": edited(
        "dominance_start", COHORT, f'{COHORT}\ndominance_start = {{hours = "5"}}'
    ),
    "a share of zero": edited("dominance", COHORT, f'{COHORT}\ndominance = "0"'),
    "a share above all": edited("dominance", COHORT, f'{COHORT}\ndominance = "1.1"'),
    "a limit without start values": edited("dominance", COHORT, f'{COHORT}\ndominance = "0.5"'),
    "an unknown profile": edited("profile", COHORT, f'{COHORT}\nprofile = "safe"'),
    "a profile whose cohort is larger": edited(
        "profile", COHORT, f'{COHORT}\nprofile = "antitrust-safety-zone"'
    ),
    "a pair without the other metric": edited(
        "with", STATISTICS, 'metric = "share"\nstatistics = ["ratio"]'
    ),
    "another metric without a pair": edited("with", STATISTICS, f'{STATISTICS}\nwith = "hours"'),
    "a pair over two panels": edited(
        "with", STATISTICS, 'metric = "share"\nstatistics = ["ratio"]\nwith = "wide-1"'
    ),
    "a pair with itself": edited(
        "with", STATISTICS, 'metric = "share"\nstatistics = ["ratio"]\nwith = "share"'
    ),
    "edges that fall": edited("histogram", STATISTICS, f'{STATISTICS}\nhistogram = ["50", "0"]'),
    "an edge at the minimum": edited(
        "histogram", STATISTICS, f'{STATISTICS}\nhistogram = ["-100"]'
    ),
    "a limit off the grid": edited(
        "count_above", STATISTICS, f'{STATISTICS}\ncount_above = ["0.3"]'
    ),
    "a limit above the maximum": edited(
        "count_above", STATISTICS, f'{STATISTICS}\ncount_above = ["100.5"]'
    ),
    "squares of more than 107 bits": edited(
        "statistics",
        'metric = "wide-1"\nstatistics = ["sum"]',
        'metric = "wide-1"\nstatistics = ["variance"]',
    ),
    "a geometric mean of large values": edited(
        "statistics", STATISTICS, 'metric = "share"\nstatistics = ["geometric-mean"]'
    ),
    "a statement with two claims": added(
        "equals",
        f'{STATEMENT}equals = "hours"\n',
    ),
    "a statement of no metric": added("metric", STATEMENT.replace("share", "x")),
    "equal to another grid": added(
        "equals",
        '\n[[statement]]\nmetric = "share"\nequals = "hours"\n',
    ),
    "a duty without a pause": added("at_most", DUTY_TABLE),
    "two duties of a metric": added("metric", PAUSE_TABLES + DUTY_TABLE),
    "a duty that asks for nothing": added(
        "at_most",
        PAUSE_RULES + PAUSE_TABLE + DUTY_TABLE.replace('"10"', '"999999999999.999"'),
    ),
    "a pause without its rules": added("triggers", PAUSE_TABLE),
    "a trigger that lifts": added(
        "lift",
        PAUSE_RULES + PAUSE_TABLE.replace('"calm"', '"hot"'),
    ),
    "a share of none": added(
        "acknowledge_share",
        PAUSE_RULES + PAUSE_TABLE.replace("2/3", "0.0"),
    ),
    "members without a committee": added(
        "committee",
        COMMITTEE[COMMITTEE.index("[[member]]") :],
    ),
    "a committee without members": added(
        "committee",
        COMMITTEE[: COMMITTEE.index("[[member]]")],
    ),
    "a quorum of half": added("quorum", COMMITTEE.replace("2/3", "1/2")),
    "a quorum as a decimal": added("quorum", COMMITTEE.replace("2/3", "0.7")),
    "a rotation of one organisation": added(
        "rotation",
        COMMITTEE.replace('"Ministry"', '"Agency"'),
    ),
    "a rotation of strangers": added(
        "rotation",
        COMMITTEE.replace('["member-1"', '["member-9"'),
    ),
    "a term that ends before it begins": added(
        "last_round",
        f"{COMMITTEE}first_round = 3\nlast_round = 2\n",
    ),
    "a tier that a lab does not name": added(
        "tier",
        f'{TIERS}\n[dues]\nunit = "EUR"\n',
    ),
    "bands of one": added("dues", BANDS[: BANDS.rindex("[[")]),
    "bands that fall": added("amount", BANDS.replace("2.50", "0.50")),
    "a tenth of a cent": added("amount", BANDS.replace("2.50", "2.505")),
    "a last band with an end": added(
        "at_most",
        f'{BANDS}at_most = "20"\n',
    ),
    "labs in no group": added("panel", GROUPS[: GROUPS.rindex("[[")]),
    "a lab in two groups": added(
        "labs",
        GROUPS.replace('["lab-4"', '["lab-3", "lab-4"'),
    ),
}
ACCEPTED: dict[str, Edit] = {
    "a successor": succeeded("succession_s"),
    "conflicts of a day": succeeded("conflict_s", "172800", "172800\nconflict_s = 86400"),
    "as it is": added("format", ""),
    "with every table": added("format", ALL),
    "all auditors are needed": edited("threshold", "threshold = 2", "threshold = 3"),
    "room for exactly eight labs": edited(
        "headroom_bits", "threshold = 2", "threshold = 2\nheadroom_bits = 3"
    ),
    "sets compared with all before": edited("", COHORT, f"{COHORT}\nwindow_rounds = 0"),
    "as few newer figures as may be": edited("fresh_min", COHORT, f"{COHORT}\nfresh_min = 3"),
    "the longest window of a quarter": edited("window_s", WINDOW, "window_s = 7776000"),
    "a wait for pleas of half of the window": edited("plea_s", WINDOW, f"{WINDOW}\nplea_s = 1800"),
    "drills one after the other": added("answer_s", DRILLS),
    "an id of 40 characters": edited("id", 'id = "oversight"', f'id = "{"x" * 40}"'),
    "a heartbeat every minute": edited("", HEARTBEAT, "heartbeat_s = 60"),
    "no word of heartbeats": edited("", f"{HEARTBEAT}\n", ""),
    "a range of one step": edited(
        "max", 'max = "100"\nresolution = "0.5"', 'max = "-99.5"\nresolution = "0.5"'
    ),
    "a charter that changes another": edited(
        "format", "format = 1", f'format = 1\nprevious = "{"0123456789abcdef" * 4}"'
    ),
    "a comment with many dots": edited("format", "format = 1", f"format = 1\n# {'.' * 80}"),
}
