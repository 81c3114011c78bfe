"""Reports: what a lab makes, and what is checked of its sealed part (P2)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fermata.crypto.integers import int_to_bytes
from fermata.errors import ConfigError, FermataError, InvalidEncoding, Refusal
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.reports import check_metrics_known, check_sealed, encode_report
from fermata.protocol.roles.auditor import check_close, open_part
from fermata.protocol.state.state import ReportPart, ReportSeen
from fermata.protocol.wire.codec import encode, sha256
from fermata.wire.v1 import statement_pb2
from harness.chains import Chain, figures


def seen_and_sealed(chain: Chain, lab: str) -> tuple[ReportSeen, statement_pb2.SealedPart]:
    seen = chain.round.reports[lab]
    return seen, statement_pb2.SealedPart.FromString(chain.fetch(seen.sealed_sha256))


def refused(
    chain: Chain,
    kind: type[FermataError],
    reason: str,
    parts: tuple[ReportPart, ...],
    sealed: bytes,
) -> None:
    assert chain.state.key is not None
    with pytest.raises(kind) as caught:
        check_sealed(chain.state.key, parts, sha256(sealed), sealed)
    assert caught.value.reason == reason


def test_a_sealed_part_gives_the_ciphertexts_in_order(reported: Chain) -> None:
    seen, sealed = seen_and_sealed(reported, "lab-2")
    assert reported.state.key is not None
    found = check_sealed(
        reported.state.key, seen.parts, seen.sealed_sha256, reported.fetch(seen.sealed_sha256)
    )
    assert list(found) == ["alpha", "beta"]
    assert [len(c.ciphertexts) for c in found.values()] == [1, 2]
    assert found["beta"].ciphertexts[1] == int.from_bytes(sealed.panels[1].ciphertexts[1], "big")


def drop_panel(sealed: statement_pb2.SealedPart) -> None:
    del sealed.panels[1]


def swap_names(sealed: statement_pb2.SealedPart) -> None:
    sealed.panels[0].panel, sealed.panels[1].panel = "beta", "alpha"


def nothing(sealed: statement_pb2.SealedPart) -> None:
    del sealed.panels[:]


def drop_ciphertext(sealed: statement_pb2.SealedPart) -> None:
    del sealed.panels[1].ciphertexts[1]


def add_ciphertext(sealed: statement_pb2.SealedPart) -> None:
    sealed.panels[0].ciphertexts.append(sealed.panels[1].ciphertexts[0])


def drop_announcement(sealed: statement_pb2.SealedPart) -> None:
    del sealed.panels[1].announcements[1]


def add_announcement(sealed: statement_pb2.SealedPart) -> None:
    sealed.panels[0].announcements.append(sealed.panels[0].announcements[0])


def drop_responses(sealed: statement_pb2.SealedPart) -> None:
    del sealed.panels[0].responses[:]


def add_response(sealed: statement_pb2.SealedPart) -> None:
    sealed.panels[0].responses.append(sealed.panels[0].responses[0])


def empty_everything(sealed: statement_pb2.SealedPart) -> None:
    for panel in sealed.panels:
        for field in (panel.ciphertexts, panel.announcements, panel.responses):
            del field[:]


def swap_ciphertexts(sealed: statement_pb2.SealedPart) -> None:
    ciphertexts = sealed.panels[1].ciphertexts
    ciphertexts[0], ciphertexts[1] = ciphertexts[1], ciphertexts[0]


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        (drop_panel, InvalidEncoding, "PANELS"),
        (swap_names, InvalidEncoding, "PANELS"),
        (nothing, InvalidEncoding, "PANELS"),
        (drop_ciphertext, InvalidEncoding, "LENGTH"),
        (add_ciphertext, InvalidEncoding, "LENGTH"),
        (drop_announcement, InvalidEncoding, "LENGTH"),
        (add_announcement, InvalidEncoding, "LENGTH"),
        (drop_responses, InvalidEncoding, "LENGTH"),
        (add_response, InvalidEncoding, "LENGTH"),
        (empty_everything, InvalidEncoding, "LENGTH"),
        (swap_ciphertexts, Refusal, "SEALED_DIGEST"),
    ],
)
def test_a_sealed_part_that_contradicts_its_report_is_refused(
    reported: Chain,
    change: Callable[[statement_pb2.SealedPart], None],
    kind: type[FermataError],
    reason: str,
) -> None:
    seen, sealed = seen_and_sealed(reported, "lab-2")
    change(sealed)
    refused(reported, kind, reason, seen.parts, encode(sealed))


def test_a_sealed_part_that_is_not_canonical_is_refused(reported: Chain) -> None:
    seen, sealed = seen_and_sealed(reported, "lab-2")
    refused(reported, InvalidEncoding, "ENCODING", seen.parts, encode(sealed) + b"\x10\x01")
    refused(reported, InvalidEncoding, "SIZE", seen.parts, b"\x00" * (1024 * 1024 + 1))


def test_p2_2_a_sealed_part_that_was_exchanged_after_the_report_is_refused(
    reported: Chain,
) -> None:
    seen, sealed = seen_and_sealed(reported, "lab-2")
    # The log has the digests of the ciphertexts; only this one is of the sealed proof as well.
    sealed.panels[0].responses[0] += b"x"
    assert reported.state.key is not None
    with pytest.raises(Refusal, match="the one that the report names") as caught:
        check_sealed(reported.state.key, seen.parts, seen.sealed_sha256, encode(sealed))
    assert caught.value.reason == "SEALED_DIGEST"


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (lambda n: 0, "CT_RANGE"),
        (lambda n: n * n + 2, "CT_RANGE"),
        (lambda n: n, "CT_NOT_UNIT"),
        (lambda n: 1 + 5 * n, "CT_UNBLINDED"),
    ],
)
def test_a_sealed_number_that_is_no_ciphertext_is_refused(
    reported: Chain, number: Callable[[int], int], reason: str
) -> None:
    data = int_to_bytes(number(reported.deployment.record.n), 128)
    panel = statement_pb2.SealedPanel(
        panel="alpha", ciphertexts=[data], announcements=[b"A"], responses=[b"R"]
    )
    parts = (ReportPart("alpha", (sha256(data),), b"proof"),)
    sealed = encode(statement_pb2.SealedPart(panels=[panel]))
    refused(reported, InvalidEncoding, reason, parts, sealed)


def test_two_reports_of_the_same_figures_have_nothing_in_common(collecting: Chain) -> None:
    one, two = (collecting.report_statement("lab-2").report for _ in range(2))
    digests = [{d for p in r.parts for d in p.ciphertext_sha256} for r in (one, two)]
    assert digests[0].isdisjoint(digests[1])


def test_a_report_has_the_same_size_whatever_the_figures(collecting: Chain) -> None:
    sizes = set()
    for hours in ("0", "999999999999.999"):
        values = {**figures(collecting.deployment, "lab-2"), "hours": hours}
        report = collecting.report_statement("lab-2", values).report
        sizes.add((report.ByteSize(), len(collecting.fetch(report.sealed_sha256))))
    assert len(sizes) == 1


def test_unknown_and_missing_metrics_are_refused_by_name(collecting: Chain) -> None:
    charter = collecting.deployment.charter
    with pytest.raises(ConfigError) as caught:
        check_metrics_known(charter, "lab-1", {"hours": "1", "wide-1": "2"})
    assert (caught.value.reason, "wide-1" in str(caught.value)) == ("METRIC_UNKNOWN", True)
    with pytest.raises(ConfigError) as caught:
        encode_report(charter, "lab-2", {"hours": "1", "share": "1", "wide-1": "2"})
    assert (caught.value.reason, "wide-2" in str(caught.value)) == ("METRIC_MISSING", True)


def asking(charter: Charter, metric: str, **asked: Any) -> Charter:
    """The charter, with something more that reports must prove of a metric."""
    panels = [
        replace(p, metrics=tuple(replace(m, **asked) if m.id == metric else m for m in p.metrics))
        for p in charter.panels
    ]
    return replace(charter, panels=tuple(panels))


def test_c9a_6_a_value_above_a_limit_is_refused_by_name_before_its_proof(
    collecting: Chain,
) -> None:
    deployment = collecting.deployment
    values = figures(deployment, "lab-2")
    most = encode_report(deployment.charter, "lab-2", values).values["hours"]
    encode_report(asking(deployment.charter, "hours", limits=(most,)), "lab-2", values)
    with pytest.raises(ConfigError, match=r"^hours: above a limit") as caught:
        encode_report(asking(deployment.charter, "hours", limits=(most - 1,)), "lab-2", values)
    assert caught.value.reason == "STATEMENT"


@pytest.mark.parametrize("other", ["3", "5"])
def test_c9a_7_values_that_differ_are_refused_by_name_before_their_proof(
    collecting: Chain, other: str
) -> None:
    deployment = collecting.deployment
    charter = asking(deployment.charter, "wide-1", equal_to=("wide-2",))
    values = figures(deployment, "lab-2") | {"wide-1": "4", "wide-2": "4"}
    encode_report(charter, "lab-2", values)
    with pytest.raises(ConfigError, match=r"^wide-1: must be equal to wide-2") as caught:
        encode_report(charter, "lab-2", values | {"wide-2": other})
    assert caught.value.reason == "STATEMENT"


# What the fold rejects already, an auditor does not do either.


def test_an_auditor_checks_no_close_that_is_not_there_or_refused(collecting: Chain) -> None:
    with pytest.raises(Refusal) as caught:
        check_close(collecting.state, collecting.round, collecting.fetch)
    assert caught.value.reason == "ROUND_REFUSED"
    for lab in collecting.deployment.charter.labs:
        collecting.abstain(lab)
    collecting.close()
    with pytest.raises(Refusal) as caught:
        check_close(collecting.state, collecting.round, collecting.fetch)
    assert caught.value.reason == "ROUND_REFUSED"


def test_an_auditor_computes_the_cells_itself(closed: Chain) -> None:
    few = {lab: closed.round.reports[lab] for lab in ("lab-1", "lab-2")}
    close = replace(closed.round.close, listed=tuple(few))  # type: ignore[type-var]
    found = replace(closed.round, reports=few, close=close)
    with pytest.raises(Refusal) as caught:
        check_close(closed.state, found, closed.fetch)
    assert caught.value.reason == "P4_GROUPS"


def test_an_auditor_makes_no_part_before_the_quorum(closed: Chain) -> None:
    closed.endorse("auditor-1", "auditor-2")
    assert closed.round.close is not None
    with pytest.raises(Refusal) as caught:
        open_part(
            closed.state,
            closed.round,
            closed.round.close,
            "auditor-1",
            closed.deployment.shares["auditor-1"],
            closed.entropy,
        )
    assert caught.value.reason == "NO_QUORUM"
