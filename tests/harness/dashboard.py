"""A log in the middle of a pause, with dues, heartbeats and a committee, and its bundle."""

import functools

from fermata.dashboard.checks import Checks, checks_view
from fermata.dashboard.source import BundleSource
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.bundles import bundle_of
from harness.chains import MODULUS_BITS_MIN, PAUSE_TABLES, Chain, make_deployment

DUES_TABLES = """
[[tier]]
id = "large"
panels = ["alpha"]
dues = "1200.50"

[[tier]]
id = "small"
panels = ["alpha"]
dues = "300"

[dues]
unit = "EUR"
"""
#: Hours of every lab, by round: growth, a trigger, and a calm round of the pause.
HOURS = ("9", "12", "14.5", "20", "8")
DAY_MS = 24 * 60 * 60 * 1000


@functools.cache
def paused_chain() -> Chain:
    """Lifting: of five rounds the fourth triggered, and the fifth is calm."""
    tiers = ("large",) * 2 + ("small",) * 4
    tables = PAUSE_TABLES + DUES_TABLES
    chain = Chain(make_deployment(extra=tables, last="2026Q4", tiers=tiers, members="axyz"))
    chain.start()
    for hours in HOURS[:-1]:
        _round(chain, dict.fromkeys(chain.deployment.charter.labs, hours))
    said = statement_pb2.Acknowledgement(change=EntryRef(index=chain.state.pause.changes[0].entry))
    for lab in chain.deployment.charter.labs[:5]:
        chain.say(lab, acknowledgement=said)
    calm = dict.fromkeys(chain.deployment.charter.labs, HOURS[-1])
    _round(chain, {**calm, "lab-4": "10.5"})
    # The same auditor endorses again: refused, and kept as evidence.
    other = chain.endorsement_statement("auditor-1")
    other.endorsement.aggregate_sha256 = bytes(32)
    chain.put(chain.seal(other))
    _motions(chain)
    chain.time_ms += 60_000
    for party in chain.deployment.charter.parties:
        if party != "lab-5" and not party.startswith("member"):
            _beat(chain, party)
    return chain


def _round(chain: Chain, hours: dict[str, str]) -> None:
    chain.time_ms += 80 * DAY_MS
    chain.open_round()
    for lab, figure in hours.items():
        values = {"hours": figure, "share": str(int(lab[-1]) - 3)}
        wide = {f"wide-{k}": "120000000000000000000" for k in range(1, 6)}
        verdict = chain.report(lab, values | (wide if lab != "lab-1" else {}))
        assert verdict.accepted, verdict
    chain.close()
    chain.endorse()
    chain.open_part()


def _motions(chain: Chain) -> None:
    """A dispute with a ruling that is being voted on, and a lift that waits for votes."""
    report = chain.round.reports["lab-4"].entry
    dispute = statement_pb2.Motion(
        kind=statement_pb2.MOTION_KIND_DISPUTE,
        about=EntryRef(index=report),
        lab="lab-4",
        reason="It did not show that it complies.",
    )
    filed = chain.say("lab-2", motion=dispute)
    ruling = statement_pb2.Motion(
        kind=statement_pb2.MOTION_KIND_RULING, about=EntryRef(index=filed.entry), is_upheld=True
    )
    _tabled_and_voted(chain, ruling, "member-2", "member-3")
    lift = statement_pb2.Motion(kind=statement_pb2.MOTION_KIND_LIFT, reason="The figures fell.")
    _tabled_and_voted(chain, lift, "member-2")


def _tabled_and_voted(chain: Chain, motion: statement_pb2.Motion, *members: str) -> None:
    for chair in chain.deployment.charter.committee.rotation:
        tabled = chain.fork().say(chair, motion=motion)
        if tabled.accepted:
            break
    tabled = chain.say(chair, motion=motion)
    assert tabled.accepted, tabled
    for member in members:
        vote = statement_pb2.Vote(
            motion=EntryRef(index=tabled.entry), choice=statement_pb2.CHOICE_FOR
        )
        verdict = chain.say(member, vote=vote)
        assert verdict.accepted, verdict


def _beat(chain: Chain, name: str) -> None:
    verdict = chain.beat(
        name,
        # Behind is for sure, since the log's time is never ahead of most auditors' clocks.
        chain.time_ms - (46_000 if name == "lab-2" else 0),
        version="0.1.0",
        certificate_expires_ms=chain.time_ms + (DAY_MS if name == "lab-3" else 30 * DAY_MS),
        backlog=2 if name == "auditor-3" else 0,
    )
    assert verdict.accepted, verdict


@functools.cache
def paused_files() -> dict[str, bytes]:
    return bundle_of(paused_chain())


@functools.cache
def paused_source() -> BundleSource:
    return BundleSource(paused_files(), None, MODULUS_BITS_MIN)


def paused_checks() -> Checks:
    source, time_ms = paused_source(), paused_chain().time_ms
    return Checks(source, lambda: time_ms, checks_view(source.verification, time_ms))
