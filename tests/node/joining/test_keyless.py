"""Charters without keys: one hash before and after, and nothing else can change behind it."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fermata.crypto.signing import SigningKey
from fermata.errors import ConfigError
from fermata.node.joining.keyless import keyless_faults, read_keyless, without_keys
from fermata.protocol.charter.parse import parse_charter
from harness.chains import charter_text, party_keys

KEYS = party_keys(0, 6, 3)
TEXT = charter_text(KEYS, 2048).encode()
KEYLESS = without_keys(TEXT)
PARTIES = parse_charter(TEXT).parties
PUBLIC = {party.id: party.signing_key for party in PARTIES.values()}


def test_a_charter_lacks_the_keys_of_all_until_they_are_filled_in():
    keyless = read_keyless(KEYLESS)
    assert set(keyless.missing) == set(keyless.order) == set(PARTIES)
    assert keyless.completed(PUBLIC) == TEXT
    complete = read_keyless(TEXT)
    assert (complete.missing, complete.charter.sha256) == ((), parse_charter(TEXT).sha256)
    assert complete.keyless_sha256 == keyless.keyless_sha256


@pytest.mark.parametrize("party", PARTIES)
def test_a_key_that_is_there_is_kept(party):
    written = base64.b64encode(PUBLIC[party])
    text = TEXT.replace(written, b"")
    assert read_keyless(text).missing == (party,)
    others = {p: SigningKey.from_seed(bytes(32)).public_key for p in PARTIES}
    assert read_keyless(text).completed(others | {party: PUBLIC[party]}) == TEXT


def test_a_key_that_two_parties_have_makes_no_charter():
    (first, second), text = list(PARTIES)[:2], KEYLESS
    with pytest.raises(ConfigError, match="must differ"):
        read_keyless(text).completed(PUBLIC | {first: PUBLIC[second]})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'signing_key = ""', b'signing_key = "" # mine'),
        (b"cohort_min = 3", b"cohort_min = 4"),
        (b'title = "', b'title = "x'),
    ],
)
def test_every_other_change_changes_the_keyless_hash(old, new):
    assert old in KEYLESS
    changed = KEYLESS.replace(old, new, 1)
    assert read_keyless(changed).keyless_sha256 != read_keyless(KEYLESS).keyless_sha256


@pytest.mark.parametrize(
    "text",
    [
        KEYLESS.replace(b'signing_key = ""', b'  signing_key = ""', 1),
        KEYLESS + b'\n[[rule]]\nid = """\nsigning_key = ""\n"""\n',
    ],
)
def test_keys_that_do_not_stand_on_lines_of_their_own_are_refused(text):
    with pytest.raises(ConfigError) as error:
        read_keyless(text)
    assert error.value.reason == "CHARTER"


@given(st.binary(max_size=200), st.integers(0, len(TEXT)))
def test_foreign_bytes_raise_nothing_but_the_charters_error(junk, place):
    data = TEXT[:place] + junk + TEXT[place:]
    faults = [fault for fault in keyless_faults(data) if "must be filled in" not in fault]
    with contextlib.suppress(ConfigError):
        keyless = read_keyless(data)
        assert faults == []
        with contextlib.suppress(ConfigError):
            assert without_keys(keyless.completed(PUBLIC)) == without_keys(data)
