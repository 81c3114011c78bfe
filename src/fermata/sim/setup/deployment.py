"""Deployments to simulate: a shape gives a charter, and the keys of everyone in it.

The keys depend on the shape alone, so a process deals them only once; everything else in a run
depends on its seed.
"""

import base64
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fermata.crypto.signing import SigningKey
from fermata.crypto.threshold.dealer import deal
from fermata.crypto.threshold.opening import KeyShare
from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.charter.periods import NUMBERED, period_of
from fermata.protocol.fold.references import first_entry
from fermata.protocol.wire.codec import key_record_to_wire
from fermata.protocol.wire.envelope import charter_message, seal_charter, seal_statement
from fermata.sim.dice import Dice, stream
from fermata.sim.setup.terms import (
    Terms,
    able_text,
    committee_text,
    disclosure_text,
    draw_terms,
    member_names,
    metric_text,
    panel_text,
    panels_text,
    party_text,
    pause_text,
    tier_of,
)
from fermata.wire.v1 import statement_pb2

#: Test keys start here; a charter outside of tests and simulation needs 2048 bits and more.
MODULUS_BITS_MIN = 256
COORDINATOR = "oversight"
#: Of a charter with successors, in seconds; and bytes that have the form of a certificate.
HEARTBEAT_S, SUCCESSION_S, CONFLICT_S = 600, 1800, 7200
#: How often there are drills, one of these for each seed.
DRILLS_S = (0, 3600, 14_400)
AUTHORITY = base64.b64encode(b"\x30\x81\x80" + bytes(128)).decode()


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a deployment is. ``organisations`` has a letter per lab; labs may share one.

    ``fresh_min`` 0 leaves it to its default. Without ``terms`` its charter has every statistic and
    no pause; with them labs come and go.
    """

    auditors: int
    threshold: int
    organisations: str
    rounds: int = 2
    panels: int = 1
    cohort_min: int = 3
    fresh_min: int = 0
    change_min: int = 3
    window_rounds: int = 8
    set_rounds: int = 4
    ghost_rounds: int = 4
    modulus_bits: int = 256
    window_s: int = 1800
    #: For numbered rounds; else the periods are quarters from ``first`` on.
    interval_s: int | None = None
    first: str = "2025Q3"
    terms: Terms | None = None
    #: How often there are drills, in seconds; 0 for none. Keys do not depend on it.
    drill_s: int = field(default=0, repr=False)
    #: Coordinators after the first, with the terms of ``succession_text``.
    successors: int = field(default=0, repr=False)
    #: For how many later rounds sealed parts are kept; 0 for ever.
    kept_rounds: int = field(default=0, repr=False)

    @property
    def labs(self) -> int:
        """How many labs report."""
        return len(self.organisations)


#: What seeds choose from: half of them among these,
SHAPES = (
    Shape(auditors=3, threshold=2, organisations="abcd"),
    Shape(auditors=3, threshold=2, organisations="aabcd", panels=2),
    Shape(auditors=3, threshold=3, organisations="abcde"),
    Shape(auditors=4, threshold=2, organisations="abccd", rounds=3),
    Shape(auditors=4, threshold=3, organisations="aabbc", interval_s=3600),
    Shape(auditors=5, threshold=3, organisations="abcdd", cohort_min=4),
    Shape(auditors=5, threshold=3, organisations="aabcdeef", panels=2),
    Shape(auditors=3, threshold=2, organisations="abcd", modulus_bits=512),
)
#: the other half among these, with terms that each draws.
PAUSE_SHAPES = (
    Shape(auditors=3, threshold=2, organisations="abcd", rounds=6),
    Shape(auditors=3, threshold=2, organisations="abcde", rounds=5, interval_s=3600),
    Shape(auditors=3, threshold=2, organisations="abccdefg", rounds=9),
    Shape(auditors=3, threshold=2, organisations="abcdefgg", rounds=7),
    Shape(auditors=3, threshold=2, organisations="abcdefgh", rounds=6, cohort_min=4),
    Shape(auditors=4, threshold=3, organisations="abcddef", rounds=5, panels=2),
)


def shape_of(seed: int) -> Shape:
    """The deployment that a seed is about."""
    dice = Dice(stream(seed, "shape"))
    drill_s = Dice(stream(seed, "drills")).pick(DRILLS_S)
    if dice.chance(500):
        return replace(dice.pick(SHAPES), drill_s=drill_s)
    shape = dice.pick(PAUSE_SHAPES)
    terms = draw_terms(dice, len(set(shape.organisations)))
    return replace(
        shape,
        terms=terms,
        fresh_min=dice.pick((0, 3, shape.cohort_min)),
        change_min=dice.pick((3, 3, shape.cohort_min)),
        window_rounds=dice.pick((0, 1, 2, 8)),
        set_rounds=dice.pick((1, 2, 4)),
        ghost_rounds=dice.pick((1, 2, 4)),
        drill_s=drill_s,
    )


@dataclass(frozen=True, slots=True)
class Deployment:
    """A charter and all its keys; no single party of a real deployment holds them all."""

    shape: Shape
    charter: Charter
    charter_data: bytes
    signing_keys: Mapping[str, SigningKey] = field(repr=False)
    shares: Mapping[str, KeyShare] = field(repr=False)
    charter_envelope: bytes
    key_envelope: bytes


def _charter_text(shape: Shape, keys: Mapping[str, SigningKey], dice: Dice) -> str:
    terms = shape.terms
    tables = [
        f"""format = 1
test = true
deployment = "sim"
title = "Simulated deployment"

[cryptography]
modulus_bits = {shape.modulus_bits}
threshold = {shape.threshold}
headroom_bits = 4

[rounds]
{_periods_text(shape)}
window_s = {shape.window_s}{_kept_text(shape)}{_heartbeat_text(shape)}

[disclosure]
{_sums_text(shape)}
{disclosure_text(terms) if terms else ""}
[coordinator]
{party_text(COORDINATOR, "Oversight", keys[COORDINATOR])}"""
    ]
    tables += _succession_text(shape, keys)
    for name in auditor_names(shape):
        tables.append(f"[[auditor]]\n{party_text(name, f'Audit {name}', keys[name])}")
    for index, (name, letter) in enumerate(zip(lab_names(shape), shape.organisations, strict=True)):
        tier = tier_of(terms, index, shape.panels) if terms else ""
        tables.append(f"[[lab]]\n{party_text(name, f'Organisation {letter}', keys[name], tier)}")
    if terms is not None:
        tables.append(panels_text(terms, lab_names(shape), shape.panels))
        tables.append(pause_text(terms, shape.labs, shape.panels))
        tables += [committee_text(keys)] if terms.has_committee else []
        tables += [*_drill_text(shape), able_text(shape.auditors)] if shape.drill_s else []
        return "\n".join(tables)
    for panel in range(1, shape.panels + 1):
        tables.append(_panel_text(shape, panel))
    tables.append(_rich_text(dice))
    return "\n".join((*tables, *_drill_text(shape)))


def _drill_text(shape: Shape) -> list[str]:
    if not shape.drill_s:
        return []
    return [f"[drills]\nevery_s = {shape.drill_s}\nanswer_s = {shape.drill_s // 2}\n"]


def _heartbeat_text(shape: Shape) -> str:
    return f"\nheartbeat_s = {HEARTBEAT_S}" if shape.successors else ""


def _kept_text(shape: Shape) -> str:
    return f"\nkept_rounds = {shape.kept_rounds}" if shape.kept_rounds else ""


def _succession_text(shape: Shape, keys: Mapping[str, SigningKey]) -> list[str]:
    """Where the first coordinator is, the successors, and their terms; none without successors."""
    if not shape.successors:
        return []

    def place(name: str) -> str:
        return f'addresses = ["{name}.example:7440"]\nauthority = "{AUTHORITY}"\n'

    tables = [place(COORDINATOR)]
    for name in successor_names(shape):
        own = party_text(name, f"Oversight {name}", keys[name])
        tables.append(f"[[successor]]\n{own}{place(name)}")
    times = f"succession_s = {SUCCESSION_S}\nconflict_s = {CONFLICT_S}\n"
    return [*tables, f"[succession]\n{times}"]


def _sums_text(shape: Shape) -> str:
    keys = ("cohort_min", "fresh_min", "change_min", "window_rounds", "set_rounds", "ghost_rounds")
    given = ((key, getattr(shape, key)) for key in keys)
    return "\n".join(f"{key} = {value}" for key, value in given if value or key != "fresh_min")


def _periods_text(shape: Shape) -> str:
    cadence, first = ("quarter", shape.first) if shape.interval_s is None else (NUMBERED, "1")
    last = period_of(cadence, first, shape.rounds)
    text = f'cadence = "{cadence}"\nfirst = "{first}"\nlast = "{last}"'
    return text if shape.interval_s is None else f"{text}\ninterval_s = {shape.interval_s}"


def _panel_text(shape: Shape, panel: int) -> str:
    return f"""{panel_text(panel, lab_names(shape))}
{metric_text(f"hours-{panel}", panel, "h", "0", "999999999999.999", "0.001")}
{metric_text(f"share-{panel}", panel, "%", "-100", "100", "0.5")}
[[aggregate]]
metric = "hours-{panel}"
statistics = ["sum", "mean", "count"]

[[aggregate]]
metric = "share-{panel}"
statistics = ["mean"]
"""


def _rich_text(dice: Dice) -> str:
    """Every other statistic and proof statement, over a few more small metrics of panel 1."""
    most = dice.between(8, 20)
    edge = dice.between(1, most - 1)
    edges = f'"{edge}", "{dice.between(edge + 1, most)}"'
    return f"""{metric_text("part", 1, "", "0", str(most), "1")}
{metric_text("twin", 1, "", "0", str(most), "1")}
{metric_text("gain", 1, "", "-5", "5", "0.5")}
{metric_text("size", 1, "", "0", str(dice.between(3, 6)), "0.1")}
[[aggregate]]
metric = "part"
statistics = ["count", "concentration"]
histogram = [{edges}]

[[aggregate]]
metric = "gain"
statistics = ["mean", "variance", "stddev", "covariance"]
with = "part"
count_above = ["{dice.between(-4, 3)}", "{dice.between(4, 5)}"]

[[aggregate]]
metric = "size"
statistics = ["geometric-mean", "weighted-mean", "ratio"]
with = "part"

[[statement]]
metric = "gain"
at_most = "{dice.between(1, 5)}"

[[statement]]
metric = "twin"
equals = "part"
"""


def successor_names(shape: Shape) -> list[str]:
    """Ids of the coordinators after the first, in their order."""
    return [f"successor-{i}" for i in range(1, shape.successors + 1)]


def auditor_names(shape: Shape) -> list[str]:
    """Ids of the auditors, in the roster's order."""
    return [f"auditor-{i}" for i in range(1, shape.auditors + 1)]


def lab_names(shape: Shape) -> list[str]:
    """Ids of the labs, in the roster's order."""
    return [f"lab-{i}" for i in range(1, shape.labs + 1)]


@functools.cache
def deployment_of(shape: Shape) -> Deployment:
    """Makes a shape's charter and deals its key."""
    entropy = stream(0, repr(shape))
    names = [COORDINATOR, *auditor_names(shape), *lab_names(shape), *member_names(shape.terms)]
    names += successor_names(shape)
    keys = {name: SigningKey.from_seed(entropy(32)) for name in names}
    data = _charter_text(shape, keys, Dice(stream(0, f"metrics/{shape}"))).encode()
    charter = parse_charter(data, MODULUS_BITS_MIN)
    dealt = deal(shape.modulus_bits, shape.threshold, shape.auditors, entropy, charter.sha256)
    signatures = {name: key.sign(charter_message(data)) for name, key in keys.items()}
    charter_envelope = seal_charter(data, signatures)
    after = first_entry(charter_envelope)
    statement = statement_pb2.Statement(
        charter_sha256=charter.sha256,
        key_record=key_record_to_wire(dealt.record, dealt.modulus_proof, dealt.factor_proof, after),
    )
    return Deployment(
        shape,
        charter,
        data,
        keys,
        dict(zip(charter.auditors, dealt.shares, strict=True)),
        charter_envelope,
        seal_statement(statement, {a: keys[a] for a in charter.auditors}),
    )
