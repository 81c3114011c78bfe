"""Every Eval Ever: the schema that evaluations of any tool can be converted to, 0.2 and 0.3.

The two differ in what they demand, not in what a field means (the project's eval.schema.json).
Up to 0.2.1 a metric has no name, so there its description is what it can be asked for by.
"""

import re
from decimal import Decimal
from typing import Any

from fermata.node.sources.dates import epoch_ms, iso_ms
from fermata.node.sources.formats.documents import (
    count_of,
    list_of,
    number_of,
    read_json,
    table_of,
    text_of,
)
from fermata.node.sources.reading import Reading, refuse_format, refuse_version

VERSIONS = ("0.2.", "0.3.")
#: Stands for an unknown level, where a metric says that it has one.
_UNKNOWN_LEVEL = Decimal(-1)
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?\Z")


def read_every_eval(file: str, data: bytes) -> list[Reading]:
    """The scores of a record, by evaluation and metric. Raises ConfigError.

    The time is ``evaluation_timestamp``, of the result or the record; ``retrieved_timestamp``
    says when the record was made, which is nothing about the evaluation.
    """
    document = table_of(read_json(file, data))
    version = text_of(document.get("schema_version"))
    if not version.startswith(VERSIONS):
        refuse_version(file, "schema_version", version, " and ".join(f"{v}x" for v in VERSIONS))
    results = document.get("evaluation_results")
    if not isinstance(results, list):
        refuse_format(file, "has no list evaluation_results")
    run_ms = _time_ms(document.get("evaluation_timestamp"))
    about = table_of(document.get("model_info"))
    model = text_of(about.get("id")) or text_of(about.get("name"))
    rows = count_of(table_of(document.get("detailed_evaluation_results")).get("total_rows"))
    readings = []
    for index, result in enumerate(map(table_of, list_of(results))):
        metric = table_of(result.get("metric_config"))
        details = table_of(result.get("score_details"))
        names = (
            result.get("evaluation_result_id"), metric.get("metric_id"),
            metric.get("metric_name"), metric.get("metric_kind"),
        )  # fmt: skip
        # Without a name it must not pass for whatever is asked for.
        scores = tuple(dict.fromkeys(filter(None, map(text_of, names))))
        fallback = text_of(metric.get("evaluation_description")) or f"evaluation_results[{index}]"
        readings.append(
            Reading(
                f"evaluation_results[{index}].score_details.score",
                text_of(result.get("evaluation_name")),
                scores or (fallback,),
                number_of(details.get("score")),
                _time_ms(result.get("evaluation_timestamp")) or run_ms,
                unit=text_of(metric.get("metric_unit")),
                model=model,
                scored=_scored(result, rows),
                samples=count_of(table_of(result.get("source_data")).get("samples_number")),
                fault=_fault(index, metric, number_of(details.get("score"))),
            )
        )
    return readings


def _fault(index: int, metric: dict[str, Any], score: str) -> str:
    """Why a score is not a measurement by what its metric says of itself; empty if it is one."""
    value = _decimal(score)
    if value is None:
        return ""
    if metric.get("has_unknown_level") is True and value == _UNKNOWN_LEVEL:
        return f"evaluation_results[{index}]: the score stands for an unknown level"
    lowest, highest = (_decimal(number_of(metric.get(k))) for k in ("min_score", "max_score"))
    if (lowest is not None and value < lowest) or (highest is not None and value > highest):
        return f"evaluation_results[{index}]: the score is not from min_score to max_score"
    return ""


def _decimal(text: str) -> Decimal | None:
    """A finite number of ordinary length; None for all else, which is refused elsewhere."""
    number = Decimal(text) if _NUMBER.match(text) else None
    return number if number is not None and number.is_finite() else None


def _scored(result: dict[str, Any], rows: int | None) -> int | None:
    """Of how many samples a score is: the least that the record says, None if it does not."""
    uncertainty = table_of(table_of(result.get("score_details")).get("uncertainty"))
    count = count_of(uncertainty.get("num_samples"))
    ids = table_of(result.get("source_data")).get("sample_ids")
    said = [count, rows, len(ids) if isinstance(ids, list) else None]
    return None if count is None else min(count for count in said if count is not None)


def _time_ms(value: Any) -> int | None:
    """The schema has both forms: an ISO 8601 time, seconds since the epoch as text or number."""
    text = number_of(value) or text_of(value)
    return epoch_ms(text) or iso_ms(text)
