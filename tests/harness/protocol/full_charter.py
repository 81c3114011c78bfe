"""A charter with every key of the file, and for each key an edit of it."""

import functools
from dataclasses import dataclass

from fermata.protocol.charter.parse import Charter, parse_charter
from harness.chains import MODULUS_BITS_MIN, charter_text, party_keys

KEYS = party_keys(3, 7, 3, 3, 1)
TIERS = """
[[tier]]
id = "t"
panels = ["alpha"]
dues = "10"

[[tier]]
id = "u"
panels = ["alpha", "beta"]
dues = "20"
"""
BANDS = """
[[tier]]
id = "t"
panels = ["alpha"]

[[tier]]
id = "u"
panels = ["alpha", "beta"]

[[dues.band]]
at_most = "50"
amount = "1"

[[dues.band]]
amount = "2.50"
"""
RULES = """
[[rule]]
id = "hot"
kind = "level"
metric = "hours"
statistic = "sum"
at_least = "100"
unknown = "resets"

[[rule]]
id = "huge"
kind = "level"
metric = "hours"
statistic = "sum"
above = "900"

[[rule]]
id = "fast"
kind = "doubling-time"
metric = "hours"
statistic = "sum"
at_most = "4"
over_rounds = 8
confidence = "0.95"
scale = "linear"

[[rule]]
id = "bend"
kind = "acceleration"
metric = "hours"
statistic = "sum"
above = "1.5"
over_rounds = 8
points_min = 3
r2_min = "0.5"
after_at_least = "0.01"
noise = "0.1"
growth = "0.2"
false_alarm_max = "0.1"

[[rule]]
id = "dark"
kind = "no-result"
panel = "alpha"
at_least = "2"

[[rule]]
id = "either"
any_of = ["fast", "bend"]
for_rounds = 1

[[rule]]
id = "both"
all_of = ["hot", "either"]

[[rule]]
id = "calm"
kind = "level"
metric = "hours"
statistic = "sum"
below = "60"

[pause]
triggers = ["both", "huge", "dark"]
lift = "calm"
lift_rounds = 2
acknowledge_s = 600
acknowledge_share = "2/3"
pause_share = "3/4"
open_within_s = 7200
settle_within_s = 3600
silence_s = 1800
silence = "tell"
hold_rounds = 1

[[duty]]
metric = "hours"
at_most = "10"
"""
DISCLOSURE = """fresh_min = 3
change_min = 3
window_rounds = 4
set_rounds = 4
ghost_rounds = 4
thresholds_max = 50
openings_per_key_max = 100
age_days = 100
dominance = "0.5"
dominance_start = {hours = "5", WIDE}
""".replace("WIDE", ", ".join(f'wide-{i} = "5"' for i in range(1, 6)))


#: The table of drills.
DRILLS = "\n[drills]\nevery_s = 7200\nanswer_s = 600\n"


def _text(tiers: str, dues: str) -> str:
    text = charter_text(
        KEYS,
        organisations="abcdefg",
        tiers="ttttttt",
        members="xyz",
        last="2035Q4",
        disclosure=DISCLOSURE,
        groups=(("east", "1237"), ("west", "456")),
        extra=f'{RULES}{DRILLS}\n[dues]\nunit = "EUR"\n{dues}{tiers}',
    )
    edits = (
        ('[[metric]]\nid = "share"', 'method = "m"\n\n[[metric]]\nid = "share"'),
        (
            'statistics = ["mean"]\n',
            'statistics = ["mean", "covariance"]\nwith = "hours"\nhistogram = ["0", "50"]\n'
            'count_above = ["25"]\n\n[[statement]]\nmetric = "share"\nat_most = "90"\n',
        ),
        ("window_s = 3600\n", "window_s = 3600\nplea_s = 60\nkept_rounds = 8\naudit_rounds = 40\n"),
        (
            "threshold = 2\n",
            'threshold = 2\nheadroom_bits = 10\nrange_base = 0\nkey_origin = "any"\n',
        ),
    )
    for old, new in edits:
        text = text.replace(old, new, 1)
    for i in range(1, 6):
        wide = f'id = "wide-{i}"\npanel = "beta"\nunit = "FLOP"\n'
        text = text.replace(wide, f'{wide}quantity = "wide {i}"\n', 1)
    return text


#: Dues by tier, and dues by band.
TIERED, BANDED = _text(TIERS, ""), _text(BANDS, 'metric = "share"\n')
#: Numbered rounds, of which calendars have no interval.
NUMBERED = (
    TIERED.replace('cadence = "quarter"\nfirst = "2025Q3"', 'cadence = "number"\nfirst = "1"')
    .replace('last = "2035Q4"', 'last = "90"\ninterval_s = 7200')
    .replace("age_days = 100\n", "")
)


@functools.cache
def read(text: str) -> Charter:
    return parse_charter(text.encode(), MODULUS_BITS_MIN)


@dataclass(frozen=True)
class Edit:
    """``there`` and ``back`` are what the edit, and its reverse, are to lab-2."""

    old: str
    new: str
    article: str
    there: str
    back: str
    base: str = TIERED
    is_everywhere: bool = False

    def charters(self) -> tuple[Charter, Charter]:
        assert self.old in self.base
        places = -1 if self.is_everywhere else 1
        return read(self.base), read(self.base.replace(self.old, self.new, places))
