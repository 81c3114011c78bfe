"""A small deployment with every key of it, as no single party ever holds them."""

import base64
import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fermata.crypto.paillier import EncryptionTable, PublicKey
from fermata.crypto.report.prover import prover_table
from fermata.crypto.signing import SigningKey
from fermata.crypto.threshold.dealer import deal
from fermata.crypto.threshold.key_record import KeyRecord
from fermata.crypto.threshold.opening import KeyShare
from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.fold.references import first_entry
from fermata.protocol.wire.codec import key_record_to_wire
from fermata.protocol.wire.envelope import charter_message, seal_charter, seal_statement
from fermata.wire.v1 import statement_pb2

MODULUS_BITS_MIN = 256
COORDINATOR = "oversight"
#: 2036-01-01T00:00:00Z: many quarters after the charter's first, so that they are over.
START_MS = 2_082_758_400_000
WINDOW_S = 3600
#: The longest that a charter allows: what tests wait for is no outage.
HEARTBEAT_S = 86_400

#: Tables of a charter that pauses when the hours add up to 100 or more, and lifts after two
#: rounds in a row with less than 60.
PAUSE_RULES = """
[[rule]]
id = "hot"
kind = "level"
metric = "hours"
statistic = "sum"
at_least = "100"

[[rule]]
id = "calm"
kind = "level"
metric = "hours"
statistic = "sum"
below = "60"
"""
PAUSE_TABLE = """
[pause]
triggers = ["hot"]
lift = "calm"
lift_rounds = 2
acknowledge_s = 600
acknowledge_share = "2/3"
open_within_s = 7200
settle_within_s = 3600
silence_s = 1800
fail_safe = "none"
"""
DUTY_TABLE = """
[[duty]]
metric = "hours"
at_most = "10"
"""
PAUSE_TABLES = PAUSE_RULES + PAUSE_TABLE + DUTY_TABLE


class Drawn:
    """Bytes that depend on the seed, the label and how many draws came before."""

    def __init__(self, seed: int, label: str) -> None:
        self.seed, self.label, self.draws = seed, label, 0

    def __call__(self, count: int) -> bytes:
        self.draws += 1
        name = f"tests/{self.seed}/{self.label}/{self.draws}"
        return hashlib.shake_256(name.encode()).digest(count)


def entropy_of(seed: int, label: str) -> Drawn:
    """An ``Entropy`` that yields the same bytes in each run."""
    return Drawn(seed, label)


def changing(text: str, base: Charter) -> str:
    """A charter's text that names the charter that it changes."""
    return f'previous = "{base.sha256.hex()}"\n{text}'


def added_metric(*statistics: str) -> str:
    """A metric in a panel of its own, which an amendment adds to a charter's text."""
    names = ", ".join(f'"{name}"' for name in statistics)
    return f"""
[[panel]]
id = "extras"

[[metric]]
id = "extra"
panel = "extras"
unit = "u"
quantity = "extra"
min = "0"
max = "10"
resolution = "0.5"

[[aggregate]]
metric = "extra"
statistics = [{names}]
"""


def lab_names(labs: int) -> list[str]:
    return [f"lab-{i}" for i in range(1, labs + 1)]


def auditor_names(auditors: int) -> list[str]:
    return [f"auditor-{i}" for i in range(1, auditors + 1)]


def member_names(members: int) -> list[str]:
    return [f"member-{i}" for i in range(1, members + 1)]


def successor_names(successors: int) -> list[str]:
    return [f"successor-{i}" for i in range(1, successors + 1)]


def party_keys(
    seed: int, labs: int, auditors: int, members: int = 0, successors: int = 0
) -> dict[str, SigningKey]:
    entropy = entropy_of(seed, "signing keys")
    names = [COORDINATOR, *auditor_names(auditors), *lab_names(labs), *member_names(members)]
    names += successor_names(successors)
    return {name: SigningKey.from_seed(entropy(32)) for name in names}


def _party(name: str, organisation: str, keys: Mapping[str, SigningKey]) -> str:
    public_key = base64.b64encode(keys[name].public_key).decode()
    return f'id = "{name}"\norganisation = "{organisation}"\nsigning_key = "{public_key}"\n'


#: The table of a charter with successors.
SUCCESSION = f"succession_s = {2 * HEARTBEAT_S}\nconflict_s = {3 * HEARTBEAT_S}\n"
#: Bytes that have the form of a certificate.
AUTHORITY = base64.b64encode(b"\x30\x81\x80" + bytes(128)).decode()


def _coordinators(keys: Mapping[str, SigningKey], succession: str) -> str:
    """The coordinator, and its successors if there are keys for them."""
    successors = [name for name in keys if name.startswith("successor")]
    node = 'addresses = ["{}.example:7440"]\nauthority = "' + AUTHORITY + '"\n'
    text = f"[coordinator]\n{_party(COORDINATOR, 'Oversight', keys)}"
    text += node.format(COORDINATOR) + "\n" if successors else "\n"
    text += f"[succession]\n{succession}\n" if successors else ""
    for name in successors:
        table = f"[[successor]]\n{_party(name, f'Oversight {name}', keys)}"
        text += f"{table}{node.format(name)}\n"
    return text


def charter_text(
    keys: Mapping[str, SigningKey],
    modulus_bits: int = 512,
    threshold: int = 2,
    organisations: str = "abcdef",
    cohort_min: int = 3,
    interval_s: int | None = None,
    last: str = "",
    extra: str = "",
    tiers: str = "",
    key_origin: str = "",
    cadence: str = "quarter",
    first: str = "2025Q3",
    window_s: int = WINDOW_S,
    heartbeat_s: int = HEARTBEAT_S,
    members: str = "",
    terms: tuple[tuple[str, int, int], ...] = (),
    disclosure: str = "",
    groups: tuple[tuple[str, str], ...] = (),
    succession: str = SUCCESSION,
    kept_rounds: int = 0,
    audit_rounds: int = 0,
) -> str:
    """Two panels. All labs have ``alpha``: one ciphertext of two metrics. All but the first have
    ``beta``: five metrics of 107 bits, in two ciphertexts at 512 bits. ``organisations``,
    ``tiers``: one letter a lab; ``members``: one a member of the committee, for its organisation;
    ``disclosure`` is more of that table; ``groups``: (id, digits of its labs) of ``alpha``;
    ``succession``: that table, if ``keys`` has successors; ``extra``: more tables, at the end.
    ``kept_rounds``, ``audit_rounds``: 0 leaves them out."""
    labs = lab_names(len(organisations))
    auditors = [name for name in keys if name.startswith("auditor")]
    lengths = {"kept_rounds": kept_rounds, "audit_rounds": audit_rounds}
    kept = "".join(f"\n{key} = {rounds}" for key, rounds in lengths.items() if rounds)
    text = f"""format = 1
{"test = true" if members else ""}
deployment = "tests"
title = "For tests"

[cryptography]
modulus_bits = {modulus_bits}
threshold = {threshold}
{f'key_origin = "{key_origin}"' if key_origin else ""}
[rounds]
cadence = "{cadence}"
first = "{first}"
window_s = {window_s}{kept}
{f"interval_s = {interval_s}" if interval_s is not None else ""}
last = "{last}"
heartbeat_s = {heartbeat_s}

[disclosure]
cohort_min = {cohort_min}
{disclosure}
{_coordinators(keys, succession)}"""
    for name in auditors:
        text += f"[[auditor]]\n{_party(name, f'Audit {name}', keys)}\n"
    for index, (name, letter) in enumerate(zip(labs, organisations, strict=True)):
        text += f"[[lab]]\n{_party(name, f'Organisation {letter}', keys)}"
        text += f'tier = "{tiers[index]}"\n\n' if tiers else "\n"
    text += _committee(keys, members, terms) if members else ""
    beta = ", ".join(f'"{lab}"' for lab in labs[1:])
    text += f"""[[panel]]
id = "alpha"

[[panel]]
id = "beta"
labs = [{beta}]

[[metric]]
id = "hours"
panel = "alpha"
unit = "h"
min = "0"
max = "999999999999.999"
resolution = "0.001"

[[metric]]
id = "share"
panel = "alpha"
unit = "%"
min = "-100"
max = "100"
resolution = "0.5"
"""
    for i in range(1, 6):
        text += f"""
[[metric]]
id = "wide-{i}"
panel = "beta"
unit = "FLOP"
min = "0"
max = "{"9" * 30}"
resolution = "0.01"
"""
    text += """
[[aggregate]]
metric = "hours"
statistics = ["sum", "mean", "count"]

[[aggregate]]
metric = "share"
statistics = ["mean"]

[[aggregate]]
metric = "wide-1"
statistics = ["sum"]
"""
    for name, digits in groups:
        members = ", ".join(f'"lab-{d}"' for d in digits)
        text += f'\n[[group]]\npanel = "alpha"\nid = "{name}"\nlabs = [{members}]\n'
    return text + extra


def _committee(
    keys: Mapping[str, SigningKey], members: str, terms: tuple[tuple[str, int, int], ...]
) -> str:
    span = {name: (first, last) for name, first, last in terms}
    names = member_names(len(members))
    rotation = ", ".join(f'"{name}"' for name in names)
    tables = [
        f"[[member]]\n{_party(name, f'Organisation {letter}', keys)}"
        + "first_round = {}\nlast_round = {}\n".format(*span.get(name, (1, 0)))
        for name, letter in zip(names, members, strict=True)
    ]
    return "\n".join(
        [
            "[committee]",
            'quorum = "2/3"',
            f"rotation = [{rotation}]",
            "notice_s = 86400",
            "vote_s = 7200",
            "ruling_s = 3600",
            "appeal_s = 1800",
            "",
            *tables,
            "",
        ]
    )


@dataclass(frozen=True)
class Deployment:
    """A charter and every key of it, as no single party ever holds them."""

    seed: int
    charter_data: bytes
    charter: Charter
    keys: Mapping[str, SigningKey] = field(repr=False)
    shares: Mapping[str, KeyShare] = field(repr=False)
    record: KeyRecord
    key_record: statement_pb2.KeyRecord
    charter_envelope: bytes
    key_envelope: bytes

    @functools.cached_property
    def table(self) -> EncryptionTable:
        statements = self.charter.panels[0].claims.statements
        return prover_table(PublicKey(self.record.n), statements)

    def statement(self, author: str, **body: Any) -> statement_pb2.Statement:
        return statement_pb2.Statement(charter_sha256=self.charter.sha256, author=author, **body)

    def seal(self, statement: statement_pb2.Statement, *signers: str) -> bytes:
        """The envelope of a statement, by its author unless others are named."""
        names = signers or (statement.author,)
        return seal_statement(statement, {name: self.keys[name] for name in names})


def seal_charter_file(data: bytes, keys: Mapping[str, SigningKey]) -> bytes:
    return seal_charter(data, {n: key.sign(charter_message(data)) for n, key in keys.items()})


@functools.cache
def make_deployment(
    modulus_bits: int = 512,
    labs: int = 6,
    auditors: int = 3,
    threshold: int = 2,
    seed: int = 0,
    organisations: str = "",
    successors: int = 0,
    **settings: Any,
) -> Deployment:
    """A deployment; the same one for the same parameters. ``settings`` go to the charter."""
    keys = party_keys(seed, labs, auditors, len(settings.get("members", "")), successors)
    organisations = organisations or "abcdefghijklmnopqrstuvwxyz"[:labs]
    data = charter_text(keys, modulus_bits, threshold, organisations, **settings).encode()
    charter = parse_charter(data, MODULUS_BITS_MIN)
    dealt = deal(modulus_bits, threshold, auditors, entropy_of(seed, "dealer"), charter.sha256)
    charter_envelope = seal_charter_file(data, keys)
    key_record = key_record_to_wire(
        dealt.record, dealt.modulus_proof, dealt.factor_proof, first_entry(charter_envelope)
    )
    statement = statement_pb2.Statement(charter_sha256=charter.sha256, key_record=key_record)
    return Deployment(
        seed=seed,
        charter_data=data,
        charter=charter,
        keys=keys,
        shares=dict(zip(charter.auditors, dealt.shares, strict=True)),
        record=dealt.record,
        key_record=key_record,
        charter_envelope=charter_envelope,
        key_envelope=seal_statement(statement, {a: keys[a] for a in charter.auditors}),
    )


def figures(deployment: Deployment, lab: str, number: int = 1) -> dict[str, str]:
    """A lab's made-up figures of a round, for the panels that it has."""
    i = deployment.charter.labs.index(lab) + 1
    values = {"hours": f"{1000 * number + i}.{i:03d}", "share": f"{i - 3}.5"}
    if i > 1:
        values |= {f"wide-{k}": f"{10**20 * k + 7 * i + number}.25" for k in range(1, 6)}
    return values
