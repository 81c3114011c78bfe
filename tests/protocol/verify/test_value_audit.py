"""A lab opens one value to an auditor: A1 to A6, one failing test per check."""

import dataclasses
import functools
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.transcript import digest_parts
from fermata.errors import (
    ConfigError,
    FermataError,
    InvalidEncoding,
    InvalidProof,
    Refusal,
    VerificationError,
)
from fermata.protocol.charter.encoding import encode_value
from fermata.protocol.fold.reports import encode_report
from fermata.protocol.roles.lab import Measurement, answer
from fermata.protocol.state.state import State
from fermata.protocol.verify.value_audit import (
    OpenedValue,
    check_evidence,
    check_value,
    counted_part,
    open_value,
)
from fermata.protocol.wire.codec import sha256
from fermata.protocol.wire.report_secrets import (
    EvidenceFile,
    PanelSecrets,
    ReportSecrets,
    evidence_sha256,
)
from harness.chains import Chain, Run, chain_at, entropy_of, figures, make_deployment

EVIDENCE = (EvidenceFile("metrics.csv", b"round,metric,value\n"),)
LAB = "lab-2"


def kept_chain() -> tuple[Chain, list[ReportSecrets]]:
    """A round that is open, and what lab-2 kept of its two reports, of which the second counts."""
    chain = chain_at("collecting")
    kept: list[ReportSecrets] = []
    chain.report_all()
    state = chain.state
    assert state.key is not None
    for _ in range(2):
        statement, sealed = answer(
            chain.deployment.charter,
            state.key,
            chain.deployment.table,
            chain.round,
            encode_report(
                chain.deployment.charter,
                LAB,
                figures(chain.deployment, LAB),
                evidence_sha256(EVIDENCE),
                EVIDENCE,
            ),
            chain.entropy,
            kept.append,
        )
        chain.sealed_parts[sha256(sealed)] = sealed
        chain.put_ok(chain.seal(statement))
    return chain, kept


@functools.cache
def world() -> tuple[State, ReportSecrets, ReportSecrets]:
    chain, kept = kept_chain()
    chain.close()
    chain.endorse(*chain.deployment.charter.auditors)
    return chain.state, kept[0], kept[1]


def opened(metric: str = "hours", auditor: str = "auditor-1") -> OpenedValue:
    state, _, kept = world()
    return open_value(state, kept, LAB, metric, auditor, entropy_of(0, "opening"))


def refused(call: Callable[[], Any], error: type[FermataError] = InvalidProof) -> str:
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    return caught.value.reason


def check(**changes: Any) -> None:
    check_value(world()[0], dataclasses.replace(opened(), **changes))


@pytest.mark.parametrize("metric", ["hours", "share", "wide-1", "wide-5"])
def test_each_metric_of_a_report_can_be_opened_and_checks(metric: str) -> None:
    state, _, kept = world()
    found = opened(metric)
    seen = check_value(state, OpenedValue.from_bytes(found.to_bytes()))
    assert seen.sealed_sha256 == kept.sealed_sha256
    (known,) = (m for p in make_deployment().charter.panels for m in p.metrics if m.id == metric)
    assert found.encoded == encode_value(known, figures(make_deployment(), LAB)[metric])
    assert Decimal(found.value) == known.decode(found.encoded)
    check_evidence(seen, kept.evidence, found.evidence_salt)


def test_a_value_under_another_charter_is_refused() -> None:
    assert refused(lambda: check(charter_sha256=bytes(32))) == "OPENED_CHARTER"


@pytest.mark.parametrize(
    "change",
    [
        {"lab": "lab-1", "panel": "beta", "metric": "wide-1"},
        {"lab": "auditor-1"},
        {"metric": "share-squared"},
        {"panel": "beta"},
        {"auditor": "lab-1"},
    ],
)
def test_names_that_the_charter_does_not_have_are_refused(change: dict[str, str]) -> None:
    assert refused(lambda: check(**change), InvalidEncoding) == "OPENED_NAMES"


@pytest.mark.parametrize("value", ["2", "0002.004", "2.0040", "", "NaN"])
def test_a_decimal_that_is_not_the_encoded_integer_is_refused(value: str) -> None:
    assert refused(lambda: check(value=value), InvalidEncoding) == "OPENED_DECIMAL"


def test_a_round_that_the_log_does_not_have_is_refused() -> None:
    assert refused(lambda: check(round=2)) == "NOT_COUNTED"


def test_the_report_of_another_lab_is_refused() -> None:
    assert refused(lambda: check(lab="lab-3")) == "NOT_COUNTED"


def test_a_report_that_was_replaced_is_refused() -> None:
    state, replaced, _ = world()
    assert refused(lambda: check(sealed_sha256=replaced.sealed_sha256)) == "NOT_COUNTED"
    again = lambda: open_value(state, replaced, LAB, "hours", "auditor-1", entropy_of(0, "x"))  # noqa: E731
    assert refused(again, ConfigError) == "KEPT_REPORT"


def test_a_round_that_is_open_has_nothing_to_open() -> None:
    chain, kept = kept_chain()
    opening = lambda: open_value(  # noqa: E731
        chain.state, kept[1], LAB, "hours", "auditor-1", chain.entropy
    )
    assert refused(opening, Refusal) == "NOT_CLOSED"
    assert refused(lambda: check_value(chain.state, opened())) == "NOT_COUNTED"


def test_a_lab_that_did_not_report_has_nothing_to_open() -> None:
    chain = chain_at("collecting")
    chain.report_all(("lab-1", "lab-2", "lab-3", "lab-4"))
    chain.close(chain.deadline_ms)
    chain.endorse(*chain.deployment.charter.auditors)
    found = lambda: counted_part(chain.state, 1, "lab-5", "alpha")  # noqa: E731
    assert refused(found, Refusal) == "NOT_COUNTED"


def test_a_report_that_the_close_left_out_has_nothing_to_open() -> None:
    state, _, _ = world()
    found = state.rounds[0]
    listed = tuple(lab for lab in found.close.listed if lab != LAB)
    close = dataclasses.replace(found.close, listed=listed)
    other = state.with_round(dataclasses.replace(found, close=close))
    assert LAB in other.rounds[0].reports
    assert refused(lambda: check_value(other, opened())) == "NOT_COUNTED"


def test_a_report_whose_proof_does_not_hold_opens_nothing() -> None:
    """The opening alone says only what W holds; that the ciphertexts hold it is the report's."""
    state, _, _ = world()
    found = state.rounds[0]
    seen = found.reports[LAB]
    part = seen.parts[0]
    broken = dataclasses.replace(part, proof=part.proof[:-32] + bytes(32))
    changed = dataclasses.replace(seen, parts=(broken, *seen.parts[1:]))
    other = state.with_round(dataclasses.replace(found, reports={**found.reports, LAB: changed}))
    assert refused(lambda: check_value(other, opened())) == "EC2"


def test_another_value_than_the_reported_is_refused() -> None:
    found = opened()
    assert (
        refused(lambda: check(encoded=found.encoded + 1000, value=plus_one(found.value)))
        == "VALUE_OPENING"
    )


def plus_one(value: str) -> str:
    whole, _, rest = value.partition(".")
    return f"{int(whole) + 1}.{rest}"


def test_a_proof_made_for_another_auditor_is_refused() -> None:
    assert refused(lambda: check(auditor="auditor-2")) == "VALUE_OPENING"


def test_other_evidence_is_refused() -> None:
    seen = check_value(world()[0], opened())
    for files in ((), (EvidenceFile("metrics.csv", b"other"),), (*EVIDENCE, *EVIDENCE)):
        salt = world()[2].evidence_salt
        assert refused(lambda f=files, s=salt: check_evidence(seen, f, s)) == "EVIDENCE_DIGEST"  # type: ignore[misc]
    assert refused(lambda: check_evidence(seen, EVIDENCE, bytes(32))) == "EVIDENCE_DIGEST"


def test_a_report_does_not_let_its_evidence_be_guessed() -> None:
    """Regression: the plain digest of a file of few figures was found by trying them all."""
    state, first, second = world()
    seen = check_value(state, opened())
    assert seen.evidence_sha256 != evidence_sha256(EVIDENCE)
    assert first.evidence == second.evidence
    assert first.evidence_salt != second.evidence_salt
    assert len(second.evidence_salt) == 32


def test_the_digest_of_evidence_is_of_a_list_with_its_count_and_the_names() -> None:
    a, b = EvidenceFile("a", b"1"), EvidenceFile("b", b"2")
    assert evidence_sha256(()) == b""
    one = digest_parts("fermata/v1/evidence", bytes([0, 0, 0, 1]), b"a", sha256(b"1"))
    assert evidence_sha256((a,)) == one
    assert evidence_sha256((EvidenceFile("c", b"1"),)) != one
    count = bytes([0, 0, 0, 2])
    both = digest_parts("fermata/v1/evidence", count, b"a", sha256(b"1"), b"b", sha256(b"2"))
    assert evidence_sha256((b, a)) == evidence_sha256((a, b)) == both
    assert evidence_sha256((EvidenceFile("c", b"1"), b)) != both


def test_a_lab_opens_only_metrics_it_has_and_to_auditors_only() -> None:
    state, _, kept = world()
    entropy = entropy_of(0, "x")
    for metric, auditor, reason in (
        ("spare", "auditor-1", "METRIC_UNKNOWN"),
        ("square", "auditor-1", "METRIC_UNKNOWN"),
        ("hours", "lab-1", "PARTY"),
        ("hours", "oversight", "PARTY"),
    ):
        call = lambda m=metric, a=auditor: open_value(state, kept, LAB, m, a, entropy)  # noqa: E731
        assert refused(call, ConfigError) == reason


@pytest.mark.parametrize("change", ["value", "gamma", "short", "panel"])
def test_a_kept_report_that_does_not_fit_is_refused(change: str) -> None:
    state, _, kept = world()
    alpha = kept.panels[0]
    panels = {
        "value": (dataclasses.replace(alpha, values=(alpha.values[0] + 1, alpha.values[1])),),
        "gamma": (dataclasses.replace(alpha, gamma=alpha.gamma + 1),),
        "short": (dataclasses.replace(alpha, values=()),),
        "panel": (),
    }[change]
    wrong = dataclasses.replace(kept, panels=panels)
    call = lambda: open_value(state, wrong, LAB, "hours", "auditor-1", entropy_of(0, "x"))  # noqa: E731
    assert refused(call, ConfigError) == "KEPT_REPORT"


def test_a_round_that_no_quorum_has_endorsed_has_nothing_to_open() -> None:
    chain, kept = kept_chain()
    chain.close()
    one_less = chain.deployment.charter.endorsement_quorum - 1
    chain.endorse(*chain.deployment.charter.auditors[:one_less])
    found = opened()
    open_it = lambda: open_value(  # noqa: E731
        chain.state, kept[1], LAB, "hours", "auditor-1", entropy_of(0, "opening")
    )
    assert refused(open_it, Refusal) == "NOT_ENDORSED"
    assert refused(lambda: check_value(chain.state, found)) == "NOT_ENDORSED"


def test_an_empty_log_opens_nothing() -> None:
    assert refused(lambda: check_value(State(), opened()), Refusal) == "NO_KEY"


# --- the files' forms


def test_the_file_says_what_was_opened_and_to_whom() -> None:
    told = json.loads(opened().to_bytes())
    assert {k: told[k] for k in ("lab", "round", "panel", "metric", "auditor")} == {
        "lab": LAB,
        "round": 1,
        "panel": "alpha",
        "metric": "hours",
        "auditor": "auditor-1",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "fermata-opened-value/2"),
        ("charter_sha256", "00"),
        ("report", "X" * 64),
        ("round", 0),
        ("round", True),
        ("round", "1"),
        ("encoded", 2004),
        ("encoded", "02"),
        ("encoded", "-1"),
        ("value", 2.004),
        ("proof", "not base64"),
        ("more", "x"),
        ("lab", None),
    ],
)
def test_another_form_of_the_file_is_refused(name: str, value: object) -> None:
    document = json.loads(opened().to_bytes())
    document[name] = value
    data = (json.dumps(document, indent=2) + "\n").encode()
    assert refused(lambda: OpenedValue.from_bytes(data), InvalidEncoding) == "OPENED_VALUE"


@given(st.binary(max_size=40) | st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_any_bytes_are_an_opened_value_or_refused(data: bytes) -> None:
    with pytest.raises(VerificationError):
        OpenedValue.from_bytes(data)
    with pytest.raises(ConfigError):
        ReportSecrets.from_bytes(data)


texts = st.text(st.characters(codec="utf-8"), max_size=8)
panels = st.builds(
    PanelSecrets, texts, st.lists(st.integers(0, 1 << 214)).map(tuple), st.integers(0)
)


@given(
    st.builds(
        ReportSecrets,
        st.integers(1, 1 << 63),
        st.binary(min_size=32, max_size=32),
        st.lists(panels, max_size=3).map(tuple),
        st.lists(st.builds(EvidenceFile, texts, st.binary(max_size=20)), max_size=2).map(tuple),
    )
)
@settings(max_examples=50, deadline=None)
def test_a_kept_report_comes_back_from_its_bytes(kept: ReportSecrets) -> None:
    assert ReportSecrets.from_bytes(kept.to_bytes()) == kept


def test_no_secret_is_shown() -> None:
    _, _, kept = world()
    shown = repr(kept) + repr(opened())
    for secret in (kept.panels[0].gamma, *kept.panels[1].values):
        assert str(secret) not in shown
    assert "round,metric" not in shown


# --- the driver keeps before it sends


def test_a_lab_keeps_every_report_before_it_is_drafted_and_none_twice() -> None:
    run = Run(make_deployment(last="2025Q3"))
    events: list[str] = []

    def keep(kept: ReportSecrets) -> None:
        events.append(kept.sealed_sha256.hex())
        assert run.stores[LAB].draft(f"answer/{kept.round}/0") is None

    run.restart(LAB, keep=keep)
    run.until_quiet()
    seen = run.state.rounds[0].reports[LAB]
    assert events == [seen.sealed_sha256.hex()]
    run.restart(LAB, keep=keep).step()
    assert len(events) == 1


def test_a_corrected_report_is_kept_too_and_is_the_one_that_opens() -> None:
    run = Run(make_deployment(last="2025Q3"))
    kept: list[ReportSecrets] = []
    run.restart(LAB, keep=kept.append)
    others = [name for name in run.drivers if name != "lab-3"]
    run.until_quiet(*others)
    run.drivers[LAB].correct(run.state.rounds[0], Measurement(figures(run.deployment, LAB, 2)))
    run.until_quiet()
    seen = run.state.rounds[0].reports[LAB]
    assert [k.sealed_sha256 == seen.sealed_sha256 for k in kept] == [False, True]
    entropy = entropy_of(0, "corrected")
    check_value(run.state, open_value(run.state, kept[1], LAB, "hours", "auditor-1", entropy))


def test_a_lab_that_cannot_keep_sends_nothing() -> None:
    run = Run(make_deployment(last="2025Q3"))

    def keep(kept: ReportSecrets) -> None:
        raise ConfigError("KEPT_REPORT", "no room")

    run.restart(LAB, keep=keep)
    run.until_quiet()
    assert run.stores[LAB].draft("answer/1/0") is None
    assert LAB not in run.state.rounds[0].reports


def test_an_abstention_keeps_nothing() -> None:
    chain = chain_at("collecting")
    state = chain.state
    assert state.key is not None
    kept: list[ReportSecrets] = []
    deployment = chain.deployment
    answer(
        deployment.charter,
        state.key,
        deployment.table,
        chain.round,
        encode_report(deployment.charter, LAB, {}),
        chain.entropy,
        kept.append,
    )
    assert kept == []
