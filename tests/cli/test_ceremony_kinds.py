"""A ceremony of a kind that nobody knows is refused before the relay is asked."""

import pytest

from harness.nodes import fermata, lay_out


@pytest.mark.parametrize("words", [("ceremony",), ("cancel", "--reason", "a test")])
def test_a_kind_that_nobody_knows_is_a_usage_error_that_names_those_there_are(words, tmp_path):
    config = lay_out(tmp_path / "site").write_config("auditor-1")
    answer = fermata("keys", *words, "--config", config, "--kind", "bogus")
    assert answer.code == 2
    assert "must be one of keygen, refresh, reshare, got bogus" in answer.err
