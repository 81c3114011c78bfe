"""EN1: a task has public values alone, in one encoding, and any bytes get an answer."""

import dataclasses

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fermata.crypto.paillier import product
from fermata.errors import InvalidEncoding
from fermata.node.rpc.engine import tasks
from harness.crypto.proof_world import sample
from harness.node.engines import KEY, false_item, item


def test_a_proof_holds_at_a_worker_as_it_does_here():
    assert tasks.answer_check(tasks.check_task(KEY, [item(1)])) == tasks.HOLDS
    assert tasks.answer_check(tasks.check_task(KEY, [false_item(1)])) == tasks.FAILS


@given(st.data())
def test_a_report_of_which_any_byte_is_changed_does_not_hold(data):
    honest = item(1)
    whole = dataclasses.asdict(honest.sealed) | {"open_part": (honest.open_part,)}
    name = data.draw(st.sampled_from(sorted(whole)))
    fields = list(whole[name])
    index = data.draw(st.integers(0, len(fields) - 1))
    changed = bytearray(fields[index])
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    fields[index] = bytes(changed)
    if name == "open_part":
        other = dataclasses.replace(honest, open_part=fields[0])
    else:
        sealed = dataclasses.replace(honest.sealed, **{name: tuple(fields)})
        other = dataclasses.replace(honest, sealed=sealed)
    assert tasks.answer_check(tasks.check_task(KEY, [other])) == tasks.FAILS


@given(st.binary(max_size=200))
def test_bytes_that_are_no_task_are_answered(data):
    assert tasks.answer_check(data) == tasks.OTHER
    assert tasks.answer_multiply(data) == tasks.OTHER


def test_en1_a_worker_of_other_code_says_so(monkeypatch):
    check, multiply = tasks.check_task(KEY, [item(1)]), tasks.multiply_task(KEY, (5, 6))
    monkeypatch.setattr(tasks, "checking_code", lambda: bytes(32))
    assert tasks.answer_check(check) == tasks.answer_multiply(multiply) == tasks.OTHER


@pytest.mark.parametrize("base", [0, 2, 4])
def test_statements_come_back_as_they_were(base):
    statements = sample(base=base)
    back = tasks._statements_of(tasks._statements_bytes(statements))
    assert back == statements
    assert back.statement_hash == statements.statement_hash


def test_a_task_whose_panels_name_no_statements_is_none():
    task = msgspec.msgpack.decode(tasks.check_task(KEY, [item(1)]), type=tasks.CheckTask)
    for other in (
        msgspec.structs.replace(task, statements=()),
        msgspec.structs.replace(task, statements=(), panels=()),
        msgspec.structs.replace(
            task, panels=(msgspec.structs.replace(task.panels[0], statements=1),)
        ),
    ):
        assert tasks.answer_check(msgspec.msgpack.encode(other)) == tasks.OTHER


def test_en7_a_task_without_panels_makes_the_table_that_the_next_goes_by():
    tasks._table.cache_clear()
    assert tasks.answer_check(tasks.prepare_task(KEY, sample())) == b""
    assert tasks._table.cache_info().misses == 1
    assert tasks.answer_check(tasks.check_task(KEY, [item(1)])) == tasks.HOLDS
    assert tasks._table.cache_info().misses == 1


def test_statements_that_none_may_make_are_no_task():
    told = msgspec.msgpack.decode(tasks.check_task(KEY, [item(1)]), type=tasks.CheckTask)
    wide = msgspec.msgpack.encode(tasks.Statements(((str(2**200), True),), (), (), (), 0, 10, 512))
    with pytest.raises(InvalidEncoding):
        tasks._statements_of(wide)
    other = msgspec.structs.replace(told, statements=(wide,))
    assert tasks.answer_check(msgspec.msgpack.encode(other)) == tasks.OTHER


@given(st.lists(st.integers(1, KEY.n_squared - 1), min_size=1, max_size=5))
def test_a_product_is_the_same_at_a_worker(numbers):
    answer = tasks.answer_multiply(tasks.multiply_task(KEY, tuple(numbers)))
    assert int.from_bytes(answer, "big") == product(KEY, numbers)
    assert len(answer) == KEY.ciphertext_width


def test_a_product_of_nothing_is_no_task():
    assert tasks.answer_multiply(tasks.multiply_task(KEY, ())) == tasks.OTHER


def test_en1_a_task_takes_no_field_that_it_does_not_name():
    told = msgspec.msgpack.decode(tasks.check_task(KEY, [item(1)]))
    assert tasks.answer_check(msgspec.msgpack.encode(told | {"share": b"x"})) == tasks.OTHER
