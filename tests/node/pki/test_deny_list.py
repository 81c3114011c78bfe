import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import ConfigError
from fermata.node.pki import deny_list
from fermata.node.pki.deny_list import (
    EMPTY_DENY_LIST,
    SETTLED_MS,
    DenyList,
    allow,
    deny,
    is_settled,
    parse_deny_list,
)
from harness.node.pki_world import LAB, OTHER_LAB


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "denied.txt"
    path.write_bytes(EMPTY_DENY_LIST)
    return path


def test_change_of_the_file_holds_at_the_next_question(path):
    problems = []
    denials = DenyList(path, problems.append, clock_ms)
    assert not denials.is_denied(LAB, 17)
    path.write_text(f"# theft\n\nidentity {LAB.uri}  # since May\n")
    assert denials.is_denied(LAB, 17)
    assert not denials.is_denied(OTHER_LAB, 17)
    path.write_text("serial 11\n")
    assert not denials.is_denied(LAB, 16)
    assert denials.is_denied(LAB, 17)
    assert problems == []


def clock_ms():
    return time.time_ns() // 1_000_000


@pytest.mark.parametrize("minutes", [0, 5])
def test_change_within_one_step_of_the_file_system_holds_at_the_next_question(path, minutes):
    """The same length and inode, and perhaps the same times."""
    path.write_text("serial 11\n")
    now = clock_ms()
    denials = DenyList(path, lambda problem: None, lambda: now - minutes * 60_000)
    for serial in (17, 18, 17):
        path.write_text(f"serial {serial:x}\n")
        assert denials.is_denied(LAB, serial)
        assert not denials.is_denied(LAB, 35 - serial)


def test_settled_file_is_not_read_again_until_it_changes(path, monkeypatch):
    reads = []
    whole = deny_list.read_file
    monkeypatch.setattr(deny_list, "read_file", lambda *asked: reads.append(asked) or whole(*asked))
    now = clock_ms() + 2 * SETTLED_MS
    denials = DenyList(path, lambda problem: None, lambda: now)
    assert [denials.is_denied(LAB, 17) for _ in range(5)] == [False] * 5
    assert len(reads) == 2
    deny(path, LAB)
    assert denials.is_denied(LAB, 17)
    path.unlink()
    assert denials.is_denied(LAB, 17)
    path.write_bytes(EMPTY_DENY_LIST)
    assert not denials.is_denied(LAB, 17)


@given(st.integers(0, 10**13), st.integers(0, 10**13), st.integers(0, 10**13))
def test_file_is_settled_by_the_later_of_its_two_times(modified, changed, now):
    of_file = (modified * 1_000_000, changed * 1_000_000, 5, 7)
    assert is_settled(of_file, now) == (max(modified, changed) + SETTLED_MS <= now)
    assert not is_settled((), now)


def test_broken_file_leaves_the_last_entries_in_force_and_is_told_once(path):
    problems = []
    deny(path, LAB)
    denials = DenyList(path, problems.append, clock_ms)
    breaks = [
        lambda: path.write_text("identity nobody\n"),
        lambda: path.write_bytes(b""),
        path.unlink,
    ]
    for number, spoil in enumerate(breaks, start=1):
        spoil()
        assert [denials.is_denied(LAB, 1) for _ in range(3)] == [True] * 3
        assert len(problems) == number
    assert [each.reason for each in problems] == [
        "DENY_LIST_SYNTAX",
        "DENY_LIST_SYNTAX",
        "FILE_MISSING",
    ]
    path.write_bytes(EMPTY_DENY_LIST)
    assert not denials.is_denied(LAB, 1)
    assert len(problems) == 3


@pytest.mark.parametrize(
    "line",
    [
        "identity",
        "identity fermata://spring/lab/*",
        f"identity {LAB.uri} {OTHER_LAB.uri}",
        "serial",
        "serial 0x11",
        "serial -11",
        "serial 1_1",
        "serial FF",
        "serial " + "f" * 41,
        "all",
        "serial \xb2",
        LAB.uri,
    ],
)
def test_line_of_another_form_is_refused_by_its_number(path, line):
    with pytest.raises(ConfigError, match="line 2:") as error:
        parse_deny_list(b"# first\n" + line.encode() + b"\nserial 1\n", path)
    assert error.value.reason == "DENY_LIST_SYNTAX"


def test_missing_file_is_refused_at_start(tmp_path):
    with pytest.raises(ConfigError) as error:
        DenyList(tmp_path / "nowhere", lambda problem: None, clock_ms)
    assert error.value.reason == "FILE_MISSING"


def test_denying_keeps_what_people_wrote_and_adds_each_entry_once(path):
    path.write_bytes(b"# ours\nserial 1")
    deny(path, LAB, 1, 255, LAB)
    deny(path, LAB, 255)
    assert path.read_text() == f"# ours\nserial 1\nidentity {LAB.uri}\nserial ff\n"


@settings(max_examples=50, deadline=None)
@given(serials=st.sets(st.integers(1, 2**159)))
def test_what_was_denied_reads_back(tmp_path_factory, serials):
    path = tmp_path_factory.mktemp("d") / "denied.txt"
    path.write_bytes(EMPTY_DENY_LIST)
    deny(path, *serials)
    assert parse_deny_list(path.read_bytes(), path) == serials


def test_allowing_takes_the_line_away_and_keeps_what_people_wrote(path):
    written = f"# ours\nserial 1 # stolen\n\nidentity {LAB.uri}\n  serial ff\n".encode()
    path.write_bytes(written)
    assert allow(path, 2) == frozenset()
    assert path.read_bytes() == written
    assert allow(path, LAB, 1, 2) == {LAB, 1}
    assert path.read_text() == "# ours\n\n  serial ff\n"


@pytest.mark.parametrize("data", [b"serial 1", b"serial 1\n"])
def test_a_list_whose_last_entry_is_allowed_is_still_a_list(path, data):
    path.write_bytes(data)
    allow(path, 1)
    assert parse_deny_list(path.read_bytes(), path) == frozenset()


def test_a_list_that_does_not_parse_is_not_changed_by_allowing(path):
    path.write_bytes(b"serial 1\njunk\n")
    with pytest.raises(ConfigError, match="line 2"):
        allow(path, 1)
    assert path.read_bytes() == b"serial 1\njunk\n"


@settings(max_examples=50, deadline=None)
@given(serials=st.sets(st.integers(1, 2**159)), data=st.data())
def test_what_was_allowed_is_denied_no_more(tmp_path_factory, serials, data):
    path = tmp_path_factory.mktemp("d") / "denied.txt"
    path.write_bytes(EMPTY_DENY_LIST)
    deny(path, *serials)
    removed = data.draw(st.sets(st.sampled_from(sorted(serials)))) if serials else set()
    allow(path, *removed)
    assert parse_deny_list(path.read_bytes(), path) == serials - removed


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "denied.txt"
    try:
        parse_deny_list(data, path)
    except ConfigError as error:
        reason = error.reason
    else:
        reason = "DENY_LIST_SYNTAX"
    assert reason == "DENY_LIST_SYNTAX"
