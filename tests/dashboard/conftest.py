"""A machine that cannot draw."""

import sys

import pytest

from fermata.dashboard.charts import draw


@pytest.fixture
def cannot_draw(monkeypatch):
    """What draws cannot be imported, as where matplotlib is missing or finds no folder to write."""
    draw._drawn.cache_clear()
    monkeypatch.setitem(sys.modules, "fermata.dashboard.charts.figure", None)
    yield
    draw._drawn.cache_clear()
