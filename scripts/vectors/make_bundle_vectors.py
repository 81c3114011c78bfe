"""Writes tests/vectors/bundles: whole bundles with rules and a pause, good ones and bad ones.

    PYTHONPATH=tests python scripts/vectors/make_bundle_vectors.py [--check]

Three bundles are stored whole, each in a folder. Every other is one of them with changes, in a
``good_*.json`` or ``bad_*.json`` that also says what a verifier finds. The keys are made from
public seeds and are shorter than any charter may ask for outside of tests.
"""

import base64
from collections.abc import Callable
from typing import Any

from bundle_defects import Story, defects
from common import run, text_of
from head_defects import of_heads, of_witnesses
from time_story import time_chain

from fermata.errors import ConfigError
from fermata.log.merkle import Tree, leaf_hash
from fermata.node.hook.notice import notice_of, seal_notice
from fermata.protocol.fold.apply import apply
from fermata.protocol.state.state import State
from fermata.protocol.verify.bundle import FULL, MARKER, PUBLIC, check_readable
from fermata.protocol.verify.verifier import verify_bundle
from fermata.protocol.verify.witnessed_head import WitnessedHead, witnessed_head
from fermata.types import EntryIndex
from harness.bundles import bundle_of, tree_of
from harness.chains import MODULUS_BITS_MIN
from harness.scenarios.script import Scenario
from harness.scenarios.world import COMMITTEE, PLAIN, deployment
from harness.spec.bundle_vectors import Files, changes_between, expected_of

PAUSE = """start
# round 1 (2025Q3)
report lab-1 lab-2 lab-3 hours=40
abstain lab-4 lab-5 lab-6
close
result
acknowledge lab-1 lab-2 lab-3 lab-4
heartbeat lab-6
acknowledge lab-5 lab-6
# round 2 (2025Q4)
report lab-1 lab-2 lab-3 hours=8
abstain lab-4 lab-5 lab-6
close
result
# round 3 (2026Q1)
report lab-1 lab-2 lab-3 hours=9
abstain lab-4 lab-5 lab-6
close
result
acknowledge lab-1 lab-2 lab-3 lab-4 lab-5 lab-6
# round 4 (2026Q2)
report lab-1 lab-2 lab-3 hours=10
abstain lab-4 lab-5 lab-6
close
result"""
#: Up to here the pause is in force, and two labs have not acknowledged it.
IN_FORCE = "heartbeat lab-6"
MOTION = """start
# round 1 (2025Q3)
report lab-1 lab-2 lab-3 hours=40
abstain lab-4 lab-5 lab-6
close
result
acknowledge lab-1 lab-2
wait 700 s
heartbeat lab-6
acknowledge lab-3
# round 2 (2025Q4)
report lab-1 lab-2 hours=8
abstain lab-3 lab-4 lab-5 lab-6
close
# round 3 (2026Q1)
report lab-1 lab-2 lab-3 hours=50
abstain lab-4 lab-5 lab-6
close"""
AFTER_MOTION = """open 3
motion lift by member-3
vote for member-1 member-2 member-3
acknowledge lab-1 lab-2 lab-3 lab-4 lab-5"""


def run_steps(scenario: Scenario, text: str) -> None:
    for line in text.splitlines():
        scenario.step(line)


def pause_story() -> Story:
    """Trigger, acknowledgement, pause, two calm rounds, lift, acknowledgement, and a round more."""
    scenario = Scenario(PLAIN)
    before, _, after = PAUSE.partition(f"{IN_FORCE}\n")
    run_steps(scenario, before + IN_FORCE)
    in_force = len(scenario.chain.leaves)
    run_steps(scenario, after)
    return Story(scenario.chain, in_force)


def motion_story() -> Story:
    """Trigger, deadline, a refused round, relapse, a lift by motion; evidence and a wrong part."""
    scenario = Scenario(COMMITTEE)
    run_steps(scenario, MOTION)
    chain = scenario.chain
    false = chain.endorsement_statement("auditor-1")
    false.endorsement.aggregate_sha256 = bytes(32)
    chain.put(chain.seal(false))
    scenario.step("endorse 3")
    wrong = chain.opening_statement("auditor-3")
    part = wrong.partial_opening.panels[0]
    part.parts[0] = (2).to_bytes(len(part.parts[0]), "big")
    chain.put(chain.seal(wrong))
    run_steps(scenario, AFTER_MOTION)
    return Story(chain, len(chain.leaves))


def witnessed_before(story: Story) -> Files:
    """Three heads are cosigned, and the fewest entries end before what triggers the pause.

    After them come the acknowledgements, the pause, and an entry that the fold rejects.
    """
    chain = story.prefix(len(story.leaves), "rejected")
    false = chain.endorsement_statement("auditor-1")
    false.endorsement.aggregate_sha256 = bytes(32)
    if chain.put(chain.seal(false)).accepted:
        raise SystemExit("the last entry must be one that the fold rejects")
    size = chain.state.pause.changes[0].entry
    sizes = {"auditor-1": size + 5, "auditor-2": size, "auditor-3": len(chain.leaves)}
    return bundle_of(chain, sizes=sizes)


def answer(files: Files, pin: bytes | None = None) -> dict[str, Any]:
    """What ``fermata verify`` says, but that it takes a short key."""
    try:
        check_readable("bundle", files)
    except ConfigError as error:
        return {"exit_code": 2, "reason": error.reason}
    return expected_of(verify_bundle(files, pin, MODULUS_BITS_MIN))


def public_of(files: Files) -> Files:
    return {p: d for p, d in files.items() if not p.startswith("sealed/")} | {MARKER: PUBLIC}


def notices(story: Story) -> dict[str, Any]:
    """Each change of the pause as lab-1's node tells its hook of it, at the change's entry.

    By then the coordinator has signed a head of four entries more, and the auditors have cosigned
    some of these, but for the last change, after which there are fewer.
    """
    charter, tree, whole = story.deployment.charter, Tree(), tree_of(story.leaves)
    state = State(charter_sha256=charter.sha256, modulus_bits_min=MODULUS_BITS_MIN)
    told: list[str] = []
    for leaf in story.leaves:
        state, _ = apply(state, leaf)
        tree.append(leaf_hash(leaf))
        for index in range(len(told), len(state.pause.changes)):
            notice = notice_of(state, index, head_at(story, whole, tree.size), "lab-1")
            told.append(seal_notice(notice, story.deployment.keys["lab-1"]).decode())
    key = base64.b64encode(charter.parties["lab-1"].signing_key).decode()
    return {"of": "pause", "node": "lab-1", "signing_key": key, "notices": told}


def head_at(story: Story, whole: Tree, size: int) -> WitnessedHead:
    """The head of the first entries, with cosignatures of later sizes."""
    charter = story.deployment.charter
    sizes = [min(whole.size, size + k) for k in range(len(charter.auditors))]
    witnesses = story.witnesses(dict(zip(charter.auditors, sizes, strict=True)))
    newest = min(whole.size, size + 4)
    note = story.signed_head(newest, whole.root(newest))
    return witnessed_head(charter, whole, size, note, witnesses)


def times(story: Story) -> dict[str, Any]:
    """The witnessed time after each entry, and what follows from it at the log's end."""
    state = State(charter_sha256=story.deployment.charter.sha256, modulus_bits_min=MODULUS_BITS_MIN)
    told: list[int] = []
    for leaf in story.leaves:
        state, _ = apply(state, leaf)
        told.append(state.time_ms)
    clock, entries = state.clock, range(state.size)
    return {
        "place": clock.place,
        "gap_ms": clock.gap_ms,
        "times_ms": told,
        "starts_ms": [clock.start_ms(EntryIndex(index)) for index in entries],
        "deadlines_ms": {str(r.number): clock.due_ms(r.deadline) for r in state.rounds},
    }


def make() -> dict[str, str | bytes]:
    pause, motion = pause_story(), motion_story()
    time = Story(time_chain(deployment(PLAIN)), 0)
    whole = {"pause": pause.files(), "motion": motion.files(), "time": time.files()}
    for name, files in whole.items():
        if answer(files)["exit_code"] != 0 or files[MARKER] != FULL:
            raise SystemExit(f"{name}: is not a valid full bundle")
    texts: dict[str, str | bytes] = {}
    for name, files in whole.items():
        texts |= {f"bundles/{name}/{path}": data for path, data in files.items()}
    pin = pause.deployment.charter.sha256

    def add(name: str, of: str, files: Files, what: str, pinned: bytes | None = pin) -> None:
        texts[f"bundles/{name}.json"] = text_of(
            {
                "what": what,
                "of": of,
                "charter_hash": pinned.hex() if pinned else None,
                "changes": changes_between(whole[of], files),
                "expected": answer(files, pinned),
            }
        )

    add("good_pause", "pause", whole["pause"], _first_line(pause_story))
    add("good_public", "pause", public_of(whole["pause"]), "without the sealed parts")
    add("good_in_force", "pause", pause.cut(pause.in_force), "the log ends in the pause")
    add("good_witnessed", "pause", witnessed_before(pause), _first_line(witnessed_before))
    add("good_not_pinned", "pause", whole["pause"], "no hash is asked for", None)
    pin_of_motion = motion.deployment.charter.sha256
    add("good_motion", "motion", whole["motion"], _first_line(motion_story), pin_of_motion)
    add("good_time", "time", whole["time"], _first_line(time_chain))
    bad = defects(pause, whole["pause"])
    bad |= of_heads(pause, whole["pause"]) | of_witnesses(pause, whole["pause"])
    for name, (what, files) in bad.items():
        add(f"bad_{name}", "pause", files, what)
    add("bad_pin_of_another", "pause", whole["pause"], "another hash is asked for", bytes(32))
    texts["bundles/notices.json"] = text_of(notices(pause))
    stories = {"pause": pause, "motion": motion, "time": time}
    texts["bundles/times.json"] = text_of({name: times(s) for name, s in stories.items()})
    return texts


def _first_line(function: Callable[..., object]) -> str:
    return (function.__doc__ or "").splitlines()[0]


if __name__ == "__main__":
    run(__doc__, "bundles/**/*", make)
