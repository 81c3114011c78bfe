"""What reports show beside the charter's statements: duties, shares, bands of the dues."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import ConfigError, Refusal
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.fold.round_rules import parts_of
from fermata.protocol.state.report_flags import (
    NO_FLAGS,
    NOTHING_ASKED,
    Asked,
    Flags,
    check_flags,
    flags_for,
    shown_ranges,
    statements_of,
)
from fermata.protocol.state.state import Round
from harness.chains import MODULUS_BITS_MIN, PAUSE_TABLES, Chain, chain_at, make_deployment
from harness.dues import BANDS

SETTINGS = {"extra": PAUSE_TABLES.replace('at_most = "10"', 'at_most = "5"') + BANDS}
DUTIES = Asked(duties=True)
CALM = {"hours": "4.999", "share": "-3.5"}
BUSY = {"hours": "5.001", "share": "12"}


def collecting(asked: Asked = NOTHING_ASKED) -> Chain:
    """A chain whose round asks for this, as if the pause had made it so."""
    chain = chain_at("collecting", **SETTINGS)
    chain.state = chain.state.with_round(replace(chain.round, asked=asked))
    return chain


def charter():  # type: ignore[no-untyped-def]
    return make_deployment(**SETTINGS).charter


def seen(chain: Chain, lab: str = "lab-1") -> Flags:
    return chain.round.reports[lab].flags


def test_a_lab_that_keeps_its_duty_shows_it_in_a_pause() -> None:
    chain = collecting(DUTIES)
    chain.report("lab-1", CALM)
    assert seen(chain) == Flags(complies=True, dues_band=2)


def test_a_lab_that_breaks_its_duty_still_reports_without_showing_more() -> None:
    chain = collecting(DUTIES)
    chain.report("lab-1", BUSY)
    assert seen(chain) == Flags(dues_band=3)


def test_outside_a_pause_no_duty_is_shown() -> None:
    chain = collecting()
    chain.report("lab-1", CALM)
    assert not seen(chain).complies


def test_reports_that_show_and_reports_that_do_not_add_up() -> None:
    chain = collecting(DUTIES)
    for lab in chain.deployment.charter.labs:
        beta = {f"wide-{k}": "1" for k in range(1, 6)} if lab != "lab-1" else {}
        chain.report(lab, (CALM if lab < "lab-4" else BUSY) | beta)
    chain.close()
    chain.endorse()
    chain.open_part()
    assert chain.round.opening is not None
    totals = {(r.metric, r.statistic): r.text for r in chain.round.opening.results}
    assert totals["hours", "sum"] == "30.000"
    assert chain.round.excluded == ()


def test_a_report_that_claims_a_duty_it_breaks_is_excluded_at_the_close() -> None:
    chain = collecting(DUTIES)
    statement = chain.report_statement("lab-1", BUSY)
    statement.report.complies = True
    chain.put_ok(chain.seal(statement))
    for lab in chain.deployment.charter.labs[1:]:
        chain.report(lab)
    chain.close()
    assert chain.round.close is not None
    assert "lab-1" not in chain.round.close.listed
    assert [reason for _, reason in chain.round.excluded] == ["PROOF"]


def test_a_report_that_claims_a_lower_band_is_excluded_at_the_close() -> None:
    chain = collecting()
    statement = chain.report_statement("lab-1", BUSY)
    assert statement.report.dues_band == 3
    statement.report.dues_band = 1
    chain.put_ok(chain.seal(statement))
    for lab in chain.deployment.charter.labs[1:]:
        chain.report(lab)
    chain.close()
    assert [reason for _, reason in chain.round.excluded] == ["PROOF"]


@pytest.mark.parametrize(
    ("flags", "asked", "panels", "what"),
    [
        (Flags(complies=True), NOTHING_ASKED, ("alpha",), "asks for no duties"),
        (Flags(complies=True), DUTIES, ("beta",), "lacks a panel with a duty"),
        (Flags(within_shares=True), DUTIES, ("alpha",), "no dominance limit"),
        (Flags(dues_band=4), DUTIES, ("alpha",), "3 bands"),
        (Flags(dues_band=1), DUTIES, ("beta",), "lacks the panel"),
    ],
)
def test_a_report_may_not_say_that_it_shows_what_nobody_asked_for(
    flags: Flags, asked: Asked, panels: tuple[str, ...], what: str
) -> None:
    with pytest.raises(Refusal, match=what) as refused:
        check_flags(charter(), asked, "lab-2", panels, flags)
    assert refused.value.reason == "SHOWN"


def test_the_fold_checks_the_flags() -> None:
    chain = collecting()
    statement = chain.report_statement("lab-1", CALM)
    statement.report.complies = True
    assert chain.put(chain.seal(statement)).reason == "SHOWN"


@given(hours=st.integers(0, 10_000), share=st.integers(0, 400))
@settings(max_examples=50, deadline=None)
def test_what_a_lab_shows_is_true_and_the_most_it_can(hours: int, share: int) -> None:
    asked = Asked(duties=True, share_limits={"hours": 7000})
    flags = flags_for(charter(), asked, "lab-1", {"hours": hours, "share": share})
    assert flags.complies == (hours <= 5000)
    assert flags.within_shares == (hours <= 7000)
    assert flags.dues_band == (1 if share <= 100 else 2 if share <= 200 else 3)
    panel = charter().panel("alpha")
    statements = statements_of(panel, shown_ranges(charter(), asked, panel, flags))
    statements.check((hours, share))


@pytest.mark.parametrize("hours", [4999, 5000, 5001])
def test_the_duty_holds_up_to_its_limit(hours: int) -> None:
    panel = charter().panel("alpha")
    shown = shown_ranges(charter(), DUTIES, panel, Flags(complies=True))
    statements = statements_of(panel, shown)
    if hours <= 5000:
        statements.check((hours, 0))
    else:
        with pytest.raises(ValueError, match="range statement"):
            statements.check((hours, 0))


def test_nothing_more_is_proven_when_nothing_is_shown() -> None:
    panel = charter().panel("alpha")
    assert statements_of(panel, shown_ranges(charter(), DUTIES, panel, NO_FLAGS)) is (
        panel.claims.statements
    )


def test_what_is_shown_changes_no_packing() -> None:
    panel = charter().panel("alpha")
    shown = shown_ranges(charter(), DUTIES, panel, Flags(complies=True, dues_band=2))
    assert statements_of(panel, shown).packing == panel.claims.statements.packing


def test_a_lab_without_the_panel_of_a_duty_in_its_report_does_not_comply() -> None:
    flags = flags_for(charter(), DUTIES, "lab-2", dict.fromkeys(["wide-1", "wide-2"], 0))
    assert flags == NO_FLAGS


TIERS = """
[[tier]]
id = "f"
panels = ["alpha", "beta"]
[[tier]]
id = "s"
panels = ["alpha"]
"""


def test_a_lab_must_report_the_panels_of_its_tier() -> None:
    chain = chain_at("collecting", extra=TIERS, tiers="sfffss")
    only_beta = {f"wide-{k}": "1" for k in range(1, 6)}
    statement = chain.report_statement("lab-5", only_beta)
    assert chain.put(chain.seal(statement)).reason == "TIER"
    only_alpha = {"hours": "1", "share": "1"}
    assert chain.put(chain.seal(chain.report_statement("lab-2", only_alpha))).reason == ("TIER")
    chain.report("lab-5", only_alpha)
    chain.report("lab-2")


def test_the_door_and_the_fold_look_at_the_same_parts() -> None:
    chain = collecting(DUTIES)
    statement = chain.report_statement("lab-1", CALM)
    chain.put_ok(chain.seal(statement))
    found: Round = chain.round
    assert parts_of(charter(), found, "lab-1", statement.report) == found.reports["lab-1"].parts


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('metric = "hours"\nat_most = "5"', 'metric = "other"\nat_most = "5"', "other is not one"),
        ('at_most = "5"', 'at_most = "999999999999.999"', "below what every report proves"),
        (
            "[[duty]]",
            '[[statement]]\nmetric = "hours"\nat_most = "5"\n[[duty]]',
            "below what every report proves",
        ),
        ('at_most = "5"', 'at_most = "0.0001"', "multiple of the resolution"),
        ("[[duty]]", '[[duty]]\nmetric = "hours"\nat_most = "6"\n[[duty]]', "only one"),
    ],
)
def test_a_duty_that_makes_no_sense_is_refused(old: str, new: str, what: str) -> None:
    text = make_deployment(**SETTINGS).charter_data.decode()
    head, mark, tail = text.partition("[[duty]]")
    changed = head + (mark + tail).replace(old, new, 1)
    with pytest.raises(ConfigError, match=what):
        parse_charter(changed.encode(), MODULUS_BITS_MIN)
