"""The charter's successors: SU12 of docs/spec/succession.md."""

import base64

import pytest

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.charter_faults import charter_faults
from fermata.protocol.succession.leaving import handover_wait_ms
from fermata.protocol.succession.views import Views
from fermata.types import Role
from harness.chains import COORDINATOR, MODULUS_BITS_MIN
from harness.deployments import AUTHORITY, charter_text, make_deployment, party_keys

KEYS = party_keys(0, 6, 3, successors=2)
TEXT = charter_text(KEYS, succession="succession_s = 172800")
FIRST, SECOND = TEXT.split("[[successor]]", 1)
DER = base64.b64decode(AUTHORITY)
#: Check, what is replaced, by what, and what the message says.
REFUSED = [
    ("SU12.1", "[succession]\nsuccession_s = 172800\n", "", "exactly if it has a [[successor]]"),
    ("SU12.3", "172800", "172799", "succession.succession_s: must be 172800 or more, got 172799"),
    ("SU12.4", 'addresses = ["oversight.example:7440"]\n', "", "coordinator: must have addresses"),
    ("SU12.4", 'addresses = ["successor-2.example:7440"]\n', "", "successor[1]: must have"),
    ("SU12.4", f'authority = "{AUTHORITY}"\n', "", "coordinator: must have addresses"),
    ("SU12.5", "oversight.example:7440", "oversight.example", "of the form host:port"),
    ("SU12.5", "oversight.example:7440", "oversight.example:65536", "of the form host:port"),
    ("SU12.5", "oversight.example:7440", "[::z]:1", "of the form host:port"),
    ("SU12.5", "oversight.example:7440", "a\\n:1", "of the form host:port"),
    ("SU12.5", '["oversight.example:7440"]', '["a:1", "a:1"]', "each of them once"),
    ("SU12.5", '["oversight.example:7440"]', '["a:1", "a:2", "a:3", "a:4", "a:5"]', "at most 4"),
]


def parse(text: str) -> Charter:
    return parse_charter(text.encode(), MODULUS_BITS_MIN)


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert caught.value.reason == "CHARTER"
    assert charter_faults(text.encode(), MODULUS_BITS_MIN)[0] == str(caught.value)
    return str(caught.value)


def test_successors_are_parties_of_the_coordinators_role_who_sign() -> None:
    charter = parse(TEXT)
    names = (COORDINATOR, "successor-1", "successor-2")
    assert (charter.coordinator, charter.coordinators) == (COORDINATOR, names)
    assert {charter.parties[name].role for name in names} == {Role.COORDINATOR}
    assert set(names) <= set(charter.signers)
    assert charter.succession is not None
    assert charter.succession.nodes[1].addresses == ("successor-1.example:7440",)
    assert charter.succession.nodes[2].authority == DER
    assert charter.succession.succession_ms == 172_800_000
    assert charter.succession.conflict_ms == 7 * 86_400_000


def test_each_view_has_the_next_coordinator_and_an_origin_of_its_own() -> None:
    views = Views.of(parse(TEXT))
    assert [views.coordinator(view).id for view in range(4)] == [
        COORDINATOR,
        "successor-1",
        "successor-2",
        COORDINATOR,
    ]
    assert [views.origin(view) for view in (0, 1, 3)] == [
        "tests.fermata/log",
        "tests.fermata/log/1",
        "tests.fermata/log/3",
    ]


def test_a_charter_without_the_table_has_one_coordinator() -> None:
    charter = make_deployment().charter
    assert charter.succession is None
    assert charter.coordinators == (COORDINATOR,)
    assert Views.of(charter).coordinator(5).id == COORDINATOR


@pytest.mark.parametrize(("check", "old", "new", "message"), REFUSED)
def test_su12_3_to_su12_5_terms_that_cannot_be_kept_are_refused(
    check: str, old: str, new: str, message: str
) -> None:
    assert old in TEXT, check
    assert message in refusal(TEXT.replace(old, new, 1))


def test_su12_1_a_table_without_a_successor_is_refused() -> None:
    bare = charter_text(party_keys(0, 6, 3))
    said = refusal(bare + "\n[succession]\nsuccession_s = 172800\n")
    assert "exactly if it has a [[successor]]" in said


def test_su12_4_an_address_in_a_charter_without_successors_is_refused() -> None:
    bare = charter_text(party_keys(0, 6, 3))
    assert "coordinator: must have addresses and authority exactly" in refusal(
        bare.replace("[[auditor]]", 'addresses = ["a:1"]\n\n[[auditor]]', 1)
    )


def test_su12_2_seven_successors_are_enough() -> None:
    wait = "succession_s = 172800"
    assert len(parse(charter_text(party_keys(0, 6, 3, successors=7), succession=wait)).parties) > 7
    said = refusal(charter_text(party_keys(0, 6, 3, successors=8), succession=wait))
    assert "must have at most 7 [[successor]]s, got 8" in said


def test_su12_3_a_test_may_have_a_short_wait() -> None:
    text = TEXT.replace("172800", "1\nconflict_s = 256").replace(
        "format = 1\n", "format = 1\ntest = true\n"
    )
    terms = parse(text).succession
    assert terms is not None
    assert terms.succession_ms == 1000


def test_su12_7_no_conflict_lasts_longer_than_auditors_wait_for_a_handover() -> None:
    short = TEXT.replace("heartbeat_s = 86400", "heartbeat_s = 60")
    terms = parse(short.replace("172800", "120\nconflict_s = 30720")).succession
    assert terms is not None
    assert terms.conflict_ms == 30_720_000
    # The charter has a quarter of the longest wait, however late the views begin.
    assert 4 * terms.conflict_ms <= handover_wait_ms(terms.succession_ms, 0, 100)
    for succession_s, conflict_s in (("120\nconflict_s = 30721", 30721), ("120", 7 * 86400)):
        said = refusal(short.replace("172800", succession_s))
        assert (
            "succession.conflict_s: must be 256 times succession_s or less, which is 30720, got"
            f" {conflict_s}" in said
        )


@pytest.mark.parametrize(
    "der",
    [
        b"\x31" + DER[1:],
        DER[:-1],
        DER + b"\x00",
        b"\x30\x82\x00\x80" + bytes(128),
        b"\x30\x82" + (4096 - 3).to_bytes(2) + bytes(4096 - 3),
        b"\x30\x03\x02\x01\x00",
    ],
)
def test_su12_6_an_authority_is_one_certificate(der: bytes) -> None:
    text = TEXT.replace(AUTHORITY, base64.b64encode(der).decode(), 1)
    assert "coordinator.authority: must be one X.509 certificate" in refusal(text)


@pytest.mark.parametrize("size", [256, 4092])
def test_su12_6_an_authority_of_up_to_4096_bytes_is_taken(size: int) -> None:
    der = b"\x30\x82" + size.to_bytes(2) + bytes(size)
    assert parse(TEXT.replace(AUTHORITY, base64.b64encode(der).decode())).succession is not None


def test_every_fault_of_the_terms_is_told_at_once() -> None:
    text = TEXT.replace("oversight.example:7440", "nowhere").replace(
        "successor-2.example:7440", "nowhere"
    )
    faults = charter_faults(text.encode(), MODULUS_BITS_MIN)
    assert [fault.split(": ")[1] for fault in faults] == [
        "coordinator.addresses",
        "successor[1].addresses",
    ]
