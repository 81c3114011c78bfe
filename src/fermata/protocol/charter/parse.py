"""The charter: the TOML file that all parties sign and everything else is bound to.

Normative text: docs/spec/charter.md. The signed bytes are the file's bytes, so a charter is
parsed but never printed back.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from msgspec import Meta

from fermata.errors import InvalidEncoding
from fermata.protocol.charter.claims import Claims, compile_claims
from fermata.protocol.charter.committee import (
    NOTICE_MIN_S,
    Committee,
    CommitteeText,
    MemberText,
    read_committee,
)
from fermata.protocol.charter.disclosure_terms import (
    DisclosureTerms,
    DisclosureText,
    GroupText,
    PanelLabs,
    check_dominance,
    check_limits,
    read_groups,
    read_terms,
)
from fermata.protocol.charter.dues import (
    Dues,
    DuesText,
    Tier,
    TierText,
    check_tier_of,
    read_dues,
    read_tiers,
)
from fermata.protocol.charter.metrics import (
    AggregateText,
    DutyText,
    Metric,
    MetricText,
    StatementText,
    check_id,
    check_previous,
    check_text,
    read_metrics,
)
from fermata.protocol.charter.panel import Panel, check_members, check_quantities
from fermata.protocol.charter.pause_terms import (
    PauseTerms,
    PauseText,
    read_pause_terms,
    with_hold,
)
from fermata.protocol.charter.periods import period_count, period_of
from fermata.protocol.charter.roster import (
    HEARTBEATS_MIN,
    CoordinatorText,
    LabText,
    Party,
    PartyText,
    SigningKeys,
    SuccessionTerms,
    SuccessionText,
    read_roster,
    read_succession,
)
from fermata.protocol.charter.rounds_table import RoundsText, check_rounds
from fermata.protocol.charter.rules.rule_reading import read_rules
from fermata.protocol.charter.rules.trigger_rules import Rule, RuleText
from fermata.protocol.charter.toml_source import Strict, TomlSource
from fermata.protocol.drills.terms import DrillsText, DrillTerms, read_drills
from fermata.protocol.reprs import short_repr

#: Moduli below this are for tests and simulation; no configuration can lower it.
MODULUS_BITS_MIN, MODULUS_BITS_MAX = 2048, 4096
AUDITORS_MAX, HEADROOM_BITS_MAX = 7, 32
#: Stands on every screen before the title of a charter with ``test = true``.
TEST_MARK = "TEST CHARTER"
FORMAT_MAX, CHARTER_BYTES_MAX = 1_000_000, 256 * 1024


class CryptographyText(Strict, frozen=True):
    modulus_bits: Annotated[int, Meta(ge=64, le=MODULUS_BITS_MAX, description="bits")]
    threshold: Annotated[int, Meta(ge=1, le=AUDITORS_MAX, description="auditors")]
    headroom_bits: Annotated[int, Meta(ge=1, le=HEADROOM_BITS_MAX, description="bits")] = 10
    # With base 1 or -1 the digits of a range never end (docs/spec/proof.md, R2.5).
    range_base: Literal[0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] = 0
    key_origin: Literal["any", "distributed"] = "any"


class PanelText(Strict, frozen=True):
    id: str
    labs: list[str] | None = None


class CharterText(Strict, frozen=True):
    """The file's shape; unknown keys are errors."""

    format: Annotated[int, Meta(ge=1, le=FORMAT_MAX)]
    deployment: str
    title: str
    cryptography: CryptographyText
    rounds: RoundsText
    disclosure: DisclosureText
    coordinator: CoordinatorText
    auditor: list[PartyText]
    lab: list[LabText]
    panel: list[PanelText]
    metric: list[MetricText]
    aggregate: list[AggregateText]
    statement: tuple[StatementText, ...] = ()
    duty: tuple[DutyText, ...] = ()
    tier: tuple[TierText, ...] = ()
    dues: DuesText | None = None
    rule: tuple[RuleText, ...] = ()
    pause: PauseText | None = None
    drills: DrillsText | None = None
    succession: SuccessionText | None = None
    successor: tuple[CoordinatorText, ...] = ()
    committee: CommitteeText | None = None
    member: tuple[MemberText, ...] = ()
    group: tuple[GroupText, ...] = ()
    previous: str = ""
    test: bool = False

    @property
    def coordinators(self) -> tuple[CoordinatorText, ...]:
        """The first coordinator, and then its successors in their order."""
        return (self.coordinator, *self.successor)


@short_repr("title deployment sha256 labs auditors panels rules threshold")
@dataclass(frozen=True, slots=True)
class Charter:
    """A checked charter; ``sha256`` is of its bytes, ``previous`` (hex) of the one it changes.

    People are shown ``heading``, never ``title`` alone. After ``kept_rounds`` sealed parts may be
    let go (log.md, L58), after ``audit_rounds`` what opens a lab's values (L64); None: never.
    """

    sha256: bytes
    deployment: str
    title: str
    modulus_bits: int
    threshold: int
    headroom_bits: int
    key_origin: str
    range_base: int
    cadence: str
    first_period: str
    last_period: str
    window_s: int
    plea_ms: int
    interval_s: int
    heartbeat_s: int
    cohort_min: int
    disclosure: DisclosureTerms
    parties: dict[str, Party]
    coordinator: str
    auditors: tuple[str, ...]
    labs: tuple[str, ...]
    panels: tuple[Panel, ...]
    tiers_by_lab: Mapping[str, Tier]
    dues: Dues | None
    rules: tuple[Rule, ...]
    pause: PauseTerms | None
    drills: DrillTerms | None
    succession: SuccessionTerms | None = None
    committee: Committee | None = None
    previous: str = ""
    is_test: bool = False
    kept_rounds: int | None = None
    audit_rounds: int | None = None

    @property
    def heading(self) -> str:
        """The title; with a mark, if it is a test whose notices may be short (G2.5)."""
        return f"{TEST_MARK}: {self.title}" if self.is_test else self.title

    @property
    def endorsement_quorum(self) -> int:
        """floor((n + f) / 2) + 1 auditors with f = t - 1: two quorums share an honest auditor."""
        return (len(self.auditors) + self.threshold - 1) // 2 + 1

    @property
    def coordinators(self) -> tuple[str, ...]:
        """Who may lead the log: view v is led by number v mod k of these k (SU1)."""
        nodes = self.succession.nodes if self.succession is not None else ()
        return tuple(node.coordinator for node in nodes) or (self.coordinator,)

    @property
    def signers(self) -> tuple[str, ...]:
        """All who must sign this charter, ordered by id."""
        return tuple(sorted(self.parties))

    @property
    def signing_keys(self) -> Mapping[str, bytes]:
        """Each party's Ed25519 public key (32 bytes), by id."""
        return SigningKeys(self.parties)

    @property
    def log_origin(self) -> str:
        """The C2SP origin line, which is also the name of the coordinator's log key."""
        return f"{self.deployment}.fermata/log"

    def origin_of(self, view: int) -> str:
        """The origin line of a view's heads (L12)."""
        return f"{self.log_origin}/{view}" if view else self.log_origin

    def witness_name(self, auditor: str) -> str:
        """The C2SP key name under which an auditor cosigns checkpoints."""
        return f"{self.deployment}.fermata/auditor/{auditor}"

    def period(self, place: int) -> str:
        """The charter's period at a place, counted from 1 at the first."""
        return period_of(self.cadence, self.first_period, place)

    def place(self, period: str) -> int:
        """The place of a period of the charter's cadence, counted from 1 at the first."""
        return period_count(self.cadence, self.first_period, period)

    def metrics_of(self, lab: str) -> dict[str, Metric]:
        """The metrics that a lab may report, by id; empty for a party that is not a lab."""
        return {m.id: m for p in self.panels if lab in p.labs for m in p.metrics}

    def panel(self, panel_id: str) -> Panel:
        """The panel with this id. Raises KeyError if the charter does not have it."""
        for panel in self.panels:
            if panel.id == panel_id:
                return panel
        raise KeyError(panel_id)


def read_panels(
    source: TomlSource, text: CharterText, metrics: list[Metric], terms: DisclosureTerms
) -> tuple[Panel, ...]:
    labs = {lab.id: lab.organisation for lab in text.lab}
    names = [p.id for p in text.panel]
    for index, metric in enumerate(metrics):
        if metric.panel not in names:  # C5.1: nobody would report it.
            source.fail_unknown(f"metric[{index}].panel", "a panel", metric.panel)
        if any(m.id == metric.id for m in metrics[:index]):  # C5.2.
            source.fail_repeated(f"metric[{index}].id", metric.id)
    panels = []
    for index, panel in enumerate(text.panel):
        path = f"panel[{index}]"
        check_id(source, f"{path}.id", panel.id)  # C5.3.
        if names.index(panel.id) != index:  # C5.4.
            source.fail_repeated(f"{path}.id", panel.id)
        members = list(labs) if panel.labs is None else panel.labs
        check_members(source, f"{path}.labs", members, labs)
        if len({labs[lab] for lab in members}) < text.disclosure.cohort_min:  # C5.7.
            source.fail(f"{path}.labs", "must be of disclosure.cohort_min organisations or more")
        of_panel = tuple(m for m in metrics if m.panel == panel.id)
        if not of_panel:  # C5.8.
            source.fail(path, "must have a [[metric]]")
        panels.append(
            Panel(panel.id, frozenset(members), of_panel, _claims(source, path, text, of_panel))
        )
    if not panels:  # C5.9.
        source.fail("", "must have a [[panel]]")
    check_quantities(source, metrics, panels, labs)
    with_labs = [PanelLabs(p.id, sorted(p.labs), labs) for p in panels]
    groups = read_groups(source, text.group, with_labs, text.disclosure.cohort_min)
    check_dominance(source, terms, with_labs, groups)
    return tuple(replace(p, groups=groups[p.id]) for p in panels)


def read_tiers_and_dues(
    source: TomlSource, text: CharterText, panels: tuple[Panel, ...]
) -> tuple[dict[str, Tier], Dues | None]:
    labs = {p.id: p.labs for p in panels}
    tiers = read_tiers(source, text.tier, labs)
    for index, lab in enumerate(text.lab):
        check_tier_of(source, f"lab[{index}].tier", lab.id, lab.tier, tiers, labs)
    dues = read_dues(source, text.dues, tiers, [m for p in panels for m in p.metrics])
    by_id = {t.id: t for t in tiers}
    return {lab.id: by_id[lab.tier] for lab in text.lab if lab.tier}, dues


def _claims(
    source: TomlSource, path: str, text: CharterText, metrics: tuple[Metric, ...]
) -> Claims:
    crypto = text.cryptography
    try:
        return compile_claims(metrics, crypto.range_base, crypto.headroom_bits, crypto.modulus_bits)
    except InvalidEncoding as error:  # C9a.5: no lab could ever report.
        source.fail(path, f"cannot be proven: {error}")


def check_numbers(source: TomlSource, text: CharterText, modulus_bits_min: int) -> None:
    crypto, auditors = text.cryptography, len(text.auditor)
    with source.part():
        if text.format != 1:  # C1.4.
            source.fail("format", f"must be 1, got {text.format}; use a newer fermata")
        check_previous(source, text.previous)  # C1.5: one hash, one spelling.
    with source.part():
        check_id(source, "deployment", text.deployment)  # C2.1: messages are told apart by it.
    with source.part():
        check_text(source, "title", text.title)  # C2.2.
    bits_max = MODULUS_BITS_MAX
    with source.part():
        if not modulus_bits_min <= crypto.modulus_bits <= bits_max or crypto.modulus_bits % 64:
            source.fail(
                "cryptography.modulus_bits",  # C3.1: neither too weak nor too slow.
                f"must be a multiple of 64 from {modulus_bits_min} to {bits_max}",
            )
    with source.part():
        if not 1 <= auditors <= AUDITORS_MAX:  # C3.2: bounds the subsets of shares.
            source.fail("", f"must have 1 to {AUDITORS_MAX} [[auditor]]s, got {auditors}")
        if not (auditors - 1) // 2 + 1 <= crypto.threshold <= auditors:  # C3.3: not few of many.
            what = "must be from half of the auditors to all of them"
            source.fail("cryptography.threshold", what)
    with source.part():
        if len(text.lab) > 1 << crypto.headroom_bits:  # C3.4: sums must not carry.
            source.fail("cryptography.headroom_bits", "must leave room for the sum of all labs")
    with source.part():
        if auditors > 1 and crypto.threshold < 2:  # C3.5: with 1, each auditor has the whole key.
            what = "must be 2 or more where there are several auditors"
            source.fail("cryptography.threshold", what)
    with source.part():
        check_rounds(source, text.rounds)


def notice_min_s(text: CharterText) -> int:
    """The least ``notice_s`` of this charter's committee, in seconds (G2.5)."""
    return 0 if text.test else NOTICE_MIN_S


def succession_min_s(text: CharterText) -> int:
    """The least ``succession_s`` of this charter, in seconds (SU12.3)."""
    return 0 if text.test else HEARTBEATS_MIN * text.rounds.heartbeat_s


def parse_charter(data: bytes, modulus_bits_min: int = MODULUS_BITS_MIN) -> Charter:
    """Parses and checks a charter file.

    ``modulus_bits_min`` is lowered by tests and the simulator only. Raises ConfigError with
    reason CHARTER, naming the line and the key.
    """
    source = TomlSource(data, "charter", "CHARTER", CHARTER_BYTES_MAX)
    text = source.decode(CharterText)
    check_numbers(source, text, modulus_bits_min)
    parties = read_roster(source, text.coordinators, text.auditor, text.lab, text.member)
    rounds = text.rounds
    metrics = read_metrics(source, text.metric, text.aggregate, text.statement, text.duty)
    terms = read_terms(source, text.disclosure, metrics, rounds.cadence)
    panels = read_panels(source, text, metrics, terms)
    tiers_by_lab, dues = read_tiers_and_dues(source, text, panels)
    check_limits(source, metrics, terms, dues)
    drilled = len(text.auditor) if text.drills is not None else 0
    rules = read_rules(source, text.rule, panels, terms.dominance_start, drilled)
    pause = read_pause_terms(source, text.pause, rules, bool(text.duty))
    return Charter(
        sha256=hashlib.sha256(data).digest(),
        deployment=text.deployment,
        title=text.title,
        modulus_bits=text.cryptography.modulus_bits,
        threshold=text.cryptography.threshold,
        headroom_bits=text.cryptography.headroom_bits,
        key_origin=text.cryptography.key_origin,
        range_base=text.cryptography.range_base,
        cadence=rounds.cadence,
        first_period=text.rounds.first,
        last_period=text.rounds.last,
        window_s=rounds.window_s,
        plea_ms=rounds.plea_ms,
        interval_s=text.rounds.interval_s or 0,
        heartbeat_s=rounds.heartbeat_s,
        cohort_min=text.disclosure.cohort_min,
        disclosure=terms,
        parties=parties,
        coordinator=text.coordinator.id,
        auditors=tuple(a.id for a in text.auditor),
        labs=tuple(lab.id for lab in text.lab),
        panels=panels,
        tiers_by_lab=tiers_by_lab,
        dues=dues,
        rules=with_hold(rules, pause),
        pause=pause,
        drills=read_drills(source, text.drills),
        succession=read_succession(
            source, text.succession, text.coordinators, succession_min_s(text)
        ),
        committee=read_committee(
            source, text.committee, text.member, rounds.calls_max, notice_min_s(text)
        ),
        previous=text.previous,
        is_test=text.test,
        kept_rounds=rounds.kept_rounds,
        audit_rounds=rounds.audit_rounds,
    )
