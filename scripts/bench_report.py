"""Prints what bench.json holds beside the goals, and draws it (docs/performance.svg is one such).

python scripts/bench_report.py [--figures bench.json] [--svg bench.svg]
"""

import argparse
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WIDTH, LEFT, ROW, TOP, BOTTOM = 860, 330, 26, 58, 44
#: The log axis: times better than the peer.
LEAST, MOST = 0.5, 2000.0


def merge(path: Path, figures: Mapping[str, object]) -> None:
    """Adds figures to the file, in place of older ones of the same name."""
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **figures}, indent=1) + "\n")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure beside its peer's: the ratio, larger is better; ``goal`` 0 for none."""

    what: str
    ours: str
    peers: tuple[str, ...]
    goal: float = 0.0
    per: float = 1.0


COMPARISONS = (
    Comparison(
        "encryption alone, a metric / phe", "encrypt_metric_s", ("phe_encrypt_metric_s",), 600
    ),
    Comparison(
        "a ciphertext / the faster of Rust and C++",
        "encrypt_ciphertext_s",
        ("pypaillier_encrypt_s", "sf_heu_encrypt_s"),
        1.3,
    ),
    Comparison("encrypt and prove 64 metrics / phe encrypts", "prove_s", ("phe_encrypt_s",)),
    Comparison("bytes of a report of 64 metrics / phe", "report_bytes", ("phe_bytes",)),
    Comparison("verify one report / phe encrypts", "verify_one_s", ("phe_encrypt_s",)),
    Comparison(
        "a batch of 100, a report / phe", "verify_cpu_s_per_lab_100", ("phe_encrypt_s",), 450
    ),
    Comparison(
        "a batch of 1000, a report / phe", "verify_cpu_s_per_lab_1000", ("phe_encrypt_s",), 550
    ),
    Comparison(
        "add a report, checked / phe's sum", "add_report_checked_s", ("phe_add_report_s",), 40
    ),
    Comparison("add a report, no checks / phe's sum", "add_report_s", ("phe_add_report_s",), 40),
    Comparison("an auditor's part / damgard-jurik", "part_s", ("damgard_jurik_part_s",), 6),
    Comparison("opening 3 of 5 / damgard-jurik", "opening_s", ("damgard_jurik_opening_s",), 4),
    Comparison(
        "256 metrics more, bytes each / the first 64",
        "report_bytes_more",
        ("report_bytes_first",),
        1,
    ),
)
#: Goals in seconds, at the machine's own speed.
LIMITS_S = (("verify_cpu_s_per_lab_100", 0.006), ("verify_cpu_s_per_lab_1000", 0.005))


def ratios(figures: dict[str, float | str]) -> list[tuple[Comparison, float | None]]:
    """The ratio of each comparison, or None where a figure is not there."""
    found: list[tuple[Comparison, float | None]] = []
    numbers = {n: v for n, v in figures.items() if isinstance(v, int | float)}
    if "report_bytes_320" in numbers:
        numbers["report_bytes_first"] = numbers["report_bytes_64"] / 64
        more = numbers["report_bytes_320"] - numbers["report_bytes_64"]
        numbers["report_bytes_more"] = more / 256
    for comparison in COMPARISONS:
        theirs = [numbers[name] for name in comparison.peers if name in numbers]
        there = theirs and comparison.ours in numbers
        found.append((comparison, min(theirs) / numbers[comparison.ours] if there else None))
    return found


def print_table(figures: dict[str, float | str]) -> None:
    """All ratios with their goals, and what could not be measured."""
    print(f"{'times better than the peer':48}{'ratio':>9}{'goal':>9}")
    for comparison, ratio in ratios(figures):
        shown = "not available here" if ratio is None else f"{ratio:.2f}"
        goal = f"{comparison.goal:g}" if comparison.goal else "-"
        verdict = ""
        if comparison.goal and ratio is not None:
            verdict = "met" if ratio >= comparison.goal else "MISSED"
        print(f"{comparison.what:48}{shown:>9}{goal:>9}  {verdict}")
    for name, limit in LIMITS_S:
        spent = figures.get(name)
        if isinstance(spent, float):
            verdict = "met" if spent <= limit else "MISSED"
            print(f"{name + ', ms':48}{1000 * spent:>9.2f}{1000 * limit:>9g}  {verdict}")
    missing = [name for name, value in figures.items() if isinstance(value, str)]
    for name in missing:
        print(f"{name:48}{figures[name]}")


def place(ratio: float) -> float:
    """Where a ratio lies on the axis, in pixels."""
    share = math.log(max(LEAST, min(MOST, ratio)) / LEAST) / math.log(MOST / LEAST)
    return LEFT + share * (WIDTH - LEFT - 70)


def svg(figures: dict[str, float | str]) -> str:
    """The ratios on a log axis, with their goals."""
    found = [(c, ratio) for c, ratio in ratios(figures) if ratio is not None]
    height = TOP + ROW * len(found) + BOTTOM
    base = height - BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" font-family="sans-serif" font-size="13">',
        "<title>Times better than the peer, with the goals</title>",
        "<style>.t{fill:#24292f}.s{fill:#57606a}.g{stroke:#d0d7de}.b{fill:#2f6f9f}.m{fill:#b4561c}"
        ".k{stroke:#24292f;stroke-width:3}svg{background:#fff}"
        "@media(prefers-color-scheme:dark){svg{background:#0d1117}.t{fill:#e6edf3}.s{fill:#9198a1}"
        ".g{stroke:#30363d}.b{fill:#58a6d6}.m{fill:#e08a4f}.k{stroke:#e6edf3}}</style>",
        '<text class="t" x="16" y="24" font-size="15">Times better than the peer, one thread, '
        "3072 bits (log axis)</text>",
        '<text class="s" x="16" y="43">black or white mark: the goal; orange: goal missed</text>',
    ]
    for tick in (0.5, 1, 10, 100, 1000):
        x = place(tick)
        parts.append(f'<line class="g" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{base}"/>')
        parts.append(
            f'<text class="s" x="{x:.1f}" y="{base + 18}" text-anchor="middle">{tick:g}</text>'
        )
    for row, (comparison, ratio) in enumerate(found):
        y, start, stop = TOP + row * ROW, place(1), place(ratio)
        missed = bool(comparison.goal) and ratio < comparison.goal
        left, wide = min(start, stop), abs(stop - start)
        parts.append(
            f'<text class="t" x="{LEFT - 12}" y="{y + 17}" text-anchor="end">'
            f"{comparison.what}</text>"
        )
        parts.append(
            f'<rect class="{"m" if missed else "b"}" x="{left:.1f}" y="{y + 6}" '
            f'width="{max(wide, 1):.1f}" height="{ROW - 11}"/>'
        )
        end = max(stop, start)
        if comparison.goal:
            x = place(comparison.goal)
            end = max(end, x)
            parts.append(
                f'<line class="k" x1="{x:.1f}" y1="{y + 3}" x2="{x:.1f}" y2="{y + ROW - 2}"/>'
            )
        parts.append(f'<text class="s" x="{end + 8:.1f}" y="{y + 17}">{ratio:.3g}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figures", type=Path, default=Path("bench.json"))
    parser.add_argument("--svg", type=Path)
    arguments = parser.parse_args()
    figures = json.loads(arguments.figures.read_text())
    print_table(figures)
    if arguments.svg is not None:
        arguments.svg.write_text(svg(figures))


if __name__ == "__main__":
    main()
