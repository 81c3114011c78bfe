"""[[lab.source]] in a configuration: every mistake is one line that names file and place."""

import json
import shutil

import pytest

from fermata.errors import ConfigError
from fermata.node.config import load_config
from harness.nodes import Site, lay_out

GOOD = {
    "metric": "score", "kind": "inspect", "unit": "u", "path": "logs/*.eval", "task": "gpqa",
    "score": "match/accuracy",
}  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("mapping") / "site")


@pytest.fixture
def site(template, tmp_path):
    shutil.copytree(template.folder, tmp_path / "site", symlinks=True)
    return Site(tmp_path / "site")


def toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return str(value) if isinstance(value, int) else json.dumps(value)


def write(site, *tables, unit="u"):
    charter = site.node("lab-1") / "charter.toml"
    charter.write_text(charter.read_text().replace('unit = "u"', f'unit = "{unit}"'))
    text = ""
    for table in tables:
        lines = [f"{key} = {toml(value)}" for key, value in table.items() if value is not None]
        text += "\n".join(["", "[[lab.source]]", *lines, ""])
    return site.write_config("lab-1", extra=text)


def refused(site, *tables, **options):
    path = write(site, *tables, **options)
    with pytest.raises(ConfigError) as caught:
        load_config(path, "lab")
    assert caught.value.reason == "CONFIG"
    assert str(caught.value).startswith(f"{path} line ")
    return str(caught.value).removeprefix(f"{path} line ")


def test_a_good_table_is_read(site):
    hours = {"metric": "hours", "kind": "scrape", "unit": "u", "period": "current",
             "url": "https://127.0.0.1:9090/metrics", "score": "a{b=\"c\"}"}  # fmt: skip
    config = load_config(write(site, GOOD, hours), "lab")
    assert [text.metric for text in config.text.lab.source] == ["score", "hours"]
    assert config.text.lab.source[0].period_rule == "run-date"


def test_a_lab_may_have_sources_and_no_table(site):
    path = write(site, GOOD)
    path.write_text(path.read_text().replace('metrics = "metrics.csv"\n', ""))
    assert load_config(path).text.lab.metrics == ""
    path.write_text(path.read_text().partition("[[lab.source]]")[0])
    with pytest.raises(ConfigError, match="must have metrics, the path of a table, or a"):
        load_config(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metric": "Scores"}, "17: lab.source[0].metric: must be 1 to 40 of a-z, 0-9"),
        ({"kind": "excel"}, "18: lab.source[0].kind: must be one of inspect, lm-eval, helm"),
        ({"aggregation": "median"}, "aggregation: must be one of only, latest, max, min, mean"),
        ({"incomplete": "take"}, "incomplete: must be one of refuse, skip"),
        ({"path": None}, "path: kind inspect needs path"),
        ({"url": "http://a/"}, "url: kind inspect has no url"),
        ({"path": "**/a"}, "20: lab.source[0].path: must not have **"),
        ({"path": "{x}/a"}, "path: has braces that are not one {period}"),
        ({"period": "always"}, "period: must be one of run-date, path, current"),
        ({"period": "path"}, "path: {period} stands in the path if, and only if"),
        ({"period": "current", "path": "{period}"}, "path: {period} stands in the path if"),
        ({"kind": "helm"}, "kind helm does not say when a figure was measured: it needs"),
        ({"kind": "json", "score": "a..b"}, "score: must be the way to a number"),
        ({"kind": "toml", "score": "a.b"}, "task: kind toml has no task"),
        ({"kind": "csv"}, "task: kind csv has no task"),
        ({"kind": "csv", "task": "", "period": "current"}, "kind csv names the period with each"),
        ({"kind": "push"}, "path: kind push has no path"),
        ({"kind": "push", "path": None, "task": ""}, "kind push has neither score nor"),
        ({"kind": "prometheus"}, "score: must be a series"),
        ({"scale": "0"}, "scale: must be a decimal above 0 in quotes"),
        ({"scale": "1e3", "unit": "v"}, "scale: must be a decimal above 0 in quotes"),
        ({"scale": "0.01"}, "scale: the units agree (u), so there is none"),
        ({"unit": "v"}, "19: lab.source[0].unit: is not the charter's (u); say by scale"),
        ({"unit": None}, "missing required field `unit`"),
        ({"aggregate": "max"}, "aggregate: is not a key"),
    ],
)
def test_a_bad_table_is_named_with_its_line(site, change, said):
    assert said in refused(site, {**GOOD, **change})


JSONL = {"metric": "score", "kind": "jsonl", "unit": "u", "path": "runs.jsonl", "score": "a.b"}
ROWS = {"metric": "score", "kind": "csv", "unit": "u", "path": "runs.csv", "column": "a"}


@pytest.mark.parametrize(
    "table",
    [
        JSONL, {**JSONL, "where": {"a.b": "x", '"a.b"': "y"}}, ROWS,
        {**JSONL, "where": {"a": "x"}, "score": None, "aggregation": "count"},
        {**JSONL, "where": {"a": "x"}, "aggregation": "mean", "samples": 225},
        {**JSONL, "kind": "yaml", "where": {"a": "x"}, "model_at": "m", "time_at": "t"},
        {**JSONL, "kind": "yaml", "period": "current"},
        {**ROWS, "where": {"acc.norm [x]": "1"}, "scored_at": "n", "samples_at": "m"},
        {**ROWS, "scored_at": "n", "samples": 9},
        {**GOOD, "kind": "openai-evals", "samples": 9},
        {**GOOD, "kind": "model-card", "period": "current"},
        {**GOOD, "kind": "openmetrics", "score": 'a{b="c"}', "task": None},
    ],
)  # fmt: skip
def test_a_table_of_every_newer_kind_is_read(site, table):
    (text,) = load_config(write(site, table), "lab").text.lab.source
    assert text.where == table.get("where", {})
    assert text.is_own is False


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({**GOOD, "where": {"a": "x"}}, "where: kind inspect has no where here"),
        ({**GOOD, "column": "a"}, "column: kind inspect has no column here"),
        ({**JSONL, "column": "a"}, "column: kind jsonl has no column here"),
        ({**ROWS, "column": None, "where": {"a": "x"}}, "kind csv takes it with column"),
        ({**ROWS, "score": "a"}, "score: kind csv with column has no score"),
        ({**ROWS, "task": "a"}, "task: kind csv has no task"),
        ({**JSONL, "task": "a"}, "task: kind jsonl has no task"),
        ({**JSONL, "score": None}, "score: kind jsonl needs score, the way to a number"),
        ({**JSONL, "score": "a..b"}, "score: must be the way to a number"),
        ({**JSONL, "where": {"a..b": "x"}}, "where: a..b must be the way to a field"),
        ({**JSONL, "where": {"a": "x\ty"}}, "where: must be short, of printable characters"),
        ({**JSONL, "model_at": "a..b"}, "model_at: a..b must be the way to a field"),
        ({**JSONL, "aggregation": "count"}, "score: count counts records, so it has no score"),
        ({**JSONL, "score": None, "aggregation": "count"}, "where: must say which records count"),
        ({**GOOD, "aggregation": "count"}, "aggregation: count is for records"),
        ({**JSONL, "score": None, "where": {"a": "x"}, "aggregation": "count", "samples": 3},
         "samples: is only for figures that are of all samples"),
        ({**GOOD, "samples": -1}, "samples: must be the number of samples"),
        ({**JSONL, "scored_at": "n"}, "scored_at: must stand with samples_at, or with samples"),
        ({**JSONL, "kind": "yaml"}, "kind yaml does not say when a figure was measured"),
        ({**GOOD, "kind": "model-card"}, "kind model-card does not say when"),
        ({**JSONL, "where": {"a": 1}}, "where"),
    ],
)  # fmt: skip
def test_a_bad_table_of_a_newer_kind_is_named_with_its_line(site, table, said):
    assert said in refused(site, table)


@pytest.mark.parametrize(
    "url", ["ftp://a/", "http://", "http://u:p@a/", "http://a/#b", "http://a:99999/", "a", "//a",
            "http://a/ b", "http://[::1/", "http://a:0/"]
)  # fmt: skip
def test_a_bad_url_is_refused(site, url):
    scrape = {"metric": "score", "kind": "scrape", "unit": "u", "period": "current", "score": "a"}
    assert "lab.source[0].url" in refused(site, {**scrape, "url": url})


def test_a_scrape_must_say_that_it_is_the_current_figure(site):
    scrape = {"metric": "score", "kind": "scrape", "unit": "u", "url": "http://a/", "score": "a"}
    assert 'it needs period = "current"' in refused(site, scrape)


def test_a_metric_has_one_source(site):
    said = refused(site, GOOD, {**GOOD, "task": "more"})
    assert said.startswith("25: lab.source[1].metric: score has a source already")


@pytest.mark.parametrize(
    ("theirs", "ours", "scale", "said"),
    [
        ("fraction correct", "percent", None, 'from percent to fraction correct it is "0.01"'),
        ("fraction correct", "percent", "0.1", 'from percent to fraction correct it is "0.01"'),
        ("percent", "fraction", "10", 'from fraction to percent it is "100"'),
        ("fraction correct", "fraction of chips", None, "say by scale"),
        ("fraction correct", "fraction", "0.01", "the units agree"),
    ],
)
def test_units_that_do_not_agree_are_refused(site, theirs, ours, scale, said):
    assert said in refused(site, {**GOOD, "unit": ours, "scale": scale}, unit=theirs)


@pytest.mark.parametrize(
    ("theirs", "ours", "scale"),
    [("fraction correct", "percent", "0.01"), ("fraction correct", "proportion", None),
     ("percent", "fraction", "100"), ("log10 of H100 equivalents", "nats", "0.4342944819")],
)  # fmt: skip
def test_units_that_agree_or_are_scaled_are_taken(site, theirs, ours, scale):
    assert load_config(write(site, {**GOOD, "unit": ours, "scale": scale}, unit=theirs))
