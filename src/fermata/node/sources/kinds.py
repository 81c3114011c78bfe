"""The kinds of sources by name: which reader each has, and what its files can say."""

from collections.abc import Callable
from pathlib import Path

from fermata.node.sources.readers import (
    every_eval,
    helm,
    inspect_log,
    lm_eval,
    mlflow,
    mlflow_folder,
    model_card,
    openai_evals,
    openmetrics,
    prometheus,
)
from fermata.node.sources.reading import Reading

Reader = Callable[..., list[Reading]]
#: Readers whose files hold many figures, each with a name to ask for it by. Each takes a file's
#: name and bytes; those of COMPANIONS also the files beside it.
READERS: dict[str, Reader] = {
    "inspect": inspect_log.read_inspect,
    "lm-eval": lm_eval.read_lm_eval,
    "helm": helm.read_helm,
    "every-eval-ever": every_eval.read_every_eval,
    "mlflow": mlflow.read_mlflow,
    "openai-evals": openai_evals.read_openai_evals,
    "model-card": model_card.read_model_card,
    "prometheus": prometheus.read_prometheus,
    "openmetrics": openmetrics.read_openmetrics,
}
#: Kinds whose files are told apart by what stands beside them: those files, and the folder that
#: all of them must lie in, for a file's path.
COMPANIONS: dict[str, Callable[[Path], tuple[Path, list[Path]]]] = {
    "helm": helm.companions,
    "mlflow": mlflow_folder.companions,
}
#: Their files have no names for figures: ``score`` is the way to one.
DOCUMENTS = ("json", "toml", "yaml")
#: Kinds of records, of which ``where`` chooses; csv if it has a ``column``, yaml with ``where``.
RECORDS = ("jsonl", "yaml", "csv")
#: Kinds whose figures are samples of series.
SERIES = ("prometheus", "openmetrics", "scrape")
KINDS = (*READERS, "jsonl", *DOCUMENTS, "csv", "scrape", "push")
#: Kinds whose files never say when a figure was measured.
UNDATED = ("helm", "json", "toml", "model-card")
