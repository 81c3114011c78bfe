"""F15 of docs/spec/fold.md: a Handover in the log; and whose heads it has from then on (L41)."""

from types import SimpleNamespace

import pytest

from fermata.errors import InvalidSignature
from fermata.log.checkpoint import Checkpoint, sign_checkpoint
from fermata.protocol.fold.governance.heads import open_head
from fermata.protocol.fold.references import next_leaf
from fermata.protocol.roles.witness import witnessed
from fermata.protocol.succession.views import Views, view_at, view_of_origin
from fermata.wire.v1.succession_pb2 import Handover
from harness.chains import COORDINATOR, Chain
from harness.deployments import make_deployment
from harness.handed_over import LEAVERS, begun, handed_over, log, made
from harness.protocol.amendments import MEMBERS, amended, carried, under
from harness.succession import Succession


def test_f15_a_quorum_of_leaves_hands_the_log_to_the_next_coordinator() -> None:
    chain, _ = begun()
    assert chain.state.view == 0
    chain, _ = handed_over()
    (handed,) = chain.state.handovers
    assert chain.state.view == 1
    assert (handed.start, handed.coordinator) == (chain.tree.size - 1, "successor-1")
    assert handed.auditors == LEAVERS


def test_f15_1_a_charter_without_successors_takes_none() -> None:
    chain, world = begun(successors=0)
    assert log(chain, Handover(view=1), COORDINATOR).reason == "NO_SUCCESSORS"
    assert world.views.coordinator(1).id == COORDINATOR


def test_f15_2_a_view_does_not_begin_again() -> None:
    chain, world = begun()
    handover = made(chain, world)
    assert log(chain, handover).accepted
    assert log(chain, handover).reason == "VIEW"
    assert log(chain, made(chain, world, view=2), "successor-2").accepted
    assert chain.state.view == 2
    assert log(chain, handover).reason == "VIEW"


@pytest.mark.parametrize("author", [COORDINATOR, "successor-2"])
def test_f15_3_no_coordinator_takes_the_turn_of_another(author: str) -> None:
    chain, world = begun()
    assert log(chain, made(chain, world), author).reason == "NOT_LEADER"


def test_f15_4_a_handover_is_logged_where_it_was_signed() -> None:
    chain, world = begun()
    said = chain.deployment.statement("successor-1", handover=made(chain, world))
    envelope = chain.seal(said)
    chain.beat("lab-1")
    assert chain.put_leaf(next_leaf(chain.tree, envelope)).reason == "SEEN_BEFORE"


def test_f15_5_fewer_leaves_than_a_quorum_hand_nothing_over() -> None:
    chain, world = begun()
    assert log(chain, made(chain, world, quorum=2)).reason == "LEAVES"


def test_f15_5_the_entries_before_it_are_those_that_it_proves() -> None:
    chain, world = begun()
    handover = made(chain, world)
    chain.beat("lab-1")
    assert log(chain, handover).reason == "CONSISTENCY"


def test_f15_5_after_an_amendment_leaves_are_bound_to_the_charter_of_entry_0() -> None:
    deployment = make_deployment(auditors=4, members=MEMBERS, successors=2)
    chain = Chain(deployment)
    chain.start()
    data = amended(chain)
    due_ms = carried(chain, data)
    under(chain, data).open_round(due_ms)
    charter = chain.state.chartered().charter
    assert charter.sha256 != deployment.charter.sha256
    views = Views.of(charter, deployment.charter.sha256)
    world = Succession(deployment, views, deployment.keys)
    assert log(chain, made(chain, world)).accepted
    later = Succession(chain.deployment, Views.of(charter), deployment.keys)
    assert log(chain, made(chain, later, view=2), "successor-2").reason == "CHARTER_HASH"


def test_f2_14_rounds_are_opened_by_whoever_leads_the_view() -> None:
    chain, _ = handed_over()
    said = chain.open_round_statement()
    assert chain.put(chain.seal(said)).reason == "WRONG_ROLE"
    said.author = "successor-1"
    said.ClearField("seen")
    assert chain.put(chain.seal(said)).accepted
    chain, _ = begun()
    said = chain.open_round_statement()
    said.author = "successor-1"
    assert chain.put(chain.seal(said)).reason == "WRONG_ROLE"


def test_f2_18_a_handover_may_come_before_there_is_a_time() -> None:
    deployment = make_deployment(auditors=4, successors=1)
    chain = Chain(deployment)
    chain.put_leaf(next_leaf(chain.tree, deployment.charter_envelope))
    world = Succession(deployment, Views.of(deployment.charter), deployment.keys)
    assert log(chain, made(chain, world)).accepted


def note(chain: Chain, view: int, signer: str, size: int = 0) -> bytes:
    origin, key = chain.deployment.charter.origin_of(view), chain.deployment.keys[signer]
    size = size or chain.tree.size
    head = Checkpoint(origin, size, chain.tree.root(size))
    return sign_checkpoint(head, origin, key.sign, key.public_key)


def test_l41_1_and_l41_2_a_head_is_of_the_view_that_its_entries_are_in() -> None:
    chain, _ = handed_over()
    charter = chain.deployment.charter
    assert open_head(chain.state, charter, note(chain, 1, "successor-1")).size == chain.tree.size
    for view, signer in (
        (0, COORDINATOR),
        (0, "successor-1"),
        (1, COORDINATOR),
        (2, "successor-2"),
    ):
        with pytest.raises(InvalidSignature):
            open_head(chain.state, charter, note(chain, view, signer))


def test_l41_a_head_is_of_the_last_handover_among_its_entries_and_of_no_later_one() -> None:
    handovers = [SimpleNamespace(view=1, start=5), SimpleNamespace(view=4, start=9)]
    assert [view_at(handovers, size) for size in (1, 5, 6, 9, 10, 99)] == [0, 0, 1, 1, 4, 4]


def test_l41_1_heads_of_the_view_before_stay_what_they_were() -> None:
    chain, _ = handed_over()
    charter, start = chain.deployment.charter, chain.state.handovers[-1].start
    assert open_head(chain.state, charter, note(chain, 0, COORDINATOR, start)).size == start
    for view, signer in ((1, "successor-1"), (0, "successor-1"), (1, COORDINATOR)):
        with pytest.raises(InvalidSignature):
            open_head(chain.state, charter, note(chain, view, signer, start))


def test_l41_1_a_cosignature_is_of_a_view_as_well() -> None:
    chain, world = handed_over()
    charter, start = chain.deployment.charter, chain.tree.size - 1
    ours = [world.witness(1, chain.tree, auditor) for auditor in LEAVERS]
    late = [world.witness(0, chain.tree, auditor) for auditor in LEAVERS]
    early = [world.witness(0, chain.tree, auditor, start) for auditor in LEAVERS]
    sizes = [
        witnessed(charter, chain.tree, lines, handovers=chain.state.handovers).size
        for lines in (ours, late, early)
    ]
    assert sizes == [start + 1, 0, start]


@pytest.mark.parametrize(
    ("origin", "view"),
    [
        ("tests.fermata/log", 0),
        ("tests.fermata/log/7", 7),
        ("tests.fermata/log/0", None),
        ("tests.fermata/log/07", None),
        ("tests.fermata/log/", None),
        ("tests.fermata/log/-1", None),
        ("tests.fermata/log/٣", None),
        ("tests.fermata/log/1" + 30 * "0", None),
        ("others.fermata/log/1", None),
    ],
)
def test_l12_an_origin_names_its_view_in_one_spelling(origin: str, view: int | None) -> None:
    assert view_of_origin(make_deployment().charter, origin) == view
