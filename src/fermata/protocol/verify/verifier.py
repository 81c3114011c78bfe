"""The offline verifier: checks V1 to V12, numbered as in docs/spec/verifier.md.

It starts from a bundle's bytes and, if given, the hash of the charter that the user trusts. V5.1,
V7.2 and so on stand where the check is made, in the order of the table there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fermata.crypto.report.proof_cache import ProofCache
from fermata.crypto.threshold.opening import check_opening
from fermata.errors import VerificationError
from fermata.log.merkle import Tree
from fermata.log.tiles import expected_paths
from fermata.protocol.charter.parse import MODULUS_BITS_MIN, Charter
from fermata.protocol.fold.apply import apply
from fermata.protocol.fold.disclosure import check_openable
from fermata.protocol.fold.proofs import failures_of
from fermata.protocol.fold.reports import (
    SealedPanel,
    aggregate,
    check_sealed,
    ciphertexts_of,
)
from fermata.protocol.reprs import short_repr
from fermata.protocol.roles.witness import Witnessed
from fermata.protocol.standing.panel_round import figures_in, standing_figures
from fermata.protocol.standing.retention import terms_of
from fermata.protocol.state.state import OPENED, Close, Round, State, ThresholdKey, Verdict
from fermata.protocol.statistics.results import results_of
from fermata.protocol.verify.bundle import (
    CHARTER,
    CHECKPOINT,
    MARKER,
    PUBLIC,
    WITNESSES,
    sealed_path,
    sealed_paths,
    sealed_wanted,
)
from fermata.protocol.verify.check_texts import (
    FAILED,
    NEEDS_SEALED,
    NOT_CHECKED,
    OPEN_ONLY,
    PASSED,
    TITLES,
    Check,
    let_go_texts,
)
from fermata.protocol.verify.key_checks import ceremonies_of, findings_v2
from fermata.protocol.verify.log_checks import (
    NOTHING,
    check_witnesses,
    findings_of_checkpoint,
    read_log,
    settled_part,
    state_of_keys,
)
from fermata.protocol.verify.pause_checks import Moment, findings_v10, findings_v12, moment_of
from fermata.protocol.verify.pin_hint import hint_for_pin
from fermata.protocol.wire.codec import decode_entry, sha256
from fermata.types import RoundNumber


@short_repr("is_valid is_public size beyond cosigners checks rejected state", rows="checks")
@dataclass(frozen=True, slots=True)
class Verification:
    """All checks in order, the state they led to, and the rejected entries (evidence).

    State, evidence and verdict are of the ``witnessed`` entries. ``beyond`` counts those after
    them, which only the coordinator, and too few auditors, have signed.
    """

    checks: tuple[Check, ...]
    state: State
    rejected: tuple[Verdict, ...]
    is_public: bool = False
    witnessed: Witnessed = NOTHING
    beyond: int = 0

    @property
    def not_checked(self) -> tuple[str, ...]:
        """What a bundle cannot show, a sentence for each check: a public one, and a full one of
        rounds whose sealed parts the charter's term has let go."""
        return tuple(
            f"V{c.number} ({c.title}): {said}"
            for c in self.checks
            if c.status != FAILED
            for said in c.findings
        )

    @property
    def size(self) -> int:
        """How many entries are witnessed, which the verdict is about."""
        return self.state.size

    @property
    def cosigners(self) -> int:
        """How many auditors have witnessed all of these entries."""
        return sum(seen.size >= self.witnessed.size for seen in self.witnessed.cosigned.values())

    @property
    def newest_ms(self) -> int:
        """The time of the newest witnessed entry, by the log: milliseconds since 1970, UTC."""
        return self.state.time_ms

    def age_s(self, now_ms: int) -> int:
        """Seconds from that time to ``now_ms``; below 0 if that is before it."""
        return (now_ms - self.newest_ms) // 1000

    @property
    def is_valid(self) -> bool:
        """Whether every check that the bundle's kind allows was reached and passed."""
        needless = NEEDS_SEALED if self.is_public else {}
        return all(c.status == PASSED or c.number in needless for c in self.checks)


class _Run:
    """Collects findings; a check that found something has failed."""

    def __init__(self, files: Mapping[str, bytes], state: State, cache: ProofCache) -> None:
        self.files = files
        self.state = state
        self.cache = cache
        self.rejected: list[Verdict] = []
        self.moments: list[Moment] = []
        self.leaves: list[bytes] = []
        self.tree = Tree()
        self.witnessed = NOTHING
        #: Of figures that stand or wait, by (round, lab, panel).
        self.ciphertexts: dict[tuple[int, str, str], tuple[int, ...]] = {}
        #: Rounds whose sealed parts the term has let go.
        self.gone: frozenset[RoundNumber] = frozenset()
        #: Rounds with reports: those that are gone, and all others.
        self.unlinked: list[RoundNumber] = []
        self.linked: list[RoundNumber] = []
        #: Rounds with sums: those with some figure of a round that is gone, and all others.
        self.unmultiplied: list[RoundNumber] = []
        self.multiplied: list[RoundNumber] = []
        self._findings: dict[int, list[str]] = {}
        self._reached: set[int] = set()

    def reach(self, number: int) -> None:
        self._reached.add(number)

    def fail(self, number: int, what: str) -> None:
        self._reached.add(number)
        self._findings.setdefault(number, []).append(what)

    def result(self) -> Verification:
        checks = []
        for number in TITLES:
            if number in self._findings:
                checks.append(Check(number, FAILED, tuple(self._findings[number])))
            elif number not in self._reached:
                checks.append(Check(number, NOT_CHECKED))
            elif self.is_public and number in NEEDS_SEALED:
                checks.append(Check(number, NOT_CHECKED, (NEEDS_SEALED[number],)))
            else:
                checks.append(Check(number, PASSED, self._unchecked(number)))
        return Verification(
            tuple(checks),
            self.state,
            tuple(self.rejected),
            self.is_public,
            self.witnessed,
            len(self.leaves) - self.state.size,
        )

    def _unchecked(self, number: int) -> tuple[str, ...]:
        """What of a check that has passed was not made, and why."""
        if self.is_public:
            return (OPEN_ONLY,) if number == 5 else ()
        if number == 7:
            return let_go_texts(number, self.unmultiplied, self.multiplied)
        return let_go_texts(number, self.unlinked, self.linked)

    @property
    def is_public(self) -> bool:
        return self.files.get(MARKER) == PUBLIC


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
    run = _Run(files, state, ProofCache() if cache is None else cache)
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
        _check_round(run, run.state.charter_at(round_.number), key, round_)
    _check_pause(run)
    return run.result()


def _check_pause(run: _Run) -> None:
    """V10 and V12."""
    v10, v12 = findings_v10(run.state, run.moments), findings_v12(run.state)
    for number, findings in ((10, v10), (12, v12)):
        run.reach(number)
        for finding in findings:
            run.fail(number, finding)


def _fold_charter(run: _Run) -> Charter | None:
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


def _check_head(run: _Run, charter: Charter) -> None:
    """V3 with keys: whose head it is, and how much of the log is witnessed."""
    whole = state_of_keys(run.state, charter, run.leaves[1:], run.cache)
    lines = run.files.get(WITNESSES)
    run.witnessed, findings = check_witnesses(whole.charters, run.tree, lines, whole.handovers)
    run.witnessed = settled_part(whole, run.witnessed)
    for finding in (*findings_of_checkpoint(whole, charter, run.files[CHECKPOINT]), *findings):
        run.fail(3, finding)


def _fold(run: _Run) -> None:
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


def _apply(run: _Run, leaf: bytes) -> Verdict:
    run.state, verdict = apply(run.state, leaf, run.cache)
    run.moments.append(moment_of(run.state))
    if not verdict.accepted:
        run.rejected.append(verdict)
    return verdict


def _check_no_other_file(run: _Run) -> None:
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


def _check_round(run: _Run, charter: Charter, key: ThresholdKey, round_: Round) -> None:
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
    run: _Run, key: ThresholdKey, number: RoundNumber, close: Close, where: str
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
    run: _Run, key: ThresholdKey, round_: Round, close: Close
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


def _check_opening(run: _Run, charter: Charter, key: ThresholdKey, round_: Round) -> None:
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
