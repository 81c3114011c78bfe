"""Reports of labs, each proved once in a process: half of what many tests would wait for."""

from fermata.protocol.fold.reports import EncodedReport, make_report
from fermata.protocol.state.report_flags import Asked
from fermata.protocol.state.state import ThresholdKey
from fermata.wire.v1 import statement_pb2
from harness.deployments import Deployment, Drawn

#: What a report depends on -> its statement and sealed part, and how far the entropy was drawn.
_MADE: dict[tuple[object, ...], tuple[bytes, bytes, int]] = {}


def made_report(
    deployment: Deployment,
    key: ThresholdKey,
    encoded: EncodedReport,
    number: int,
    entropy: Drawn,
    asked: Asked,
) -> tuple[statement_pb2.Statement, bytes]:
    """What ``make_report`` makes of it, byte for byte, with the entropy drawn as far as it does."""
    charter = deployment.charter
    figures = tuple(sorted(encoded.values.items())), encoded.evidence_sha256, encoded.evidence
    asks = asked.duties, tuple(sorted(asked.share_limits.items()))
    drawn = entropy.seed, entropy.label, entropy.draws
    name = (charter.sha256, key.key_id, encoded.lab, number, figures, asks, drawn)
    if name not in _MADE:
        made, sealed = make_report(charter, key, deployment.table, encoded, number, entropy, asked)
        _MADE[name] = made.SerializeToString(), sealed, entropy.draws
    statement, sealed, entropy.draws = _MADE[name]
    return statement_pb2.Statement.FromString(statement), sealed
