"""A lab holds while its log is silent, for as long as it is, and for no other reason."""

import json

import pytest

from fermata.errors import InvalidProof, Refusal
from fermata.memory_store import MemoryStore
from fermata.node.hook.silence_watch import FILE, unprepared
from harness.chains import PAUSE_TABLES, make_deployment
from harness.node.silence_world import HEARTBEAT_MS, HOLD, SILENCE_MS, SilenceWorld, deployment_of


@pytest.fixture
def world():
    made = SilenceWorld()
    made.live()
    return made


@pytest.fixture
def lab(world, tmp_path):
    made = world.lab(tmp_path)
    made.step()
    return made


def cut(world, *names):
    for name in names or world.auditors:
        world.auditors[name].reach.is_cut = True


def test_a_log_that_goes_on_holds_nobody_and_asks_nobody(world, lab):
    for _ in range(2 * SILENCE_MS // HEARTBEAT_MS):
        world.live()
        lab.step()
    assert (lab.changes, lab.asked) == ([], 0)


def test_a_silent_coordinator_holds_the_lab_once_silence_s_has_passed(world, lab):
    world.pass_time(SILENCE_MS - 1)
    lab.look()
    assert (lab.changes, lab.asked) == ([], 0)
    world.pass_time(1)
    lab.look()
    assert lab.changes == ["silence"]
    world.pass_time(10 * SILENCE_MS)
    lab.look()
    assert lab.changes == ["silence"]


def test_with_tell_nothing_holds_and_nobody_is_asked(tmp_path):
    world = SilenceWorld(deployment_of(PAUSE_TABLES))
    world.live()
    lab = world.lab(tmp_path)
    lab.step()
    world.pass_time(10 * SILENCE_MS)
    lab.look()
    assert (lab.changes, lab.asked) == ([], 0)


def test_without_a_pause_in_the_charter_nothing_holds(tmp_path):
    world = SilenceWorld(make_deployment(labs=4, auditors=4))
    world.live()
    lab = world.lab(tmp_path)
    lab.step()
    world.pass_time(10 * SILENCE_MS)
    lab.look()
    assert lab.changes == []


def test_before_an_entry_is_witnessed_there_is_no_log_that_could_be_silent(tmp_path):
    world = SilenceWorld()
    lab = world.lab(tmp_path)
    lab.step()
    world.pass_time(10 * SILENCE_MS)
    lab.look()
    assert lab.changes == []


def test_entries_whose_cosignatures_are_withheld_are_silence(world, lab):
    for _ in range(SILENCE_MS // HEARTBEAT_MS):
        world.beat()
        world.auditors_read()
        lab.step()
    assert lab.replica.state.size > lab.replica.witnessed.size
    assert lab.changes == ["silence"]


def test_old_entries_that_are_witnessed_one_by_one_are_silence(world, lab):
    """A coordinator might dribble cosignatures of what is long past, and withhold a trigger."""
    size = world.log.size()
    for _ in range(3 * SILENCE_MS // HEARTBEAT_MS):
        world.beat()
    assert world.log.size() > size + 10
    for step in range(1, 5):
        world.pass_time(SILENCE_MS // 2)
        world.witness(size + step)
        lab.step()
    assert lab.replica.witnessed.size == size + 4
    assert lab.changes == ["silence"]
    world.live()
    lab.step()
    assert lab.changes == ["silence", "over"]


def test_the_lab_goes_on_when_the_log_speaks_again(world, lab):
    world.pass_time(SILENCE_MS)
    lab.look()
    # An entry that is not witnessed says nothing yet.
    world.beat()
    lab.step()
    assert lab.is_holding
    world.witness()
    lab.step()
    assert lab.changes == ["silence", "over"]
    assert [e["status"] for e in lab.events("silence_over")] == ["over"]


def test_a_lab_that_is_cut_off_alone_hears_of_the_log_from_an_auditor(world, lab):
    for _ in range(SILENCE_MS // HEARTBEAT_MS):
        world.live()
    lab.look()
    assert lab.changes == []
    assert lab.replica.witnessed.size == world.log.size()
    assert lab.replica.trusted().size == world.log.size()


def test_one_auditor_that_has_news_outweighs_three_that_have_none(world, lab):
    for name in world.charter.auditors[:3]:
        world.auditors[name].is_deaf = True
    for _ in range(SILENCE_MS // HEARTBEAT_MS):
        world.live()
    lab.look()
    assert lab.changes == []
    assert lab.replica.witnessed.size == world.log.size()


def test_a_lab_that_holds_is_freed_by_an_auditors_copy(world, lab):
    world.pass_time(SILENCE_MS)
    lab.look()
    world.live()
    world.pass_time(60_000)
    lab.look()
    assert lab.changes == ["silence", "over"]


@pytest.mark.parametrize("reached", [0, 1])
def test_a_lab_that_reaches_fewer_than_two_auditors_holds_after_twice_silence_s(
    world, lab, reached
):
    cut(world, *world.charter.auditors[reached:])
    world.pass_time(2 * SILENCE_MS - 1)
    lab.look()
    assert lab.changes == []
    told = {e["party"]: e["status"] for e in lab.events("auditor_asked")}
    assert sorted(told.values()) == sorted(["none"] * reached + ["unreachable"] * (4 - reached))
    world.pass_time(60_000)
    lab.look()
    assert lab.changes == ["cut-off"]


def test_two_auditors_of_four_are_enough_to_tell_silence(world, lab):
    cut(world, "auditor-1", "auditor-2")
    world.pass_time(SILENCE_MS)
    lab.look()
    assert lab.changes == ["silence"]


def test_auditors_are_asked_again_each_minute_and_no_more_often(world, lab):
    cut(world)
    world.pass_time(SILENCE_MS)
    for _ in range(10):
        lab.look()
        world.pass_time(10_000)
    assert lab.asked == 2 * 4


def test_an_auditors_refusal_ends_no_node_and_is_no_word_of_silence(world, lab):
    class Liar:
        def witnesses(self):
            raise InvalidProof("SPLIT_VIEW", "log: believe me")

        def checkpoint(self):
            raise Refusal("EMPTY_LOG", "log: has no entry yet")

    for name in world.charter.auditors[1:]:
        world.auditors[name].reach._log = Liar()
    world.pass_time(SILENCE_MS)
    lab.look()
    assert lab.changes == []
    told = [(e["party"], e["status"]) for e in lab.events("auditor_asked")]
    assert told == [("auditor-1", "none")] + [(f"auditor-{i}", "unusable") for i in (2, 3, 4)]


def test_an_auditor_that_changes_its_copy_is_of_no_use_and_accuses_nobody(world, lab):
    world.live()

    class Changed:
        def __init__(self, log):
            self.log = log

        def witnesses(self):
            return self.log.witnesses()

        def checkpoint(self):
            return self.log.checkpoint()

        def read(self, start, count_max):
            return [leaf[:-1] + b"?" for leaf in self.log.read(start, count_max)]

    cut(world)
    reach = world.auditors["auditor-1"].reach
    reach.is_cut, reach._log = False, Changed(reach._log)
    before = lab.replica.tree.size
    world.pass_time(SILENCE_MS)
    lab.look()
    assert lab.replica.tree.size == before
    assert lab.events("auditor_asked")[0]["status"] == "unusable"


def test_a_head_that_the_coordinator_did_not_sign_is_of_no_use(world, lab):
    stranger = SilenceWorld(make_deployment(labs=4, auditors=4, seed=1, extra=HOLD))
    stranger.live()
    for name, auditor in world.auditors.items():
        auditor.reach._log = stranger.auditors[name].reach._log
    world.pass_time(SILENCE_MS)
    lab.look()
    assert {e["status"] for e in lab.events("auditor_asked")} == {"unusable"}
    assert lab.changes == []


def test_an_auditor_that_was_shown_another_log_convicts_the_coordinator(world, lab, tmp_path):
    other = SilenceWorld(world.deployment)
    other.pass_time(60_000)
    other.live()
    assert other.log.size() == world.log.size()
    world.auditors["auditor-2"].reach._log = other.auditors["auditor-2"].reach._log
    world.pass_time(SILENCE_MS)
    with pytest.raises(InvalidProof) as caught:
        lab.look()
    assert caught.value.reason == "SPLIT_VIEW"
    assert len(list(tmp_path.glob("evidence-*.note"))) == 2


def test_a_restart_neither_frees_nor_holds_the_lab(world, tmp_path):
    store = MemoryStore()
    lab = world.lab(tmp_path, store)
    lab.step()
    world.pass_time(SILENCE_MS // 2)
    lab = world.lab(tmp_path, store)
    lab.step()
    # The time before the restart counts.
    world.pass_time(SILENCE_MS // 2)
    lab.look()
    assert lab.changes == ["silence"]
    for _ in range(3):
        lab = world.lab(tmp_path, store)
        lab.step()
        assert lab.changes == ["silence"]
    world.live()
    lab = world.lab(tmp_path, store)
    lab.step()
    assert lab.changes == ["silence", "over"]


def test_a_clock_that_is_set_back_ends_no_hold_and_puts_none_off(world, lab):
    world.pass_time(SILENCE_MS)
    lab.look()
    world.pass_time(-SILENCE_MS)
    lab.look()
    assert lab.changes == ["silence"]
    world.live()
    lab.step()
    world.pass_time(-10 * SILENCE_MS)
    lab.look()
    world.pass_time(SILENCE_MS)
    lab.look()
    assert lab.changes == ["silence", "over", "silence"]


def test_the_file_for_people_says_why_and_whom_it_asked(world, lab, tmp_path):
    cut(world, "auditor-4")
    world.pass_time(SILENCE_MS)
    lab.look()
    kept = json.loads((tmp_path / FILE).read_text())
    assert kept["silence"]["why"] == "silence"
    answers = {each["auditor"]: each["answer"] for each in kept["silence"]["answers"]}
    assert answers == {"auditor-1": "none", "auditor-2": "none", "auditor-3": "none",
                       "auditor-4": "unreachable"}  # fmt: skip
    gauge = lab.telemetry.registry.get_sample_value("fermata_silence_holding")
    assert gauge == 1


def test_a_lab_is_told_that_it_knows_too_few_auditors(world):
    assert unprepared(world.charter, ("auditor-1", "auditor-2")) == ""
    assert "names 1 of its auditors" in unprepared(world.charter, ("auditor-1", "stranger"))
    assert unprepared(deployment_of(PAUSE_TABLES).charter, ()) == ""
