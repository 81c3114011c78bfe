"""Which figures are in the sums, in words."""

from fermata.summary.records.standing import StandingRecord
from fermata.summary.words import count_text


def standing_line(panel: StandingRecord) -> str:
    """Which figures a panel's sums hold, how old they are, and who waits, in one line."""
    line = f"panel {panel.panel}: "
    line += f"unchanged, {panel.unchanged}" if panel.unchanged else "new sums"
    if panel.members:
        line += f"; figures of {count_text(len(panel.members), 'lab')}"
        if panel.age_max:
            oldest = [f.lab for f in panel.members if f.age == panel.age_max]
            line += f", the oldest {count_text(panel.age_max, 'period')} old ({', '.join(oldest)})"
    if panel.waiting:
        line += f"; waiting: {', '.join(figure.lab for figure in panel.waiting)}"
    return line
