"""OpenMetrics: read as its specification and the exact text say, and nothing that only looks so."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.exposition import generate_latest

from fermata.errors import ConfigError
from fermata.node.sources.readers.openmetrics import read_openmetrics
from harness.node.source_files import fixture
from harness.node.source_reading import gather, refused


def read(text):
    return read_openmetrics("file", text.encode())


def fault(text):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert caught.value.reason == "SOURCE_FORMAT"
    return str(caught.value).removeprefix("file: ")


def test_what_prometheus_client_writes_is_read():
    found = {r.scores[0]: r for r in read_openmetrics("file", fixture("metrics.om"))}
    figure = found['eval_score_ratio{model="model-a",task="sums"}']
    assert (figure.text, figure.unit, figure.model) == ("0.7777777777777778", "ratio", "model-a")
    # The exemplar that stands behind it is another number.
    assert found["eval_runs_total"].text == "1.2345678e+07"


def test_numbers_and_times_stay_what_the_text_says():
    (reading,) = read("# TYPE a gauge\na 0.12345678901234567890123 1795552447.986\n# EOF\n")
    assert reading.text == "0.12345678901234567890123"
    assert reading.completed_ms == 1795552447986
    assert [r.text for r in read("a 1\n# EOF")] == ["1"]


def test_a_unit_of_a_family_is_compared(tmp_path):
    (tmp_path / "m.om").write_bytes(fixture("metrics.om"))
    keys = {"score": 'eval_score_ratio{task="sums"}', "accept_uncounted": True}
    assert gather(tmp_path, "openmetrics", "m.om", **keys).figures
    (tmp_path / "m.om").write_bytes(fixture("metrics.om").replace(b"ratio", b"percent"))
    keys["score"] = 'eval_score_percent{task="sums"}'
    reason, said = refused(tmp_path, "openmetrics", "m.om", **keys)
    assert (reason, "is in percent" in said) == ("SOURCE_UNIT", True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a 1\n", "has no line # EOF"),
        ("a 1\n# EO", "has no line # EOF"),
        ("a 1\n# EOF\nb 1\n", "line 3: is not OpenMetrics"),
        ("# EOF\n# EOF\n", "line 2: is not OpenMetrics"),
        ("a 1\n\n# EOF\n", "line 2: is not OpenMetrics"),
        ("a  1\n# EOF\n", "line 1: is"),
        (" a 1\n# EOF\n", "line 1: is"),
        ("1a 1\n# EOF\n", "line 1: is"),
        ("a-b 1\n# EOF\n", "line 1: is"),
        ("a\n# EOF\n", "line 1: is not OpenMetrics"),
        ("a x\n# EOF\n", "line 1: is not OpenMetrics"),
        ("a 1_0\n# EOF\n", "line 1: is"),
        ("a 1 x\n# EOF\n", "line 1: is not OpenMetrics"),
        ('a{b="c",b="d"} 1\n# EOF\n', "line 1: is"),
        ('a{b="c"\n# EOF\n', "line 1: is"),
        ('a{1b="c"} 1\n# EOF\n', "line 1: is"),
        ("a{b='c'} 1\n# EOF\n", "line 1: is"),
        ("a 1\na 2\n# EOF\n", "line 2: a series stands twice"),
        ('# TYPE a gauge\na{b="c"} 1\n# TYPE b gauge\nb 1\na{b="d"} 1\n# EOF\n', "is"),
        ("a 1 2\na 1 1\n# EOF\n", "line 2: is not OpenMetrics"),
        ("# TYPE a counter\na 1\n# EOF\n", "line 3: is not OpenMetrics"),
        ("# TYPE a counter\na_total -1\n# EOF\n", "is not OpenMetrics"),
        ("# TYPE a counter\na_total NaN\n# EOF\n", "is not OpenMetrics"),
        ("# TYPE a gauge\n# TYPE a gauge\na 1\n# EOF\n", "line 2: is not OpenMetrics"),
        ("a 1\n# TYPE a gauge\n# EOF\n", "is not OpenMetrics"),
        ("# TYPE a thing\na 1\n# EOF\n", "is not OpenMetrics"),
        ("# TYPE a gauge\n# UNIT a percent\na 1\n# EOF\n", "is not OpenMetrics"),
        ("# a remark\na 1\n# EOF\n", "line 1: is not OpenMetrics"),
        ('{"a.b"} 1\n# EOF\n', "line 1: is"),
        ("a 1\r\n# EOF\r\n", "has no line # EOF"),
        ('a{b="' + "x" * 5000 + '"} 1\n# EOF\n', "line 1: has more than 4096 characters"),
        ('a{b="' + '\\"' * 500_000 + '"} 1\n# EOF\n', "line 1: has more than 4096 characters"),
    ],
)
def test_what_is_not_openmetrics_is_refused_with_its_line(text, said):
    assert said in fault(text)


def test_text_format_and_openmetrics_are_not_taken_for_each_other(tmp_path):
    (tmp_path / "f").write_bytes(fixture("metrics.prom"))
    assert "has no line # EOF" in refused(tmp_path, "openmetrics", "f", score="x")[1]
    (tmp_path / "f").write_bytes(fixture("metrics.om"))
    said = refused(tmp_path, "prometheus", "f", score="x")[1]
    assert "is OpenMetrics, which kind openmetrics reads" in said


@settings(max_examples=100, deadline=None)
@given(
    values=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=6),
        st.floats(), max_size=4,
    )
)  # fmt: skip
def test_every_gauge_that_prometheus_client_writes_is_read_back(values):
    registry = CollectorRegistry()
    gauge = Gauge("a", "A.", ["b"], registry=registry)
    for label, value in values.items():
        gauge.labels(label).set(value)
    data = generate_latest(registry)
    try:
        found = read_openmetrics("file", data)
    except ConfigError as error:
        found, reason = None, error.reason
    # A label with a character that some call a line's end is refused, and never read wrong.
    if found is None:
        assert reason == "SOURCE_FORMAT"
        assert any(not label.isprintable() or "\x00" in label for label in values)
    else:
        assert sorted(map(repr, (float(r.text) for r in found))) == sorted(
            map(repr, values.values())
        )


@settings(max_examples=200, deadline=None)
@given(st.text('ab_{}="\\n,# TYPEUNITHELPEOFgaugecounter\n0123456789.+-e', max_size=60))
def test_any_text_is_read_or_refused(text):
    reason = "SOURCE_FORMAT"
    try:
        read(text + "\n# EOF\n")
    except ConfigError as error:
        reason = error.reason
    assert reason == "SOURCE_FORMAT"
