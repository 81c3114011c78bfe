"""Every Eval Ever: the schema that evaluations of any tool can be converted to, version 0.3."""

from typing import Any

from fermata.node.sources.dates import epoch_ms, iso_ms
from fermata.node.sources.readers.documents import (
    count_of,
    list_of,
    number_of,
    read_json,
    table_of,
    text_of,
)
from fermata.node.sources.reading import Reading, refuse_format, refuse_version

VERSIONS = "0.3."


def read_every_eval(file: str, data: bytes) -> list[Reading]:
    """The scores of a record, by evaluation and metric. Raises ConfigError.

    The time is ``evaluation_timestamp``, of the result or the record; ``retrieved_timestamp``
    says when the record was made, which is nothing about the evaluation.
    """
    document = table_of(read_json(file, data))
    version = text_of(document.get("schema_version"))
    if not version.startswith(VERSIONS):
        refuse_version(file, "schema_version", version, f"{VERSIONS}x")
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
        readings.append(
            Reading(
                f"evaluation_results[{index}].score_details.score",
                text_of(result.get("evaluation_name")),
                tuple(dict.fromkeys(text_of(name) for name in names if text_of(name))),
                number_of(details.get("score")),
                _time_ms(result.get("evaluation_timestamp")) or run_ms,
                unit=text_of(metric.get("metric_unit")),
                model=model,
                scored=_scored(result, rows),
                samples=count_of(table_of(result.get("source_data")).get("samples_number")),
            )
        )
    return readings


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
