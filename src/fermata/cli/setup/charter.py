"""``fermata charter``: write, check, sign and show the agreement."""

import base64
import time
from pathlib import Path

import click

from fermata.assessment.power.measure import power_of
from fermata.assessment.report_cost import ClockNs, Cost, cost_of, measure_speed
from fermata.cli.late_group import LateGroup
from fermata.cli.output import emit, json_option, say, table_text
from fermata.cli.setup.claims_text import claims, statistics_of
from fermata.cli.setup.dates_text import dates_of, dates_text, drills_of
from fermata.cli.setup.disclosure_text import (
    auditor_warnings,
    disclosure_warnings,
    groups_text,
    learned_text,
    rules_text,
    terms_of,
)
from fermata.cli.setup.fresh_text import (
    absence_text,
    blockers_text,
    fresh_warnings,
    growth_text,
    unsafe_terms,
)
from fermata.cli.setup.new_charter import (
    KEY_MADE_BY,
    LABS_MAX,
    LABS_MIN,
    TOGETHER_MIN,
    charter_text,
    quarter_of,
)
from fermata.cli.setup.power_text import LIVES, power_data, power_text
from fermata.cli.setup.rules import alarms_text, false_alarms, pause_warnings, rule_text
from fermata.cli.setup.silence_text import silence_text, silence_warnings
from fermata.cli.unlock import (
    Opener,
    checked_deployment,
    signing_key_of,
    signing_options,
)
from fermata.errors import ConfigError
from fermata.node.config import read_charter_file
from fermata.node.files import read_file, write_atomic
from fermata.node.joining.keyless import KeylessCharter, keyless_faults, read_keyless
from fermata.node.run.parts import clock_ms
from fermata.node.storage.bundles import check_new, pinned_hash
from fermata.node.storage.signatures import SIGNED, check_unchanged, sign_file, signature_states
from fermata.protocol.charter.committee import MEMBERS_MAX
from fermata.protocol.charter.encoding import decimal_text
from fermata.protocol.charter.parse import AUDITORS_MAX, CHARTER_BYTES_MAX, Charter
from fermata.summary.documents import document

FILE = click.argument("file", type=click.Path(path_type=Path), help="The charter, <name>.toml.")


@click.group(
    cls=LateGroup,
    later={
        "accept": "fermata.cli.govern.acceptance:charter_accept",
        "in-force": "fermata.cli.govern.in_force:charter_in_force",
    },
)
def charter() -> None:
    """The charter: who takes part, what is reported, what may come out."""


@charter.command("new")
@FILE
@click.option(
    "--labs",
    type=click.IntRange(LABS_MIN, LABS_MAX),
    default=LABS_MIN,
    show_default=True,
    help="Number of labs on the roster.",
)
@click.option(
    "--auditors",
    type=click.IntRange(1, AUDITORS_MAX),
    default=4,
    show_default=True,
    help="Number of auditors; with 4 or more, one may be away.",
)
@click.option(
    "--members",
    type=click.IntRange(0, MEMBERS_MAX),
    default=0,
    show_default=True,
    help="Number of members of the committee; without any there is no committee.",
)
@click.option(
    "--deployment",
    default="example",
    show_default=True,
    callback=checked_deployment,
    help="The deployment's name in certificates and in the log.",
)
@click.option("--first", help="First quarter, such as 2026Q1; default: the current one.")
@click.option(
    "--dealer", "has_dealer", is_flag=True,
    help="Let a dealer make the key, who could keep it; by default the auditors make it together.",
)  # fmt: skip
@json_option
def new(
    file: Path,
    labs: int,
    auditors: int,
    members: int,
    deployment: str,
    first: str | None,
    has_dealer: bool,
    as_json: bool,
) -> None:
    """Write a commented charter to fill in.

    What is in angle brackets is left to you; signing keys come in when the parties join.
    """
    if members == 1:
        raise click.BadParameter("--members: must be 0, or 2 and more, since the chair passes on")
    if auditors < TOGETHER_MIN and not has_dealer:
        raise click.BadParameter(f"--auditors: must be {TOGETHER_MIN} or more without --dealer")
    _check_name(file)
    check_new(file)
    begin = first or quarter_of(clock_ms())
    text = charter_text(labs, auditors, members, deployment, begin, has_dealer=has_dealer)
    write_atomic(file, text.encode())
    if has_dealer:
        say("This charter takes a key that a dealer made, who could keep it.")
    said = f"wrote {file}; fill in what is in angle brackets, then: fermata charter check {file}"
    emit(as_json, {"file": str(file)}, said)


@charter.command("check")
@FILE
@click.option(
    "--power", "has_power", is_flag=True,
    help="Also simulate how soon each trigger sees a leap (some ten seconds).",
)  # fmt: skip
@json_option
def check(file: Path, has_power: bool, as_json: bool) -> None:
    """Refuse an unsafe charter and name all its faults; else say what each party will learn.

    Signing keys may still be empty.
    """
    keyless = _checked(file)
    parsed = keyless.charter
    costs = costs_of(parsed, time.process_time_ns)
    alarms = false_alarms(file, parsed)
    now_ms = clock_ms()
    data = {**describe(parsed), "warnings": warnings(parsed), "false_alarms": alarms}
    data |= {"keyless_hash": keyless.keyless_sha256.hex(), "keys_missing": list(keyless.missing)}
    if keyless.missing:
        # The hash of a file that is still to change says nothing.
        data["charter_hash"] = None
    data |= {"key_origin": parsed.key_origin, "rounds": dates_of(parsed, now_ms)}
    data["cost"] = [
        {"panel": panel, "make_ms": round(cost.make_ms, 1), "check_ms": round(cost.check_ms, 1)}
        for panel, cost in costs.items()
    ]
    lines = [
        *hash_lines(keyless),
        KEY_MADE_BY[parsed.key_origin],
        *explain(parsed),
        *dates_text(parsed, now_ms),
        *cost_lines(costs),
    ]
    lines += ["", alarms_text(alarms)] if alarms else []
    if has_power:
        power = power_of(parsed, LIVES)
        data["power"] = power_data(power)
        lines.append(power_text(power))
    elif parsed.pause:
        lines += ["", f"How soon its triggers see a leap: fermata charter check --power {file}"]
    emit(as_json, data, "\n".join(lines))


def _checked(file: Path) -> KeylessCharter:
    """The charter in a file, which may lack signing keys, if nothing is wrong with it.

    Prints all faults. Raises ConfigError CHARTER with the first of them, and CHARTER_UNSAFE.
    """
    payload = read_file(file, CHARTER_BYTES_MAX)
    if faults := keyless_faults(payload):
        if len(faults) > 1:
            say("\n".join(f"{file}: {fault}" for fault in faults))
        more = f" (and {len(faults) - 1} more faults, listed above)" if len(faults) > 1 else ""
        raise ConfigError("CHARTER", f"{file}: {faults[0]}{more}")
    keyless = read_keyless(payload)
    if unsafe := unsafe_terms(keyless.charter):
        raise ConfigError("CHARTER_UNSAFE", f"{file}: {'; '.join(unsafe)}")
    return keyless


@charter.command("sign")
@FILE
@signing_options
@click.option("--charter-hash", help="Sign only if the file has this SHA-256 (hex).")
@json_option
def sign(
    file: Path, party: str, key: Path, opener: Opener, charter_hash: str | None, as_json: bool
) -> None:
    """Sign the charter's bytes as one party."""
    _check_name(file)
    payload, parsed = read_charter_file(file)
    if charter_hash is not None and pinned_hash(charter_hash) != parsed.sha256:
        raise ConfigError(
            "CHARTER_HASH", f"{file}: its hash is {parsed.sha256.hex()}, not the one you gave"
        )
    if party not in parsed.parties:
        raise ConfigError("PARTY", f"{file}: has no party called {party}")
    check_unchanged(file, payload, parsed)
    signing_key = signing_key_of(
        key, opener.unlock(), parsed.deployment, parsed.parties[party].signing_key, party
    )
    out = sign_file(file, party, signing_key, payload)
    data = {"charter_hash": parsed.sha256.hex(), "party": party, "signature": str(out)}
    emit(as_json, data, f"signed {file} ({parsed.sha256.hex()}) as {party}: {out}")


def _check_name(file: Path) -> None:
    """The name says how the file is signed (fermata.node.storage.signatures)."""
    if file.suffix != ".toml":
        raise ConfigError("CHARTER_NAME", f"{file}: a charter's file is called <name>.toml")


@charter.command("show")
@FILE
@json_option
def show(file: Path, as_json: bool) -> None:
    """The charter's hash, roster and who has signed it."""
    payload, parsed = read_charter_file(file)
    states = signature_states(file, payload, parsed)
    rows = [
        [p.id, p.role, p.organisation, base64.b64encode(p.signing_key).decode(), states[p.id]]
        for p in parsed.parties.values()
    ]
    columns = ["party", "role", "organisation", "signing key", "signature"]
    complete = all(state == SIGNED for state in states.values())
    data = {
        **describe(parsed),
        "parties": [dict(zip(columns, row, strict=True)) for row in rows],
        "complete": complete,
    }
    head = f"{parsed.heading}\ncharter hash {parsed.sha256.hex()}\n{_previous_text(parsed)}"
    missing = [party for party, state in states.items() if state != SIGNED]
    foot = "signed by all" if complete else f"not signed by {', '.join(missing)}"
    emit(as_json, data, f"{head}{table_text(columns, rows)}\n{foot}")


def _previous_text(charter: Charter) -> str:
    """Which charter this one changes, as a line; empty for a first charter."""
    return f"changes the charter {charter.previous}\n" if charter.previous else ""


def describe(charter: Charter) -> dict[str, object]:
    """The charter's main facts for programs."""
    return {
        "charter_hash": charter.sha256.hex(),
        **document(charter, "previous deployment title modulus_bits heartbeat_s"),
        "plea_s": charter.plea_ms / 1000,
        "kept_rounds": charter.kept_rounds,
        "audit_rounds": charter.audit_rounds,
        "drills": drills_of(charter),
        "auditors": len(charter.auditors),
        **document(charter, "threshold endorsement_quorum"),
        "labs": len(charter.labs),
        "cohort_min": charter.cohort_min,
        "disclosure": terms_of(charter),
        "panels": [
            {
                "id": p.id,
                "labs": sorted(p.labs),
                "groups": {g.id: sorted(g.labs) for g in p.groups},
                "ciphertexts": p.claims.statements.packing.ciphertexts,
                "proves": claims(p),
                "metrics": [
                    {
                        **document(m, "id unit"),
                        "min": decimal_text(m.minimum),
                        "max": decimal_text(m.maximum),
                        "resolution": decimal_text(m.resolution),
                        "statistics": statistics_of(m),
                    }
                    for m in p.metrics
                ],
            }
            for p in charter.panels
        ],
        "rules": [{"id": rule.id, "says": rule_text(rule)} for rule in charter.rules],
    }


def warnings(charter: Charter) -> list[str]:
    """What is allowed, and yet may not be what the parties want."""
    lines = []
    for panel in charter.panels:
        organisations = len({charter.parties[lab].organisation for lab in panel.labs})
        if organisations <= charter.cohort_min + 1:
            lines.append(
                f"panel {panel.id} has {organisations} organisations: it gives no sum before"
                f" {charter.cohort_min} of them have reported."
            )
    lines += auditor_warnings(charter) + silence_warnings(charter) + pause_warnings(charter)
    return lines + disclosure_warnings(charter) + fresh_warnings(charter)


def costs_of(charter: Charter, clock_ns: ClockNs) -> dict[str, Cost]:
    """What a report of each panel costs on this machine, by a short measurement."""
    speed = measure_speed(charter.modulus_bits, clock_ns)
    return {p.id: cost_of(p.claims.statements, speed) for p in charter.panels}


def cost_lines(costs: dict[str, Cost]) -> list[str]:
    """Expected times, in words."""
    lines = ["", "Expected CPU time of a report, measured roughly on this machine just now:"]
    for panel, cost in costs.items():
        make, check = _ms(cost.make_ms), _ms(cost.check_ms)
        lines.append(f"  panel {panel}: about {make} to make, about {check} to check by itself")
    return lines


def _ms(value: float) -> str:
    """Two digits of a time: it is an estimate."""
    rounded = float(f"{value:.2g}")
    return f"{rounded / 1000:g} s" if rounded >= 1000 else f"{rounded:g} ms"


def hash_lines(keyless: KeylessCharter) -> list[str]:
    """What names the charter to other people, and whose keys it lacks."""
    lines = [f"keyless hash {keyless.keyless_sha256.hex()} (of all but the signing keys)"]
    if keyless.missing:
        return [
            *lines,
            f"Signing keys of {len(keyless.missing)} parties are missing, which come in when they"
            f" join: {', '.join(keyless.missing)}",
        ]
    return [f"charter hash {keyless.charter.sha256.hex()}", *lines]


def explain(charter: Charter) -> list[str]:
    """What each party will be able to learn, in words."""
    n, t = len(charter.auditors), charter.threshold
    lines = [
        f"{charter.heading}: {len(charter.labs)} labs, {n} auditors",
        _previous_text(charter),
        "What comes out of a round, for everybody:",
    ]
    for panel in charter.panels:
        for metric in panel.metrics:
            what = ", ".join(statistics_of(metric)) or "the sum (it is in the opening)"
            span = f"{decimal_text(metric.minimum)}..{decimal_text(metric.maximum)} {metric.unit}"
            lines.append(
                f"  {metric.id} ({span.strip()}, to {decimal_text(metric.resolution)}): {what},"
                f" over the labs of panel {panel.id} that report"
            )
        lines += groups_text(panel)
    lines += [f"  Warning: {warning}" for warning in warnings(charter)]
    lines += [
        *rules_text(charter),
        "",
        *learned_text(charter),
        "",
        f"A close counts after {charter.endorsement_quorum} of {n} auditors endorse it;"
        f" {t} openings give the result.",
        away_line(charter),
        *silence_text(charter),
        *absence_text(charter),
        *blockers_text(charter),
        *growth_text(charter),
        "",
        "What each report proves in zero knowledge, with no trusted set-up:",
    ]
    for panel in charter.panels:
        lines += [f"  {claim}" for claim in claims(panel)]
    if charter.rules:
        lines += ["", "Rules over the results:", *(f"  {rule_text(r)}" for r in charter.rules)]
    return lines


def away_line(charter: Charter) -> str:
    """How many auditors may be away, and how many may lie, before nothing opens."""
    spare = len(charter.auditors) - charter.endorsement_quorum
    away = "No auditor may be away" if not spare else f"At most {spare} may be away"
    liars = charter.threshold - 1
    if not spare:
        return f"{away}: without all of them no round opens and nothing is witnessed."
    return (
        f"{away} or refuse to act: rounds open and entries are witnessed all the same. Up to"
        f" {liars} who lie can neither open a value nor witness two logs."
    )
