"""The functions of ``fermata.summary.words`` as filters of the templates, under their names."""

from collections.abc import Callable, Mapping
from typing import Any

from fermata.protocol.charter.periods import utc_text
from fermata.summary import words

FILTERS: Mapping[str, Callable[..., Any]] = {
    made.__name__: made
    for made in (
        utc_text,
        words.ago_text,
        words.amount_text,
        words.auditor_opening,
        words.cause_words,
        words.dispute_next,
        words.dispute_outcome,
        words.dues_basis,
        words.lab_answer,
        words.motion_count,
        words.motion_matter,
        words.motion_status,
        words.motion_until,
        words.offset_text,
        words.overdue_words,
        words.phase_words,
        words.result_unit,
        words.round_state,
        words.rule_role,
        words.rule_text,
        words.statistic_name,
        words.term_text,
        words.verdict_text,
    )
}
