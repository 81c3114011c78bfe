"""``fermata charter accept``: a lab's owner agrees to a charter (docs/spec/consent.md, CO5)."""

from pathlib import Path

import click

from fermata.cli.options import CONFIG
from fermata.cli.output import emit, json_option, plain_lines, say
from fermata.cli.read.view import trusted_view
from fermata.errors import ConfigError
from fermata.node.config import NodeConfig, load_config, read_charter
from fermata.node.storage.bundles import pinned_hash
from fermata.node.storage.consents import accepted_charters, accepts_by_itself, offer_acceptance
from fermata.protocol.charter.parse import Charter
from fermata.protocol.consent.comparison import differences
from fermata.protocol.roles.consents import agreed_to
from fermata.protocol.state.state import State
from fermata.summary.amendment_words import change_lines
from fermata.types import Role


@click.command("accept")
@click.argument("charter", help="The charter's file, or its SHA-256 (hex) if the log has it.")
@CONFIG
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def charter_accept(charter: str, config_file: Path, yes: bool, as_json: bool) -> None:
    """Let this lab's node answer under CHARTER, a file or the hash of one that the log has.

    Shows first what it changes for the lab since the charter that was accepted before.
    """
    config = load_config(config_file, Role.LAB)
    state = trusted_view(config).trusted()
    new = find_charter(state, charter)
    if config.text.party not in new.labs:
        raise ConfigError("PARTY", f"{charter}: has no lab called {config.text.party}")
    agreed = agreed_to(
        state, config.text.party, accepted_charters(config), accepts_by_itself(config)
    )
    old = accepted_before(config, state, agreed)
    changes = differences(old, new, config.text.party)
    is_known = new.sha256 in {*accepted_charters(config), *agreed}
    if not as_json:
        say("\n".join(changes_text(config.text.party, old, new)))
    if not is_known:
        if not yes and not click.confirm("Accept it?", err=True):
            raise click.Abort
        offer_acceptance(config.data, new.sha256)
    data = {
        "charter_hash": new.sha256.hex(),
        "before": old.sha256.hex(),
        "changes": [
            {"article": d.article, "change": d.change, "effect": str(d.effect)} for d in changes
        ],
    }
    what = "was accepted before" if is_known else "accepted; the node takes it when it runs"
    emit(as_json, data, f"{new.sha256.hex()}: {what}")


def find_charter(state: State, name: str) -> Charter:
    """The charter in a file, or in the log under a hash. Raises ConfigError."""
    if Path(name).exists():
        return read_charter(Path(name))
    charter_sha256 = pinned_hash(name)
    motions = state.governance.motions.values()
    known = [version.charter for version in state.charters]
    known += [motion.charter for motion in motions if motion.charter is not None]
    for charter in known:
        if charter.sha256 == charter_sha256:
            return charter
    raise ConfigError(
        "CHARTER_HASH", f"{name}: must be a file, or the hash of a charter that the log has"
    )


def accepted_before(config: NodeConfig, state: State, agreed: tuple[bytes, ...]) -> Charter:
    """The newest charter of the log that the owner has agreed to, or else the configured one."""
    charters = {version.charter.sha256: version.charter for version in state.charters}
    is_on_roster = agreed and config.text.party in charters[agreed[-1]].labs
    return charters[agreed[-1]] if is_on_roster else config.roster


def changes_text(lab: str, old: Charter, new: Charter) -> list[str]:
    """What changes for a lab, in words; what is not free is marked."""
    lines = [f"{new.heading}: charter hash {new.sha256.hex()}"]
    lines += [f"what it changes for {lab} since {old.sha256.hex()}:"]
    return plain_lines([*lines, *change_lines(old, new, lab)])
