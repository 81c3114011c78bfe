"""All articles of a charter, and the keys that none of them compares.

Normative text: docs/spec/consent.md, CO2. A test walks the keys of the charter's file and refuses
any that neither an article covers nor ``UNCOMPARED`` names.
"""

from collections.abc import Callable

from fermata.protocol.charter.parse import Charter
from fermata.protocol.consent.article import Article, of_charter
from fermata.protocol.consent.difference import Effect, any_change
from fermata.protocol.consent.figures import DISCLOSURE, FIGURES
from fermata.protocol.consent.obligations import COMMITTEE, OBLIGATIONS, PAUSE


def _of_kept(keys: str, name: str, value: Callable[[Charter], str]) -> Article:
    """What no amendment may change (governance.md, G12.1 to G12.6 and G12.14)."""
    return of_charter(keys, name, lambda c, lab: value(c), any_change(Effect.WEAKER))


def _party(charter: Charter, party_id: str) -> str:
    party = charter.parties[party_id]
    return f"{party.id} ({party.organisation}, key {party.signing_key.hex()})"


def _auditors(charter: Charter) -> str:
    return ", ".join(_party(charter, auditor) for auditor in charter.auditors)


def _successors(charter: Charter) -> str:
    return ", ".join(_party(charter, party) for party in charter.coordinators[1:]) or "none"


def _wait(charter: Charter, name: str) -> str:
    terms = charter.succession
    return str(getattr(terms, name) // 1000) if terms is not None else "none"


_KEPT = (
    _of_kept("deployment", "deployment", lambda c: c.deployment),
    _of_kept("cryptography.modulus_bits", "modulus_bits", lambda c: str(c.modulus_bits)),
    _of_kept("cryptography.headroom_bits", "headroom_bits", lambda c: str(c.headroom_bits)),
    _of_kept("cryptography.range_base", "range_base", lambda c: str(c.range_base)),
    _of_kept("cryptography.key_origin", "key_origin", lambda c: c.key_origin),
    _of_kept("rounds.cadence", "cadence", lambda c: c.cadence),
    _of_kept("rounds.first", "first period", lambda c: c.first_period),
    _of_kept("test", "test charter", lambda c: "yes" if c.is_test else "no"),
    _of_kept(
        "coordinator.id coordinator.organisation coordinator.signing_key",
        "coordinator",
        lambda c: _party(c, c.coordinator),
    ),
    _of_kept(
        "successor.id successor.organisation successor.signing_key", "successors", _successors
    ),
    _of_kept("succession.succession_s", "succession_s", lambda c: _wait(c, "succession_ms")),
    _of_kept("succession.conflict_s", "conflict_s", lambda c: _wait(c, "conflict_ms")),
    # Whoever is another party under the same id could give figures beside those of the others.
    of_charter("lab.organisation lab.signing_key", "own party", _party, any_change(Effect.MORE)),
)

#: Who can open the labs' figures together, those of earlier rounds as well.
_AUDITORS = (
    of_charter(
        "cryptography.threshold",
        "threshold",
        lambda c, lab: str(c.threshold),
        any_change(Effect.LABS),
    ),
    of_charter(
        "auditor.id auditor.organisation auditor.signing_key",
        "auditors",
        lambda c, lab: _auditors(c),
        any_change(Effect.LABS),
    ),
)
#: The names of these articles: what they ask of the labs is asked in a pause as well (G12c).
OF_AUDITORS = frozenset({"threshold", "auditors"})

#: All articles, in the order in which people read their differences.
ARTICLES = (*DISCLOSURE, *FIGURES, *OBLIGATIONS, *PAUSE, *COMMITTEE, *_AUDITORS, *_KEPT)

_FOR_PEOPLE = "words for people, which no rule reads"
_DECIDES = "who decides and when, which moves no figure and no right that CO2 lists"
_DRILLS = "how often auditors show that they could open, which opens no figure"
_PLACE = "where a node is reached, which shows no figure"
_PACE = "when rounds are answered, which shows no more of a figure"
#: Keys that no article compares, with the reason.
UNCOMPARED = {
    "format": "this version knows one",
    "previous": "names the charter before",
    "title": _FOR_PEOPLE,
    "metric.method": _FOR_PEOPLE,
    "rounds.window_s": _PACE,
    "rounds.plea_s": _PACE,
    "rounds.heartbeat_s": _PACE,
    "coordinator.addresses": _PLACE,
    "coordinator.authority": _PLACE,
    "successor.addresses": _PLACE,
    "successor.authority": _PLACE,
    "drills.every_s": _DRILLS,
    "drills.answer_s": _DRILLS,
    "committee.rotation": _DECIDES,
    "committee.ruling_s": _DECIDES,
    "committee.turn_s": _DECIDES,
    "member.id": _DECIDES,
    "member.organisation": _DECIDES,
    "member.signing_key": _DECIDES,
    "member.first_round": _DECIDES,
    "member.last_round": _DECIDES,
}
