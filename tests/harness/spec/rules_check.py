"""What rules say of results, written again from docs/spec/rules.md (RU2 to RU8), not imported.

Rules are dicts as the charter's TOML has them, rounds are dicts by ``metric statistic`` or None.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

COMPARISONS = {
    "above": lambda value, limit: value > limit,
    "at_least": lambda value, limit: value >= limit,
    "below": lambda value, limit: value < limit,
    "at_most": lambda value, limit: value <= limit,
}


def rounded(value, digits):
    context = Context(prec=digits, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999)
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))


def logarithm(value):
    """RU6: the value to 100 digits, then its logarithm to 50."""
    context = Context(prec=50, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999)
    return Fraction(context.ln(rounded(value, 100)))


def mean(values):
    return sum(values, Fraction(0)) / len(values)


def line(points):
    """Slope, the square of its standard error, and degrees of freedom (RU7)."""
    xs, ys = [Fraction(x) for x, _ in points], [y for _, y in points]
    mx, my = mean(xs), mean(ys)
    sxx = sum((x - mx) ** 2 for x in xs)
    slope = sum((x - mx) * (y - my) for x, y in points) / sxx
    rss = sum((y - my - slope * (x - mx)) ** 2 for x, y in points)
    return slope, rss / (len(points) - 2) / sxx, len(points) - 2


def solved(matrix, right):
    """The solution of a system of equations, by elimination in fractions."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i in range(len(rows)):
        pivot = next(j for j in range(i, len(rows)) if rows[j][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for j, row in enumerate(rows):
            if j != i:
                rows[j] = [v - row[i] * w for v, w in zip(row, rows[i], strict=True)]
    return [row[-1] for row in rows]


def hinge(points, points_min):
    """Bend, slopes before and after it, RSS and TSS (RU8)."""
    best = None
    ys = [y for _, y in points]
    for place in range(points_min - 1, len(points) - points_min):
        at = points[place][0]
        columns = [(Fraction(1), Fraction(x), Fraction(max(0, x - at))) for x, _ in points]
        matrix = [[sum(c[i] * c[j] for c in columns) for j in range(3)] for i in range(3)]
        right = [sum(c[i] * y for c, y in zip(columns, ys, strict=True)) for i in range(3)]
        fit = solved(matrix, right)
        rss = sum(
            (y - sum(f * v for f, v in zip(fit, c, strict=True))) ** 2
            for c, y in zip(columns, ys, strict=True)
        )
        if best is None or rss < best[3]:
            best = at, fit[1], fit[1] + fit[2], rss
    return *best, sum((y - mean(ys)) ** 2 for y in ys)


def comparison_of(rule):
    return next((word, Fraction(rule[word])) for word in COMPARISONS if word in rule)


def growth_holds(rule, points, quantiles):
    """RU7, without a root: both sides squared."""
    word, limit = comparison_of(rule)
    slope, variance, freedom = line(points)
    is_doubling = rule["kind"] == "doubling-time"
    wanted = logarithm(Fraction(2)) / limit if is_doubling else logarithm(1 + limit)
    is_fast = (word in ("above", "at_least")) != is_doubling
    distance = slope - wanted if is_fast else wanted - slope
    q = Fraction(quantiles[rule["confidence"]][freedom - 1], 10**6)
    if distance < 0:
        return False
    squared, margin = distance**2, q**2 * variance
    return squared > margin if word in ("above", "below") else squared >= margin


def acceleration_holds(rule, points):
    word, limit = comparison_of(rule)
    _, before, after, rss, tss = hinge(points, rule["points_min"])
    if after <= 0 or tss - rss < Fraction(rule["r2_min"]) * tss:
        return False
    return COMPARISONS[word](after, limit * before)


def leaf_now(rule, rounds, quantiles):
    """What the last round by itself says, and the value that is compared (not for fits)."""
    name = f"{rule['metric']} {rule['statistic']}"
    values = [found.get(name) if found else None for found in rounds]
    if values[-1] is None:
        return None, None
    word, limit = comparison_of(rule)
    if rule["kind"] == "level":
        return COMPARISONS[word](values[-1], limit), values[-1]
    over = rule["over_rounds"]
    if rule["kind"] == "change":
        earlier = values[-1 - over] if over < len(values) else None
        if earlier is None:
            return None, None
        return COMPARISONS[word](values[-1] - earlier, limit), values[-1] - earlier
    first = max(0, len(values) - over)
    points = [(first + 1 + i, v) for i, v in enumerate(values[first:]) if v is not None]
    if len(points) < (2 * rule["points_min"] if rule["kind"] == "acceleration" else 3):
        return None, None
    if rule.get("scale", "linear") == "log10":
        points = [(x, v * logarithm(Fraction(10))) for x, v in points]
    elif any(v <= 0 for _, v in points):
        return None, None
    else:
        points = [(x, logarithm(v)) for x, v in points]
    if rule["kind"] == "acceleration":
        return acceleration_holds(rule, points), None
    return growth_holds(rule, points, quantiles), None


def joined_now(rule, said):
    word = "all_of" if "all_of" in rule else "any_of"
    parts = [said[part] for part in rule[word]]
    decisive = word == "any_of"
    value = Fraction(parts.count(True))
    if decisive in parts:
        return decisive, value
    return None if None in parts else not decisive, value


def history(rules, rounds, quantiles):
    """For each round, for each rule: whether it holds (None: unknown), its run, and the value."""
    runs, told = {rule["id"]: 0 for rule in rules}, []
    for end in range(1, len(rounds) + 1):
        said, row = {}, []
        for rule in rules:
            is_leaf = "kind" in rule
            now, value = (
                leaf_now(rule, rounds[:end], quantiles) if is_leaf else joined_now(rule, said)
            )
            unknown, name = rule.get("unknown", "resets"), rule["id"]
            if now is None and unknown == "holds":
                now = True
            if now is None:
                runs[name] = 0 if unknown == "resets" else runs[name]
                said[name] = None
            else:
                runs[name] = runs[name] + 1 if now else 0
                said[name] = runs[name] >= rule.get("for_rounds", 1)
            row.append((said[name], runs[name], value))
        told.append(row)
    return told
