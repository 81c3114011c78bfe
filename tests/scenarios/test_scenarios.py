"""Every scenario beside this file tells what the fold makes of its steps, word for word."""

import pytest

from harness.scenarios.script import Scenario, parse, pause_findings, run, told
from harness.scenarios.world import HERE

TEXTS = sorted(path.name for path in HERE.glob("*.txt"))


@pytest.mark.parametrize("name", TEXTS)
def test_a_scenario_comes_out_as_it_is_told(name: str) -> None:
    text = (HERE / name).read_text()
    assert run(text) == text, f"{name}: if this is meant, run scripts/tell_scenarios.py"


@pytest.mark.parametrize("name", TEXTS)
def test_the_verifier_finds_the_same_pause_in_a_scenario(name: str) -> None:
    script = parse((HERE / name).read_text())
    scenario = Scenario(script.charter)
    list(told(script, scenario))
    assert pause_findings(scenario) == []


@pytest.mark.parametrize(
    "text",
    ["", "Title\nSentence.\n", "Title\n\ncharter plain\n\n", "Title\nSentence.\n\ncharter gold\n"],
)
def test_a_text_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"scenario begins|line 4"):
        parse(text)


@pytest.mark.parametrize("step", ["dance", "report lab-1 hours=-1", "wait 10 minutes", "# round 1"])
def test_a_step_that_nobody_knows_is_refused(step: str) -> None:
    with pytest.raises(ValueError, match="no step is called"):
        run(f"Title\nSentence.\n\ncharter plain\n{step}\n")
