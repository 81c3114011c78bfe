"""Bundles of tests/vectors/bundles: whole ones, others with changes, and what is expected."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fermata.protocol.state.state import State
from fermata.protocol.verify.check_texts import FAILED
from fermata.protocol.verify.freshness import witnessed_ms
from fermata.protocol.verify.verification import Verification
from fermata.summary.documents import results_document
from harness.protocol.state_digest import state_digest

FOLDER = Path(__file__).parents[2] / "vectors" / "bundles"
Files = dict[str, bytes]
Change = dict[str, Any]


def whole_files(name: str) -> Files:
    """The files of a bundle that is stored whole."""
    folder = FOLDER / name
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def changed(files: Mapping[str, bytes], changes: list[Change]) -> Files:
    """The files after the changes, made one after the other (docs/spec/vectors.md)."""
    found = dict(files)
    for change in changes:
        name = change["file"]
        if "renamed" in change:
            found[change["renamed"]] = found.pop(name)
        elif change.get("deleted"):
            del found[name]
        else:
            data, at = found.get(name, b""), change["offset"]
            end = at + change["removed"]
            if end > len(data):
                raise ValueError(f"{name}: a change reaches beyond the end")
            found[name] = data[:at] + bytes.fromhex(change["hex"]) + data[end:]
    return found


def changes_between(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> list[Change]:
    """Changes that make the old files the new ones."""
    changes: list[Change] = []
    found = dict(old)
    for path in sorted(old.keys() - new.keys()):
        # A tile is called by how full it is, so a longer log renames it.
        parent = path.partition(".p/")[0]
        moved = [p for p in new.keys() - old.keys() if p.startswith(f"{parent}.p/")]
        if ".p/" in path and moved:
            changes.append({"file": path, "renamed": moved[0]})
            found[moved[0]] = found.pop(path)
        else:
            changes.append({"file": path, "deleted": True})
    for path in sorted(new):
        if found.get(path) != new[path]:
            before = found.get(path, b"")
            edits = min(_runs(before, new[path]), _middle(before, new[path]), key=_size)
            changes += [{"file": path, **edit} for edit in edits]
    return changes


def _size(edits: list[Change]) -> int:
    return sum(60 + len(edit["hex"]) for edit in edits)


def _edit(old: bytes, new: bytes, start: int, old_end: int, new_end: int) -> Change:
    return {"offset": start, "removed": old_end - start, "hex": new[start:new_end].hex()}


def _runs(old: bytes, new: bytes) -> list[Change]:
    """Runs of bytes that differ where both are, then the difference of their lengths."""
    edits: list[Change] = []
    common, at = min(len(old), len(new)), 0
    while at < common:
        if old[at] == new[at]:
            at += 1
            continue
        end = at + 1
        # Runs that nearly touch are one.
        while end < common and old[end : end + 8] != new[end : end + 8]:
            end += 1
        edits.append(_edit(old, new, at, end, end))
        at = end
    if len(old) != len(new):
        edits.append(_edit(old, new, common, len(old), len(new)))
    return edits


def _middle(old: bytes, new: bytes) -> list[Change]:
    """One edit: all between what both begin with and what both end with."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    return [_edit(old, new, start, len(old) - end, len(new) - end)]


def digest_of(document: Any) -> str:
    """SHA-256, in hex, of a document as JSON: keys sorted, no spaces, ASCII."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def pause_history(state: State) -> list[dict[str, Any]]:
    """Every change of the pause."""
    return [
        {
            "entry": c.entry,
            "time_ms": c.time_ms,
            "before": c.before,
            "after": c.after,
            "why": c.why,
            "round": c.round,
            "rules": list(c.rules),
            "calm_rounds": c.calm_rounds,
            "motion_entry": c.motion_entry,
        }
        for c in state.pause.changes
    ]


def _places(findings: Sequence[str]) -> list[list[str]]:
    """Where each finding is, and its reason if it names one: the rest is words for people."""
    found = (re.match(r"(?:([^:]+): )?(?:([A-Z][A-Z0-9_]+)(?::|$))?", text) for text in findings)
    places = [[match[1] or "", match[2] or ""] for match in found if match]
    return [place for i, place in enumerate(places) if place not in places[:i]]


def without_words(results: dict[str, Any]) -> dict[str, Any]:
    """A document of results without what says why, in words that may change."""
    rounds = [{k: v for k, v in r.items() if k != "refused"} for r in results["rounds"]]
    for found in rounds:
        if "rules" in found:
            found["rules"] = [{k: v for k, v in r.items() if k != "why"} for r in found["rules"]]
    return {**results, "rounds": rounds}


def expected_of(found: Verification) -> dict[str, Any]:
    """What a verifier finds, without the age by its own clock."""
    state, failed = found.state, [c for c in found.checks if c.status == FAILED]
    document: dict[str, Any] = {
        "exit_code": 0 if found.is_valid else 1,
        "valid": found.is_valid,
        "public": found.is_public,
        "checks": {f"V{c.number}": c.status for c in found.checks},
        "findings": {f"V{c.number}": _places(c.findings) for c in failed},
        "evidence": [[v.entry, v.kind, v.author, v.reason] for v in found.rejected],
        "culprits": {str(r.number): sorted(r.culprits) for r in state.rounds if r.culprits},
    }
    if not found.is_valid:
        return document
    results = without_words(results_document(state))
    acknowledged = {
        str(entry): {lab: seen.entry for lab, seen in labs.items()}
        for entry, labs in state.pause.acknowledged.items()
    }
    return document | {
        "cosigners": {a: [c.size, c.time_s] for a, c in found.witnessed.cosigned.items()},
        "entries": found.size,
        "beyond": found.beyond,
        "witnessed_ms": witnessed_ms(found.witnessed, state.chartered().charter.threshold),
        "state": state_digest(state),
        "pause": pause_history(state),
        "phase": state.pause.phase,
        "acknowledged": acknowledged,
        "results_sha256": digest_of(results),
        "results": results,
    }
