"""Two charters are compared for one lab: every key of the file, and the order's laws."""

import base64
from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from fermata.protocol.charter.disclosure_terms import SAFETY_ZONE
from fermata.protocol.charter.parse import Charter, CharterText
from fermata.protocol.consent.articles import ARTICLES, UNCOMPARED
from fermata.protocol.consent.comparison import (
    consent_needed,
    differences,
    is_nowhere_weaker,
)
from fermata.protocol.consent.difference import (
    Effect,
    Price,
    dearer_asks_more,
    superset_is_stricter,
)
from harness.chains import party_keys
from harness.deployments import AUTHORITY
from harness.protocol.full_charter import BANDED, NUMBERED, TIERED, Edit, read

LAB = "lab-2"
NEW_KEY = base64.b64encode(party_keys(9, 9, 3)["lab-9"].public_key).decode()
WEAKER, STRICTER, SAME = Effect.WEAKER, Effect.STRICTER, Effect.SAME
MORE, LESS, LABS = Effect.MORE, Effect.LESS, Effect.LABS


def plain(kind: inspect.Type) -> inspect.Type:
    """A type without its description, without None, and of a list what is in it."""
    if isinstance(kind, inspect.Metadata):
        return plain(kind.type)
    if isinstance(kind, inspect.UnionType):
        (only,) = (t for t in kind.types if not isinstance(t, inspect.NoneType))
        return plain(only)
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return plain(kind.item_type)
    return kind


def keys_of(shape: inspect.Type, table: str = "") -> Iterator[str]:
    """Every key of the file with its tables, from the shapes that parse it."""
    assert isinstance(shape, inspect.StructType)
    for field in shape.fields:
        inner, path = plain(field.type), f"{table}{field.encode_name}"
        if isinstance(inner, inspect.StructType):
            yield from keys_of(inner, f"{path}.")
        else:
            yield path


def key(party: str) -> str:
    """A key's text in the file."""
    return next(
        line.split('"')[1]
        for line in TIERED.split(f'id = "{party}"')[1].split("\n")
        if line.startswith("signing_key")
    )


def rules(old: str, new: str) -> Edit:
    return Edit(old, new, "rules of the pause", LABS, LABS)


def pause(name: str, old: str, new: str) -> Edit:
    return Edit(old, new, f"{name} of the pause", LABS, LABS)


def kept(article: str, old: str, new: str, base: str = TIERED) -> Edit:
    return Edit(old, new, article, WEAKER, WEAKER, base)


def of_auditors(article: str, old: str, new: str) -> Edit:
    return Edit(old, new, article, LABS, LABS)


MEMBER_3 = f'{key("member-3")}"\nfirst_round = 1\nlast_round = 0'
LAB_2_TIER = f'{key("lab-2")}"\ntier = "t"'
GROUPS = TIERED[TIERED.index("[[group]]") : TIERED.index("\n\n[[rule]]")]
UNGROUPED = TIERED.replace(GROUPS, "")
FIVE = UNGROUPED.replace("cohort_min = 3", "cohort_min = 5")
PROFILED = UNGROUPED.replace('dominance = "0.5"', 'dominance = "0.25"').replace(
    "cohort_min = 3", "cohort_min = 5"
)

#: With a notice that a charter may give which is no test's.
SLOW = TIERED.replace("notice_s = 86400", "notice_s = 604800")
ROUNDS = (
    'cadence = "quarter"\nfirst = "2025Q3"\nwindow_s = 3600\nplea_s = 60\nkept_rounds = 8\n'
    'audit_rounds = 40\n\nlast = "2035Q4"'
)
MONTHS = 'cadence = "month"\nfirst = "2025-07"\nwindow_s = 3600\nlast = "2035-12"'
PANEL, METRIC = 'panel = "beta"\nunit = "FLOP"', '[[metric]]\nid = "wide-5"'
OTHER_AUTHORITY = base64.b64encode(b"\x30\x81\x80" + bytes([1]) * 128).decode()
SECOND = f'"successor-1.example:7440"]\nauthority = "{AUTHORITY}"'
#: For each key that an article covers, an edit of the charter.
EDITS = {
    "deployment": kept("deployment", 'deployment = "tests"', 'deployment = "others"'),
    "cryptography.modulus_bits": kept("modulus_bits", "= 512", "= 576"),
    "cryptography.threshold": of_auditors("threshold", "threshold = 2", "threshold = 3"),
    "cryptography.headroom_bits": kept("headroom_bits", "bits = 10", "bits = 11"),
    "cryptography.range_base": kept("range_base", "range_base = 0", "range_base = 2"),
    "cryptography.key_origin": kept("key_origin", '"any"', '"distributed"'),
    "rounds.cadence": kept("cadence", ROUNDS, MONTHS),
    "test": kept("test charter", "test = true", "test = false", SLOW),
    "rounds.first": kept("first period", '"2025Q3"', '"2025Q4"'),
    "rounds.interval_s": Edit("= 7200", "= 7100", "interval_s", WEAKER, STRICTER, NUMBERED),
    "rounds.audit_rounds": Edit("rounds = 40", "rounds = 41", "audit_rounds", WEAKER, LABS),
    "rounds.kept_rounds": Edit("kept_rounds = 8", "kept_rounds = 9", "kept_rounds", WEAKER, LABS),
    "rounds.last": Edit('"2035Q4"', '"2036Q1"', "last period", WEAKER, STRICTER),
    "disclosure.cohort_min": Edit(
        "cohort_min = 3", "cohort_min = 4", "cohort_min", STRICTER, WEAKER, UNGROUPED
    ),
    "disclosure.fresh_min": Edit(
        "fresh_min = 3",
        "fresh_min = 4",
        "fresh_min of panel alpha",
        STRICTER,
        WEAKER,
        FIVE,
    ),
    "disclosure.change_min": Edit(
        "change_min = 3", "change_min = 4", "change_min", STRICTER, WEAKER, FIVE
    ),
    "disclosure.set_rounds": Edit(
        "set_rounds = 4", "set_rounds = 5", "set_rounds", STRICTER, WEAKER
    ),
    "disclosure.ghost_rounds": Edit(
        "ghost_rounds = 4", "ghost_rounds = 3", "ghost_rounds", WEAKER, STRICTER
    ),
    "disclosure.window_rounds": Edit(
        "window_rounds = 4", "window_rounds = 0", "window_rounds", STRICTER, WEAKER
    ),
    "disclosure.thresholds_max": Edit(
        "thresholds_max = 50", "thresholds_max = 51", "thresholds_max", WEAKER, STRICTER
    ),
    "disclosure.openings_per_key_max": Edit(
        "key_max = 100", "key_max = 101", "openings_per_key_max", WEAKER, STRICTER
    ),
    "disclosure.age_days": Edit("age_days = 100", "age_days = 99", "age_days", WEAKER, STRICTER),
    "disclosure.profile": Edit(
        "age_days = 100",
        f'age_days = 100\nprofile = "{SAFETY_ZONE}"',
        "profile",
        STRICTER,
        WEAKER,
        PROFILED,
    ),
    "disclosure.dominance": Edit(
        'dominance = "0.5"', 'dominance = "0.6"', "dominance", WEAKER, STRICTER
    ),
    "disclosure.dominance_start": Edit(
        'hours = "5"', 'hours = "6"', "dominance_start of hours", WEAKER, STRICTER
    ),
    "coordinator.id": kept("coordinator", 'id = "oversight"', 'id = "others"'),
    "coordinator.organisation": kept("coordinator", '"Oversight"', '"Others"'),
    "coordinator.signing_key": kept("coordinator", key("oversight"), NEW_KEY),
    "successor.id": kept("successors", 'id = "successor-1"', 'id = "successor-9"'),
    "successor.organisation": kept("successors", '"Oversight successor-1"', '"Others"'),
    "successor.signing_key": kept("successors", key("successor-1"), NEW_KEY),
    "succession.succession_s": kept(
        "succession_s", "succession_s = 172800", "succession_s = 172801"
    ),
    "succession.conflict_s": kept("conflict_s", "conflict_s = 259200", "conflict_s = 259201"),
    "auditor.id": of_auditors("auditors", 'id = "auditor-1"', 'id = "auditor-4"'),
    "auditor.organisation": of_auditors("auditors", '"Audit auditor-1"', '"Others"'),
    "auditor.signing_key": of_auditors("auditors", key("auditor-1"), NEW_KEY),
    "lab.id": Edit(
        "lab-7", "lab-9", "other labs of panel alpha", WEAKER, WEAKER, is_everywhere=True
    ),
    "lab.organisation": Edit(
        '"Organisation g"', '"Puppet"', "other labs of panel alpha", WEAKER, WEAKER
    ),
    "lab.signing_key": Edit(key("lab-2"), NEW_KEY, "own party", MORE, MORE),
    "lab.tier": Edit(
        LAB_2_TIER, LAB_2_TIER.replace('"t"', '"u"'), "panels of the tier", MORE, LESS
    ),
    "panel.id": Edit('"beta"', '"gamma"', "panels", MORE, MORE, is_everywhere=True),
    "panel.labs": Edit('labs = ["lab-2", "lab-3", ', 'labs = ["lab-3", ', "panels", LESS, MORE),
    "metric.id": Edit("wide-5", "wide-6", "metrics", MORE, MORE, is_everywhere=True),
    "metric.panel": kept(
        "scale of wide-4", f'"wide-4"\n{PANEL}', '"wide-4"\npanel = "alpha"\nunit = "FLOP"'
    ),
    "metric.quantity": kept("scale of wide-2", '"wide 2"', '"work"'),
    "metric.unit": kept("scale of hours", 'unit = "h"', 'unit = "d"'),
    "metric.min": kept("scale of share", 'min = "-100"', 'min = "-99"'),
    "metric.max": kept("scale of share", 'max = "100"', 'max = "101"'),
    "metric.resolution": Edit(
        'resolution = "0.5"', 'resolution = "0.25"', "resolution of share", WEAKER, STRICTER
    ),
    "aggregate.metric": Edit(
        '[[aggregate]]\nmetric = "wide-1"',
        '[[aggregate]]\nmetric = "wide-2"',
        "statistics of wide-2",
        WEAKER,
        STRICTER,
    ),
    "aggregate.statistics": Edit(
        '["sum"]', '["sum", "mean"]', "statistics of wide-1", WEAKER, STRICTER
    ),
    "aggregate.with": Edit(
        'with = "hours"',
        'with = "wide-1"',
        "statistics of share",
        WEAKER,
        WEAKER,
        TIERED.replace('panel = "beta"', 'panel = "alpha"', 1).replace(
            f'max = "{"9" * 30}"', 'max = "99"', 1
        ),
    ),
    "aggregate.histogram": Edit('["0", "50"]', '["0", "49"]', "edges of share", WEAKER, WEAKER),
    "aggregate.count_above": Edit(
        'count_above = ["25"]',
        'count_above = ["25", "26"]',
        "counts above of share",
        WEAKER,
        STRICTER,
    ),
    "statement.metric": Edit(
        '[[statement]]\nmetric = "share"',
        '[[statement]]\nmetric = "hours"',
        "limits of hours",
        WEAKER,
        STRICTER,
    ),
    "statement.at_most": Edit(
        'at_most = "90"', 'at_most = "91"', "limits of share", WEAKER, WEAKER
    ),
    "statement.equals": Edit(
        "[[statement]]",
        '[[statement]]\nmetric = "wide-2"\nequals = "wide-1"\n\n[[statement]]',
        "equal metrics of wide-2",
        WEAKER,
        STRICTER,
    ),
    "duty.metric": Edit(
        '[[duty]]\nmetric = "hours"',
        '[[duty]]\nmetric = "share"',
        "duties of share",
        WEAKER,
        STRICTER,
    ),
    "duty.at_most": Edit('at_most = "10"', 'at_most = "11"', "duties of hours", WEAKER, WEAKER),
    "tier.id": Edit(f"{LAB_2_TIER}", LAB_2_TIER.replace('"t"', '"u"'), "dues", MORE, LESS),
    "tier.panels": Edit(
        '"u"\npanels = ["alpha", "beta"]',
        '"u"\npanels = ["alpha"]',
        "panels of the tier",
        LESS,
        MORE,
        TIERED.replace(LAB_2_TIER, LAB_2_TIER.replace('"t"', '"u"')),
    ),
    "tier.dues": Edit('dues = "10"', 'dues = "11"', "dues", MORE, LESS),
    "dues.unit": Edit('"EUR"', '"USD"', "dues", MORE, MORE),
    "dues.metric": Edit(
        'metric = "share"\n\n[[tier]]', 'metric = "hours"\n\n[[tier]]', "dues", MORE, MORE, BANDED
    ),
    "dues.band.at_most": Edit(
        'at_most = "50"', 'at_most = "49"', "bands of the dues", WEAKER, WEAKER, BANDED
    ),
    "dues.band.amount": Edit('"2.50"', '"2.60"', "dues", MORE, LESS, BANDED),
    "group.panel": Edit(GROUPS, "", "groups of panel alpha", STRICTER, WEAKER),
    "group.id": Edit(GROUPS, "", "groups of panel alpha", STRICTER, WEAKER),
    "group.labs": Edit(
        '"lab-3", "lab-7"]\n\n[[group]]\npanel = "alpha"\nid = "west"\nlabs = [',
        '"lab-3"]\n\n[[group]]\npanel = "alpha"\nid = "west"\nlabs = ["lab-7", ',
        "groups of panel alpha",
        WEAKER,
        WEAKER,
    ),
    "rule.id": Edit('"bend"', '"curve"', "rules of the pause", LABS, LABS, is_everywhere=True),
    "rule.kind": rules('kind = "doubling-time"', 'kind = "growth-rate"'),
    "rule.metric": rules(
        'metric = "hours"\nstatistic = "sum"\nbelow', 'metric = "wide-1"\nstatistic = "sum"\nbelow'
    ),
    "rule.statistic": rules('statistic = "sum"\nbelow', 'statistic = "mean"\nbelow'),
    "rule.above": rules('above = "1.5"', 'above = "1.6"'),
    "rule.at_least": rules('at_least = "100"', 'at_least = "1000"'),
    "rule.below": rules('below = "60"', 'below = "61"'),
    "rule.at_most": rules('at_most = "4"', 'at_most = "5"'),
    "rule.over_rounds": rules("over_rounds = 8", "over_rounds = 9"),
    "rule.for_rounds": rules("for_rounds = 1", "for_rounds = 2"),
    "rule.scale": rules('"linear"', '"log10"'),
    "rule.confidence": rules('"0.95"', '"0.99"'),
    "rule.points_min": rules("points_min = 3", "points_min = 4"),
    "rule.r2_min": rules('r2_min = "0.5"', 'r2_min = "0.6"'),
    "rule.after_at_least": rules('after_at_least = "0.01"', 'after_at_least = "0.02"'),
    "rule.panel": rules('panel = "alpha"\nat_least', 'panel = "beta"\nat_least'),
    "rule.noise": rules('noise = "0.1"', 'noise = "0.2"'),
    "rule.growth": rules('growth = "0.2"', 'growth = "0.3"'),
    "rule.false_alarm_max": rules('max = "0.1"', 'max = "0.2"'),
    "rule.unknown": rules('unknown = "resets"', 'unknown = "holds"'),
    "rule.all_of": rules('["hot", "either"]', '["huge", "either"]'),
    "rule.any_of": rules('["fast", "bend"]', '["fast"]'),
    "pause.triggers": pause("triggers", '["both", "huge", "dark"]', '["huge", "dark"]'),
    "pause.fail_safe": pause(
        "triggers", '["both", "huge", "dark"]', '["both", "huge"]\nfail_safe = "none"'
    ),
    "pause.fits_only": pause(
        "triggers", '["both", "huge", "dark"]', '["both", "dark"]\nfits_only = true'
    ),
    "pause.lift": Edit('"calm"', '"calmer"', "lift of the pause", LABS, LABS, is_everywhere=True),
    "pause.lift_rounds": pause("lift_rounds", "lift_rounds = 2", "lift_rounds = 1"),
    "pause.acknowledge_s": pause("acknowledge_s", "= 600", "= 601"),
    "pause.acknowledge_share": pause(
        "acknowledge_share", 'acknowledge_share = "2/3"', 'acknowledge_share = "1/2"'
    ),
    "pause.pause_share": pause("pause_share", 'pause_share = "3/4"', 'pause_share = "1/2"'),
    "pause.open_within_s": pause("open_within_s", "within_s = 7200", "within_s = 7201"),
    "pause.settle_within_s": pause("settle_within_s", "within_s = 3600", "within_s = 3601"),
    "pause.silence_s": pause("silence_s", "silence_s = 1800", "silence_s = 1801"),
    "pause.hold_rounds": pause("hold_rounds", "hold_rounds = 1", "hold_rounds = 2"),
    "pause.silence": pause("silence", 'silence = "tell"', 'silence = "hold"'),
    "committee.quorum": Edit(
        'quorum = "2/3"', 'quorum = "3/5"', "quorum of the committee", LABS, STRICTER
    ),
    "committee.notice_s": Edit(
        "notice_s = 86400", "notice_s = 86399", "notice_s of the committee", LABS, STRICTER
    ),
    "committee.vote_s": Edit(
        "\nvote_s = 7200", "\nvote_s = 7199", "vote_s of the committee", LABS, STRICTER
    ),
    "committee.appeal_s": Edit(
        "appeal_s = 1800", "appeal_s = 1799", "appeal_s of the committee", LABS, STRICTER
    ),
}
#: For each key that none covers, an edit that makes no difference.
INDIFFERENT = {
    "title": ('"For tests"', '"Amended"'),
    "previous": ("format = 1", f'format = 1\nprevious = "{"0" * 64}"'),
    "metric.method": ('method = "m"', 'method = "n"'),
    "rounds.window_s": ("window_s = 3600", "window_s = 1800"),
    "rounds.plea_s": ("plea_s = 60", "plea_s = 61"),
    "rounds.heartbeat_s": ("heartbeat_s = 86400", "heartbeat_s = 900"),
    "coordinator.addresses": ('"oversight.example:7440"', '"oversight.example:7441"'),
    "coordinator.authority": (f'"{AUTHORITY}"', f'"{OTHER_AUTHORITY}"'),
    "successor.addresses": ('"successor-1.example:7440"', '"successor-1.example:7441"'),
    "successor.authority": (SECOND, SECOND.replace(AUTHORITY, OTHER_AUTHORITY)),
    "drills.every_s": ("every_s = 7200", "every_s = 7201"),
    "drills.answer_s": ("answer_s = 600", "answer_s = 601"),
    "committee.rotation": ('["member-1", "member-2", ', '["member-2", "member-1", '),
    "committee.turn_s": ("ruling_s = 3600", "ruling_s = 3600\nturn_s = 60"),
    "committee.ruling_s": ("ruling_s = 3600", "ruling_s = 1"),
    "member.id": ("member-3", "member-9"),
    "member.organisation": ('"Organisation z"', '"Others"'),
    "member.signing_key": (key("member-3"), NEW_KEY),
    "member.first_round": (MEMBER_3, MEMBER_3.replace("= 1", "= 2")),
    "member.last_round": (MEMBER_3, MEMBER_3.replace("= 0", "= 80")),
}


def test_every_key_of_the_file_is_compared_or_is_said_not_to_be() -> None:
    keys = set(keys_of(inspect.type_info(CharterText)))
    covered = {key for article in ARTICLES for key in article.keys}
    assert len(keys) > 80
    assert keys == covered | UNCOMPARED.keys()
    assert not covered & UNCOMPARED.keys()
    # Each has an example below, and ``format`` has one value.
    assert EDITS.keys() == covered
    assert INDIFFERENT.keys() == UNCOMPARED.keys() - {"format"}


def effect_of(old: Charter, new: Charter, article: str) -> Effect:
    (effect,) = [d.effect for d in differences(old, new, LAB) if d.article == article]
    return effect


@pytest.mark.parametrize("name", EDITS)
def test_a_change_of_a_key_is_what_the_order_says_there_and_back(name: str) -> None:
    edit = EDITS[name]
    old, new = edit.charters()
    assert effect_of(old, new, edit.article) == edit.there
    assert effect_of(new, old, edit.article) == edit.back
    assert is_nowhere_weaker(old, new, LAB) == all(
        d.effect.is_free for d in differences(old, new, LAB)
    )


@pytest.mark.parametrize("name", INDIFFERENT)
def test_a_key_that_moves_no_figure_makes_no_difference(name: str) -> None:
    old, new = INDIFFERENT[name]
    assert old in TIERED
    changed = TIERED.replace(old, new) if name == "member.id" else TIERED.replace(old, new, 1)
    assert differences(read(TIERED), read(changed), LAB) == ()


KNOBS: dict[str, tuple[str, ...]] = {
    "cohort_min = 3": ("cohort_min = 3", "cohort_min = 4"),
    "fresh_min = 3\n": ("fresh_min = 3\n", ""),
    "set_rounds = 4": ("set_rounds = 4", "set_rounds = 5"),
    "window_rounds = 4": ("window_rounds = 0", "window_rounds = 2", "window_rounds = 4"),
    'dominance = "0.5"': ('dominance = "0.4"', 'dominance = "0.5"'),
    'last = "2035Q4"': ('last = "2035Q4"', 'last = "2040Q1"', 'last = ""'),
    'histogram = ["0", "50"]\n': ("", 'histogram = ["0"]\n', 'histogram = ["0", "50"]\n'),
    'count_above = ["25"]': ('count_above = ["25"]', 'count_above = ["26"]', ""),
    'at_most = "90"': ('at_most = "80"', 'at_most = "90"'),
    'resolution = "0.5"': ('resolution = "0.25"', 'resolution = "0.5"', 'resolution = "1"'),
    'labs = ["lab-2", "lab-3"': ('labs = ["lab-2", "lab-3"', 'labs = ["lab-3"', 'labs = ["lab-2"'),
    'unit = "EUR"': ('unit = "EUR"', 'unit = "USD"'),
    'dues = "10"': ('dues = "0"', 'dues = "10"', 'dues = "15"'),
    'at_least = "100"': ('at_least = "100"', 'at_least = "90"'),
    "notice_s = 86400": ("notice_s = 86400", "notice_s = 86000"),
    'quorum = "2/3"': ('quorum = "2/3"', 'quorum = "3/4"'),
    '"Organisation g"': ('"Organisation g"', '"Puppet"'),
}


@st.composite
def charters(draw: st.DrawFn) -> Charter:
    """A charter without groups, a few of whose keys are others; dues by tier or by band."""
    text = draw(st.sampled_from([UNGROUPED, BANDED.replace(GROUPS, "")]))
    for old in draw(st.sets(st.sampled_from(sorted(KNOBS)), max_size=3)):
        text = text.replace(old, draw(st.sampled_from(KNOBS[old])), 1)
    return read(text)


LABORATORIES = st.sampled_from(["lab-1", "lab-2", "lab-3"])


@settings(max_examples=150, deadline=None)
@given(charters(), LABORATORIES)
def test_a_charter_differs_in_nothing_from_itself(charter: Charter, lab: str) -> None:
    assert differences(charter, charter, lab) == ()
    assert is_nowhere_weaker(charter, charter, lab)


@settings(max_examples=300, deadline=None)
@given(charters(), charters(), LABORATORIES)
def test_what_differs_there_differs_back_and_is_never_free_both_ways(
    one: Charter, other: Charter, lab: str
) -> None:
    there = {d.article: d.effect for d in differences(one, other, lab)}
    back = {d.article: d.effect for d in differences(other, one, lab)}
    # What only one of them has is said by the article of panels or metrics.
    assert there.keys() == back.keys()
    assert not [a for a in there if there[a].is_free and back[a].is_free]


@settings(max_examples=500, deadline=None)
@given(charters(), charters(), charters(), LABORATORIES)
def test_no_chain_of_charters_that_are_nowhere_weaker_ends_weaker(
    first: Charter, second: Charter, third: Charter, lab: str
) -> None:
    steps = ((first, second), (second, third))
    if all(is_nowhere_weaker(old, new, lab) for old, new in steps):
        assert is_nowhere_weaker(first, third, lab)


@settings(max_examples=200, deadline=None)
@given(charters(), st.data(), LABORATORIES)
def test_stricter_terms_step_by_step_are_accepted_in_one_step_too(
    start: Charter, data: st.DataObject, lab: str
) -> None:
    """The same law where the steps are drawn so that they hold."""
    chain = [start]
    for _ in range(2):
        following = data.draw(st.lists(charters(), min_size=1, max_size=4))
        chain += [c for c in following if is_nowhere_weaker(chain[-1], c, lab)][:1]
    assert is_nowhere_weaker(chain[0], chain[-1], lab)


def test_a_lab_in_the_same_sum_with_another_key_is_another_lab() -> None:
    old, new = read(TIERED), read(TIERED.replace(key("lab-7"), NEW_KEY))
    for one, other in ((old, new), (new, old)):
        assert effect_of(one, other, "other labs of panel alpha") == WEAKER
    assert "own party" not in [d.article for d in differences(old, new, LAB)]


LIMIT = TIERED[TIERED.index("dominance = ") : TIERED.index("dominance_start")]
STARTS = next(line for line in TIERED.splitlines(True) if line.startswith("dominance_start"))
COMMITTEE = TIERED[TIERED.index("[committee]") : TIERED.index("[[panel]]")]


@pytest.mark.parametrize(
    ("lines", "article", "without", "again"),
    [
        (LIMIT + STARTS, "dominance", WEAKER, STRICTER),
        ('last = "2035Q4"\n', "last period", WEAKER, STRICTER),
        ("kept_rounds = 8\n", "kept_rounds", WEAKER, LABS),
        ("audit_rounds = 40\n", "audit_rounds", WEAKER, LABS),
        (COMMITTEE, "notice_s of the committee", STRICTER, LABS),
    ],
)
def test_what_a_charter_leaves_out_is_compared_by_what_holds_then(
    lines: str, article: str, without: Effect, again: Effect
) -> None:
    assert lines in TIERED
    old, new = read(TIERED), read(TIERED.replace(lines, ""))
    assert effect_of(old, new, article) == without
    assert effect_of(new, old, article) == again


def test_a_first_band_that_costs_what_the_last_does_is_dearer() -> None:
    before = Price(((10, Fraction(1)), (20, Fraction(5))), "EUR", "hours")
    after = Price(((10, Fraction(5)), (20, Fraction(5))), "EUR", "hours")
    assert dearer_asks_more(before, after) == (
        "1.00 / 5.00 EUR by hours -> 5.00 / 5.00 EUR by hours",
        MORE,
    )
    # The value at which a band ends is in that band.
    assert [before.at(value) for value in (10, 11)] == [1, 5]


def test_a_fresh_min_that_is_left_out_is_compared_by_the_cohort_that_gives_it() -> None:
    left_out = UNGROUPED.replace("fresh_min = 3\n", "")
    old, new = read(left_out), read(left_out.replace("cohort_min = 3", "cohort_min = 5"))
    assert effect_of(old, new, "fresh_min of panel alpha") == STRICTER
    assert effect_of(new, old, "fresh_min of panel alpha") == WEAKER


def test_a_promise_that_is_exchanged_for_another_is_gone() -> None:
    one, other = frozenset({"one"}), frozenset({"other"})
    assert superset_is_stricter(one, other) == ("adds other; drops one", WEAKER)
    assert superset_is_stricter(one, one | other) == ("adds other", STRICTER)


def test_groups_that_go_are_joined_to_the_panel_and_groups_that_come_split_it() -> None:
    old, new = read(TIERED), read(UNGROUPED)
    assert effect_of(old, new, "groups of panel alpha") == STRICTER
    assert effect_of(new, old, "groups of panel alpha") == WEAKER


def test_a_difference_is_said_in_words() -> None:
    old, new = EDITS["disclosure.window_rounds"].charters()
    assert [d.text for d in differences(new, old, LAB)] == ["window_rounds all -> 4: weaker"]
    old, new = EDITS["aggregate.histogram"].charters()
    assert [d.text for d in differences(old, new, LAB)] == [
        "edges of share adds 49.0; drops 50.0: weaker"
    ]
    old, new = EDITS["tier.dues"].charters()
    assert [d.text for d in differences(old, new, LAB)] == [
        "dues 10.00 EUR -> 11.00 EUR: needs the lab's consent"
    ]


def test_a_lab_that_joins_or_leaves_is_asked_and_a_stranger_is_not() -> None:
    base = BANDED.replace(GROUPS, "")
    table = base[base.index('[[lab]]\nid = "lab-7"') : base.index("[committee]")]
    old, new = read(base), read(base.replace(table, "").replace(', "lab-7"', ""))
    assert [d.text for d in differences(old, new, "lab-7")] == [
        "roster lab-7 leaves: needs the lab's consent"
    ]
    assert not is_nowhere_weaker(new, old, "lab-7")
    assert differences(old, new, "lab-8") == ()
    # The others' sums are then of fewer labs, of which none is new.
    assert is_nowhere_weaker(old, new, LAB)
    assert not is_nowhere_weaker(new, old, LAB)


def test_an_amendment_needs_the_labs_that_it_asks_and_a_share_for_the_pause() -> None:
    dearer = consent_needed(*EDITS["tier.dues"].charters())
    assert dearer.labs == {f"lab-{i}" for i in range(1, 8)}
    assert not dearer.has_share
    one = consent_needed(*EDITS["lab.tier"].charters())
    assert (one.labs, one.has_share) == ({LAB}, False)
    rule = consent_needed(*EDITS["rule.at_least"].charters())
    assert (rule.labs, rule.has_share) == (frozenset(), True)
    # Weaker terms bind nobody who has not agreed, and nobody's agreement holds them up.
    weaker = consent_needed(*EDITS["disclosure.change_min"].charters())
    assert (weaker.labs, weaker.has_share) == (frozenset(), False)
