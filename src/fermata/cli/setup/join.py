"""``fermata join``, ``pki invite`` and ``coordinator gather``: parties join over one port."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from fermata.cli.options import CONFIG, PATH
from fermata.cli.output import emit, json_option, say
from fermata.cli.setup.charter import explain, hash_lines
from fermata.errors import ConfigError, TransportError
from fermata.node.config import NodeConfig, load_config
from fermata.node.files import ensure_directory, read_file, write_secret
from fermata.node.joining.gather import gather, open_authority
from fermata.node.joining.join_file import Invitation, read_invitation
from fermata.node.joining.joiner import Joiner, Next
from fermata.node.joining.keyless import KeylessCharter, keyless_faults, read_keyless
from fermata.node.joining.node_folder import CONFIG as CONFIG_NAME
from fermata.node.observe.telemetry import join_address, split_address
from fermata.node.pki.identity import Identity
from fermata.node.run.loop import Wake, stop_on_signal
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.storage.bundles import check_new, pinned_hash
from fermata.protocol.charter.parse import CHARTER_BYTES_MAX, Charter
from fermata.types import READERS, Role

WEEK_S = 7 * 86400


def _charter_of(file: Path) -> Charter:
    """A charter that may lack signing keys. Raises ConfigError CHARTER."""
    payload = read_file(file, CHARTER_BYTES_MAX)
    if faults := keyless_faults(payload):
        what = f"{file}: {faults[0]}; see: fermata charter check {file}"
        raise ConfigError("CHARTER", what)
    return read_keyless(payload).charter


@click.command()
@CONFIG
@click.option("--out", type=PATH, required=True, help="Folder for <party>.join files.")
@click.option("--id", "party", help="Invite this party alone.")
@click.option(
    "--role", type=click.Choice([role.value for role in READERS]),
    help="With --id: an observer or operator, who is not on the roster.",
)  # fmt: skip
@click.option("--ttl-s", default=WEEK_S, show_default=True, help="How long the tokens are good.")
@json_option
def invite(
    config_file: Path, out: Path, party: str | None, role: str | None, ttl_s: int, as_json: bool
) -> None:
    """Write a join file for each party on the roster; hand each over a channel that you trust."""
    config = load_config(config_file, Role.COORDINATOR, _charter_of)
    keyless = read_keyless(read_file(config.charter_file, CHARTER_BYTES_MAX))
    authority = open_authority(config)
    parties = {p.id: p.role for p in keyless.charter.parties.values() if p.id != config.text.party}
    if role is not None:
        if party is None or party in keyless.charter.parties:
            raise click.UsageError("--role goes with --id, of one who is not on the roster")
        parties = {party: Role(role)}
    elif party is not None:
        if party not in parties:
            raise ConfigError("PARTY", f"{config.charter_file}: has no other party called {party}")
        parties = {party: parties[party]}
    files = {p: out / f"{p}.join" for p in parties}
    for path in files.values():
        check_new(path)
    enrolment, log = _addresses(config)
    ensure_directory(out)
    for name, path in files.items():
        identity = Identity.of(authority.deployment, parties[name], name)
        token = authority.issue_token(identity.role, name, ttl_s)
        invitation = Invitation(
            identity, enrolment, log, authority.fingerprint, keyless.keyless_sha256, token
        )
        write_secret(path, invitation.to_bytes())
    data = {
        "keyless_hash": keyless.keyless_sha256.hex(),
        "files": {p: str(path) for p, path in files.items()},
    }
    text = f"wrote {len(files)} join files into {out}; keyless hash {data['keyless_hash']}\nnext:"
    text += f" fermata coordinator gather --config {config_file}, and hand each file to its party"
    emit(as_json, data, text)


def _addresses(config: NodeConfig) -> tuple[str, str]:
    """Where parties reach the enrolment port and the log."""
    listen = config.text.listen
    if listen is None or not listen.public:
        raise ConfigError(
            "CONFIG",
            f"{config.file}: [listen] must have public, this machine's name for the other parties",
        )
    ports = [split_address(address)[1] for address in (listen.enrolment, listen.address)]
    enrolment, log = (join_address(listen.public, port) for port in ports)
    for address in (enrolment, log):
        split_address(address)
    return enrolment, log


@click.command("gather")
@CONFIG
@json_option
def coordinator_gather(config_file: Path, as_json: bool) -> None:
    """Let parties join, fill in the charter's keys, and wait until all have signed and the key is
    dealt. It may be stopped and started again."""
    config = load_config(config_file, Role.COORDINATOR, _charter_of)
    is_whole = gather(config, say)
    next_words = f"fermata coordinator {'run' if is_whole else 'gather'} --config {config_file}"
    what = "everything is there" if is_whole else "stopped before everything was there"
    emit(as_json, {"complete": is_whole}, f"{what}; next: {next_words}")
    if not is_whole:
        sys.exit(1)


@click.command()
@click.argument("file", type=PATH, help="The join file that the coordinator made.")
@click.option("--folder", type=PATH, help="The node's folder; default: the party's id.")
@click.option(
    "--charter-hash",
    help="The keyless hash that you agreed on: sign the charter that has it, without asking.",
)
@click.option("--every-s", type=click.FloatRange(min=0.5), default=10, show_default=True,
              help="How often to look while others join.")  # fmt: skip
@json_option
def join(
    file: Path, folder: Path | None, charter_hash: str | None, every_s: float, as_json: bool
) -> None:
    """Join with a join FILE: enrol, hand in keys, and sign the charter once all have joined.

    An auditor also waits for the dealt key, checks it and its own share, and signs the record. The
    command may be stopped and started again; it goes on where it was.
    """
    invitation = read_invitation(file)
    place = folder or Path(invitation.identity.id)
    if charter_hash is not None and pinned_hash(charter_hash) != invitation.keyless_sha256:
        raise ConfigError(
            "CHARTER_HASH",
            f"{file}: is for a charter of keyless hash {invitation.keyless_sha256.hex()}, not the"
            " one that you gave",
        )
    joiner = Joiner(place, invitation, _consent(invitation, charter_hash), clock_ms, entropy)
    if not _follow(joiner, every_s):
        raise TransportError("STOPPED", "stopped before all was signed; run the same command again")
    emit(as_json, *_done(joiner))


def _follow(joiner: Joiner, every_s: float) -> bool:
    """Steps until the party is done; False if it was stopped by a signal before."""
    wake, said, is_prepared = Wake(), "", False
    with stop_on_signal(wake):
        while not wake.stopping.is_set():
            line = ""
            try:
                if not is_prepared:
                    joiner.prepare()
                    is_prepared = True
                step = joiner.step()
                if step == Next.DONE:
                    return True
                line = f"waiting for {joiner.waits_for}"
                if step == Next.AGAIN:
                    continue
            except TransportError as error:
                line = f"trying again: {error} [{error.reason}]"
            if line != said:
                said = line
                say(line)
            wake.wait(every_s)
    return False


def _consent(invitation: Invitation, charter_hash: str | None) -> Callable[[KeylessCharter], None]:
    """Shows the charter, and asks its owner unless the hash was given."""

    def ask(keyless: KeylessCharter) -> None:
        say("\n".join([*hash_lines(keyless), *explain(keyless.charter)]))
        if charter_hash is not None:
            return
        if not sys.stdin.isatty():
            raise ConfigError(
                "CONSENT",
                "nobody is here to agree to the charter; give --charter-hash with its keyless hash",
            )
        click.confirm(f"Sign this charter as {invitation.identity.id}?", abort=True, err=True)

    return ask


def _done(joiner: Joiner) -> tuple[dict[str, object], str]:
    """The result as data and as text."""
    identity, folder = joiner.invitation.identity, joiner.folder
    digest = read_keyless(read_file(folder / "charter.toml", CHARTER_BYTES_MAX)).charter.sha256
    data: dict[str, object] = {
        "identity": identity.uri,
        "folder": str(folder),
        "charter_hash": digest.hex(),
    }
    config = folder / CONFIG_NAME
    run = {
        Role.LAB: f"fill in {config}, then: fermata lab run --config {config}",
        Role.AUDITOR: f"fermata auditor run --config {config}",
        Role.MEMBER: f"fermata motion list --config {config}, once the log runs",
    }.get(identity.role, f"fermata status --config {config}, once the log runs")
    lines = [f"joined as {identity.uri}; charter hash {digest.hex()}"]
    if identity.role not in READERS:
        lines.append("Compare this hash with what the other parties' screens say: it has all keys.")
    return data, "\n".join([*lines, f"next: {run}"])
