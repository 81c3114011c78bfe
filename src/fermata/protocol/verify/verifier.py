"""The offline verifier: checks V1 to V12, numbered as in docs/spec/verifier.md.

It starts from a bundle's bytes and, if given, the hash of the charter that the user trusts. V5.1,
V7.2 and so on stand where the check is made, in the order of the table there; V5 to V9 are in
``round_checks``.
"""

from collections.abc import Mapping

from fermata.crypto.report.proof_cache import ProofCache
from fermata.errors import VerificationError
from fermata.log.tiles import expected_paths
from fermata.protocol.charter.parse import MODULUS_BITS_MIN, Charter
from fermata.protocol.fold.apply import apply
from fermata.protocol.standing.retention import terms_of
from fermata.protocol.state.state import State, Verdict
from fermata.protocol.verify.bundle import (
    CHARTER,
    CHECKPOINT,
    MARKER,
    WITNESSES,
    sealed_paths,
    sealed_wanted,
)
from fermata.protocol.verify.key_checks import ceremonies_of, findings_v2
from fermata.protocol.verify.log_checks import (
    check_witnesses,
    findings_of_checkpoint,
    read_log,
    settled_part,
    state_of_keys,
)
from fermata.protocol.verify.pause_checks import findings_v10, findings_v12, moment_of
from fermata.protocol.verify.pin_hint import hint_for_pin
from fermata.protocol.verify.round_checks import check_round
from fermata.protocol.verify.verification import Run, Verification
from fermata.protocol.wire.codec import decode_entry, sha256


def verify_bundle(
    files: Mapping[str, bytes],
    charter_sha256: bytes | None = None,
    modulus_bits_min: int = MODULUS_BITS_MIN,
    cache: ProofCache | None = None,
) -> Verification:
    """Runs all checks over a bundle's files (path to bytes). Never raises for their content.

    What they find is about the witnessed entries alone: who may show this reader another log than
    everybody else may also show it other entries after those.

    ``cache``: proofs that the caller has checked before; no verdict depends on it.
    """
    state = State(charter_sha256=charter_sha256, modulus_bits_min=modulus_bits_min)
    run = Run(files, state, ProofCache() if cache is None else cache)
    run.reach(3)
    run.leaves, run.tree, findings = read_log(files)
    for finding in findings:
        run.fail(3, finding)
    if not run.leaves:
        return run.result()
    charter = _fold_charter(run)
    if charter is None:
        return run.result()
    _check_head(run, charter)
    if not run.witnessed.size:
        return run.result()
    _fold(run)
    _check_no_other_file(run)
    key = run.state.key
    if key is None:  # V2.2.
        run.fail(2, "the log has no valid key record")
        return run.result()
    run.reach(2)
    for finding in findings_v2(run.state.keyed(), run.leaves, files):
        run.fail(2, finding)
    for number in (5, 6, 7, 8, 9):
        run.reach(number)
    for round_ in run.state.rounds:
        check_round(run, run.state.charter_at(round_.number), key, round_)
    _check_pause(run)
    return run.result()


def _check_pause(run: Run) -> None:
    """V10 and V12."""
    v10, v12 = findings_v10(run.state, run.moments), findings_v12(run.state)
    for number, findings in ((10, v10), (12, v12)):
        run.reach(number)
        for finding in findings:
            run.fail(number, finding)


def _fold_charter(run: Run) -> Charter | None:
    """V1: entry 0 by the fold itself; None if it is not the charter that was asked for."""
    run.reach(1)
    verdict = _apply(run, run.leaves[0])
    # V1.1: a run of other parties or under other terms; nothing else would mean anything.
    if not verdict.accepted:
        pin, hint = run.state.charter_sha256, ""
        if pin is not None and verdict.reason == "CHARTER_HASH":
            hint = hint_for_pin(run.leaves, pin, run.state.modulus_bits_min)
        run.fail(1, f"entry 0: {verdict.reason}: {verdict.detail}{hint}")
        return None
    if run.files.get(CHARTER) is None:  # V1.2, and then V1.3: what people read is what was signed.
        run.fail(1, "charter.toml: the file is missing")
    elif sha256(run.files[CHARTER]) != run.state.charter_sha256:
        run.fail(1, "charter.toml: is not the charter of entry 0")
    return run.state.charter


def _check_head(run: Run, charter: Charter) -> None:
    """V3 with keys: whose head it is, and how much of the log is witnessed."""
    whole = state_of_keys(run.state, charter, run.leaves[1:], run.cache)
    lines = run.files.get(WITNESSES)
    run.witnessed, findings = check_witnesses(whole.charters, run.tree, lines, whole.handovers)
    run.witnessed = settled_part(whole, run.witnessed)
    for finding in (*findings_of_checkpoint(whole, charter, run.files[CHECKPOINT]), *findings):
        run.fail(3, finding)


def _fold(run: Run) -> None:
    """V2 and V4 by the fold itself: whatever it rejects has no effect, and is shown."""
    for leaf in run.leaves[1 : run.witnessed.size]:
        verdict = _apply(run, leaf)
        if verdict.accepted:
            continue
        if verdict.kind == "KeyRecord":  # V2.1: it testifies against no single author.
            run.fail(2, f"entry {verdict.entry}: {verdict.reason}: {verdict.detail}")
        elif not verdict.author:  # V4.1: statements of nobody.
            run.fail(4, f"entry {verdict.entry}: {verdict.reason}: {verdict.detail}")
    for entry, leaf in enumerate(run.leaves[run.witnessed.size :], run.witnessed.size):
        try:
            decode_entry(leaf)  # V4.2: what is not witnessed is of this log's form, at least.
        except VerificationError as error:
            run.fail(4, f"entry {entry}: {error.reason}: {error}")
    run.reach(4)
    run.gone = terms_of(run.state, run.state.size).gone


def _apply(run: Run, leaf: bytes) -> Verdict:
    run.state, verdict = apply(run.state, leaf, run.cache)
    run.moments.append(moment_of(run.state))
    if not verdict.accepted:
        run.rejected.append(verdict)
    return verdict


def _check_no_other_file(run: Run) -> None:
    known = {MARKER, CHARTER, CHECKPOINT, WITNESSES, *expected_paths(len(run.leaves))}
    let_go = sealed_paths(run.state, run.gone).keys()
    known |= let_go | ceremonies_of(run.state, run.leaves.__getitem__).keys()
    if not run.is_public:
        known |= sealed_wanted(run.state).keys()
    for path in sorted(run.files.keys() - known):  # V3.16: it would look as if it were verified.
        run.fail(3, f"{_printable(path)}: a file that does not belong to the bundle")
    for path in sorted(run.files.keys() & (let_go - sealed_wanted(run.state).keys())):
        # V3.17: one head would have several bundles.
        run.fail(3, f"{path}: a sealed part that the charter's term lets go")


def _printable(path: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in path)[:120]
