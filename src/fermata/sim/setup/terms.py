"""What a simulated charter has besides its parties and panels: rules, pause, dues, committee.

Such charters have few and small metrics, so that a seed has time for the rounds of a whole pause.
"""

import base64
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from fermata.crypto.signing import SigningKey
from fermata.sim.dice import Dice

#: The metric that rules, duties, dues and shares are about: an integer of hours.
HEAT = "heat"
HEAT_MAX = 20
#: Encoded limits of the duty, and of all bands of the dues but the last.
DUTY_MAX = 8
BANDS = ((4, "10"), (11, "20.50"))
BAND_TOP = "40"
TIER_DUES = {"small": "5", "large": "30"}
#: What shares refer to before the first sum.
DOMINANCE_START = "50"
#: The trigger of a charter with shares: two organisations of which no sum shows the figures.
SPREAD = """[[rule]]
id = "spread"
kind = "beyond-share"
panel = "panel-1"
at_least = "2"
"""
#: Members in the rotation, and one more that serves for some rounds.
ROTATION, MEMBERS = 3, 4
GUEST_ROUNDS = (2, 3)


@dataclass(frozen=True, slots=True)
class Terms:
    """Which terms a charter has. ``dues`` is empty, ``tier`` or ``band``; ``dominance`` a share.

    ``rules`` chooses among the ways to write the rules. ``acknowledge_share`` and ``lift_rounds``
    are the pause's; ``has_groups`` halves the first panel.
    """

    lift_rounds: int = 2
    acknowledge_share: str = "2/3"
    acknowledge_s: int = 3600
    has_duty: bool = True
    dues: str = ""
    has_groups: bool = False
    dominance: str = ""
    age_days: int = 0
    has_committee: bool = False
    rules: int = 0


def draw_terms(dice: Dice, organisations: int) -> Terms:
    """The terms of one seed, for a panel with this number of organisations."""
    return Terms(
        lift_rounds=dice.weighted(((1, 30), (2, 50), (3, 20))),
        acknowledge_share=dice.pick(("1/4", "1/2", "2/3", "1")),
        acknowledge_s=dice.pick((600, 3600, 20_000)),
        has_duty=dice.chance(700),
        dues=dice.pick(("", "tier", "band")),
        has_groups=organisations >= 6 and dice.chance(700),
        dominance=dice.pick(("", "", "0.4")),
        has_committee=dice.chance(500),
        rules=dice.below(1 << 16),
    )


def disclosure_text(terms: Terms) -> str:
    """The rest of the table ``[disclosure]``, with its subtable."""
    text = f"age_days = {terms.age_days}\n"
    if terms.dominance:
        text += f'dominance = "{terms.dominance}"\n'
        text += f'\n[disclosure.dominance_start]\n{HEAT} = "{DOMINANCE_START}"\n'
    return text


def panels_text(terms: Terms, labs: Sequence[str], panels: int) -> str:
    """Panels and their metrics."""
    texts = [panel_text(panel, labs) for panel in range(1, panels + 1)]
    texts.append(metric_text(HEAT, 1, "h", "0", str(HEAT_MAX), "1"))
    texts.append(f'[[aggregate]]\nmetric = "{HEAT}"\nstatistics = ["sum", "mean", "count"]\n')
    if panels > 1:
        texts.append(metric_text("gain", 2, "h", "-5", "5", "1"))
        texts.append('[[aggregate]]\nmetric = "gain"\nstatistics = ["mean"]\n')
    for name, some in group_halves(terms, labs).items():
        inside = ", ".join(f'"{lab}"' for lab in labs if lab in some)
        texts.append(f'[[group]]\npanel = "panel-1"\nid = "{name}"\nlabs = [{inside}]\n')
    return "\n".join(texts)


def group_halves(terms: Terms | None, labs: Sequence[str]) -> dict[str, frozenset[str]]:
    """The labs of each group of the first panel; empty if it has none."""
    if terms is None or not terms.has_groups:
        return {}
    half = len(labs) // 2
    return {"east": frozenset(labs[:half]), "west": frozenset(labs[half:])}


def panel_text(panel: int, labs: Sequence[str]) -> str:
    """One panel, counted from 1; the first lab has nothing to report in the second."""
    reporters = ", ".join(f'"{lab}"' for lab in labs[panel - 1 :])
    return f'[[panel]]\nid = "panel-{panel}"\nlabs = [{reporters}]\n'


def metric_text(name: str, panel: int, unit: str, low: str, high: str, step: str) -> str:
    """One metric of a panel: decimals from ``low`` to ``high`` in multiples of ``step``."""
    head = f'[[metric]]\nid = "{name}"\npanel = "panel-{panel}"\nunit = "{unit}"\n'
    head += f'quantity = "{name}"\n'
    return head + f'min = "{low}"\nmax = "{high}"\nresolution = "{step}"\n'


def party_text(name: str, organisation: str, key: SigningKey, tier: str = "") -> str:
    """The lines of one party; without ``tier`` it has none."""
    public_key = base64.b64encode(key.public_key).decode()
    lines = [f'id = "{name}"', f'organisation = "{organisation}"']
    lines += [f'tier = "{tier}"'] if tier else []
    return "\n".join((*lines, f'signing_key = "{public_key}"', ""))


def tier_of(terms: Terms, lab: int, panels: int) -> str:
    """The tier of the lab with this index in the roster, from 0; empty without tiers."""
    if terms.dues != "tier":
        return ""
    return "large" if lab and panels > 1 else "small"


def without_labs(text: str, labs: Set[str]) -> str:
    """The text of a charter from whose roster, panels and groups some labs are gone."""
    for lab in labs:
        text = re.sub(rf'\[\[lab\]\]\nid = "{lab}"\n(?:(?!\[).*\n)*', "", text)
        text = re.sub(rf'(, )?"{lab}"', "", text)
    return text.replace("[, ", "[")


def pause_text(terms: Terms, labs: int, panels: int) -> str:
    """Rules, pause, duty, tiers and dues."""
    dice = terms.rules
    joined = ("any_of", "all_of")[dice // 2 % 2]
    unknown = ("resets", "skips", "holds")[dice // 4 % 3]
    texts = [
        _rule("hot", "level", "mean", f'at_least = "{11 + dice % 3}"'),
        _rule("jump", "change", "sum", f'above = "{2 * labs}"\nover_rounds = {2 + dice // 16 % 2}'),
        '[[rule]]\nid = "dark"\nkind = "no-result"\npanel = "panel-1"\n'
        f'at_least = "{2 + dice // 1024 % 2}"\n',
        _rule(
            "warm", "level", "sum",
            f'above = "{8 * labs}"\nfor_rounds = {1 + dice // 32 % 2}\nunknown = "{unknown}"',
        ),
        _rule("cool", "level", "mean", f'at_most = "{6 + dice // 64 % 3}"'),
        _rule("few", "level", "count", 'at_most = "2"'),
        # No trigger: what it says must agree, and a run goes on as without it.
        '[[rule]]\nid = "quiet"\nkind = "silent"\npanel = "panel-1"\nover_rounds = 1\n'
        'at_least = "2"\n',
        *([SPREAD] if terms.dominance else ()),
        f'[[rule]]\nid = "alarm"\n{joined} = ["jump", "warm"]\nunknown = "{unknown}"\n',
        f'[[rule]]\nid = "calm"\nany_of = ["cool"]\nfor_rounds = {1 + (dice // 256 % 4 == 0)}\n',
        f"""[pause]
triggers = ["hot", "alarm", "dark"{', "spread"' if terms.dominance else ""}]
lift = "calm"
lift_rounds = {terms.lift_rounds}
acknowledge_s = {terms.acknowledge_s}
acknowledge_share = "{terms.acknowledge_share}"
open_within_s = 7200
settle_within_s = 7200
silence_s = 43200
""",
    ]  # fmt: skip
    if terms.has_duty:
        texts.append(f'[[duty]]\nmetric = "{HEAT}"\nat_most = "{DUTY_MAX}"\n')
    if terms.dues == "tier":
        for name, reported in (("small", 1), ("large", panels)):
            names = ", ".join(f'"panel-{p}"' for p in range(1, reported + 1))
            dues = TIER_DUES[name]
            texts.append(f'[[tier]]\nid = "{name}"\npanels = [{names}]\ndues = "{dues}"\n')
        texts.append('[dues]\nunit = "EUR"\n')
    if terms.dues == "band":
        texts.append(f'[dues]\nunit = "EUR"\nmetric = "{HEAT}"\n')
        for most, amount in BANDS:
            texts.append(f'[[dues.band]]\nat_most = "{most}"\namount = "{amount}"\n')
        texts.append(f'[[dues.band]]\namount = "{BAND_TOP}"\n')
    return "\n".join(texts)


def able_text(auditors: int) -> str:
    """An alarm as soon as one auditor of so many did not show in a drill that it could open."""
    return f'[[rule]]\nid = "unable"\nkind = "able"\nbelow = "{auditors}"\n'


def _rule(name: str, kind: str, statistic: str, rest: str) -> str:
    head = f'[[rule]]\nid = "{name}"\nkind = "{kind}"\nmetric = "{HEAT}"\n'
    return head + f'statistic = "{statistic}"\n{rest}\n'


def member_names(terms: Terms | None) -> list[str]:
    """Ids of the committee's members."""
    count = MEMBERS if terms is not None and terms.has_committee else 0
    return [f"member-{i}" for i in range(1, count + 1)]


def committee_text(keys: Mapping[str, SigningKey]) -> str:
    """The committee. Its second member is of the second lab's organisation."""
    rotation = ", ".join(f'"member-{i}"' for i in range(1, ROTATION + 1))
    texts = [
        f"""[committee]
quorum = "2/3"
rotation = [{rotation}]
notice_s = 60
vote_s = 7200
ruling_s = 3600
appeal_s = 1800
"""
    ]
    for index in range(1, MEMBERS + 1):
        name = f"member-{index}"
        organisation = "Organisation b" if index == 2 else f"Public {index}"
        text = f"[[member]]\n{party_text(name, organisation, keys[name])}"
        if index > ROTATION:
            text += f"first_round = {GUEST_ROUNDS[0]}\nlast_round = {GUEST_ROUNDS[1]}\n"
        texts.append(text)
    return "\n".join(texts)
