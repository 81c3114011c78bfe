"""Both sides of an audit on site: ``fermata lab open-value``, ``fermata audit check-value``."""

from dataclasses import replace
from pathlib import Path

import click

from fermata.cli.options import CONFIG, PATH
from fermata.cli.output import emit, json_option, say
from fermata.cli.read.view import trusted_view
from fermata.errors import ConfigError, InvalidProof
from fermata.node.config import load_config
from fermata.node.files import SECRET_MODE, read_file, write_directory
from fermata.node.run.parts import entropy, report_secrets_folder
from fermata.node.storage.bundles import check_new, pinned_hash, read_bundle
from fermata.protocol.charter.parse import MODULUS_BITS_MIN
from fermata.protocol.standing.retention import audit_rounds, terms_of
from fermata.protocol.state.state import ReportSeen, State
from fermata.protocol.verify.value_audit import (
    VALUE_BYTES_MAX,
    OpenedValue,
    check_evidence,
    check_value,
    counted_part,
    find_metric,
    open_value,
)
from fermata.protocol.verify.verifier import verify_bundle
from fermata.protocol.wire.report_secrets import EvidenceFile
from fermata.types import Role

VALUE_FILE = "value.json"
EVIDENCE_PREFIX = "evidence-"
EVIDENCE_BYTES_MAX = 256 * 1024 * 1024


@click.command("open-value")
@CONFIG
@click.option("--round", "number", type=click.IntRange(min=1), required=True, help="The round.")
@click.option("--metric", "metric_id", required=True, help="The one figure to open.")
@click.option("--auditor", required=True, help="The auditor to whom it is opened.")
@click.option("--out", type=PATH, required=True, help="New folder for the auditor.")
@click.option("--no-evidence", is_flag=True, help="Leave out the files behind the figures.")
@json_option
def lab_open_value(
    config_file: Path,
    number: int,
    metric_id: str,
    auditor: str,
    out: Path,
    no_evidence: bool,
    as_json: bool,
) -> None:
    """Open one figure of a counted report to one auditor; the others stay hidden."""
    config = load_config(config_file, Role.LAB)
    party = config.text.party
    check_new(out, may_be_empty=True)
    state = trusted_view(config).trusted()
    charter = state.charter_at(number)
    place = find_metric(charter, party, metric_id)
    if place is None:
        raise ConfigError(
            "METRIC_UNKNOWN",
            f"--metric: must be a metric of {party} in the charter of round {number}, got"
            f" {metric_id}",
        )
    if auditor not in charter.auditors:
        raise ConfigError("PARTY", f"--auditor: must be an auditor of the charter, got {auditor}")
    seen, _ = counted_part(state, number, party, place[0].id)
    is_let_go = number in terms_of(state, state.size, audit_rounds).gone
    kept = report_secrets_folder(config).find(number, seen.sealed_sha256, is_let_go)
    opened = open_value(state, kept, party, metric_id, auditor, entropy)
    evidence = () if no_evidence else kept.evidence
    if evidence:
        check_evidence(seen, evidence, kept.evidence_salt)
    else:
        # With the salt alone, anybody could try every file that the lab may have had.
        opened = replace(opened, evidence_salt=b"")
    files = {VALUE_FILE: (opened.to_bytes(), SECRET_MODE)}
    files |= {f"{EVIDENCE_PREFIX}{e.name}": (e.data, SECRET_MODE) for e in evidence}
    write_directory(out, files)
    if evidence:
        say("the evidence is whole files: whoever reads them sees every figure in them")
    data = {
        "folder": str(out),
        "round": number,
        "metric": metric_id,
        "auditor": auditor,
        "files": sorted(files),
    }
    text = f"{out}: {metric_id} of round {number}, opened to {auditor}: {', '.join(sorted(files))}"
    emit(as_json, data, text)


@click.group()
def audit() -> None:
    """Audit a lab on site: check what it opened."""


@audit.command("check-value")
@click.argument("folder", type=PATH, help="The folder that fermata lab open-value wrote.")
@click.option("--bundle", type=PATH, help="A bundle that has the round, full or public.")
@click.option("--charter-hash", help="With --bundle: SHA-256 of the charter you trust, in hex.")
@click.option("--config", "config_file", type=PATH, help="A node's TOML file: read the log itself.")
@json_option
def audit_check_value(
    folder: Path,
    bundle: Path | None,
    charter_hash: str | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Check a figure that a lab opened against its report in the log."""
    opened, evidence = read_opened(folder)
    state = state_of(bundle, charter_hash, config_file)
    seen = check_value(state, opened)
    if evidence:
        check_evidence(seen, evidence, opened.evidence_salt)
    data = value_document(state, opened, seen, evidence)
    lines = value_lines(data)
    if bundle is not None and charter_hash is None:
        lines.append(f"charter {data['charter_hash']}: compare it, or give it as --charter-hash")
    emit(as_json, data, "\n".join([*lines, "VALID"]))


def read_opened(folder: Path) -> tuple[OpenedValue, tuple[EvidenceFile, ...]]:
    """What a lab handed over: the opened value, and the evidence files if there are any.

    Raises ConfigError OPENED_FOLDER, InvalidEncoding OPENED_VALUE, and as ``read_file`` does.
    """
    if not (folder / VALUE_FILE).is_file():
        raise ConfigError("OPENED_FOLDER", f"{folder}: must be a folder with {VALUE_FILE}")
    evidence = []
    for path in sorted(folder.iterdir()):
        name = path.name.removeprefix(EVIDENCE_PREFIX)
        if name != path.name:
            evidence.append(EvidenceFile(name, read_file(path, EVIDENCE_BYTES_MAX)))
        elif name != VALUE_FILE:
            raise ConfigError(
                "OPENED_FOLDER", f"{path}: is not part of an opened value; move it away"
            )
    opened = OpenedValue.from_bytes(read_file(folder / VALUE_FILE, VALUE_BYTES_MAX))
    return opened, tuple(evidence)


def state_of(bundle: Path | None, charter_hash: str | None, config_file: Path | None) -> State:
    """The state that follows from a valid bundle, or from the witnessed entries of the log.

    Raises InvalidProof BUNDLE_INVALID, ConfigError BUNDLE, and whatever ``trusted_view`` raises.
    """
    if bundle is not None and config_file is None:
        verification = verify_bundle(
            read_bundle(bundle), pinned_hash(charter_hash), MODULUS_BITS_MIN
        )
        if not verification.is_valid:
            raise InvalidProof(
                "BUNDLE_INVALID", f"{bundle}: must be valid; fermata verify says what is wrong"
            )
        return verification.state
    if config_file is not None and bundle is None and charter_hash is None:
        return trusted_view(load_config(config_file)).trusted()
    raise click.UsageError("give either --bundle, with or without --charter-hash, or --config")


def value_document(
    state: State, opened: OpenedValue, seen: ReportSeen, evidence: tuple[EvidenceFile, ...]
) -> dict[str, object]:
    """What ``check-value`` found, for programs.

    ``charter_hash`` is entry 0's, the one to pin; ``round_charter_hash`` is that of the charter of
    the round, which an amendment may have brought.
    """
    round_ = state.round(opened.round)
    place = find_metric(state.charter_at(opened.round), opened.lab, opened.metric)
    return {
        "valid": True,
        "charter_hash": (state.charter_sha256 or b"").hex(),
        "round_charter_hash": opened.charter_sha256.hex(),
        "lab": opened.lab,
        "round": opened.round,
        "period": round_.period if round_ else "",
        "entry": seen.entry,
        "metric": opened.metric,
        "value": opened.value,
        "unit": place[1].unit if place else "",
        "auditor": opened.auditor,
        "evidence": [file.name for file in evidence],
        "evidence_sha256": seen.evidence_sha256.hex(),
    }


def value_lines(data: dict[str, object]) -> list[str]:
    """What ``check-value`` found, for people."""
    where = f"{data['lab']}, round {data['round']} ({data['period']})"
    lines = [
        f"{where}: {data['metric']} = {data['value']} {data['unit']}",
        f"opened to {data['auditor']}, from the report in entry {data['entry']}, which counts",
    ]
    if data["evidence"]:
        lines.append("the evidence is what the report committed to")
    elif data["evidence_sha256"]:
        lines.append(f"no evidence here; the report committed to {data['evidence_sha256']}")
    else:
        lines.append("the report committed to no evidence")
    return lines
