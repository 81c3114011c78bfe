"""Derives src/fermata/demo/figures.csv from Epoch AI's public data, or with --check compares it.

Three metrics, for the quarters 2024Q3 to 2025Q4:

* ``gpqa-diamond``, ``math-level-5``: the best score of a lab's models that were released in the
  quarter, as a fraction. Best of all runs, over repeated runs and reasoning efforts.
* ``compute-log10-h100e``: log10 of the median estimate of the Nvidia compute that an owner
  acquired in the quarter, in H100 equivalents.

Left out, on purpose:

* models without a release date, since no quarter can be given to them;
* Eurus, a single fine-tune by an academic group, which is no lab that could join;
* the owner "China", a country and not a company, whose estimate ends at zero (no logarithm);
* 2026Q1 of the compute estimates, which the source marks as incomplete.

The data is by Epoch AI (epoch.ai), Copyright (c) 2025 Epoch AI, under the MIT licence. Standard
library only; the same input gives the same bytes.
"""

import argparse
import csv
import datetime
import io
import sys
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from pathlib import Path

QUARTERS = ("2024Q3", "2024Q4", "2025Q1", "2025Q2", "2025Q3", "2025Q4")
COLUMNS = ("lab", "quarter", "metric", "value", "unit", "source")
TASKS = {"GPQA diamond": "gpqa-diamond", "MATH level 5": "math-level-5"}
COMPUTE = "compute-log10-h100e"
SCORES_SOURCE = "Epoch AI epoch-research/benchmark-stitching (MIT)"
COMPUTE_SOURCE = "Epoch AI epoch-research/ai-chip-counts (MIT)"

#: Beginning of a model's name, lower-case, to its lab; the first that fits counts, so Ai2's
#: fine-tune stands before Meta's models. The data names the developer of few models only.
LAB_OF_PREFIX = (
    ("llama-3.1-tulu", "ai2"),
    ("llama", "meta"),
    ("gpt", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("claude", "anthropic"),
    ("gemini", "google"),
    ("gemma", "google"),
    ("qw", "alibaba"),
    ("grok", "xai"),
    ("deepseek", "deepseek"),
    ("mistral", "mistral"),
    ("ministral", "mistral"),
    ("magistral", "mistral"),
    ("open-mi", "mistral"),
    ("phi", "microsoft"),
    ("kimi", "moonshot"),
    ("glm", "zhipu"),
)
PREFIXES_LEFT_OUT = ("eurus",)
LAB_OF_OWNER = {
    "Microsoft": "microsoft",
    "Meta": "meta",
    "Amazon": "amazon",
    "Google": "google",
    "Oracle": "oracle",
}
OWNERS_LEFT_OUT = ("China",)
MEDIAN = "Compute estimate in H100e (median)"

#: (metric, quarter, lab) to a value with three decimals.
Figures = dict[tuple[str, str, str], Decimal]


class DataError(Exception):
    """The data is not what this script was written for; the message says where."""


def read_rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows of a CSV file with a header that has at least these columns. Raises DataError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    missing = [c for c in columns if c not in (reader.fieldnames or ())]
    if missing:
        raise DataError(f"{path.name}: has no column {', '.join(missing)}")
    return list(reader)


def quarter_of(date: datetime.date) -> str:
    """The calendar quarter of a date, such as 2024Q3."""
    return f"{date.year:04d}Q{(date.month + 2) // 3}"


def lab_of(model: str) -> str | None:
    """The lab of a model; None for a model that is left out. Raises DataError if unknown."""
    name = model.lower()
    if name.startswith(PREFIXES_LEFT_OUT):
        return None
    for prefix, lab in LAB_OF_PREFIX:
        if name.startswith(prefix):
            return lab
    raise DataError(f"model {model}: no lab is known for it; extend LAB_OF_PREFIX")


def rounded(value: Decimal) -> Decimal:
    """Three decimals, half to even."""
    return value.quantize(Decimal("0.001"), rounding=ROUND_HALF_EVEN)


def number(text: str, where: str) -> Decimal:
    """A finite decimal. Raises DataError."""
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise DataError(f"{where}: not a number") from error
    if not value.is_finite():
        raise DataError(f"{where}: not a number")
    return value


def release_quarters(data: Path) -> dict[str, str]:
    """Model to the quarter of its release; empty for a model without a date."""
    rows = read_rows(data / "model_versions.csv", ("id", "Version release date"))
    found: dict[str, str] = {}
    for row in rows:
        model, date = row["id"], row["Version release date"]
        if model in found:
            raise DataError(f"model {model}: is in model_versions.csv twice")
        try:
            found[model] = quarter_of(datetime.date.fromisoformat(date)) if date else ""
        except ValueError as error:
            raise DataError(f"model {model}: its release date is not a date") from error
    return found


def score_figures(data: Path) -> Figures:
    """The best score per lab and quarter, for each task."""
    released = release_quarters(data)
    score = "Best score (across scorers)"
    found: Figures = {}
    for run in read_rows(data / "benchmarks_runs.csv", ("id", "task", "model", score, "Status")):
        metric, model = TASKS.get(run["task"]), run["model"]
        if metric is None or run["Status"] != "Success":
            continue
        if model not in released:
            raise DataError(f"run {run['id']}: its model is not in model_versions.csv")
        quarter = released[model]
        lab = lab_of(model) if quarter in QUARTERS else None
        if lab is None:
            continue
        value = number(run[score], f"run {run['id']}")
        if not 0 <= value <= 1:
            raise DataError(f"run {run['id']}: its score is not a fraction")
        place = (metric, quarter, lab)
        found[place] = max(found.get(place, Decimal(0)), rounded(value))
    return found


def quarter_spanned(row: dict[str, str]) -> str:
    """The quarter that a row is about. Raises DataError unless it spans exactly one."""
    try:
        first, last = (
            datetime.datetime.strptime(row[column], "%m/%d/%Y").date()
            for column in ("Start date", "End date")
        )
    except ValueError as error:
        raise DataError(f"{row['Name']}: its dates are not month/day/year") from error
    after = last + datetime.timedelta(days=1)
    whole = all(day.day == 1 and day.month % 3 == 1 for day in (first, after))
    if not whole or quarter_of(first) != quarter_of(last):
        raise DataError(f"{row['Name']}: does not span one calendar quarter")
    return quarter_of(first)


def compute_figures(data: Path) -> Figures:
    """log10 of the compute acquired per owner and quarter."""
    columns = ("Name", "Owner", "Start date", "End date", MEDIAN, "Notes")
    found: Figures = {}
    for row in read_rows(data / "epoch_nvidia_owners_quarters.csv", columns):
        if row["Owner"] in OWNERS_LEFT_OUT:
            continue
        lab = LAB_OF_OWNER.get(row["Owner"])
        if lab is None:
            raise DataError(f"{row['Name']}: an owner that is not known; extend LAB_OF_OWNER")
        quarter = quarter_spanned(row)
        if quarter not in QUARTERS:
            continue
        if "incomplete" in row["Notes"].lower():
            raise DataError(f"{row['Name']}: the source marks it as incomplete")
        value = number(row[MEDIAN], row["Name"])
        if value <= 0:
            raise DataError(f"{row['Name']}: no logarithm of an estimate that is not above 0")
        place = (COMPUTE, quarter, lab)
        if place in found:
            raise DataError(f"{row['Name']}: is there twice")
        found[place] = rounded(value.log10(Context(prec=40)))
    return found


def derive(data: Path) -> str:
    """The whole table as text, ordered by metric, quarter and lab. Raises DataError."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for (metric, quarter, lab), value in sorted(
        {**score_figures(data), **compute_figures(data)}.items()
    ):
        compute = metric == COMPUTE
        unit = "log10(H100e)" if compute else "fraction"
        source = COMPUTE_SOURCE if compute else SCORES_SOURCE
        writer.writerow((lab, quarter, metric, str(value), unit, source))
    return out.getvalue()


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 1 when --check finds a difference, 2 for data that does not fit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with Epoch AI's files")
    parser.add_argument("--out", type=Path, required=True, help="the table to write or compare")
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    options = parser.parse_args(arguments)
    try:
        fresh = derive(options.data).encode()
    except DataError as error:
        print(error, file=sys.stderr)
        return 2
    if not options.check:
        options.out.write_bytes(fresh)
        return 0
    if not options.out.is_file() or options.out.read_bytes() != fresh:
        print(f"{options.out} differs from what the data gives; derive it again", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
