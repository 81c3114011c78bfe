"""Model cards of Hugging Face: the ``model-index`` in the front matter of a Markdown file.

Source: the hub's model card specification. A card says neither when a figure was measured nor of
how many samples it is.
"""

from typing import Any

from fermata.node.sources.formats.documents import list_of, number_of, table_of, text_of
from fermata.node.sources.formats.yaml_text import read_front_matter
from fermata.node.sources.reading import Reading, refuse_format

INDEX = "model-index"


def read_model_card(file: str, data: bytes) -> list[Reading]:
    """The metrics of a card's results. Raises ConfigError SOURCE_FORMAT.

    The task is the data set, with its configuration and split: ``cais/mmlu/all/test``. A metric
    goes by its type, with its configuration as ``type/config``, or by its name.
    """
    index = table_of(read_front_matter(file, data)).get(INDEX)
    if not isinstance(index, list):
        refuse_format(file, f"has no list {INDEX} in its front matter")
    readings = []
    for i, model in enumerate(map(table_of, index)):
        for j, result in enumerate(map(table_of, list_of(model.get("results")))):
            for k, metric in enumerate(map(table_of, list_of(result.get("metrics")))):
                place = f"{INDEX}[{i}].results[{j}].metrics[{k}].value"
                # A value in quotes, or one with a sign for percent, is text and not a number.
                text = number_of(metric.get("value"))
                scores = _names(metric) or (place,)
                task, name = _task(table_of(result.get("dataset"))), text_of(model.get("name"))
                readings.append(Reading(place, task, scores, text, model=name))
    if not readings:
        refuse_format(file, f"{INDEX} has no metric")
    return readings


def _task(dataset: dict[str, Any]) -> str:
    parts = [dataset.get("type") or dataset.get("name"), dataset.get("config")]
    return "/".join(filter(None, map(text_of, [*parts, dataset.get("split")])))


def _names(metric: dict[str, Any]) -> tuple[str, ...]:
    kind, config = text_of(metric.get("type")), text_of(metric.get("config"))
    full = f"{kind}/{config}" if kind and config else kind
    return tuple(dict.fromkeys(filter(None, (full, text_of(metric.get("name"))))))
