"""Writes tests/vectors/rules.json: what rules say of series of results (docs/spec/rules.md).

PYTHONPATH=tests python scripts/vectors/make_rule_vectors.py [--check]
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from common import run, text_of
from rule_cases import CASES, LINES, LOGARITHMS, REFUSED, Case

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.protocol.state.judgement import RuleVerdict
from fermata.protocol.statistics.policy import history
from fermata.protocol.statistics.student_t import CONFIDENCES, FREEDOM_MAX, quantile
from fermata.protocol.statistics.trend import Point, decimal_of, fit_hinge, fit_line, logarithm
from harness.chains import MODULUS_BITS_MIN
from harness.protocol.rule_texts import text_of as charter_text
from harness.spec.rule_vectors import facts_of_case

PLAIN = re.compile(r"-?\d+(\.\d+)?")
#: Digits of the numbers of fits, which are exact fractions.
DIGITS = 20


def number(value: Fraction) -> str:
    return format(decimal_of(value, DIGITS), "f")


def points_of(values: Sequence[str | None]) -> tuple[Point, ...]:
    found = enumerate(values, 1)
    return tuple((x, logarithm(Fraction(v))) for x, v in found if v is not None)


def line_json(values: Sequence[str | None]) -> dict[str, Any]:
    line, hinge = fit_line(points_of(values)), fit_hinge(points_of(values), points_min=3)
    return {
        "values": list(values),
        "slope": number(line.slope),
        "variance": number(line.variance),
        "freedom": line.freedom,
        "bend": int(hinge.at),
        "before": number(hinge.before),
        "after": number(hinge.after),
        "rss": number(hinge.residual),
        "tss": number(hinge.total),
    }


def rules_of(text: str) -> tuple[Rule, ...]:
    return parse_charter(charter_text(text).encode(), MODULUS_BITS_MIN).rules


def verdict_json(verdict: RuleVerdict) -> list[Any]:
    """Holds, run, and the value where it is a number."""
    value = verdict.value if PLAIN.fullmatch(verdict.value) else None
    return [verdict.holds, verdict.streak, value]


def case_json(name: str, case: Case) -> dict[str, Any]:
    found = {
        "name": name,
        "of": case.of.split(),
        "rules": case.rules,
        "rounds": [results and dict(results) for results in case.rounds],
    }
    if case.periods:
        found["periods"] = list(case.periods)
    if case.figures:
        found["figures"] = list(case.figures)
    if case.shares:
        found["shares"] = list(case.shares)
    if case.able:
        found["able"] = list(case.able)
    if case.waiting:
        found["waiting"] = list(case.waiting)
    told = history(rules_of(case.rules), facts_of_case(found))
    return {**found, "verdicts": [[verdict_json(v) for v in row] for row in told]}


def refused_json(of: str, rules: str) -> dict[str, Any]:
    try:
        rules_of(rules)
    except ConfigError as error:
        line = re.search(r"charter line (\d+)", str(error))
        if error.reason != "CHARTER" or line is None:
            raise SystemExit(f"{of}: {error}") from None
        return {"of": of.split(), "rules": rules, "line": int(line[1])}
    raise SystemExit(f"{of}: is not refused\n{rules}")


def make() -> dict[str, str]:
    document = {
        "what": "rules over results: what each says as of each round",
        "source": "scripts/vectors/make_rule_vectors.py",
        "charter": charter_text(),
        "quantiles": {
            level: [int(quantile(level, k) * 10**6) for k in range(1, FREEDOM_MAX + 1)]
            for level in CONFIDENCES
        },
        "logarithms": {v: format(decimal_of(logarithm(Fraction(v)), 60), "f") for v in LOGARITHMS},
        "fits": [line_json(values) for values in LINES],
        "cases": [case_json(name, case) for name, case in CASES.items()],
        "refused": [refused_json(of, rules) for of, rules in REFUSED],
    }
    return {"rules.json": text_of(document)}


if __name__ == "__main__":
    run(__doc__, "rules.json", make)
