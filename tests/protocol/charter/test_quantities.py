"""What two panels measure of one organisation is not the same (charter.md, C5.10 and C5.11)."""

import pytest

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import Charter, parse_charter
from harness.chains import MODULUS_BITS_MIN, charter_text, party_keys

HOURS, WIDE = 'id = "hours"\npanel = "alpha"\nunit = "h"', 'unit = "FLOP"'
#: lab-1 is not in panel beta, all others are in both panels.
TEXT = charter_text(party_keys(0, 6, 3))


def charter_of(*changes: tuple[str, str]) -> Charter:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return parse_charter(text.encode(), MODULUS_BITS_MIN)


def refusal_of(*changes: tuple[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        charter_of(*changes)
    assert caught.value.reason == "CHARTER"
    return str(caught.value)


def test_metrics_with_one_unit_in_panels_that_overlap_must_say_what_they_measure() -> None:
    said = refusal_of((WIDE, 'unit = "h"'))
    assert "must have a quantity, and hours too" in said
    said = refusal_of((WIDE, 'unit = "h"'), (HOURS, f'{HOURS}\nquantity = "training"'))
    assert "must have a quantity, and hours too" in said


def test_metrics_that_measure_other_things_may_have_one_unit() -> None:
    charter = charter_of(
        (WIDE, 'unit = "h"\nquantity = "inference"'), (HOURS, f'{HOURS}\nquantity = "training"')
    )
    found = {m.id: m.quantity for panel in charter.panels for m in panel.metrics}
    assert (found["hours"], found["wide-1"]) == ("training", "inference")


def test_one_quantity_in_two_panels_that_overlap_is_refused_whatever_the_units_say() -> None:
    said = refusal_of(
        (WIDE, 'unit = "FLOP"\nquantity = "training"'),
        (HOURS, f'{HOURS}\nquantity = "training"'),
    )
    assert "must be in one panel, or in panels without a common organisation" in said
    assert "hours of panel alpha is of the same quantity" in said


def test_metrics_of_one_panel_may_be_of_one_quantity() -> None:
    charter_of(
        (HOURS, f'{HOURS}\nquantity = "work"'), ('unit = "%"', 'unit = "%"\nquantity = "work"')
    )


def test_a_quantity_is_a_text_that_a_screen_can_show() -> None:
    assert "quantity: must be at most 200 printable" in refusal_of(
        (HOURS, f'{HOURS}\nquantity = " work"')
    )


def test_panels_without_a_common_organisation_may_measure_the_same() -> None:
    alpha = '[[panel]]\nid = "alpha"\n'
    beta = TEXT[TEXT.index('id = "beta"') :].partition("\n")[2].partition("\n")[0]
    apart = (
        (beta, 'labs = ["lab-4", "lab-5", "lab-6"]'),
        (alpha, f'{alpha}labs = ["lab-1", "lab-2", "lab-3"]\n'),
    )
    same = ((WIDE, 'unit = "h"\nquantity = "work"'), (HOURS, f'{HOURS}\nquantity = "work"'))
    charter_of(*apart, *same)
    charter_of(*apart, (WIDE, 'unit = "h"'))
    refusal_of(*same)
