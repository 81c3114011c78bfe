"""One whole file of every kind of source, with the words that pick one figure of it."""

import shutil
from dataclasses import dataclass, field

from harness.node.source_files import FIXTURES, changed, fixture

RUN = "mlruns/767562275013315088/a82851ec74684d10830e373df0b2d65c"
ACCEPTED = {"accept_unnamed": True, "accept_uncounted": True}


def _schema_02(document):
    document["schema_version"] = "0.2.1"
    for result in document["evaluation_results"]:
        for key in ("metric_id", "metric_name", "metric_kind", "metric_unit"):
            result["metric_config"].pop(key)
        result.pop("evaluation_result_id")


@dataclass(frozen=True)
class Whole:
    """A file that is read without a question; ``number`` is its figure as it stands there."""

    kind: str
    name: str
    data: bytes
    number: str
    keys: dict = field(default_factory=dict)

    def write(self, folder, data=None):
        """The file in a folder, with other bytes if they are given, and what belongs beside it."""
        if self.name.startswith("mlruns"):
            shutil.copytree(FIXTURES / "mlruns", folder / "mlruns", dirs_exist_ok=True)
        path = folder / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.data if data is None else data)
        return path


N = "0.7777777777777778"
#: Text of every kind that is text; inspect.eval and MLflow's database have tests of their own.
TEXTS = [
    Whole("inspect", "inspect.json", fixture("inspect.json"), N, {"score": "accuracy"}),
    Whole("lm-eval", "lm-eval.json", fixture("lm-eval.json"), "0.2727272727272727",
          {"score": "acc"}),
    Whole("helm", "run/stats.json", fixture("helm-stats.json"), "216.9666666666667",
          {"score": "num_prompt_tokens/test", **ACCEPTED}),
    Whole("every-eval-ever", "eee.json", fixture("every-eval-ever.json"), N,
          {"score": "accuracy"}),
    Whole("every-eval-ever", "eee-0.2.json", changed("every-eval-ever.json", _schema_02), N,
          {"score": "accuracy from scorer match"}),
    Whole("mlflow", f"{RUN}/metrics/accuracy", fixture(f"{RUN}/metrics/accuracy"), N, ACCEPTED),
    Whole("openai-evals", "log.jsonl", fixture("openai-evals.jsonl"), N, {"score": "accuracy"}),
    Whole("model-card", "README.md", fixture("model-card.md"), N,
          {"score": "accuracy", **ACCEPTED}),
    Whole("prometheus", "m.prom", fixture("metrics.prom"), N,
          {"score": 'eval_score{task="sums"}', **ACCEPTED}),
    Whole("openmetrics", "m.om", fixture("metrics.om"), N,
          {"score": 'eval_score_ratio{task="sums"}', **ACCEPTED}),
    Whole("jsonl", "runs.jsonl", fixture("metr-runs.jsonl"), "0.9",
          {"score": "score_cont", "where": {"run_id": "1"}, **ACCEPTED}),
    Whole("yaml", "board.yml", fixture("aider-leaderboard.yml"), "35.6",
          {"score": "pass_rate_2", "where": {"model": "model-a"}}),
    Whole("yaml", "results.yaml", b"results:\n  model-a:\n    p50: 54.25\n", "54.25",
          {"score": "results.model-a.p50", **ACCEPTED}),
    Whole("csv", "export.csv", fixture("wandb-export.csv"), N,
          {"column": "accuracy", "where": {"Name": "first"}, **ACCEPTED}),
    Whole("csv", "own.csv", b"round,metric,value,unit\n2026Q4,x,0.625,fraction\n", "0.625",
          {"period": ""}),
    Whole("json", "a.json", b'{"a": {"b": 0.625}}', "0.625", {"score": "a.b", **ACCEPTED}),
    Whole("toml", "a.toml", b"[a]\nb = 0.625\n", "0.625", {"score": "a.b", **ACCEPTED}),
]  # fmt: skip
