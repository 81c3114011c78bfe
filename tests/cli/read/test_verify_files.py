"""``fermata verify`` over a bundle of which one file was spoiled: what is 1, and what is 2."""

import json
import shutil

import pytest

from fermata.cli.read import log as command
from fermata.node.storage.bundles import write_bundle
from fermata.protocol.charter.periods import utc_text
from harness.bundles import bundle_of, files, finished_run
from harness.chains import MODULUS_BITS_MIN, chain_at
from harness.nodes import fermata
from harness.protocol.heartbeats import log

MARKER, CHECKPOINT = "bundle.json", "checkpoint"
NEWER = {
    MARKER: lambda data: data.replace(b"bundle/1", b"bundle/2"),
    "charter.toml": lambda data: data.replace(b"fermata-charter/1", b"fermata-charter/2") + b"#2",
}
SPOILED = {
    "missing": lambda path, data: None,
    "empty": lambda path, data: b"",
    "truncated": lambda path, data: data[: len(data) // 2],
    "garbage": lambda path, data: b"\xff\x1b[31mjunk" + data[::-1],
    "newer": lambda path, data: NEWER.get(path, lambda data: b"\x02" + data)(data),
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify") / "bundle"
    write_bundle(folder, files())
    return folder


@pytest.fixture(autouse=True)
def toy_keys(monkeypatch):
    """The bundle has a key that is too short for real use."""
    monkeypatch.setattr(command, "MODULUS_BITS_MIN", MODULUS_BITS_MIN)


def expected(path, how):
    """The exit code and, for 2, the reason: only what cannot be read as a bundle is 2."""
    if path == MARKER:
        return 2, "BUNDLE_NEWER" if how == "newer" else "BUNDLE"
    if path == CHECKPOINT and how == "missing":
        return 2, "BUNDLE"
    return 1, ""


@pytest.mark.parametrize("how", SPOILED)
def test_every_file_that_is_spoiled_has_the_code_that_the_specification_gives(
    bundle, tmp_path, how
):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    for path, data in files().items():
        spoiled = SPOILED[how](path, data)
        assert spoiled != data
        if spoiled is None:
            (copy / path).unlink()
        else:
            (copy / path).write_bytes(spoiled)
        answer = fermata("verify", copy, "--json")
        code, reason = expected(path, how)
        assert answer.code == code, (path, answer.err)
        if code == 2:
            assert answer.error.endswith(f"[{reason}]"), (path, answer.err)
            assert answer.out == ""
        else:
            failed = [c for c in json.loads(answer.out)["checks"] if c["status"] == "failed"]
            assert failed, path
        assert "\x1b" not in answer.out + answer.err
        (copy / path).write_bytes(data)
    assert fermata("verify", copy).code == 0


@pytest.mark.parametrize(
    ("marker", "reason"),
    [
        (b'{"format":"fermata-bundle/2","sealed":true}', "BUNDLE_NEWER"),
        (b'{"format":"fermata-bundle/999999999"}', "BUNDLE_NEWER"),
        (b'{"format":"fermata-bundle/0"}', "BUNDLE"),
        (b'{"format":"fermata-bundle/x"}', "BUNDLE"),
        (b'{"format":"fermata-bundle/1.5"}', "BUNDLE"),
        (b'{"format":"another/2"}', "BUNDLE"),
        (b'{"format":2}', "BUNDLE"),
        (b'{"form":"fermata-bundle/1"}', "BUNDLE"),
        (b'["fermata-bundle/1"]', "BUNDLE"),
        (b"[" * 60_000, "BUNDLE"),
        (b"9" * 60_000, "BUNDLE"),
        (b'{"format":"fermata-bundle/1"}' + b" " * 70_000, "BUNDLE"),
    ],
)
def test_a_format_that_is_not_ours_is_exit_code_2_and_a_newer_one_is_called_newer(
    bundle, tmp_path, marker, reason
):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    (copy / MARKER).write_bytes(marker)
    answer = fermata("verify", copy)
    assert (answer.code, answer.out) == (2, "")
    assert answer.error.endswith(f"[{reason}]")
    assert ("newer" in answer.error) == (reason == "BUNDLE_NEWER")


@pytest.mark.parametrize(
    "marker", [b'{"format":"fermata-bundle/1"}', b'{"format":"fermata-bundle/1","sealed":1}\n']
)
def test_a_marker_of_our_format_in_another_form_fails_v3(bundle, tmp_path, marker):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    (copy / MARKER).write_bytes(marker)
    answer = fermata("verify", copy)
    assert (answer.code, "V3  FAILED" in answer.out) == (1, True)


@pytest.mark.parametrize("pin", [None, "00" * 32])
@pytest.mark.parametrize("spoil", [None, "sealed/", "tile/0/", "charter.toml"])
def test_results_and_age_are_told_of_a_valid_bundle_only(bundle, tmp_path, spoil, pin):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    if spoil is not None:
        (copy / next(p for p in files() if p.startswith(spoil))).unlink()
    words = ["verify", copy, *([] if pin is None else ["--charter-hash", pin])]
    told = json.loads(fermata(*words, "--json").out)
    text = fermata(*words).out
    is_valid = spoil is None and pin is None
    assert told["valid"] == is_valid
    assert (told["results"] is not None) == (told["log"] is not None) == is_valid
    assert ("\nlog: " in text) == is_valid
    assert "6021.021" not in text
    assert ("6021.021" in json.dumps(told)) == is_valid


@pytest.mark.parametrize(
    ("later_ms", "age_s", "age"),
    [
        (0, 0, "0 s old"),
        (90_500, 90, "1 min 30 s old"),
        (3 * 86_400_000, 259_200, "3 d old"),
        (-5000, -5, "5 s in the future"),
    ],
)
def test_a_verdict_says_how_old_the_bundle_is(bundle, monkeypatch, later_ms, age_s, age):
    state = finished_run().state
    monkeypatch.setattr(command, "clock_ms", lambda: state.time_ms + later_ms)
    told = json.loads(fermata("verify", bundle, "--json").out)["log"]
    newest = utc_text(state.time_ms)
    cosigners = told.pop("cosigners")
    assert [(c["auditor"], c["size"]) for c in cosigners] == [
        (f"auditor-{k}", state.size) for k in (1, 2, 3)
    ]
    witnessed = sorted(c["time"] for c in cosigners)[1]
    assert told == {
        "size": state.size, "beyond": 0, "newest": newest, "age_s": age_s, "witnessed": witnessed,
        "auditors": 3,
    }  # fmt: skip
    lines = [
        f"log: {state.size} entries, the newest of {newest} ({age} by this machine's clock)",
        f"witnessed by 3 of 3 auditors, at {witnessed} or later:",
        *(f"  {c['auditor']}: {c['size']} entries, {c['time']}" for c in cosigners),
        "VALID\n",
    ]
    assert fermata("verify", bundle).out.endswith("\n".join(lines))


def test_a_verdict_says_what_of_the_log_it_is_not_about(tmp_path):
    chain = chain_at("opened")
    size = chain.state.size
    write_bundle(
        tmp_path / "bundle",
        bundle_of(chain, sizes={"auditor-1": size, "auditor-2": size - 4, "auditor-3": size - 1}),
    )
    answer = fermata("verify", tmp_path / "bundle")
    assert answer.code == 0
    last, verdict = answer.out.splitlines()[-2:]
    assert last == "4 entries beyond are not witnessed and not part of this verdict"
    assert verdict == "VALID"
    assert f"\nlog: {size - 4} entries, " in answer.out
    told = json.loads(fermata("verify", tmp_path / "bundle", "--json").out)
    assert (told["log"]["size"], told["log"]["beyond"]) == (size - 4, 4)
    assert [(c["auditor"], c["size"]) for c in told["log"]["cosigners"]] == [
        ("auditor-1", size), ("auditor-2", size - 4), ("auditor-3", size - 1),
    ]  # fmt: skip
    # The result is in the last entries, which too few have seen.
    assert all("results" not in row or not row["results"] for row in told["results"]["rounds"])


def test_the_help_says_what_each_exit_code_means():
    told = " ".join(fermata("verify", "--help").out.split())
    for code, word in (("0", "passed"), ("1", "invalid"), ("2", "newer"), ("3", "own fault")):
        assert f"{code}: " in told
        assert word in told


def test_a_bundle_that_is_older_than_asked_for_ends_with_1_and_says_why(bundle, tmp_path):
    entries = json.loads(fermata("verify", bundle, "--json").out)["log"]["size"]
    assert fermata("verify", bundle, "--at-least", entries).code == 0
    assert fermata("verify", bundle, "--not-before", "2000-01-01").code == 0
    assert fermata("verify", bundle, "--extends", bundle / CHECKPOINT).code == 0
    for words in (
        ("--at-least", entries + 1),
        ("--not-before", "2199-01-01T00:00:00Z"),
        ("--extends", bundle / "charter.toml"),
    ):
        answer = fermata("verify", bundle, *words)
        assert answer.code == 1
        assert "\nNOT AS ASKED: " in answer.out
        found = json.loads(fermata("verify", bundle, *words, "--json").out)
        assert (found["valid"], len(found["not_as_asked"])) == (True, 1)
    assert fermata("verify", bundle, "--not-before", "yesterday").code == 2
    assert fermata("verify", bundle, "--extends", tmp_path / "none.note").code == 2


def test_a_bundle_from_before_the_auditors_told_the_time_has_none(tmp_path):
    chain = chain_at("empty")
    for envelope in (chain.deployment.charter_envelope, chain.deployment.key_envelope):
        log(chain, envelope)
    write_bundle(tmp_path / "bundle", bundle_of(chain))
    answer = fermata("verify", tmp_path / "bundle")
    assert answer.code == 0, answer.out
    assert "log: 2 entries, without a time yet" in answer.out.splitlines()
    told = json.loads(fermata("verify", tmp_path / "bundle", "--json").out)["log"]
    assert (told["size"], told["newest"], told["age_s"]) == (2, None, None)
