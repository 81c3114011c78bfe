"""A lab's file of figures: read exactly or not at all, and no figure in any message."""

import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import ConfigError
from fermata.node.sources.gather import Sources
from fermata.node.sources.measure import Measure, read_measurement
from fermata.protocol.roles.lab import Measurement
from harness.chains import make_deployment

HEAD = "round,metric,value\n"
SECRET = "0.8123459"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "metrics.csv"


def read(file, text, period="2026Q1"):
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_measurement(file, period, "quarter")


def refused(file, text, period="2026Q1"):
    with pytest.raises(ConfigError) as caught:
        read(file, text, period)
    assert caught.value.reason == "METRICS_FILE"
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_figures_of_the_period_are_read_and_no_others(file):
    text = HEAD + "2026Q1,score,0.5\n2026Q2,score,0.6\n\n2026Q1,hours, 7 \n"
    found = read(file, text)
    assert found.values == {"score": "0.5", "hours": "7"}
    assert len(found.evidence_sha256) == 32
    assert read(file, text, "2026Q3") is None


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_byte_order_mark_and_either_line_end_are_taken(file, start, end):
    text = start + HEAD.encode() + b'2026Q1,"score","0.5"\n'
    assert read(file, text.replace(b"\n", end)).values == {"score": "0.5"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the first line must be round,metric,value"),
        ("round,metric\n", "line 1: the first line must be"),
        (f"2026Q1,score,{SECRET}\n", "line 1: the first line must be"),
        ("Round,metric,value\n", "line 1: the first line must be"),
        (f"{HEAD}2026Q1,score\n", "line 2: has 2 fields, not 3"),
        (f"{HEAD}2026Q1,score,{SECRET},u\n", "line 2: has 4 fields, not 3"),
        (f"{HEAD}2026Q1;score;{SECRET}\n", "line 2: has 1 fields, not 3"),
        (f"{HEAD}2026Q1,score,1\n2026Q1,score,{SECRET}\n", "line 3: score stands twice"),
        (f"{HEAD}2026Q1,a b,{SECRET}\n", "line 2: the metric's id is not"),
        (f"{HEAD}2026Q1,,{SECRET}\n", "line 2: the metric's id is not"),
        (f"{HEAD}2026Q5,score,{SECRET}\n", "line 2: round must be a quarter such as 2024Q3"),
        (f"{HEAD}2026Q1 ,score,{SECRET}\n", "line 2: round must be a quarter"),
        (f"{HEAD}2026-01,score,{SECRET}\n", "line 2: round must be a quarter"),
        (f'{HEAD}2026Q1,score,"{SECRET}\n', "is not CSV"),
        (f'{HEAD}2026Q1,score,"{SECRET}"x\n', "line 2: is not CSV"),
        (f"{HEAD}2026Q1,score,{SECRET}", "line 2: has no line end"),
        (HEAD.encode() + b"2026Q1,score,\xff0.8123459\n", "line 2: is not UTF-8"),
        (HEAD.encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (HEAD.encode("utf-16-le"), "is UTF-16 or not text at all; save it as UTF-8"),
    ],
)
def test_a_line_that_is_not_in_order_is_named(file, text, said):
    assert said in refused(file, text)


def test_a_file_that_is_none_is_refused(tmp_path, file):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(ConfigError, match=str(path)) as caught:
            read_measurement(path, "2026Q1", "quarter")
        assert caught.value.reason == "METRICS_FILE"
    os.mkfifo(file)
    with pytest.raises(ConfigError, match="must be a regular file"):
        read_measurement(file, "2026Q1", "quarter")
    os.unlink(file)
    assert "must have at most" in refused(file, HEAD + "\n" * 5_000_000)


@settings(max_examples=50, deadline=None)
@given(rest=st.binary(max_size=200))
def test_junk_is_a_config_error_that_shows_nothing(rest, tmp_path_factory):
    file = tmp_path_factory.mktemp("junk") / "metrics.csv"
    file.write_bytes(HEAD.encode() + b"2026Q1,score," + SECRET.encode() + rest)
    problem = None
    try:
        found = read_measurement(file, "2026Q1", "quarter")
    except ConfigError as error:
        problem = error
    if problem is None:
        assert "score" in found.values
    else:
        assert problem.reason == "METRICS_FILE"
        assert SECRET not in str(problem)


UNITS = HEAD.replace("value", "value,unit")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("2026Q1,score,0.5\n", "line 2: has 3 fields, not 4"),
        ("2026Q1,score,0.5,\n", "line 2: the unit must be the charter's"),
        ("2026Q1,score,0.5, u\n", "line 2: the unit must be the charter's"),
        ("2026Q1,score,0.5,u\x07\n", "line 2: the unit must be the charter's"),
        ("2026Q1,score,0.5,u,v\n", "line 2: has 5 fields, not 4"),
    ],
)
def test_a_table_with_units_has_one_on_every_line(file, rows, said):
    assert said in refused(file, UNITS + rows)
    assert "round,metric,value, or round,metric,value,unit" in refused(file, "round,unit\n")


@pytest.mark.parametrize(
    ("unit", "theirs", "is_same"),
    [("h", "h", True), ("hours", "h", False), ("percent", "fraction", False),
     ("%", "percent", True), ("fraction", "fraction correct", True),
     ("fraction of chips", "fraction correct", False), ("ratio", "fraction", True)],
)  # fmt: skip
def test_a_unit_in_the_table_must_be_the_charters(file, unit, theirs, is_same):
    charter = make_deployment().charter
    metric = replace(charter.metrics_of("lab-1")["hours"], unit=theirs)
    file.write_text(UNITS + f"2026Q1,hours,5,{unit}\n2025Q4,hours,5,another\n")
    sources = Sources(file.parent, file, (), file.parent, "quarter")
    if is_same:
        assert sources.gather("2026Q1", {"hours": metric}).figures[0].value == "5"
    else:
        with pytest.raises(ConfigError) as caught:
            sources.gather("2026Q1", {"hours": metric})
        assert caught.value.reason == "SOURCE_UNIT"
        assert f"metrics.csv line 2: hours is in {unit}, and the charter has it in {theirs}" in str(
            caught.value
        )


@pytest.mark.parametrize(
    ("value", "reason"), [("0x1", "METRIC_VALUE"), ("", "METRIC_VALUE"), ("-1", "METRIC_RANGE")]
)
def test_a_figure_that_the_charter_does_not_take_is_named_with_its_file_and_line(
    file, value, reason
):
    metrics = make_deployment().charter.metrics_of("lab-1")
    file.write_text(HEAD + f"2025Q4,hours,5\n2026Q1,hours,{value}\n")
    gathered = Sources(file.parent, file, (), file.parent, "quarter").gather("2026Q1", metrics)
    with pytest.raises(ConfigError) as caught:
        gathered.check(metrics)
    assert caught.value.reason == reason
    assert "metrics.csv: line 3: hours: the value must be" in str(caught.value)


VALUES = {"hours": "5", "share": "1"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        *(({"hours": text}, "METRIC_VALUE") for text in ("NaN", "nan", "inf", "-inf", "Infinity")),
        *(({"hours": text}, "METRIC_VALUE") for text in ("-0.0", "-0", "1e400", "1e3", "")),
        *(({"hours": text}, "METRIC_VALUE") for text in ("0x10", "1_000", "5%", "５", "1,5")),
        ({"hours": "9" * 50}, "METRIC_VALUE"),
        ({"hours": "-0.001"}, "METRIC_RANGE"),
        ({"hours": "1000000000000"}, "METRIC_RANGE"),
        ({"share": "100.5"}, "METRIC_RANGE"),
        ({"unknown": SECRET}, "METRIC_UNKNOWN"),
        ({"wide-1": SECRET}, "METRIC_UNKNOWN"),
    ],
)
def test_what_cannot_be_reported_is_refused_without_showing_it(change, reason):
    charter = make_deployment().charter
    with pytest.raises(ConfigError) as caught:
        # The first lab has one panel of the two.
        Measurement({**VALUES, **change}).encode(charter, "lab-1")
    assert caught.value.reason == reason
    (text,) = change.values()
    assert not text or text not in str(caught.value)


def test_a_panel_without_one_of_its_figures_is_refused():
    charter = make_deployment().charter
    with pytest.raises(ConfigError) as caught:
        Measurement({"hours": "5"}).encode(charter, "lab-2")
    assert caught.value.reason == "METRIC_MISSING"
    assert "share" in str(caught.value)


class Reader:
    """A lab's file, and how often it was read."""

    def __init__(self, file, abstains=False):
        charter = make_deployment().charter
        sources = Sources(file.parent, file, (), file.parent, charter.cadence)
        self.measure = Measure(sources, lambda period: charter, "lab-1", abstains, lambda: 0)
        self.count = 0
        read = self.measure._read

        def counted(period):
            self.count += 1
            return read(period)

        self.measure._read = counted

    def refused(self):
        with pytest.raises(ConfigError) as caught:
            self.measure("2025Q3")
        return caught.value.reason


def test_a_file_that_was_refused_is_read_again_when_it_has_changed_and_not_before(file):
    reader = Reader(file)
    assert [reader.refused() for _ in range(3)] == ["METRICS_FILE"] * 3
    file.write_text(HEAD + "2025Q3,hours,NaN\n2025Q3,share,1\n")
    assert [reader.refused() for _ in range(3)] == ["METRIC_VALUE"] * 3
    assert reader.count == 2
    file.write_text(HEAD + "2025Q3,hours,5\n2025Q3,share,1\n")
    assert reader.measure("2025Q3").values == VALUES
    assert reader.count == 3


def test_a_period_without_a_line_is_waited_for_or_abstained_from(file):
    file.write_text(HEAD)
    assert Reader(file).measure("2025Q3") is None
    assert Reader(file, abstains=True).measure("2025Q3").values == {}


def test_each_period_is_asked_for_on_its_own(file):
    file.write_text(HEAD + "2025Q3,hours,5\n2025Q3,share,1\n")
    reader = Reader(file)
    assert reader.measure("2025Q4") is None
    assert reader.measure("2025Q3").values == VALUES
    assert reader.count == 2
