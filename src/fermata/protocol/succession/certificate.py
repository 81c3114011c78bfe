"""A certificate: proof that a quorum of auditors has witnessed the first entries of a log (SU7).

The head of an early size is hardly ever cosigned by a quorum, since a log grows. But a cosignature
of a later head, with a proof that it extends the early one, says that its auditor holds the same
first entries.
"""

from collections.abc import Iterable

from fermata.errors import InvalidEncoding, InvalidSignature, VerificationError
from fermata.log.checkpoint import ROOT_BYTES, SIZE_MAX, Checkpoint, verify_witness
from fermata.log.merkle import Tree, verify_consistency
from fermata.protocol.succession.views import Views
from fermata.protocol.wire.ports import Witness
from fermata.wire.v1.succession_pb2 import Certificate, HeadCosignature


def make_certificate(
    views: Views, view: int, tree: Tree, witnesses: Iterable[Witness]
) -> Certificate | None:
    """The largest certificate that cosignatures of a view's heads give; None if they give none.

    ``tree``: of the holder's own copy. Cosignatures that do not hold for it count for nothing.
    """
    newest: dict[str, Witness] = {}
    for witness in sorted(witnesses, key=lambda w: w.size):
        if 0 < witness.size <= tree.size and _holds(views, view, tree, witness):
            newest[witness.auditor] = witness
    quorum = views.charter.endorsement_quorum
    if len(newest) < quorum:
        return None
    size = sorted((w.size for w in newest.values()), reverse=True)[quorum - 1]
    return Certificate(
        view=view,
        size=size,
        root=tree.root(size),
        witnesses=[
            HeadCosignature(
                auditor=auditor,
                size=newest[auditor].size,
                root=tree.root(newest[auditor].size),
                line=newest[auditor].line,
                proof=tree.consistency_proof(size, newest[auditor].size),
            )
            for auditor in sorted(newest)
            if newest[auditor].size >= size
        ],
    )


def _holds(views: Views, view: int, tree: Tree, witness: Witness) -> bool:
    if witness.auditor not in views.charter.auditors:
        return False
    head = Checkpoint(views.origin(view), witness.size, tree.root(witness.size))
    try:
        _verify(views, head, witness.auditor, witness.line)
    except VerificationError:
        return False
    return True


def _verify(views: Views, head: Checkpoint, auditor: str, line: bytes) -> None:
    key = views.charter.signing_keys[auditor]
    verify_witness(head, line, views.charter.witness_name(auditor), key)


def check_certificate(views: Views, certificate: Certificate) -> None:
    """Checks a certificate by itself, without any log.

    Raises InvalidEncoding CERTIFICATE or NOTE, InvalidSignature NOT_ON_ROSTER, UNSIGNED, SIGNATURE,
    PUBLIC_KEY or WITNESSES_FEW, and InvalidProof CONSISTENCY.
    """
    heads = [(certificate.size, certificate.root)]
    heads += [(w.size, w.root) for w in certificate.witnesses]
    # SU7.1: a head that no log has, and that no cosignature could be of.
    if any(not 0 < size <= SIZE_MAX or len(root) != ROOT_BYTES for size, root in heads):
        raise InvalidEncoding(
            "CERTIFICATE",
            f"certificate: sizes must be from 1 to 2^63 - 1, and roots of {ROOT_BYTES} bytes",
        )
    auditors = [witness.auditor for witness in certificate.witnesses]
    # SU7.2: one auditor that counts for several.
    if auditors != sorted(set(auditors)):
        raise InvalidEncoding(
            "CERTIFICATE", "certificate: witnesses must be ordered by auditor, one of each"
        )
    origin = views.origin(certificate.view)
    # Of each witness in turn.
    for witness in certificate.witnesses:
        # SU7.3: a stranger vouches for nothing.
        if witness.auditor not in views.charter.auditors:
            raise InvalidSignature(
                "NOT_ON_ROSTER", f"certificate: {witness.auditor} must be an auditor in force"
            )
        head = Checkpoint(origin, witness.size, witness.root)
        # SU7.4: forgery, or a cosignature that is dated into another view.
        _verify(views, head, witness.auditor, witness.line)
        # SU7.5: a cosignature of another log, or of fewer entries.
        verify_consistency(
            certificate.size, certificate.root, witness.size, witness.root, witness.proof
        )
    quorum = views.charter.endorsement_quorum
    # SU7.6: liars and a coordinator, who agree on a log that nobody else has seen.
    if len(auditors) < quorum:
        raise InvalidSignature(
            "WITNESSES_FEW", f"certificate: {quorum} witnesses are needed, got {len(auditors)}"
        )
