"""The steps of motions that every program tells, and what an amendment changes, in words."""

from dataclasses import replace

import pytest

from fermata.protocol.charter.periods import utc_text
from fermata.protocol.consent.articles import UNCOMPARED
from fermata.protocol.state import governance as g
from fermata.protocol.state.governance import Motion
from fermata.summary.amendment_words import MEMBER_KEYS, OTHERS, amendment_changes, change_lines
from fermata.summary.governance_documents import (
    charter_document,
    event_document,
    motion_document,
    motions_document,
)
from fermata.summary.motion_words import (
    committee_lines,
    event_lines,
    event_text,
    kind_words,
    motion_lines,
    own_matters,
)
from fermata.summary.records.governance import (
    charter_record,
    governance_record,
    motion_record,
)
from fermata.summary.records.governance_events import Step, governance_events
from fermata.types import MotionKind
from harness.governed import OUT, governed_chain, states


def history():
    return [(e.step, e.kind, e.status) for e in governance_events(governed_chain().state)]


def motion_of_kind(kind: MotionKind, status: str = "") -> Motion:
    motions = governed_chain().state.governance.motions.values()
    return next(m for m in motions if m.kind == kind and status in ("", m.status))


def test_every_step_is_told_in_the_order_of_its_entry():
    told = history()
    assert told == [
        (Step.FILED, "dispute", ""),
        (Step.FILED, "ruling", ""),
        (Step.DECIDED, "ruling", "carried"),
        (Step.FILED, "appeal", ""),
        (Step.FILED, "ruling", ""),
        (Step.DECIDED, "ruling", "carried"),
        (Step.RULING_FINAL, "dispute", "upheld"),
        (Step.FILED, "exclusion", ""),
        (Step.DECIDED, "exclusion", "carried"),
        (Step.FILED, "dispute", ""),
        (Step.FILED, "ruling", ""),
        (Step.DECIDED, "ruling", "lost"),
        (Step.FILED, "ruling", ""),
        (Step.FILED, "withdrawal", ""),
        (Step.DECIDED, "ruling", "withdrawn"),
        (Step.FILED, "ruling", ""),
        (Step.DECIDED, "ruling", "expired"),
        (Step.FILED, "ruling", ""),
        (Step.DECIDED, "ruling", "carried"),
        (Step.RULING_FINAL, "dispute", "dismissed"),
        (Step.FILED, "amendment", ""),
        (Step.DECIDED, "amendment", "lost"),
        (Step.FILED, "amendment", ""),
        (Step.DECIDED, "amendment", "carried"),
        (Step.EXCLUDED, "exclusion", ""),
        (Step.IN_FORCE, "amendment", ""),
    ]
    # What lapses is told in protocol/fold/epochs/test_auditors_change.py.
    assert {step for step, _, _ in told} == set(Step) - {Step.LAPSED}


def test_a_step_that_was_told_stays_and_is_told_once():
    known, told = set(), []
    for state in states(governed_chain()):
        before = {event.key for event in governance_events(state)}
        assert known <= before
        new = governance_events(state, known)
        assert {event.key for event in new} == before - known
        known = before
        told += new
        # What time alone decides is told with the entry from which that time was counted.
        assert all(event.entry < state.size and event.time_ms <= state.time_ms for event in new)
    assert sorted(told, key=str) == sorted(governance_events(governed_chain().state), key=str)


def test_an_exclusion_is_still_told_after_its_lab_has_left_the_roster():
    """The state forgets it then, and whoever reads the log later must not."""
    state = governed_chain().state
    left = replace(state, governance=replace(state.governance, exclusions={}))
    assert governance_events(left) == governance_events(state)


def test_an_exclusion_that_lapsed_is_not_told_as_one_of_a_later_motion():
    state = governed_chain().state
    exclusion = motion_of_kind(g.EXCLUSION)
    lapsed = replace(exclusion, entry=exclusion.entry - 1, decided_entry=exclusion.entry)
    earlier = replace(state, governance=state.governance.with_motion(lapsed))
    found = [e.motion for e in governance_events(earlier) if e.step == Step.EXCLUDED]
    assert found == [exclusion.entry]


def test_an_amendment_in_force_says_what_it_changes():
    event = governance_events(governed_chain().state)[-1]
    assert [change.line for change in event.changes] == [
        "  cohort_min 3 -> 4: stricter",
        "  title 'For tests' -> 'Amended'",
    ]
    first, *changes = event_lines(event)
    state = governed_chain().state
    assert first == (
        f"{utc_text(state.rounds[1].opened_ms)} amendment_in_force, entry {state.rounds[1].entry}:"
        f" the amendment of entry {event.motion} is in force: charter"
        f" {state.charter.sha256.hex()[:16]} from round 2 on"
    )
    assert changes == [f"  {change.line}" for change in event.changes]
    told = event_document(event)
    assert (told["event"], told["from_round"]) == ("amendment_in_force", 2)
    assert told["charter_hash"] == state.charter.sha256.hex()


def test_every_step_is_a_sentence_that_names_its_motion_or_its_author():
    for event in governance_events(governed_chain().state):
        text = event_text(event)
        assert str(event.motion) in text or text.startswith(f"{event.author} filed ")
        assert event.concerns(OUT) == (OUT in (event.lab, *event.asked_labs))


def test_every_kind_of_motion_has_its_article():
    assert {kind_words(kind).split()[0] for kind in MotionKind} == {"a", "an"}


@pytest.mark.parametrize("is_open", [True, False])
def test_a_motion_in_words_says_who_when_what_and_what_came_of_it(is_open):
    chain = governed_chain()
    amendment = motion_of_kind(g.AMENDMENT, g.CARRIED)
    state = list(states(chain))[amendment.entry] if is_open else chain.state
    text = "\n".join(motion_lines(motion_record(state, amendment.entry)))
    filed = utc_text(amendment.tabled_ms)
    assert text.startswith(f"entry {amendment.entry}: an amendment, filed by member-1 at {filed}\n")
    assert f"asks: new charter {amendment.charter.sha256.hex()[:16]} from round 2" in text
    assert "cohort_min 3 -> 4: stricter" in text
    if not is_open:
        assert "status: carried, in effect from round 2 on (entry " in text
        assert "  member-1: for" in text
        assert "what it changes of charter " in text
    else:
        assert "status: open, it does not carry yet, expires " in text
        assert "votes: 0 for, 0 against, 4 not yet; 3 carry it" in text
        assert "  member-1: not yet" in text
        assert "what it changes of the charter in force:" in text


def test_an_amendment_says_whom_it_asks_and_a_lab_reads_what_it_changes_for_itself():
    amendment = motion_of_kind(g.AMENDMENT, g.LOST)
    record = motion_record(list(states(governed_chain()))[amendment.entry], amendment.entry)
    asked = ("lab-1", "lab-2", "lab-4", "lab-5", "lab-6")
    text = "\n".join(motion_lines(record))
    assert f"needs the consent of: {', '.join(asked)}" in text
    assert "asked and not for it: lab-1" in text
    assert "0 of 4 organisations of labs agree" in text
    assert "  lab-1: not yet (asked by itself)" in text
    # Its exclusion has carried: it is to say nothing more, and counts among all labs.
    assert f"  {OUT}: not yet (asked with all labs)" in text
    assert "what it changes of the charter in force:" in text
    assert "! panels adds extras: needs the lab's consent\n" in text
    own = list(motion_lines(record, "lab-1"))
    assert "what it changes of the charter in force, for lab-1:" in own
    assert "! metrics adds extra: needs the lab's consent" in own
    told = motion_document(record)
    assert told["amendment"]["asked_labs"] == told["tally"]["labs_missing"] == list(asked)
    assert told["amendment"]["asks_share_of_labs"] is True
    governance = governance_record(list(states(governed_chain()))[amendment.entry], 0)
    (matter,) = own_matters(governance, "lab-1")
    assert matter.startswith(f"is asked to vote; see: fermata motion show {amendment.entry}: ")


def test_a_ruling_names_its_dispute_and_a_member_of_the_labs_organisation_is_recused():
    chain = governed_chain()
    ruling = motion_of_kind(g.RULING)
    state = list(states(chain))[ruling.entry]
    text = "\n".join(motion_lines(motion_record(state, ruling.entry)))
    assert f"the dispute: filed by lab-2 about entry 2, {OUT}: filed, waits for a ruling" in text
    assert "its reason: It is late." in text
    # Of the dispute's author or lab nobody is a member here; of lab-1 there is one.
    barred = replace(state.governance.disputes[ruling.about_entry], author="lab-1")
    changed = replace(state, governance=state.governance.with_dispute(barred))
    lines = list(motion_lines(motion_record(changed, ruling.entry)))
    assert "  member-1: recused, its organisation is concerned" in lines


def test_what_needs_no_vote_is_never_told_as_carried():
    """Also not in the documents for programs."""
    for state in states(governed_chain()):
        if state.charter is None or not state.governance.disputes:
            continue
        record = governance_record(state, state.time_ms)
        rows = motions_document(record)["motions"]
        for row in rows:
            text = "\n".join(motion_lines(motion_record(state, row["entry"])))
            document = motion_document(motion_record(state, row["entry"]))
            if row["kind"] in g.NO_VOTE:
                assert "carried" not in (row["status"], document["status"])
                assert "status: carried" not in text
                assert document["tally"] is document["decided"] is None
        told = [e for e in governance_events(state) if e.kind in g.NO_VOTE]
        assert all(event.step != Step.DECIDED for event in told)


def test_a_motion_as_a_document_has_what_its_words_say():
    state = governed_chain().state
    exclusion = motion_of_kind(g.EXCLUSION)
    told = motion_document(motion_record(state, exclusion.entry))
    assert (told["status"], told["lab"], told["from_round"]) == ("carried", OUT, 2)
    assert told["in_effect"] == {"entry": state.rounds[1].entry, "from_round": 2}
    assert told["dispute"]["upheld"] is True
    assert {vote["party"]: vote["choice"] for vote in told["votes"]} == dict.fromkeys(
        ("member-1", "member-2", "member-3"), "for"
    )
    assert told["amendment"] is None
    amendment = motion_document(motion_record(state, motion_of_kind(g.AMENDMENT, g.CARRIED).entry))
    assert amendment["amendment"]["is_charter_in_force"] is False
    assert amendment["amendment"]["changes"][0] == {
        "text": "cohort_min 3 -> 4: stricter",
        "labs": [],
        "free": True,
    }


def test_what_is_before_the_committee_names_what_waits_and_for_whom():
    chain = governed_chain()
    after = list(states(chain))
    exclusion = motion_of_kind(g.EXCLUSION)
    voted_on = governance_record(after[exclusion.entry], 0)
    assert any("exclusion of entry" in line for line in committee_lines(voted_on))
    (own,) = (line for line in own_matters(voted_on, OUT) if "being voted on" in line)
    assert "exclude lab-3 from round 2" in own
    pending = governance_record(after[exclusion.decided_entry], 0)
    assert pending.pending == (after[exclusion.decided_entry].governance.motions[exclusion.entry],)
    assert any(line.startswith("will be excluded: ") for line in own_matters(pending, OUT))
    assert list(own_matters(pending, "lab-1")) == []
    done = governance_record(chain.state, 0)
    assert list(own_matters(done, OUT)) == [
        "is excluded from round 2 on: its reports are refused (EXCLUDED)"
    ]
    assert done.pending == ()


def test_the_charter_in_force_says_by_which_amendment_and_which_waits():
    chain, after = governed_chain(), list(states(governed_chain()))
    amendment = motion_of_kind(g.AMENDMENT, g.CARRIED)
    first = charter_document(charter_record(after[amendment.decided_entry]))
    assert (first["from_round"], first["entry"], first["motion"]) == (1, 0, None)
    assert (first["previous"], first["pending"]) == (None, amendment.entry)
    now = charter_document(charter_record(chain.state))
    assert (now["from_round"], now["entry"]) == (2, chain.state.rounds[1].entry)
    assert (now["motion"], now["pending"]) == (amendment.entry, None)
    assert now["previous"] == first["charter_hash"]


def test_every_key_that_no_article_compares_is_told_or_has_a_reason_not_to_be():
    untold = {
        "format": "this version knows one",
        "previous": "it is the hash of the charter in force",
        "metric.method": "a charter's file alone has it, and motion show prints the file's lines",
    }
    assert {*OTHERS, *MEMBER_KEYS, *untold} == set(UNCOMPARED)


def test_changes_name_the_labs_that_they_are_about_unless_all_are():
    chain = governed_chain()
    old = chain.state.charters[0].charter
    new = chain.state.charters[1].charter
    labs = ("lab-1",)
    assert change_lines(old, old) == ["  nothing"]
    assert change_lines(old, new, "lab-1") == change_lines(old, new)
    leaving = replace(new, labs=tuple(lab for lab in new.labs if lab not in labs))
    lines = change_lines(new, leaving)
    assert "! roster lab-1 leaves: needs the lab's consent (lab-1)" in lines
    alone = amendment_changes(new, leaving, "lab-1")
    assert [change.is_free for change in alone] == [False]


def test_a_member_who_joins_leaves_or_gets_another_term_is_named():
    chain = governed_chain()
    old = chain.state.charters[0].charter
    committee = old.committee
    first, *rest = committee.members
    changed = replace(committee, members=(replace(first, last_round=9), *rest[1:]))
    lines = change_lines(old, replace(old, committee=changed))
    assert "  member member-2 leaves" in lines
    assert any(line.startswith("  member member-1: ") and "to 9" in line for line in lines)
    back = change_lines(replace(old, committee=changed), old)
    assert any(line.startswith("  member member-2 joins: ") for line in back)
