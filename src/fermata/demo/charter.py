"""The text of the demo's charter, on which the labs of the story have agreed."""

from fermata.demo.figures import INVENTED, REAL, Figure, labs, load_figures, quarters

DEPLOYMENT = "fermata-demo"
COORDINATOR = "oversight"
AUDITORS = tuple(f"auditor-{i}" for i in range(1, 6))
CAPABILITY, COMPUTE = "gpqa-diamond", "compute-log10-h100e"
METRICS = {
    CAPABILITY: ("fraction correct", "0", "1", "0.001"),
    COMPUTE: ("log10 of H100 equivalents", "0", "9", "0.001"),
}
#: By metric: what comes out beside sum, mean and count, and what every report must prove.
ASKED = {
    CAPABILITY: (
        ', "variance", "stddev"]',
        ['histogram = ["0.400", "0.600", "0.800"]', 'count_above = ["0.700"]'],
    ),
    COMPUTE: (', "geometric-mean"]', ['count_above = ["5.500"]']),
}
FIRST_QUARTER = "2024Q4"
#: The duty of a lab during a pause; the log says which labs did not show that they keep it.
DUTY = (COMPUTE, "5.600")
TIERS = {"compute-owner": (COMPUTE, "30"), "developer": (CAPABILITY, "10")}
DUES_UNIT = "thousand tokens"

_HEAD = """\
# The demo's charter. The labs named here take no part in it and have agreed to nothing: their
# nodes are processes of this machine, and their figures are public ones, derived from data by
# Epoch AI, until 2025Q4. Those of 2026Q1 and 2026Q2 are invented.
format = 1
deployment = "{deployment}"
title = "Capability and compute by quarter: public figures, invented ones from {invented} on"

[cryptography]
modulus_bits = 3072
threshold = 3

[rounds]
cadence = "quarter"
first = "{first}"
last = "{last}"
# Seconds, by this machine's pace: a round of the demo takes a fraction of it. Only a lab that says
# nothing makes the others wait for it.
window_s = {window_s}

# Two organisations or more must have joined or left between any two rounds, or none. Therefore
# the demo begins with 2024Q4 (from 2024Q3 to 2025Q1, Meta alone left the scores) and has no MATH
# level 5 (to 2025Q1, Google alone joined): those rounds would be refused, as they should be.
[disclosure]
cohort_min = 5
change_min = 2

"""
_RULES = """\
# The pause is pulled when capability is high and rose fast, or when compute surges.
[[rule]]
id = "high"
kind = "level"
metric = "gpqa-diamond"
statistic = "mean"
at_least = "0.700"

[[rule]]
id = "risen"
kind = "change"
metric = "gpqa-diamond"
statistic = "mean"
over_rounds = 2
above = "0.150"

[[rule]]
id = "racing"
all_of = ["high", "risen"]

[[rule]]
id = "surge"
kind = "change"
metric = "compute-log10-h100e"
statistic = "mean"
over_rounds = 1
above = "0.250"

[[rule]]
id = "pull"
any_of = ["racing", "surge"]

# It is lifted after two rounds in a row that are calm. What is unknown is not calm.
[[rule]]
id = "lower"
kind = "level"
metric = "gpqa-diamond"
statistic = "mean"
below = "0.680"

[[rule]]
id = "slower"
kind = "level"
metric = "compute-log10-h100e"
statistic = "mean"
below = "5.450"

[[rule]]
id = "calm"
all_of = ["lower", "slower"]

[pause]
triggers = ["pull"]
lift = "calm"
lift_rounds = 2
acknowledge_s = 60
acknowledge_share = "2/3"
open_within_s = 600
settle_within_s = 600
silence_s = 600

"""


def demo_figures() -> tuple[Figure, ...]:
    """The real figures that the story needs, and the invented ones that follow them."""
    real = [f for f in load_figures(REAL) if f.quarter >= FIRST_QUARTER and f.metric in METRICS]
    return (*real, *load_figures(INVENTED))


def invented_quarters(figures: tuple[Figure, ...]) -> frozenset[str]:
    """The quarters whose figures are invented."""
    return frozenset(f.quarter for f in figures if f.is_invented)


def charter_text(figures: tuple[Figure, ...], public_keys: dict[str, str], window_s: int) -> str:
    """The charter for these figures and public keys (base64, by party); ``window_s`` in seconds."""
    known = quarters(figures)
    head = _HEAD.format(
        deployment=DEPLOYMENT,
        invented=min(invented_quarters(figures)),
        first=known[0],
        last=known[-1],
        window_s=window_s,
    )
    owners = {f.lab for f in figures if f.metric == COMPUTE}
    lines = _party("[coordinator]", COORDINATOR, public_keys)
    for auditor in AUDITORS:
        lines += _party("[[auditor]]", auditor, public_keys)
    for lab in labs(figures):
        tier = "compute-owner" if lab in owners else "developer"
        lines += [*_party("[[lab]]", lab, public_keys)[:-1], f'tier = "{tier}"', ""]
    for metric in METRICS:
        lines += _panel(metric, labs([f for f in figures if f.metric == metric]))
    lines += ["# Nobody acquires a million H100 equivalents in a quarter: each report proves it."]
    lines += ["[[statement]]", f'metric = "{COMPUTE}"', 'at_most = "6.000"', ""]
    lines += ["# In rounds that open during a pause, a report may prove this beside."]
    lines += ["[[duty]]", f'metric = "{DUTY[0]}"', f'at_most = "{DUTY[1]}"', ""]
    for tier, (panel, dues) in TIERS.items():
        lines += ["[[tier]]", f'id = "{tier}"', f'panels = ["{panel}"]', f'dues = "{dues}"', ""]
    lines += ["[dues]", f'unit = "{DUES_UNIT}"', ""]
    return head + "\n".join([*lines, _RULES])


def _party(table: str, party: str, public_keys: dict[str, str]) -> list[str]:
    return [
        table,
        f'id = "{party}"',
        f'organisation = "{party}"',
        f'signing_key = "{public_keys[party]}"',
        "",
    ]


def _panel(metric: str, members: tuple[str, ...]) -> list[str]:
    """The lines of a panel with one metric and its statistics."""
    unit, low, high, step = METRICS[metric]
    named = ", ".join(f'"{lab}"' for lab in members)
    statistics, more = ASKED[metric]
    return [
        *("[[panel]]", f'id = "{metric}"', f"labs = [{named}]", ""),
        *("[[metric]]", f'id = "{metric}"', f'panel = "{metric}"', f'unit = "{unit}"'),
        *(f'min = "{low}"', f'max = "{high}"', f'resolution = "{step}"', ""),
        *("[[aggregate]]", f'metric = "{metric}"'),
        *('statistics = ["sum", "mean", "count"' + statistics, *more, ""),
    ]
