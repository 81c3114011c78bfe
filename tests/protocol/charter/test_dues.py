"""Tiers, dues and the public account."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import parse_charter
from fermata.summary.records.dues import NOT_SHOWN, DuesLine, account_of, account_records, lines_of
from harness.chains import MODULUS_BITS_MIN, chain_at, make_deployment
from harness.dues import BANDS
from harness.protocol.amendments import MEMBERS, amended, carried, close_round, under

TIERS = """
[[tier]]
id = "f"
panels = ["alpha"]
dues = "100"
[[tier]]
id = "s"
panels = ["alpha"]
dues = "12.25"

[dues]
unit = "EUR"
"""


def test_a_lab_owes_what_the_band_it_has_shown_owes() -> None:
    chain = chain_at("collecting", extra=BANDS)
    for lab, share in (("lab-1", "-50"), ("lab-2", "-49.5"), ("lab-3", "0.5")):
        beta = {f"wide-{k}": "1" for k in range(1, 6)} if lab != "lab-1" else {}
        chain.report(lab, {"hours": "1", "share": share} | beta)
    chain.abstain("lab-4")
    chain.close(chain.deadline_ms)
    charter = chain.deployment.charter
    lines = {line.lab: line for line in lines_of(charter, chain.round, charter.labs)}
    assert (lines["lab-1"].basis, lines["lab-1"].amount) == ("band 1", Decimal(10))
    assert (lines["lab-2"].basis, lines["lab-2"].amount) == ("band 2", Decimal("20.50"))
    assert (lines["lab-3"].basis, lines["lab-3"].amount) == ("band 3", Decimal(70))
    assert (lines["lab-4"].basis, lines["lab-4"].amount) == (NOT_SHOWN, Decimal(70))
    assert lines["lab-6"].basis == NOT_SHOWN


def test_dues_by_tier_are_the_same_whatever_is_reported() -> None:
    chain = chain_at("closed", extra=TIERS, tiers="fsfsss")
    charter = chain.deployment.charter
    amounts = [line.amount for line in lines_of(charter, chain.round, charter.labs)]
    assert amounts == [Decimal(a) for a in ("100", "12.25", "100", "12.25", "12.25", "12.25")]


def test_nothing_is_owed_before_the_close_or_without_dues() -> None:
    open_one = chain_at("collecting", extra=BANDS)
    assert lines_of(open_one.deployment.charter, open_one.round, ("lab-1",)) == ()
    free = chain_at("closed")
    assert lines_of(free.deployment.charter, free.round, ("lab-1",)) == ()


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.sampled_from("abc"), st.integers(0, 10**6)), max_size=30
    )
)
@settings(max_examples=50, deadline=None)
def test_the_account_adds_up_by_lab_and_by_round(rows: list[tuple[int, str, int]]) -> None:
    lines = [
        DuesLine(number, str(number), lab, "tier", Decimal(cents) / 100, "EUR")
        for number, lab, cents in rows
    ]
    account = account_of("EUR", lines)
    assert sum(account.by_lab.values()) == sum(account.by_round.values()) == account.total
    assert account.total == sum(line.amount for line in lines)


@pytest.mark.parametrize(
    ("edits", "owed"),
    [
        ((('unit = "EUR"', 'unit = "USD"'),), {"EUR": "249.00", "USD": "249.00"}),
        (
            (('dues = "100"\n', ""), ('dues = "12.25"\n', ""), ('[dues]\nunit = "EUR"\n', "")),
            {"EUR": "249.00"},
        ),
        ((('dues = "100"', 'dues = "200"'),), {"EUR": "698.00"}),
    ],
    ids=["another unit", "no dues any more", "other amounts"],
)
def test_what_was_owed_stays_owed_in_its_unit_when_an_amendment_changes_dues(edits, owed) -> None:
    chain = chain_at("collecting", extra=TIERS, tiers="fsfsss", members=MEMBERS)
    assert [(a.unit, a.lines) for a in account_records(chain.state)] == [("EUR", ())]
    data = amended(chain, *edits)
    due_ms = carried(chain, data)
    close_round(chain)
    under(chain, data).open_round(due_ms)
    close_round(chain)
    accounts = account_records(chain.state)
    assert {account.unit: str(account.total) for account in accounts} == owed
    assert all(line.unit == account.unit for account in accounts for line in account.lines)


@pytest.mark.parametrize(
    ("extra", "old", "new", "what"),
    [
        (BANDS, 'metric = "share"', 'metric = "none"', "must name a metric"),
        (BANDS, 'metric = "share"\n', "", "metric that the bands are of"),
        (BANDS, 'at_most = "0"\n', "", "every band but the last"),
        (BANDS, 'at_most = "0"', 'at_most = "-60"', "above the at_most of the band before"),
        (BANDS, 'at_most = "0"', 'at_most = "-50"', "above the at_most of the band before"),
        (BANDS, 'amount = "70"', 'amount = "3"', "not be below the amount of the band before"),
        (BANDS, 'amount = "70"', 'amount = "70.001"', "two decimals"),
        (BANDS, 'amount = "70"', 'amount = "70"\nat_most = "3"', "every band but the last"),
        (BANDS, 'unit = "EUR"', 'unit = ""', "must not be empty"),
        (TIERS, '\n[dues]\nunit = "EUR"\n', "", "no effect"),
        (TIERS, 'dues = "12.25"\n', "", "must have a metric with bands"),
        (TIERS, 'id = "s"', 'id = "f"', "unique"),
        (TIERS, 'panels = ["alpha"]', 'panels = ["gamma"]', "must name a panel"),
        (TIERS, 'panels = ["alpha"]', "panels = []", "at least one panel"),
        (TIERS, 'panels = ["alpha"]', 'panels = ["beta"]', "so lab-1 must be among its labs"),
    ],
)
def test_tiers_and_dues_that_make_no_sense_are_refused(
    extra: str, old: str, new: str, what: str
) -> None:
    tiers = {"tiers": "fsfsss"} if extra == TIERS else {}
    text = make_deployment(extra=extra, **tiers).charter_data.decode()
    assert extra in text
    changed = text.replace(extra, extra.replace(old, new, 1))
    with pytest.raises(ConfigError, match=what):
        parse_charter(changed.encode(), MODULUS_BITS_MIN)


@pytest.mark.parametrize(("count", "is_read"), [(1, False), (2, True), (32, True), (33, False)])
def test_s5_8_there_are_2_to_32_bands(count: int, is_read: bool) -> None:
    most = [f'at_most = "{steps}"\n' for steps in range(count - 1)] + [""]
    bands = "".join(f'[[dues.band]]\n{at_most}amount = "1"\n' for at_most in most)
    text = make_deployment(extra=BANDS).charter_data.decode()
    text = text.replace(BANDS[BANDS.index("[[dues.band]]") :], bands)
    if is_read:
        parse_charter(text.encode(), MODULUS_BITS_MIN)
        return
    with pytest.raises(ConfigError, match=f"must have 2 to 32 .*, got {count}"):
        parse_charter(text.encode(), MODULUS_BITS_MIN)


@pytest.mark.parametrize("tier", ["", 'tier = "x"\n'])
def test_a_lab_without_a_tier_of_the_charter_is_refused(tier: str) -> None:
    text = make_deployment(extra=TIERS, tiers="fsfsss").charter_data.decode()
    with pytest.raises(ConfigError, match="tier"):
        parse_charter(text.replace('tier = "s"\n', tier, 1).encode(), MODULUS_BITS_MIN)


def test_dues_by_bands_and_by_tiers_at_once_are_refused() -> None:
    text = make_deployment(extra=TIERS, tiers="fsfsss").charter_data.decode()
    both = text.replace('\n[dues]\nunit = "EUR"\n', BANDS)
    with pytest.raises(ConfigError, match="not by both"):
        parse_charter(both.encode(), MODULUS_BITS_MIN)
