"""tests/vectors/bundles: ``fermata verify`` says of each what its file expects."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fermata.cli.read import log as command
from fermata.node.hook.notice import open_notice
from fermata.node.storage.bundles import write_bundle
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.verify.verifier import verify_bundle
from harness.chains import MODULUS_BITS_MIN
from harness.nodes import fermata
from harness.spec.bundle_vectors import (
    FOLDER,
    changed,
    digest_of,
    expected_of,
    whole_files,
    without_words,
)
from harness.spec.recipes import RECIPES, dsse

ROOT = Path(__file__).parents[2]
CASES = {
    path.stem: json.loads(path.read_text())
    for path in sorted(FOLDER.glob("*.json"))
    if path.stem not in ("notices", "times")
}
WHOLE = {path.name: whole_files(path.name) for path in FOLDER.iterdir() if path.is_dir()}


def files_of(case):
    return changed(WHOLE[case["of"]], case["changes"])


@pytest.fixture
def short_keys(monkeypatch):
    """The bundles have keys that are too short for real use."""
    monkeypatch.setattr(command, "MODULUS_BITS_MIN", MODULUS_BITS_MIN)


def verified(case, folder):
    """The command's answer about a case's bundle."""
    write_bundle(folder, files_of(case))
    pin = ["--charter-hash", case["charter_hash"]] if case["charter_hash"] else []
    return fermata("verify", folder, *pin, "--json")


@pytest.mark.parametrize("name", CASES)
def test_the_command_says_of_a_bundle_what_its_vector_expects(name, tmp_path, short_keys):
    case = CASES[name]
    expected = case["expected"]
    answer = verified(case, tmp_path / "bundle")
    assert answer.code == expected["exit_code"], answer.err
    if answer.code == 2:
        assert answer.error.endswith(f"[{expected['reason']}]")
        return
    told = json.loads(answer.out)
    assert told["valid"] is expected["valid"] is (name.startswith("good_"))
    assert told["public"] is expected["public"]
    assert {check["check"]: check["status"] for check in told["checks"]} == expected["checks"]
    assert [list(e.values()) for e in told["evidence"]] == expected["evidence"]
    if expected["valid"]:
        assert without_words(told["results"]) == expected["results"]
    else:
        assert told["results"] is None


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name]["expected"].get("checks")])
def test_the_verifier_finds_in_a_bundle_what_its_vector_expects(name):
    case = CASES[name]
    pin = bytes.fromhex(case["charter_hash"]) if case["charter_hash"] else None
    found = expected_of(verify_bundle(files_of(case), pin, MODULUS_BITS_MIN))
    assert found == case["expected"]
    if found["valid"]:
        assert found["results_sha256"] == digest_of(found["results"])


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("good_")])
def test_no_bundle_of_the_vectors_is_valid_outside_of_tests(name, tmp_path):
    answer = verified(CASES[name], tmp_path / "bundle")
    assert answer.code == 1
    (first, *_) = json.loads(answer.out)["checks"]
    assert (first["check"], first["status"]) == ("V1", "failed")
    assert "modulus_bits" in first["findings"][0]


def test_every_check_that_bytes_alone_can_fail_has_a_bad_bundle():
    failed = {n for case in CASES.values() for n in case["expected"].get("findings", ())}
    assert failed == {f"V{k}" for k in range(1, 8)}
    assert sum(name.startswith("bad_") for name in CASES) >= 30
    reasons = {case["expected"].get("reason") for case in CASES.values()}
    assert {"BUNDLE", "BUNDLE_NEWER"} <= reasons


def test_a_bad_bundle_has_other_files_or_another_hash_to_begin_with():
    for name, case in CASES.items():
        if name.startswith("bad_") and name != "bad_pin_of_another":
            assert files_of(case) != WHOLE[case["of"]], name


def test_the_good_bundles_show_every_way_that_the_pause_moves():
    why = {c["why"] for case in CASES.values() for c in case["expected"].get("pause", ())}
    assert why == {"rule", "acknowledged", "deadline", "relapse", "calm", "lifted", "motion"}
    assert CASES["good_in_force"]["expected"]["phase"] == "paused"


def test_the_bundle_about_time_shows_every_reason_for_which_the_time_refuses_an_entry():
    told = {(kind, reason) for _, kind, _, reason in CASES["good_time"]["expected"]["evidence"]}
    beats = ("TIME", "STALE", "SEEN_BACK", "TOO_OFTEN", "VERSION")
    beats += ("CONSENT_AUTHOR", "LENGTH", "CONSENT_CHARTER")
    assert told == {
        ("OpenRound", "NO_TIME"),
        ("OpenRound", "TOO_FRESH"),
        ("OpenRound", "ROUND_OPEN"),
        ("Report", "LATE"),
        ("Abstention", "LATE"),
        *(("Heartbeat", reason) for reason in beats),
    }


def test_the_notices_are_of_the_changes_of_the_pause_and_signed_as_the_page_says():
    found = json.loads((FOLDER / "notices.json").read_text())
    charter = parse_charter(WHOLE[found["of"]]["charter.toml"], MODULUS_BITS_MIN)
    changes = CASES["good_pause"]["expected"]["pause"]
    assert len(found["notices"]) == len(changes) > 3
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(found["signing_key"]))
    for index, (text, change) in enumerate(zip(found["notices"], changes, strict=True)):
        notice = open_notice(text.encode(), charter)
        assert (notice.change.entry, notice.change.why) == (change["entry"], change["why"])
        envelope = json.loads(text)
        payload = base64.b64decode(envelope["payload"])
        message = dsse(envelope["payloadType"], payload.hex())
        key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), message)
        document = json.loads(payload)
        assert RECIPES["canonical-json"](document) == payload
        own = RECIPES["notice"](charter.sha256.hex(), index).hex()
        assert document["idempotency_key"] == own
