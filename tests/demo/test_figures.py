import csv
import importlib.util
import io
import os
import sys
from collections import Counter
from decimal import Decimal
from importlib import resources
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.demo.figures import (
    INVENTED,
    METRIC_UNITS,
    Figure,
    labs,
    load_figures,
    parse_figures,
    quarters,
)
from fermata.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
TABLE = ROOT / "src" / "fermata" / "demo" / "figures.csv"
HEADER = "lab,quarter,metric,value,unit,source"
SCORES = "Epoch AI epoch-research/benchmark-stitching (MIT)"
ROW = f"openai,2025Q1,gpqa-diamond,0.770,fraction,{SCORES}"
MEDIAN = "Compute estimate in H100e (median)"
SCORE = "Best score (across scorers)"


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "derive_figures", ROOT / "scripts" / "derive_figures.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


derive_figures = load_script()


def table(*rows: str) -> bytes:
    return ("\n".join([HEADER, *rows]) + "\n").encode()


def raw_rows() -> list[dict[str, str]]:
    text = resources.files("fermata.demo").joinpath("figures.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def cohort_sizes(metric: str) -> dict[str, int]:
    return dict(Counter(f.quarter for f in load_figures() if f.metric == metric))


# The table that comes with the package.


def check_agrees_with_itself() -> None:
    places = [(f.metric, f.quarter, f.lab) for f in load_figures()]
    assert places == sorted(set(places))
    assert {f.metric for f in load_figures()} == set(METRIC_UNITS)
    assert set(quarters(load_figures())) == set(derive_figures.QUARTERS)
    named = {lab for _, lab in derive_figures.LAB_OF_PREFIX}
    assert set(labs(load_figures())) <= named | set(derive_figures.LAB_OF_OWNER.values())


def test_table_is_what_the_script_derives_from_the_source_data() -> None:
    check_agrees_with_itself()
    if DATA.is_dir():
        arguments = ["--data", str(DATA), "--out", str(TABLE), "--check"]
        assert derive_figures.main(arguments) == 0
    else:
        # Whoever has only the repository has no source data; the project's own checks must.
        assert not os.environ.get("CI"), f"{DATA} is missing"


def test_a_minimum_cohort_of_five_opens_four_quarters_of_gpqa_and_refuses_two() -> None:
    assert cohort_sizes("gpqa-diamond") == {
        "2024Q3": 5,
        "2024Q4": 10,
        "2025Q1": 6,
        "2025Q2": 8,
        "2025Q3": 4,
        "2025Q4": 3,
    }


def test_math_has_the_cohorts_that_the_source_gives() -> None:
    assert cohort_sizes("math-level-5") == {
        "2024Q3": 5,
        "2024Q4": 9,
        "2025Q1": 6,
        "2025Q2": 8,
        "2025Q3": 3,
        "2025Q4": 1,
    }


def test_compute_has_five_owners_in_every_quarter() -> None:
    assert cohort_sizes("compute-log10-h100e") == dict.fromkeys(quarters(load_figures()), 5)
    owners = {f.lab for f in load_figures() if f.metric == "compute-log10-h100e"}
    assert owners == {"amazon", "google", "meta", "microsoft", "oracle"}


def test_no_lab_has_two_figures_of_a_metric_for_a_quarter() -> None:
    places = Counter((f.lab, f.quarter, f.metric) for f in load_figures())
    assert set(places.values()) == {1}


def test_every_row_names_epoch_ai_and_the_licence() -> None:
    sources = {row["source"] for row in raw_rows()}
    assert sources == {SCORES, "Epoch AI epoch-research/ai-chip-counts (MIT)"}


def test_values_keep_to_the_range_of_their_unit() -> None:
    for figure in load_figures():
        high = 1 if METRIC_UNITS[figure.metric] == "fraction" else 10
        assert 0 <= Decimal(figure.value) <= high


def test_labs_and_quarters_are_listed_in_order() -> None:
    assert labs(load_figures()) == (
        "ai2",
        "alibaba",
        "amazon",
        "anthropic",
        "deepseek",
        "google",
        "meta",
        "microsoft",
        "mistral",
        "moonshot",
        "openai",
        "oracle",
        "xai",
    )
    assert quarters(load_figures()) == (
        "2024Q3",
        "2024Q4",
        "2025Q1",
        "2025Q2",
        "2025Q3",
        "2025Q4",
    )


# The parser.


def test_a_row_becomes_a_figure() -> None:
    assert parse_figures(table(ROW)) == (Figure("openai", "2025Q1", "gpqa-diamond", "0.770"),)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("openai", "OpenAI", "lab"),
        ("openai", "", "lab"),
        ("2025Q1", "2025Q5", "quarter"),
        ("2025Q1", "2025-01", "quarter"),
        ("gpqa-diamond", "gpqa", "metric"),
        ("0.770", "0.77", "value"),
        ("0.770", "1.001", "value"),
        ("0.770", "-0.770", "value"),
        ("0.770", "NaN", "value"),
        ("0.770", "0.٧٧٠", "value"),
        ("fraction", "percent", "unit"),
        ("Epoch AI", "somebody", "source"),
        (" (MIT)", "", "source"),
        (",fraction", "", "fields"),
        ("(MIT)", "(MIT),", "fields"),
        ("(MIT)", "(MIT)\r", "source"),
    ],
)
def test_a_row_with_one_defect_is_refused_and_its_line_named(old: str, new: str, says: str) -> None:
    good = ROW.replace("openai", "google")
    with pytest.raises(ConfigError, match=rf"line 3: .*{says}") as caught:
        parse_figures(table(good, ROW.replace(old, new, 1)))
    assert caught.value.reason == "FIGURES"
    assert "0.770" not in str(caught.value)


def test_a_figure_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="line 3: must be later"):
        parse_figures(table(ROW, ROW))


def test_rows_out_of_order_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"line 3: must be later"):
        parse_figures(table(ROW, ROW.replace("openai", "google")))


def test_another_header_is_refused() -> None:
    with pytest.raises(ConfigError, match="line 1: header"):
        parse_figures(table(ROW).replace(b"lab,quarter", b"quarter,lab"))


def test_a_byte_order_mark_is_refused() -> None:
    with pytest.raises(ConfigError, match="line 1: header"):
        parse_figures(b"\xef\xbb\xbf" + table(ROW))


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(ConfigError, match="a row must follow"):
        parse_figures(table())


def test_a_table_cut_short_is_refused() -> None:
    with pytest.raises(ConfigError, match="line 2: must end"):
        parse_figures(table(ROW)[:-1])


def test_bytes_that_are_not_utf8_are_refused_and_their_line_named() -> None:
    with pytest.raises(ConfigError, match="line 2: must be UTF-8"):
        parse_figures(table(ROW).replace(b"openai", b"open\xff"))


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: table(t)))
def test_any_bytes_give_figures_or_a_config_error(data: bytes) -> None:
    try:
        figures = parse_figures(data)
    except ConfigError:
        return
    assert figures


# The invented continuation.

INVENTED_HEAD = "# Invented: nobody reported these figures. They go on where the real ones end."
INVENTED_ROW = "openai,2026Q1,gpqa-diamond,0.700,fraction,invented"


def continuation(*rows: str, head: str = INVENTED_HEAD) -> bytes:
    return ("\n".join([head, HEADER, *rows]) + "\n").encode()


def test_an_invented_row_becomes_a_figure_that_says_so() -> None:
    figure = Figure("openai", "2026Q1", "gpqa-diamond", "0.700", is_invented=True)
    assert parse_figures(continuation(INVENTED_ROW), INVENTED) == (figure,)


def test_a_continuation_without_its_warning_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"continuation.csv line 1: header must be # Inv"):
        parse_figures(table(INVENTED_ROW), INVENTED)


def test_a_continuation_that_ends_after_its_warning_is_refused() -> None:
    with pytest.raises(ConfigError, match="line 2: header"):
        parse_figures(f"{INVENTED_HEAD}\n".encode(), INVENTED)


def test_an_invented_row_is_not_taken_for_a_real_one() -> None:
    with pytest.raises(ConfigError, match="line 2: source must say Epoch AI"):
        parse_figures(table(INVENTED_ROW))


def test_a_real_source_is_not_taken_in_the_continuation() -> None:
    with pytest.raises(ConfigError, match="line 3: source must say that it is invented"):
        parse_figures(continuation(ROW), INVENTED)


def test_invented_quarters_all_come_after_the_real_ones() -> None:
    assert max(quarters(load_figures())) < min(quarters(load_figures(INVENTED)))
    assert all(f.is_invented for f in load_figures(INVENTED))
    assert not any(f.is_invented for f in load_figures())


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: continuation(t)))
def test_any_bytes_give_invented_figures_or_a_config_error(data: bytes) -> None:
    try:
        figures = parse_figures(data, INVENTED)
    except ConfigError:
        return
    assert all(figure.is_invented for figure in figures)


# The script, on data made for one case each.


def write_csv(path: Path, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def write_data(
    folder: Path,
    *,
    model: str = "gpt-9",
    date: str = "2025-02-01",
    scores: tuple[str, ...] = ("0.5",),
    owner: str = "Meta",
    end: str = "3/31/2025",
    median: str = "1000",
    notes: str = "",
) -> None:
    write_csv(folder / "model_versions.csv", ("id", "Version release date"), [(model, date)])
    write_csv(
        folder / "benchmarks_runs.csv",
        ("id", "task", "model", SCORE, "Status"),
        [("run-1", "GPQA diamond", model, score, "Success") for score in scores],
    )
    write_csv(
        folder / "epoch_nvidia_owners_quarters.csv",
        ("Name", "Owner", "Start date", "End date", MEDIAN, "Notes"),
        [("estimate", owner, "1/1/2025", end, median, notes)],
    )


def derived(folder: Path) -> list[str]:
    lines: list[str] = derive_figures.derive(folder).splitlines()[1:]
    return [line.rsplit(",", 2)[0] for line in lines]


def test_the_best_score_of_a_quarter_counts(tmp_path: Path) -> None:
    write_data(tmp_path, scores=("0.4", "0.7", "0.6"))
    assert derived(tmp_path) == [
        "meta,2025Q1,compute-log10-h100e,3.000",
        "openai,2025Q1,gpqa-diamond,0.700",
    ]


def test_a_tie_is_rounded_to_even(tmp_path: Path) -> None:
    write_data(tmp_path, scores=("0.5005",))
    assert "openai,2025Q1,gpqa-diamond,0.500" in derived(tmp_path)


def test_a_fine_tune_of_ai2_is_not_counted_as_meta() -> None:
    assert derive_figures.lab_of("Llama-3.1-Tulu-3-70B-DPO") == "ai2"
    assert derive_figures.lab_of("Llama-3.3-70B-Instruct") == "meta"


@pytest.mark.parametrize(
    ("model", "date"), [("Eurus-2-7B-PRIME", "2025-02-01"), ("gpt-9", ""), ("gpt-9", "2026-01-01")]
)
def test_a_model_left_out_undated_or_outside_the_window_gives_no_figure(
    tmp_path: Path, model: str, date: str
) -> None:
    write_data(tmp_path, model=model, date=date)
    assert derived(tmp_path) == ["meta,2025Q1,compute-log10-h100e,3.000"]


def test_the_country_aggregate_gives_no_figure(tmp_path: Path) -> None:
    write_data(tmp_path, owner="China", median="0")
    assert derived(tmp_path) == ["openai,2025Q1,gpqa-diamond,0.500"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": "mystery-1"}, "no lab is known"),
        ({"date": "soon"}, "not a date"),
        ({"scores": ("1.5",)}, "not a fraction"),
        ({"scores": ("NaN",)}, "not a number"),
        ({"scores": ("",)}, "not a number"),
        ({"owner": "Nobody"}, "owner that is not known"),
        ({"end": "2/28/2025"}, "one calendar quarter"),
        ({"end": "6/30/2025"}, "one calendar quarter"),
        ({"end": "2025-03-31"}, "month/day/year"),
        ({"median": "0"}, "no logarithm"),
        ({"notes": "Incomplete: early"}, "incomplete"),
    ],
)
def test_data_with_one_defect_stops_the_script(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], says: str
) -> None:
    write_data(tmp_path, **change)  # type: ignore[arg-type]
    out = tmp_path / "figures.csv"
    assert derive_figures.main(["--data", str(tmp_path), "--out", str(out)]) == 2
    assert says in capsys.readouterr().err
    assert not out.exists()


def test_missing_data_stops_the_script(tmp_path: Path) -> None:
    out = tmp_path / "figures.csv"
    assert derive_figures.main(["--data", str(tmp_path / "no"), "--out", str(out)]) == 2


def test_what_the_script_writes_passes_its_check_and_the_parser(tmp_path: Path) -> None:
    write_data(tmp_path)
    out = tmp_path / "figures.csv"
    arguments = ["--data", str(tmp_path), "--out", str(out)]
    assert derive_figures.main(arguments) == 0
    assert derive_figures.main([*arguments, "--check"]) == 0
    assert len(parse_figures(out.read_bytes())) == 2


def test_check_finds_a_changed_table_and_leaves_it_alone(tmp_path: Path) -> None:
    write_data(tmp_path)
    out = tmp_path / "figures.csv"
    arguments = ["--data", str(tmp_path), "--out", str(out)]
    derive_figures.main(arguments)
    changed = out.read_bytes().replace(b"0.500", b"0.501")
    out.write_bytes(changed)
    assert derive_figures.main([*arguments, "--check"]) == 1
    assert out.read_bytes() == changed


def test_the_script_needs_the_standard_library_only() -> None:
    text = (ROOT / "scripts" / "derive_figures.py").read_text(encoding="utf-8")
    imports = [line.split()[1] for line in text.splitlines() if line.startswith(("import", "from"))]
    assert set(imports) <= sys.stdlib_module_names
