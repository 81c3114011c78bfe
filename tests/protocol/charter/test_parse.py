"""The charter: one test per refusal, each with the line that its author must fix."""

import base64
from collections.abc import Callable

import pytest

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import parse_charter
from harness.chains import charter_text, party_keys
from harness.protocol.charter_edits import KEYS, TEXT, edit, line_of, parse, refused
from harness.protocol.charter_refusals import REFUSED


def test_a_sound_charter_is_accepted() -> None:
    charter = parse(TEXT)
    assert charter.labs == tuple(f"lab-{i}" for i in range(1, 7))
    assert charter.auditors == ("auditor-1", "auditor-2", "auditor-3")
    assert [p.id for p in charter.panels] == ["alpha", "beta"]
    assert charter.panel("beta").labs == frozenset(charter.labs[1:])
    assert charter.panel("alpha").metrics[0].bound == 999_999_999_999_999
    assert charter.panel("alpha").metrics[1].bound == 400
    assert charter.log_origin == "tests.fermata/log"
    assert charter.witness_name("auditor-2") == "tests.fermata/auditor/auditor-2"
    assert charter.period(1) == "2025Q3"
    assert charter.period(3) == "2026Q1"


def test_the_hash_is_of_the_bytes_so_a_comment_changes_it() -> None:
    assert parse(TEXT).sha256 != parse(TEXT + "# a comment\n").sha256


def test_asking_for_a_panel_that_is_not_there_is_our_own_fault() -> None:
    with pytest.raises(KeyError):
        parse(TEXT).panel("gamma")


def test_without_the_test_floor_a_small_modulus_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"modulus_bits: must be a multiple of 64 from 2048"):
        parse_charter(TEXT.encode())


@pytest.mark.parametrize("what", REFUSED)
def test_charter_with_this_is_refused_with_its_line(what: str) -> None:
    old, new, message, mark = REFUSED[what]
    text = edit(old, new)
    fragment, _, occurrence = mark.partition("#")
    refused(text, message, line=line_of(text, fragment, int(occurrence or 1)))


@pytest.mark.parametrize(
    ("name", "message"), [("Beta", "panel[1].id: must be 1 to 40"), ("alpha", "must be unique")]
)
def test_a_panel_needs_a_name_of_its_own(name: str, message: str) -> None:
    text = TEXT.replace('"beta"', f'"{name}"')
    refused(text, message, line=line_of(text, f'id = "{name}"', 2 if name == "alpha" else 1))


def test_a_value_too_wide_for_the_modulus_is_refused() -> None:
    text = edit("modulus_bits = 512", "modulus_bits = 256").replace(
        "threshold = 2", "threshold = 2\nheadroom_bits = 32"
    )
    parse(text)
    # 107 + 32 bits fit 256; only a floor far below any real one lets them not.
    with pytest.raises(ConfigError, match=r"panel\[1\]: cannot be proven: .* wider than the mod"):
        parse_charter(text.replace("modulus_bits = 256", "modulus_bits = 128").encode(), 64)


def test_a_signing_key_that_two_parties_have_is_refused() -> None:
    first, second = (base64.b64encode(KEYS[n].public_key).decode() for n in ("lab-1", "lab-2"))
    text = TEXT.replace(second, first)
    refused(text, "lab[1].signing_key: must differ from every other", line=line_of(text, first, 2))


@pytest.mark.parametrize(
    "change",
    [
        lambda key: "",
        lambda key: key[:-4],
        lambda key: key + "AAAA",
        lambda key: key.replace("=", ""),
        lambda key: " " + key,
        lambda key: key.replace("+", "-").replace("/", "_") + "!",
        lambda key: key[:-2] + chr(ord(key[-2]) + 1) + "=",
        lambda key: base64.b64decode(key).hex(),
    ],
)
def test_a_signing_key_that_is_not_32_bytes_in_base64_is_refused(
    change: Callable[[str], str],
) -> None:
    key = base64.b64encode(KEYS["lab-2"].public_key).decode()
    text = TEXT.replace(key, change(key))
    refused(text, "lab[1].signing_key: must be 32 bytes", line=line_of(text, "signing_key", 6))


@pytest.mark.parametrize(
    "key",
    # The neutral point, for which anybody signs; points of order 4 and 2; and none of the curve.
    [b"\1" + bytes(31), bytes(32), b"\xec" + b"\xff" * 30 + b"\x7f", b"\2" + bytes(31)],
)
def test_c2_9_a_signing_key_with_which_verifiers_differ_is_refused(key: bytes) -> None:
    old, new = (base64.b64encode(k).decode() for k in (KEYS["lab-2"].public_key, key))
    text = TEXT.replace(old, new)
    refused(
        text, "lab[1].signing_key: must be an Ed25519 key", line=line_of(text, "signing_key", 6)
    )


@pytest.mark.parametrize("count", [0, 8])
def test_there_are_one_to_seven_auditors(count: int) -> None:
    if count:
        text = charter_text(party_keys(0, 6, count), threshold=5)
    else:
        head, rest = TEXT.split("[[auditor]]", 1)
        text = head.replace("format = 1", "format = 1\nauditor = []")
        text += "[[lab]]" + rest.split("[[lab]]", 1)[1]
    refused(text, "must have 1 to 7 [[auditor]]s")


def test_a_charter_of_one_lab_is_refused() -> None:
    text = charter_text(party_keys(0, 1, 3), organisations="a")
    refused(text, "must be of disclosure.cohort_min organisations or more")


def test_labs_of_one_organisation_count_once_in_the_smallest_cohort() -> None:
    refused(
        charter_text(KEYS, organisations="aaaabb"),
        "panel[0].labs: must be of disclosure.cohort_min organisations or more",
    )
    assert parse(charter_text(KEYS, organisations="aaabbc")).cohort_min == 3


def test_a_charter_without_panels_is_refused() -> None:
    head, _ = TEXT.split("[[panel]]", 1)
    text = head.replace("format = 1", "format = 1\npanel = []\nmetric = []\naggregate = []")
    refused(text, "must have a [[panel]]")


def test_two_auditors_do_not_each_have_the_whole_key() -> None:
    text = charter_text(party_keys(0, 6, 2), threshold=1)
    line = line_of(text, "threshold = 1")
    refused(text, "cryptography.threshold: must be 2 or more where there are several", line=line)
    assert parse(charter_text(party_keys(0, 6, 1), threshold=1)).threshold == 1


@pytest.mark.parametrize(
    ("auditors", "threshold", "quorum"),
    [
        (1, 1, 1),
        (2, 2, 2),
        (3, 2, 3),
        (3, 3, 3),
        (4, 2, 3),
        (4, 3, 4),
        (5, 3, 4),
        (5, 5, 5),
        (6, 3, 5),
        (7, 4, 6),
        (7, 7, 7),
    ],
)
def test_two_quorums_share_an_auditor_beyond_any_t_minus_1(
    auditors: int, threshold: int, quorum: int
) -> None:
    charter = parse(charter_text(party_keys(0, 6, auditors), threshold=threshold))
    assert charter.endorsement_quorum == quorum
    assert quorum <= auditors
    assert 2 * quorum - auditors >= threshold
