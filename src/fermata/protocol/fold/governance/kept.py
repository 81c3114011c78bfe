"""What an amendment must keep of the charter that it changes, and what it must have.

Normative text: docs/spec/governance.md, G12 and G13.
"""

from collections.abc import Sequence

from fermata.errors import ConfigError, Refusal
from fermata.protocol.charter.disclosure_terms import MetricLimit, limits_of, told_limits
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.panel import organisations_in_common
from fermata.protocol.charter.parse import CHARTER_BYTES_MAX, Charter, parse_charter
from fermata.protocol.consent.comparison import consent_needed
from fermata.protocol.fold.governance.amendment import charter_in_force
from fermata.protocol.state.state import State
from fermata.protocol.wire.codec import CHARTER_TYPE
from fermata.protocol.wire.envelope import check_signatures
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
    old = charter_in_force(state)
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
    old = charter_in_force(state)
    # F12.23: back under an old charter, old statements would be valid again.
    if any(v.charter.sha256 == new.sha256 for v in state.charters):
        raise Refusal("AMENDMENT_SAME", "amendment: this very charter is or was in force")
    # F12.24 is G12.1 to G12.16: first what the key and the rounds so far rest on, G12.1 to G12.3.
    kept = {
        "deployment": (old.deployment, new.deployment),
        "[cryptography]": (_cryptography(old), _cryptography(new)),
        "the coordinator's id and organisation": (_coordinator(old), _coordinator(new)),
    }
    for what, (before, after) in kept.items():
        if before != after:
            raise Refusal("AMENDMENT_KEEPS", f"amendment: must keep {what}")
    _check_auditors(old, new)  # G12.4.
    # G12.5, G12.6: periods would no longer have a place in the sequence.
    for what, (first, then) in {
        "rounds.cadence": (old.cadence, new.cadence),
        "rounds.first": (old.first_period, new.first_period),
    }.items():
        if first != then:
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
    _check_successors(old, new)  # G18.1.


def _check_successors(old: Charter, new: Charter) -> None:
    """G18.1: who leads a view is counted through the list, so the list stays once there is one.

    Keys may change as the coordinator's may, and so may addresses, authorities and times.
    """
    if old.succession is None:
        return
    before, after = (
        [(party, c.parties[party].organisation) for party in c.coordinators] for c in (old, new)
    )
    if before != after:
        raise Refusal(
            "AMENDMENT_KEEPS",
            "amendment: must keep the successors, with their ids, organisations and order",
        )


def changes_auditors(old: Charter, new: Charter) -> bool:
    """Whether other auditors, other keys of theirs or another threshold are to come (G14a)."""
    before, after = (
        (c.threshold, [c.parties[auditor] for auditor in c.auditors]) for c in (old, new)
    )
    return before != after


def _check_auditors(old: Charter, new: Charter) -> None:
    """What an amendment that changes the auditors may not change with them."""
    if not changes_auditors(old, new):
        return
    # G12.4: auditors are replaced also in a pause, and terms of the pause are not; and the head of
    # the key record's entry is signed by the key with which the coordinator logs it.
    if consent_needed(old, new).has_share_for_pause:
        raise Refusal(
            "AMENDMENT_KEEPS",
            "amendment: one that changes the auditors must keep what else asks a share of the"
            " labs; table that by itself",
        )
    if any(old.parties[c] != new.parties.get(c) for c in old.coordinators):
        raise Refusal(
            "AMENDMENT_KEEPS", "amendment: one that changes the auditors must keep the coordinators"
        )


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
        charter.headroom_bits,
        charter.range_base,
        charter.key_origin,
    )


def _coordinator(charter: Charter) -> tuple[str, str]:
    return charter.coordinator, charter.parties[charter.coordinator].organisation


def _metrics(charter: Charter) -> tuple[Metric, ...]:
    return tuple(m for panel in charter.panels for m in panel.metrics)


def _scale(metric: Metric) -> tuple[object, ...]:
    unit = (metric.quantity, metric.unit)
    return (metric.panel, unit, metric.minimum, metric.maximum, metric.resolution)
