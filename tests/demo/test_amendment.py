"""The amendment of the demo's story: what it changes, whom it asks, and how it is told."""

import base64

import pytest

from fermata.crypto.signing import SigningKey
from fermata.demo import amendment
from fermata.demo.amendment import Amending
from fermata.demo.charter import (
    AMENDED_FROM,
    AUDITORS,
    COORDINATOR,
    HIGH,
    HIGH_AMENDED,
    MEMBERS,
    charter_text,
    demo_figures,
)
from fermata.demo.figures import labs
from fermata.demo.layout import AMENDED
from fermata.demo.run import prepare_demo
from fermata.demo.waiting import DemoFailed
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.consent.comparison import consent_needed, differences

FIGURES = demo_figures()


def charters(folder):
    demo = prepare_demo(folder / "demo", "oversight:7440", lambda n: None)
    return demo, demo.charter, parse_charter((demo.folder / AMENDED).read_bytes())


def test_it_changes_one_limit_of_the_pause_and_asks_a_share_of_the_labs(tmp_path):
    _, before, after = charters(tmp_path)
    assert after.previous == before.sha256.hex()
    (difference,) = {d for lab in before.labs for d in differences(before, after, lab)}
    assert difference.article == "rules of the pause"
    assert f"at_least {HIGH_AMENDED})" in difference.change
    assert f"at_least {HIGH})" in difference.change
    needed = consent_needed(before, after)
    assert (needed.has_share, needed.has_share_for_pause, needed.labs) == (True, True, frozenset())


def test_it_is_in_force_before_the_quarter_whose_figures_pull_the_pause(tmp_path):
    _, before, _ = charters(tmp_path)
    assert before.period(before.place(AMENDED_FROM)) == AMENDED_FROM == "2025Q3"


def test_members_have_keys_and_certificates_of_their_own_and_no_node(tmp_path):
    demo, before, _ = charters(tmp_path)
    assert before.committee.rotation == MEMBERS
    for member in MEMBERS:
        assert member not in demo.parties
        assert (demo.node(member) / "keys" / "signing.age").is_file()
        assert (demo.node(member) / "tls" / "cert.pem").is_file()
        assert (demo.folder / "charter.toml.sig" / member).is_file()


def test_an_owner_that_cannot_accept_ends_the_demo_with_the_file_that_says_why(
    tmp_path, monkeypatch
):
    demo, _, _ = charters(tmp_path)
    (demo.folder / "logs").mkdir()
    monkeypatch.setattr(amendment, "PROGRAM", ("-c", "raise SystemExit('no')"))
    amending = Amending(demo, "127.0.0.1:1", lambda text: None)
    with pytest.raises(DemoFailed, match=r"xai could not accept; see .*/xai\.accept"):
        amending._accept(["xai"])
    assert (demo.folder / "logs" / "xai.accept").read_text() == "no\n"


def test_both_texts_are_one_template():
    parties = (COORDINATOR, *AUDITORS, *MEMBERS, *labs(FIGURES))
    keys = {
        party: base64.b64encode(SigningKey.from_seed(bytes([i]) * 32).public_key).decode()
        for i, party in enumerate(parties)
    }
    first = charter_text(FIGURES, keys, 12)
    amended = charter_text(FIGURES, keys, 12, previous="ab" * 32)
    changed = [line for line in amended.splitlines() if line not in first.splitlines()]
    assert changed == [f'previous = "{"ab" * 32}"', f'at_least = "{HIGH_AMENDED}"']
    dropped = [line for line in first.splitlines() if line not in amended.splitlines()]
    assert dropped == [f'at_least = "{HIGH}"']
