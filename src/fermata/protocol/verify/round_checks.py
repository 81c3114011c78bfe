"""The checks of one closed round: V5 to V9 of docs/spec/verifier.md, numbered as there."""

from fermata.crypto.threshold.opening import check_opening
from fermata.errors import VerificationError
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.disclosure import check_openable
from fermata.protocol.fold.proofs import failures_of
from fermata.protocol.fold.reports import (
    SealedPanel,
    aggregate,
    check_sealed,
    ciphertexts_of,
)
from fermata.protocol.standing.panel_round import figures_in, standing_figures
from fermata.protocol.state.state import OPENED, Close, Round, ThresholdKey
from fermata.protocol.statistics.results import results_of
from fermata.protocol.verify.bundle import sealed_path
from fermata.protocol.verify.verification import Run
from fermata.types import RoundNumber


def check_round(run: Run, charter: Charter, key: ThresholdKey, round_: Round) -> None:
    """V5, V6, V7, V8 and V9 of one round, if it is closed."""
    close = round_.close
    if close is None:
        return
    is_gone = round_.number in run.gone
    reports = {} if run.is_public or is_gone else _read_sealed(run, key, round_, close)
    if close.listed:
        (run.unlinked if is_gone else run.linked).append(round_.number)
    proofs = {lab: {p: s.proof for p, s in sealed.items()} for lab, sealed in reports.items()}
    listed = {lab: round_.reports[lab] for lab in close.listed}
    # V5.1: a figure out of range, or of other ciphertexts than the proof is of.
    failures = failures_of(charter, key, round_.number, listed, proofs, close.leaf_hash, run.cache)
    for lab, reason in failures.items():
        run.fail(5, f"entry {round_.reports[lab].entry} ({lab}): {reason}")
    run.ciphertexts |= ciphertexts_of(round_.number, reports)
    if round_.refusal and not close.aggregates:
        return
    where = f"entry {close.entry} (round {round_.number})"
    try:
        check_openable(run.state, round_)  # V6.3: what may not be opened.
    except VerificationError as error:
        run.fail(6, f"{where}: {error}")
    if not run.is_public:
        _check_product(run, key, round_.number, close, where)
    if round_.phase(charter.endorsement_quorum) == OPENED:
        _check_opening(run, charter, key, round_)


def _check_product(
    run: Run, key: ThresholdKey, number: RoundNumber, close: Close, where: str
) -> None:
    """V7, from the sealed parts of this round and of older ones whose figures still stand."""
    if not run.gone.isdisjoint(of for of, _ in figures_in(close.figures)):
        run.unmultiplied.append(number)
        return
    run.multiplied.append(number)
    have = {(number, lab) for number, lab, _ in run.ciphertexts}
    if not have.issuperset(figures_in(close.figures)):  # V7.1.
        run.fail(7, f"{where}: cannot be recomputed without all of its reports")
    elif aggregate(key, close.figures, run.ciphertexts) != dict(close.aggregates):
        # V7.2: another sum than the reports'.
        run.fail(7, f"{where}: is not the product of its reports")
    # What no longer stands is in no later sum, and a long log has many ciphertexts.
    kept = standing_figures(close.standing)
    run.ciphertexts = {
        figure: numbers for figure, numbers in run.ciphertexts.items() if figure in kept
    }


def _read_sealed(
    run: Run, key: ThresholdKey, round_: Round, close: Close
) -> dict[str, dict[str, SealedPanel]]:
    """V6: every listed report's sealed part is there and is the one that the report names."""
    reports = {}
    for lab in close.listed:
        seen = round_.reports[lab]
        path = sealed_path(seen.sealed_sha256)
        data = run.files.get(path)
        if data is None:  # V6.1.
            run.fail(6, f"entry {seen.entry} ({lab}): {path} is missing")
            continue
        try:
            reports[lab] = check_sealed(key, seen.parts, seen.sealed_sha256, data)  # V6.2.
        except VerificationError as error:
            run.fail(6, f"entry {seen.entry} ({lab}): {error}")
    return reports


def _check_opening(run: Run, charter: Charter, key: ThresholdKey, round_: Round) -> None:
    """V8 and V9, recomputed without the fold: phe encrypts the result again."""
    close, opening = round_.close, round_.opening
    if close is None or opening is None:
        return
    where = f"entry {opening.entry} (round {round_.number})"
    if not round_.has_quorum(charter.endorsement_quorum):  # V8.1: no quorum checked it.
        run.fail(8, f"{where}: opened without a quorum")
    for panel, ciphertexts in close.aggregates.items():
        for ciphertext, plaintext, root in zip(
            ciphertexts, opening.plaintexts[panel], opening.roots[panel], strict=True
        ):
            try:
                check_opening(key.record.n, ciphertext, plaintext, root)  # V9.1: a false result.
            except VerificationError as error:
                run.fail(9, f"{where}: {panel} does not open so: {error}")
    try:
        _, results = results_of(charter, close.members, opening.plaintexts, close.whole)  # V9.2.
    except VerificationError as error:
        run.fail(9, f"{where}: {error}")
        return
    if results != opening.results:  # V9.3.
        run.fail(9, f"{where}: statistics differ")
