"""One metric read from one file through the sources of a lab, and the refusal of such a file."""

import json
from decimal import Decimal

import pytest

from fermata.errors import ConfigError
from fermata.node.sources.gather import Sources
from fermata.node.sources.kinds import READERS
from fermata.node.sources.mapping import SourceText
from fermata.protocol.charter.metrics import Metric

METRIC = Metric("x", "p", "fraction", Decimal(0), Decimal(1), Decimal("0.001"), 1000)


def gather(folder, kind, path, **keys):
    keys = {"period": "current", "unit": "fraction", **keys}
    text = SourceText(metric="x", kind=kind, path=path, **keys)
    sources = Sources(folder, None, (text,), folder / "pushed", "quarter")
    return sources.gather("2026Q4", {"x": METRIC})


def refused(folder, kind, path, **keys):
    with pytest.raises(ConfigError) as caught:
        gather(folder, kind, path, **keys)
    return caught.value.reason, str(caught.value)


def read(kind, document):
    return READERS[kind]("file", json.dumps(document).encode())
