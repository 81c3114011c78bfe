"""Amendments of the charter: what may change, and when the new one comes into force.

Normative text: docs/spec/governance.md, G12 to G15. Nothing changes inside a round: what the
committee decided takes effect with an OpenRound, and each earlier round keeps its own terms.
"""

from collections.abc import Sequence
from dataclasses import replace

from fermata.errors import ConfigError, Refusal
from fermata.protocol.charter.disclosure_terms import MetricLimit, limits_of, told_limits
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.panel import organisations_in_common
from fermata.protocol.charter.parse import CHARTER_BYTES_MAX, Charter, parse_charter
from fermata.protocol.charter.roster import Party
from fermata.protocol.state.clock import Clock
from fermata.protocol.state.governance import CARRIED, EXCLUSION, Governance, Motion
from fermata.protocol.state.pause import RUNNING
from fermata.protocol.state.state import CharteredState, CharterVersion, State
from fermata.protocol.wire.codec import CHARTER_TYPE
from fermata.protocol.wire.envelope import check_signatures
from fermata.types import EntryIndex, RoundNumber
from fermata.wire.v1 import envelope_pb2, statement_pb2

#: How long limits that each report tells of stay where an amendment has moved them.
YEAR_MS = 365 * 24 * 3600 * 1000


def check_amendment(state: State, wire: statement_pb2.Motion) -> Charter:
    """The new charter of an amendment, once all that it must keep is kept.

    Raises Refusal CHARTER, AMENDMENT_SAME, AMENDMENT_KEEPS, AMENDMENT_BASE; InvalidSignature
    SIGNERS, SIGNATURE.
    """
    # F12.22: terms that cannot be kept must not be voted on.
    charter = parse_amendment(wire.charter, state.modulus_bits_min)
    check_kept(state, charter)  # F12.23, F12.24.
    old = state.charter_at(len(state.rounds) + 1)
    envelope = envelope_pb2.Envelope(
        payload_type=CHARTER_TYPE, payload=wire.charter, signatures=wire.signatures
    )
    # F12.25: no party is bound to what it did not sign.
    check_signatures(envelope, charter.signing_keys, new_parties(old, charter))
    return charter


def parse_amendment(data: bytes, modulus_bits_min: int) -> Charter:
    """The charter in an amendment. Raises Refusal CHARTER with the line."""
    if len(data) > CHARTER_BYTES_MAX:
        raise Refusal("CHARTER", f"amendment: its charter has more than {CHARTER_BYTES_MAX} bytes")
    try:
        return parse_charter(data, modulus_bits_min)
    except ConfigError as error:
        raise Refusal("CHARTER", f"amendment: {error}") from error


def new_parties(old: Charter, new: Charter) -> tuple[str, ...]:
    """Who must sign the new charter: parties that the old one lacks, or has with another key."""
    return tuple(sorted(p.id for p in new.parties.values() if old.parties.get(p.id) != p))


def check_kept(state: State, new: Charter) -> None:
    """What the key, the log and earlier rounds rest on stays as it is.

    Raises Refusal AMENDMENT_SAME, AMENDMENT_KEEPS, AMENDMENT_BASE.
    """
    old = state.charter_at(len(state.rounds) + 1)
    # F12.23: back under an old charter, old statements would be valid again.
    if any(v.charter.sha256 == new.sha256 for v in state.charters):
        raise Refusal("AMENDMENT_SAME", "amendment: this very charter is or was in force")
    # F12.24 is G12.1 to G12.16: first what the key and the rounds so far rest on, G12.1 to G12.6.
    kept = {
        "deployment": (old.deployment, new.deployment),
        "[cryptography]": (_cryptography(old), _cryptography(new)),
        "the coordinator": (_parties(old, (old.coordinator,)), _parties(new, (new.coordinator,))),
        "the auditors": (_parties(old, old.auditors), _parties(new, new.auditors)),
        "rounds.cadence": (old.cadence, new.cadence),
        "rounds.first": (old.first_period, new.first_period),
    }
    for what, (before, after) in kept.items():
        if before != after:
            raise Refusal("AMENDMENT_KEEPS", f"amendment: must keep {what}")
    # G12.7: nobody could change the charter again.
    if new.committee is None:
        raise Refusal("AMENDMENT_KEEPS", "amendment: must keep a committee")
    # G12.8: a pause must not be lifted by leaving it out.
    if old.pause is not None and new.pause is None:
        raise Refusal("AMENDMENT_KEEPS", "amendment: must keep a pause")
    roles = {p.id: p.role for p in new.parties.values()}
    for party in old.parties.values():
        # G12.9: its earlier statements would mean something else.
        if roles.get(party.id, party.role) != party.role:
            raise Refusal("AMENDMENT_KEEPS", f"amendment: must keep the role of {party.id}")
    _check_thresholds(state, new)  # G12.10.
    known = {m.id: m for v in state.charters for m in _metrics(v.charter)}
    for metric in _metrics(new):
        # G12.11: sums that are compared must be of the same thing.
        if metric.id in known and _scale(metric) != _scale(known[metric.id]):
            raise Refusal(
                "AMENDMENT_KEEPS",
                f"amendment: metric {metric.id} must keep panel, quantity, unit, min, max and"
                " resolution; give the new one another id",
            )
    _check_quantities(state, new)  # G12.12.
    # F12.24, G12.13: who signed it agreed to this step, and not to one from a later charter.
    if new.previous != old.sha256.hex():
        raise Refusal(
            "AMENDMENT_BASE",
            f'amendment: must have previous = "{old.sha256.hex()}", the charter in force',
        )
    # G12.14: a real charter must not get short notices, nor a test be shown as a real one.
    if new.is_test != old.is_test:
        raise Refusal("AMENDMENT_KEEPS", "amendment: must keep test")
    _check_moves(state, new)  # G12.15.
    _check_named(state, new)  # G12.16.


def _check_thresholds(state: State, new: Charter) -> None:
    """P8 over all versions: moving a limit from version to version searches for a value."""
    asked: dict[str, set[MetricLimit]] = {}
    for charter in (*(v.charter for v in state.charters), new):
        for metric in _metrics(charter):
            asked.setdefault(metric.id, set()).update(
                limits_of(metric, charter.disclosure, charter.dues)
            )
    for metric_id, thresholds in asked.items():
        if len(thresholds) > new.disclosure.thresholds_max:
            raise Refusal(
                "AMENDMENT_KEEPS",
                f"amendment: metric {metric_id} would have had more limits, over all versions, than"
                " disclosure.thresholds_max",
            )


def _check_moves(state: State, new: Charter) -> None:
    """D6: limits that each report tells of move once a year, or they close in on a figure."""
    charters = [version.charter for version in state.charters]
    if not _moved(charters, new):
        return
    for number, version in enumerate(state.charters[1:], start=1):
        start_ms = state.clock.start_ms(version.entry)
        is_recent = start_ms is None or state.time_ms < start_ms + YEAR_MS
        if is_recent and _moved(charters[:number], version.charter):
            raise Refusal(
                "AMENDMENT_KEEPS",
                "amendment: must keep the bands of the dues, the limits of duties and the shares;"
                f" the amendment of round {version.from_round} moved some less than a year ago",
            )


def _moved(before: Sequence[Charter], new: Charter) -> bool:
    """Whether a metric has other bands, duties or shares than in the last charter that had it."""
    last = {metric_id: own for charter in before for metric_id, own in _told(charter).items()}
    return any(last.get(metric_id, own) != own for metric_id, own in _told(new).items())


def _told(charter: Charter) -> dict[str, frozenset[MetricLimit]]:
    return {m.id: told_limits(m, charter.disclosure, charter.dues) for m in _metrics(charter)}


def _check_quantities(state: State, new: Charter) -> None:
    """C5.11 over all versions: sums of one thing in two panels, one after the other, add up too."""
    for old in (v.charter for v in state.charters):
        for panel in new.panels:
            others = [p for p in old.panels if p.id != panel.id]
            for other in others:
                here = {m.quantity for m in panel.metrics} - {""}
                moved = sorted(here & {m.quantity for m in other.metrics})
                if moved and organisations_in_common(
                    panel, _organisations(new), other, _organisations(old)
                ):
                    raise Refusal(
                        "AMENDMENT_KEEPS",
                        f"amendment: the quantity {moved[0]} must stay in panel {other.id}, which"
                        f" has had an organisation of panel {panel.id}",
                    )


def _check_named(state: State, new: Charter) -> None:
    """C5.10 over all versions: a new metric that may measure what an earlier one did says what it
    measures, so that G12.12 and the labs' owners can compare."""
    charters = [version.charter for version in state.charters]
    known = {metric.id for charter in charters for metric in _metrics(charter)}
    for panel in new.panels:
        units = {m.unit: m.id for m in panel.metrics if m.id not in known and not m.quantity}
        for old in charters if units else ():
            for other in (p for p in old.panels if p.id != panel.id):
                same = next((m for m in other.metrics if m.unit in units), None)
                if same is not None and organisations_in_common(
                    panel, _organisations(new), other, _organisations(old)
                ):
                    raise Refusal(
                        "AMENDMENT_KEEPS",
                        f"amendment: metric {units[same.unit]} must have a quantity: {same.id} of"
                        f" panel {other.id} is in {same.unit or 'no unit'} too, and has had an"
                        f" organisation of panel {panel.id}",
                    )


def _organisations(charter: Charter) -> dict[str, str]:
    return {lab: charter.parties[lab].organisation for lab in charter.labs}


def _cryptography(charter: Charter) -> tuple[object, ...]:
    return (
        charter.modulus_bits,
        charter.threshold,
        charter.headroom_bits,
        charter.range_base,
        charter.key_origin,
    )


def _parties(charter: Charter, ids: tuple[str, ...]) -> list[object]:
    return [charter.parties[party] for party in ids]


def _metrics(charter: Charter) -> tuple[Metric, ...]:
    return tuple(m for panel in charter.panels for m in panel.metrics)


def _scale(metric: Metric) -> tuple[object, ...]:
    unit = (metric.quantity, metric.unit)
    return (metric.panel, unit, metric.minimum, metric.maximum, metric.resolution)


def due_amendment(state: State) -> Motion | None:
    """The amendment that comes into force if the next round is opened now."""
    pending = state.governance.amendment
    motion = state.governance.motions[pending] if pending is not None else None
    return motion if motion is not None and _is_due(state, motion) else None


def joining_party(state: State, party: str) -> Party | None:
    """A party of the charter that has carried and is not in force yet."""
    pending = state.governance.amendment
    motion = state.governance.motions[pending] if pending is not None else None
    if motion is None or motion.charter is None or motion.status != CARRIED:
        return None
    return motion.charter.parties.get(party)


def _is_due(state: State, motion: Motion) -> bool:
    number = len(state.rounds) + 1
    has_carried = motion.status == CARRIED and number >= motion.from_round
    # G12c: what binds everybody in a pause waits until the pause is over.
    may_begin = not motion.has_share or state.pause.phase == RUNNING
    return has_carried and may_begin and state.clock.passed(motion.notice)


def charter_for_next_round(state: State) -> Charter:
    """The charter that a round opened now is held under. Raises Refusal NO_CHARTER."""
    motion = due_amendment(state)
    if motion is not None and motion.charter is not None:
        return motion.charter
    return state.charter_at(len(state.rounds) + 1)


def charter_bound(state: State, statement: statement_pb2.Statement) -> Charter:
    """The charter that a statement logged now must be bound to. Raises Refusal NO_CHARTER.

    An opening may name a pending amendment's: then the rule of opening says that it is too
    early, and the coordinator tries again, which another hash would not allow.
    """
    if not statement.HasField("open_round"):
        return state.charter_at(len(state.rounds) + 1)
    pending = state.governance.amendment
    motion = state.governance.motions[pending] if pending is not None else None
    is_carried = motion is not None and motion.status == CARRIED
    new = motion.charter if motion is not None and is_carried else None
    if new is not None and statement.charter_sha256 == new.sha256:
        return new
    return charter_for_next_round(state)


def take_effect(state: CharteredState, entry: EntryIndex) -> CharteredState:
    """The state with the decisions that are due when the next round is opened with this entry."""
    motion = due_amendment(state)
    if motion is not None and motion.charter is not None:
        state = _amend(state, entry, motion.charter)
    due = [
        state.governance.motions[notice]
        for notice in state.governance.notices
        if _is_due(state, state.governance.motions[notice])
    ]
    if not due:
        return state
    done = {m.entry for m in due}
    number = len(state.rounds) + 1
    governance = replace(
        state.governance,
        exclusions={**state.governance.exclusions, **{m.lab: number for m in due}},
        notices=tuple(n for n in state.governance.notices if n not in done),
    )
    return replace(state, governance=governance)


def _amend(state: CharteredState, entry: EntryIndex, charter: Charter) -> CharteredState:
    version = CharterVersion(charter, RoundNumber(len(state.rounds) + 1), entry)
    return replace(
        state,
        charter=charter,
        charters=(*state.charters, version),
        clock=clock_under(state.clock, charter),
        governance=_without_leavers(replace(state.governance, amendment=None), charter),
    )


def clock_under(clock: Clock, charter: Charter) -> Clock:
    """The clock by the terms of a charter that comes into force."""
    return clock.under(len(charter.auditors), charter.threshold, charter.heartbeat_s)


def _without_leavers(governance: Governance, charter: Charter) -> Governance:
    """A lab that leaves the roster takes its exclusion along: a later amendment may admit it."""
    motions = governance.motions
    gone = {n for n in governance.notices if motions[n].lab not in charter.labs}
    return replace(
        governance,
        exclusions={lab: r for lab, r in governance.exclusions.items() if lab in charter.labs},
        notices=tuple(n for n in governance.notices if n not in gone),
    )


def exclusion_pending(state: State, lab: str) -> bool:
    """Whether a lab is excluded, or an exclusion of it is open or waits for its notice."""
    governance = state.governance
    waiting = [governance.motions[n] for n in governance.notices]
    pending = [m for m in governance.open_motions if m.kind == EXCLUSION] + waiting
    return lab in governance.exclusions or any(m.lab == lab for m in pending)
