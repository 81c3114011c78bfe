"""What rules say of results, written again from docs/spec/rules.md (RU2 to RU8), not imported.

Rules are dicts as the charter's TOML has them, rounds are dicts by ``metric statistic``, None if
they were refused, and WAITING if they have not ended. There is one panel, which every round asks.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from itertools import pairwise

WAITING: dict[str, Fraction] = {}

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


def columns_of(points, groups):
    """One column for each stretch, 1 at its points, and one of the times (RU6b)."""
    numbers = sorted(set(groups))
    return [
        [*(Fraction(group == number) for number in numbers), Fraction(x)]
        for (x, _), group in zip(points, groups, strict=True)
    ]


def least_squares(columns, ys):
    """The coefficients, the residual sum of squares, and the matrix of the normal equations."""
    size = range(len(columns[0]))
    matrix = [[sum(c[i] * c[j] for c in columns) for j in size] for i in size]
    right = [sum(c[i] * y for c, y in zip(columns, ys, strict=True)) for i in size]
    fit = solved(matrix, right)
    rss = sum(
        (y - sum(f * v for f, v in zip(fit, c, strict=True))) ** 2
        for c, y in zip(columns, ys, strict=True)
    )
    return fit, rss, matrix


def line(points, groups=None):
    """Slope, the square of its standard error, and degrees of freedom (RU7)."""
    columns = columns_of(points, groups or [0] * len(points))
    fit, rss, matrix = least_squares(columns, [y for _, y in points])
    freedom = len(points) - len(columns[0])
    inverse = solved(matrix, [*[Fraction(0)] * (len(fit) - 1), Fraction(1)])[-1]
    return fit[-1], rss / freedom * inverse, freedom


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


def size_of_side(points, groups, is_on_side):
    """How many values count on one side: one of each further stretch does not."""
    kept = [g for (x, _), g in zip(points, groups, strict=True) if is_on_side(x)]
    return len(kept) - len(set(kept)) + 1


def hinge(points, points_min, groups=None):
    """Bend, slopes before and after it, RSS and TSS (RU8); None if no value can be the bend."""
    groups = groups or [0] * len(points)
    best, ys = None, [y for _, y in points]
    for at in sorted(x for x, _ in points):
        before = size_of_side(points, groups, lambda x, at=at: x <= at)
        after = size_of_side(points, groups, lambda x, at=at: x > at)
        if min(before, after) < points_min:
            continue
        columns = [
            [*c, Fraction(max(0, x - at))]
            for c, (x, _) in zip(columns_of(points, groups), points, strict=True)
        ]
        fit, rss, _ = least_squares(columns, ys)
        if best is None or rss < best[3]:
            best = at, fit[-2], fit[-2] + fit[-1], rss
    if best is None:
        return None
    tss = Fraction(0)
    for group in set(groups):
        own = [y for y, g in zip(ys, groups, strict=True) if g == group]
        tss += sum((y - mean(own)) ** 2 for y in own)
    return *best, tss


def comparison_of(rule):
    return next((word, Fraction(rule[word])) for word in COMPARISONS if word in rule)


def slope_of_limit(rule):
    limit = comparison_of(rule)[1]
    if rule["kind"] == "doubling-time":
        return logarithm(Fraction(2)) / limit
    return logarithm(1 + limit)


def is_upward(rule):
    return (comparison_of(rule)[0] in ("above", "at_least")) != (rule["kind"] == "doubling-time")


def growth_holds(rule, points, groups, quantiles):
    """RU7, without a root: both sides squared."""
    word = comparison_of(rule)[0]
    slope, variance, freedom = line(points, groups)
    wanted = slope_of_limit(rule)
    distance = slope - wanted if is_upward(rule) else wanted - slope
    q = Fraction(quantiles[rule["confidence"]][freedom - 1], 10**6)
    if distance < 0:
        return False
    squared, margin = distance**2, q**2 * variance
    return squared > margin if word in ("above", "below") else squared >= margin


def acceleration_holds(rule, points, groups):
    word, limit = comparison_of(rule)
    bent = hinge(points, rule["points_min"], groups)
    if bent is None:
        return None
    _, before, after, rss, tss = bent
    if after < logarithm(1 + Fraction(rule["after_at_least"])):
        return False
    if after <= 0 or tss - rss < Fraction(rule["r2_min"]) * tss:
        return False
    return COMPARISONS[word](after, limit * before)


def is_fast(rule):
    """RU6a: whether the rule asks for a change that is at least so fast."""
    if rule["kind"] == "acceleration":
        return False
    limit = comparison_of(rule)[1] if rule["kind"] == "change" else slope_of_limit(rule)
    return limit >= 0 if is_upward(rule) else limit < 0


def by_both(rule, rounds, figures, of):
    """RU6a: by rounds, and by the time of the figures. ``of`` gives (holds, value) for one."""
    told = of(by_figures=False)
    if told[0] is None:
        return told
    if 2 * figures < rounds:
        return told if told[0] is is_fast(rule) else (None, None)
    if not told[0]:
        return told
    of_figures = of(by_figures=True)
    return told if of_figures[0] else of_figures


def without_result(rule, rounds):
    """RU4: the rounds that came to nothing since the last with a result, whatever it is."""
    run = 0
    for found in reversed(rounds):
        if found not in (None, WAITING):
            break
        run += found is None
    return run >= Fraction(rule["at_least"]), Fraction(run)


def silent(rule, ages):
    """RU4: ``ages`` has, by organisation, that of its oldest figure in the panel's sums."""
    word, limit = comparison_of(rule)
    count = Fraction(sum(age > rule.get("over_rounds", 3) for age in ages.values()))
    return COMPARISONS[word](count, limit), count


def beyond_share(rule, shares):
    """RU4: ``shares`` has, of each round, whether each lab that reports shows to be within."""
    word, limit = comparison_of(rule)
    newest = {lab: is_within for told in shares for lab, is_within in told.items()}
    count = Fraction(len({lab[0] for lab, is_within in newest.items() if not is_within}))
    return COMPARISONS[word](count, limit), count


def able_now(rule, count):
    """RU12: ``count`` is of the newest drill before the close, None if there was none."""
    word, limit = comparison_of(rule)
    return (None, None) if count is None else (COMPARISONS[word](count, limit), Fraction(count))


def leaf_now(rule, rounds, sums, ages, shares, able, quantiles):
    """What the last round by itself says, and the value that is compared (not for fits)."""
    if rule["kind"] == "able":
        return able_now(rule, able[len(rounds) - 1])
    if rule["kind"] == "beyond-share":
        return beyond_share(rule, shares[: len(rounds)])
    if rule["kind"] == "silent":
        return silent(rule, ages[len(rounds) - 1])
    if rule["kind"] == "no-result":
        return without_result(rule, rounds)
    name = f"{rule['metric']} {rule['statistic']}"
    values = [found.get(name) if found else None for found in rounds]
    if values[-1] is None:
        return None, None
    word, limit = comparison_of(rule)
    if rule["kind"] == "level":
        return COMPARISONS[word](values[-1], limit), values[-1]
    over, last = rule["over_rounds"], len(values) - 1
    is_change = rule["kind"] == "change"
    if is_change and (over > last or values[last - over] is None):
        return None, None
    first = max(0, last - over + 1 - is_change)
    known = [i for i in range(first, last + 1) if values[i] is not None]
    # RU6b: a new stretch begins wherever the labs are other ones.
    groups = [0]
    for i, j in pairwise(known):
        groups.append(groups[-1] + (sums[i][0] != sums[j][0]))
    steps = [(i, j) for i, j in pairwise(known) if sums[i][0] == sums[j][0]]
    span = sum(j - i for i, j in steps)
    figures = sum((sums[j][1] - sums[i][1] for i, j in steps), Fraction(0))
    if is_change:
        moved = sum((values[j] - values[i] for i, j in steps), Fraction(0))
        if 2 * span < over:
            return None, None

        def change(*, by_figures):
            value = moved * over / (figures if by_figures else span)
            return COMPARISONS[word](value, limit), value

        return by_both(rule, span, figures, change)
    return fit_now(rule, [(i, values[i], sums[i][1]) for i in known], groups, span, quantiles)


def fit_now(rule, known, groups, span, quantiles):
    if rule.get("scale", "linear") == "log10":
        ys = [v * logarithm(Fraction(10)) for _, v, _ in known]
    elif any(v <= 0 for _, v, _ in known):
        return None, None
    else:
        ys = [logarithm(v) for _, v, _ in known]
    if rule["kind"] != "acceleration" and len(known) - len(set(groups)) < 2:
        return None, None

    def fit(*, by_figures):
        xs = [x if by_figures else i + 1 for i, _, x in known]
        points = list(zip(xs, ys, strict=True))
        if rule["kind"] == "acceleration":
            return acceleration_holds(rule, points, groups), None
        return growth_holds(rule, points, groups, quantiles), None

    figures = sum(
        (known[j][2] - known[j - 1][2] for j in range(1, len(known)) if groups[j] == groups[j - 1]),
        Fraction(0),
    )
    return by_both(rule, span, figures, fit)


def joined_now(rule, said):
    word = "all_of" if "all_of" in rule else "any_of"
    parts = [said[part] for part in rule[word]]
    decisive = word == "any_of"
    value = Fraction(parts.count(True))
    if decisive in parts:
        return decisive, value
    return None if None in parts else not decisive, value


def history(rules, rounds, sums, ages, shares, able, quantiles):
    """For each round, for each rule: whether it holds (None: unknown), its run, and the value.

    ``sums``: for each round with results, the labs in its sums and the mean time of their figures;
    ``ages``: for each round, by organisation, how old its oldest figure is; ``shares``: for each
    round, by lab that has reported, whether its report shows that it is within its share; ``able``:
    for each round, how many auditors could open in the newest drill before its close.
    """
    runs, told = {rule["id"]: 0 for rule in rules}, []
    for end in range(1, len(rounds) + 1):
        said, row = {}, []
        for rule in rules:
            is_leaf = "kind" in rule
            now, value = (
                leaf_now(rule, rounds[:end], sums, ages, shares, able, quantiles)
                if is_leaf
                else joined_now(rule, said)
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
