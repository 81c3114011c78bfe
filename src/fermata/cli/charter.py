"""``fermata charter``: write, check, sign and show the agreement."""

import base64
from pathlib import Path

import click

from fermata.cli.keys import signing_options, unlock_from
from fermata.cli.output import emit, json_option, table_text
from fermata.crypto.signing import SigningKey
from fermata.errors import ConfigError
from fermata.node import keystore
from fermata.node.config import read_charter
from fermata.node.files import write_atomic
from fermata.node.signatures import folder_of, read_signatures, sign_file
from fermata.protocol.charter import Charter
from fermata.protocol.encoding import decimal_text, panel_packing
from fermata.protocol.envelope import charter_parties

TEMPLATE = Path(__file__).with_name("charter_template.toml")
FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.group()
def charter() -> None:
    """The charter: who takes part, what is reported, what may come out."""


@charter.command("new")
@FILE
def new(file: Path) -> None:
    """Write a commented charter to fill in."""
    if file.exists():
        raise ConfigError("FILE_EXISTS", f"{file}: is there already; choose another name")
    write_atomic(file, TEMPLATE.read_bytes())
    emit(False, None, f"wrote {file}; fill it in, then: fermata charter check {file}")


@charter.command("check")
@FILE
@json_option
def check(file: Path, as_json: bool) -> None:
    """Refuse an unsafe charter; else say what each party will be able to learn."""
    found = read_charter(file)
    emit(as_json, describe(found), "\n".join(explain(found)))


@charter.command("sign")
@FILE
@signing_options
def sign(
    file: Path, party: str, key: Path, identity: Path | None, passphrase_file: Path | None
) -> None:
    """Sign the charter's bytes as one party."""
    found = read_charter(file)
    if party not in found.parties:
        raise ConfigError("PARTY", f"{file}: has no party called {party}")
    unlock = unlock_from(identity, passphrase_file)
    seed = keystore.load_sealed(key, keystore.SIGNING, found.deployment, unlock)
    signing_key = SigningKey.from_seed(seed)
    if signing_key.public_key != found.parties[party].signing_key:
        raise ConfigError("SIGNING_KEY", f"{key}: is not the key that the charter has for {party}")
    out = sign_file(file, party, signing_key)
    emit(False, None, f"signed {file} ({found.sha256.hex()}) as {party}: {out}")


@charter.command("show")
@FILE
@json_option
def show(file: Path, as_json: bool) -> None:
    """The charter's hash, roster and who has signed it."""
    found = read_charter(file)
    rows = []
    for party in found.parties.values():
        try:
            read_signatures(file, found, (party.id,))
            signed = "signed"
        except ConfigError:
            signed = "not signed" if not (folder_of(file) / party.id).is_file() else "WRONG"
        fingerprint = base64.b64encode(party.signing_key).decode()
        rows.append([party.id, party.role, party.organisation, fingerprint, signed])
    columns = ["party", "role", "organisation", "signing key", "signature"]
    data = {
        **describe(found),
        "parties": [dict(zip(columns, row, strict=True)) for row in rows],
        "complete": all(row[4] == "signed" for row in rows),
    }
    head = f"{found.title}\ncharter hash {found.sha256.hex()}\n"
    emit(as_json, data, head + table_text(columns, rows))
    if set(charter_parties(found)) != {row[0] for row in rows}:
        raise ConfigError("CHARTER", f"{file}: roster and signers differ")


def describe(found: Charter) -> dict[str, object]:
    """The charter's main facts for programs."""
    return {
        "charter_hash": found.sha256.hex(),
        "deployment": found.deployment,
        "title": found.title,
        "modulus_bits": found.modulus_bits,
        "auditors": len(found.auditors),
        "threshold": found.threshold,
        "endorsement_quorum": found.endorsement_quorum,
        "labs": len(found.labs),
        "cohort_min": found.cohort_min,
        "panels": [
            {
                "id": p.id,
                "labs": sorted(p.labs),
                "ciphertexts": panel_packing(found, p).ciphertexts,
                "metrics": [
                    {
                        "id": m.id,
                        "unit": m.unit,
                        "min": decimal_text(m.minimum),
                        "max": decimal_text(m.maximum),
                        "resolution": decimal_text(m.resolution),
                        "statistics": list(m.statistics),
                    }
                    for m in p.metrics
                ],
            }
            for p in found.panels
        ],
    }


def explain(found: Charter) -> list[str]:
    """What each party will be able to learn, in words."""
    n, t = len(found.auditors), found.threshold
    lines = [
        f"{found.title}: {len(found.labs)} labs, {n} auditors, charter hash {found.sha256.hex()}",
        "",
        "What comes out of a round, for everybody:",
    ]
    for panel in found.panels:
        for metric in panel.metrics:
            what = ", ".join(metric.statistics) or "the sum (it is in the opening)"
            span = f"{decimal_text(metric.minimum)}..{decimal_text(metric.maximum)} {metric.unit}"
            lines.append(
                f"  {metric.id} ({span.strip()}, to {decimal_text(metric.resolution)}): {what},"
                f" over the labs of panel {panel.id} that report"
            )
    for panel in found.panels:
        organisations = len({found.parties[lab].organisation for lab in panel.labs})
        if organisations <= found.cohort_min + 1:
            lines.append(
                f"  Warning: panel {panel.id} has {organisations} organisations; if"
                f" {organisations - found.cohort_min + 1} of them stay away, no panel is opened."
            )
    lines += [
        f"Nothing of a round comes out if a panel has fewer than {found.cohort_min} organisations.",
        "",
        "What each party learns beyond that:",
        "  a lab: its own values; who reported which panels, and when",
        "  the coordinator: who reported, and ciphertexts that it cannot open",
        f"  fewer than {t} auditors together: the same as the coordinator",
        f"  {t} or more auditors who collude: every single value",
        f"  all but one organisation of a panel's cohort who collude: that one's value"
        f" (so at least {found.cohort_min - 1} must collude)",
        "",
        f"A close counts after {found.endorsement_quorum} of {n} auditors endorse it; {t} openings"
        " give the result.",
        "Range proofs are not in this version: a lab could report a value out of range unseen.",
    ]
    return lines
