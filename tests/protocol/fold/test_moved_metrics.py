"""A metric that goes on in another panel says what it measures (governance.md, G12.16)."""

import functools

import pytest

from harness.chains import Chain, chain_at
from harness.protocol.amendments import MEMBERS, amended, carried, close_round, tabled, under


@functools.cache
def _chain() -> Chain:
    return chain_at("collecting", members=MEMBERS)


@pytest.fixture
def chain() -> Chain:
    """Round 1 is open, member-1 has the chair."""
    return _chain().fork()


def share_of(chain: Chain) -> str:
    """The table of ``share`` of panel alpha, the only metric in percent."""
    text = chain.deployment.charter_data.decode()
    return text[text.index('[[metric]]\nid = "share"') : text.index('[[metric]]\nid = "wide-1"')]


def replaced(chain: Chain, table: str) -> bytes:
    """An amendment with this table in the place of ``share``."""
    means = '[[aggregate]]\nmetric = "share"\nstatistics = ["mean"]\n'
    return amended(chain, (share_of(chain), table), (means, ""))


def moved(chain: Chain, quantity: str = "", unit: str = "%", panel: str = "beta") -> str:
    named = f'"{unit}"\nquantity = "{quantity}"' if quantity else f'"{unit}"'
    table = share_of(chain).replace('"share"\npanel = "alpha"', f'"other"\npanel = "{panel}"')
    return table.replace('"%"', named)


def test_a_metric_that_takes_another_panels_place_needs_a_quantity(chain: Chain) -> None:
    verdict = tabled(chain, replaced(chain, moved(chain)))
    assert (verdict.accepted, verdict.reason) == (False, "AMENDMENT_KEEPS")
    assert verdict.detail == (
        "amendment: metric other must have a quantity: share of panel alpha is in % too, and has"
        " had an organisation of panel beta"
    )


def test_it_needs_one_also_after_the_metric_has_been_gone_for_a_while(chain: Chain) -> None:
    gone, table = replaced(chain, ""), moved(chain)
    due_ms = carried(chain, gone)
    close_round(chain)
    under(chain, gone).open_round(due_ms)
    back = amended(chain, ('[[metric]]\nid = "wide-1"', table + '[[metric]]\nid = "wide-1"'))
    assert "must have a quantity" in tabled(chain, back, author="member-2").detail


@pytest.mark.parametrize(
    "how",
    [{"quantity": "rest"}, {"unit": "km"}, {"panel": "alpha"}],
    ids=lambda how: next(iter(how)),
)
def test_one_that_says_it_or_is_in_its_own_panel_or_unit_is_accepted(
    chain: Chain, how: dict[str, str]
) -> None:
    verdict = tabled(chain, replaced(chain, moved(chain, **how)))
    assert verdict.accepted, verdict
