"""The dates of a charter's next rounds in words, for ``fermata charter check``."""

from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.periods import NUMBERED, utc_text
from fermata.protocol.state.calls import due_ms, schedule

#: How many rounds are shown: two years of quarters.
ROUNDS = 8


def dates_of(charter: Charter, now_ms: int) -> list[dict[str, str]]:
    """Period, earliest opening and latest close of the charter's first rounds, for programs.

    As if the key record were logged at ``now_ms``, milliseconds since 1970.
    """
    return [
        {"period": p.period, "opens": utc_text(p.opens_ms), "closes": utc_text(p.closes_ms)}
        for p in schedule(charter, now_ms, ROUNDS)
    ]


def dates_text(charter: Charter, now_ms: int) -> list[str]:
    """The same in words."""
    lines = [
        "",
        f"Every node sends a heartbeat every {charter.heartbeat_s} s (heartbeat_s). Those of the"
        " auditors",
        "  are the log's time, which may be as old as that.",
    ]
    lines += [f"The first rounds, if the key is there by {utc_text(now_ms)}:"]
    lines += [
        f"  {dates['period']}: opens {dates['opens']}, closes {dates['closes']} at the latest"
        for dates in dates_of(charter, now_ms)
    ]
    lines += [
        f"  A close waits at most another {charter.plea_ms / 1000:g} s (plea_s) for an answer that"
        " auditors had in",
        "  time and the coordinator has not logged.",
    ]
    lines += [*drills_text(charter), *kept_text(charter)]
    if charter.cadence != NUMBERED:
        lines.append(
            "  A round opens once its period is over; one of which nothing came out is asked once"
            " more"
        )
        lines.append("  if the second call is over before the next period is due.")
        behind = [
            p for p in schedule(charter, now_ms, ROUNDS) if due_ms(charter, p.period) < now_ms
        ]
        if behind:
            lines.append(
                f"  Warning: {len(behind)} of these periods are over already; they are asked one"
                " after another."
            )
    return lines


def drills_text(charter: Charter) -> list[str]:
    """How often auditors show that they could open, in words (docs/spec/keys.md, K36)."""
    if charter.drills is None:
        return [
            "  There are no drills ([drills]): that an auditor has lost its share shows only when",
            "  a round needs it.",
        ]
    return [
        f"  Every {charter.drills.every_ms // 1000} s (every_s of [drills]) each auditor shows that"
        " it could open; it has",
        f"  {charter.drills.answer_ms // 1000} s (answer_s) for each of the two steps.",
    ]


def kept_text(charter: Charter) -> list[str]:
    """How long the sealed parts of reports, and what opens their values, are kept, in words
    (docs/spec/log.md, L58 and L64)."""
    return [*_sealed_text(charter), *_audit_text(charter)]


def _audit_text(charter: Charter) -> list[str]:
    if charter.audit_rounds is None:
        return [
            "  A lab may be asked in an audit on site to open a value of any of its reports (no",
            "  audit_rounds in [rounds]).",
        ]
    return [
        "  A lab may be asked in an audit on site to open a value until no sum needs its round and"
        f" {charter.audit_rounds}",
        "  later rounds were opened (audit_rounds). Then its node deletes what opens them.",
    ]


def _sealed_text(charter: Charter) -> list[str]:
    if charter.kept_rounds is None:
        return ["  The sealed parts of all reports are kept for ever (no kept_rounds in [rounds])."]
    return [
        "  The sealed parts of a round's reports are dropped once no sum needs them and"
        f" {charter.kept_rounds} later rounds",
        "  were opened (kept_rounds). From then on nobody can check its products again.",
    ]


def drills_of(charter: Charter) -> dict[str, int] | None:
    """The terms of drills, in seconds; None without them."""
    if charter.drills is None:
        return None
    terms = charter.drills
    return {"every_s": terms.every_ms // 1000, "answer_s": terms.answer_ms // 1000}
