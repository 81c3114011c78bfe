"""A lab's own place in words."""

from fermata.dashboard.standing import standings_of
from fermata.protocol.charter.encoding import encode_value
from harness.protocol.panels import aggregate, charter_of, metric
from harness.rounds import state_of

CHARTER = charter_of(
    metric("hours", "0", "1000"),
    metric("gain", "-10", "10"),
    aggregate(
        "hours", "sum", "mean", "stddev", histogram=["200", "400", "600"], count_above=["400"]
    ),
    aggregate("gain", "sum", "mean"),
)
HOURS = {"lab-1": 100, "lab-2": 250, "lab-3": 300, "lab-4": 450, "lab-5": 500, "lab-6": 900}
REPORTS = {lab: {"hours": str(v), "gain": "2"} for lab, v in HOURS.items() if lab != "lab-6"}
REPORTS |= {"lab-6": {"hours": "900", "gain": "-10"}}


def place(lab: str, name: str = "hours", value: str = "") -> tuple[str, ...]:
    state = state_of(CHARTER, [REPORTS])
    metrics = {m.id: m for m in CHARTER.panels[0].metrics}
    encoded = {name: encode_value(metrics[name], value or REPORTS[lab][name])}
    (found,) = standings_of(CHARTER, state.rounds[0], lab, encoded)
    return found.sentences


def test_the_lab_above_all_others_is_told_so():
    assert place("lab-6") == (
        "36.0 % of the sum, 2500 u",
        "above the mean, 416.667, by 1.9 standard deviations",
        "in the bin 600..1000, as 1 lab of the round; 5 labs in lower bins, 0 labs in higher",
        "in the highest quarter",
        "at or above 400; 3 of 6 labs are at or above it",
    )


def test_a_lab_in_the_bin_of_a_quartile_learns_no_side():
    sentences = place("lab-2")
    assert sentences[1].startswith("below the mean")
    assert sentences[3] == (
        "the first quartile and the median in the same bin: the bins do not tell which side"
    )
    assert sentences[4].startswith("below 400;")


def test_the_lowest_lab_is_in_the_lowest_quarter():
    assert place("lab-1")[3] == "in the lowest quarter"


def test_no_share_is_told_of_a_sum_that_may_have_parts_below_0():
    assert place("lab-1", "gain") == ("above the mean, 0.000",)
    assert place("lab-1", "gain", "0") == ("at the mean, 0.000",)


def test_a_round_that_does_not_count_the_lab_tells_nothing():
    state = state_of(CHARTER, [{lab: r for lab, r in REPORTS.items() if lab != "lab-6"}])
    assert standings_of(CHARTER, state.rounds[0], "lab-6", {"hours": 900}) == ()
    refused = state_of(CHARTER, [REPORTS], refused=[1])
    assert standings_of(CHARTER, refused.rounds[0], "lab-6", {"hours": 900}) == ()


def test_a_place_is_not_printed_by_accident():
    state = state_of(CHARTER, [REPORTS])
    (found,) = standings_of(CHARTER, state.rounds[0], "lab-6", {"hours": 900})
    assert "900" not in repr(found)
    assert "%" not in repr(found)
