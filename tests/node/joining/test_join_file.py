"""Join files: one form, one reason for junk, and no token in a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fermata.errors import ConfigError
from fermata.node.joining.join_file import Invitation, read_invitation
from fermata.node.pki.identity import Identity

INVITATION = Invitation(
    Identity("spring", "lab", "alpha"),
    "log.example:7441",
    "[::1]:7440",
    "SHA256:" + "ab" * 32,
    bytes(range(32)),
    "T" * 43,
)
TEXT = INVITATION.to_bytes()


def test_a_join_file_says_what_was_written(tmp_path):
    file = tmp_path / "alpha.join"
    file.write_bytes(TEXT)
    assert read_invitation(file) == INVITATION


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (b'role = "lab"', b'role = "king"', 6),
        (b'id = "alpha"', b'id = "Al pha"', 6),
        (b"log.example:7441", b"log.example", 7),
        (b'log = "[::1]:7440"', b'log = ""', 8),
        (b"SHA256:ab", b"SHA256:", 9),
        (b"000102", b"00 102", 11),
        (b"format = 1", b"format = 2", 3),
        # What goes into a node's configuration must not add a line to it.
        (b"[::1]:7440", b'a\\"\\n[hook]\\ncommand = [\\"/bin/x\\"]\\n#:1', 8),
        (b'token = "', b'mine = "', 12),
        (b'token = "', b'token = "\x00', None),
        (b"format", b"#" * 5000, None),
    ],
)
def test_a_join_file_with_a_defect_is_refused_at_its_line(tmp_path, old, new, line):
    file = tmp_path / "alpha.join"
    assert old in TEXT
    file.write_bytes(TEXT.replace(old, new, 1))
    with pytest.raises(ConfigError) as error:
        read_invitation(file)
    assert error.value.reason in ("JOIN_FILE", "FILE_SIZE")
    assert "T" * 43 not in str(error.value)
    if line is not None:
        assert f"line {line}: " in str(error.value)


@given(st.binary(max_size=100), st.integers(0, len(TEXT)))
def test_foreign_bytes_raise_nothing_but_a_config_error(tmp_path_factory, junk, place):
    file = tmp_path_factory.getbasetemp() / "junk.join"
    file.write_bytes(TEXT[:place] + junk + TEXT[place:])
    try:
        read_invitation(file)
    except ConfigError as error:
        reason = error.reason
    else:
        reason = "JOIN_FILE"
    assert reason == "JOIN_FILE"
