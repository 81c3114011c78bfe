"""A node's configuration: one TOML file; relative paths are relative to the file."""

from dataclasses import dataclass
from pathlib import Path

from fermata.errors import ConfigError
from fermata.protocol.charter import Charter, parse_charter
from fermata.protocol.toml_source import Strict, TomlSource

ABSENT = ("wait", "abstain")


class TlsText(Strict, frozen=True):
    key: str = "tls/key.pem"
    certificate: str = "tls/cert.pem"
    root: str = "tls/root.pem"


class KeysText(Strict, frozen=True):
    """``identity`` is an age identity file; ``passphrase_file`` the alternative to it."""

    signing: str = "keys/signing.age"
    share: str = ""
    identity: str = ""
    passphrase_file: str = ""


class LogText(Strict, frozen=True):
    address: str


class ListenText(Strict, frozen=True):
    address: str = "127.0.0.1:7440"
    enrolment: str = ""
    authority: str = ""
    key_record: str = "key-record.bin"
    reflection: bool = False


class TelemetryText(Strict, frozen=True):
    address: str = "127.0.0.1:0"
    log_file: str = ""


class LabText(Strict, frozen=True):
    metrics: str
    absent: str = "wait"


class ConfigText(Strict, frozen=True):
    """The file's shape; unknown keys are errors."""

    charter: str
    party: str
    data: str = "data"
    heartbeat_s: int = 60
    tls: TlsText = TlsText()
    keys: KeysText = KeysText()
    telemetry: TelemetryText = TelemetryText()
    log: LogText | None = None
    listen: ListenText | None = None
    lab: LabText | None = None


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """A checked configuration. ``text`` is as written; paths are made absolute by ``path``."""

    file: Path
    text: ConfigText
    charter_file: Path
    charter: Charter
    role: str

    def path(self, written: str) -> Path:
        """A path of the file, absolute."""
        return (self.file.parent / written).absolute()

    @property
    def data(self) -> Path:
        """The folder for the node's own state."""
        return self.path(self.text.data)


def read_charter(path: Path) -> Charter:
    """The charter in a file. Raises ConfigError."""
    try:
        return parse_charter(path.read_bytes())
    except OSError as error:
        raise ConfigError("CHARTER", f"{path}: cannot be read ({error.strerror})") from error


def load_config(file: Path, role: str | None = None) -> NodeConfig:
    """Reads a node's configuration; ``role`` is the one that the command is for.

    Raises ConfigError CONFIG with the line of what is wrong.
    """
    try:
        source = TomlSource(file.read_bytes(), str(file), "CONFIG")
    except OSError as error:
        raise ConfigError("CONFIG", f"{file}: cannot be read ({error.strerror})") from error
    text = source.decode(ConfigText)
    charter_file = (file.parent / text.charter).absolute()
    charter = read_charter(charter_file)
    party = charter.parties.get(text.party)
    if party is None:
        source.fail("party", "is not on the charter's roster")
    if role is not None and party.role != role:
        source.fail(
            "party", f"{party.id} is {party.role} in the charter, this command is for {role}"
        )
    if party.role == "coordinator" and text.listen is None:
        source.fail("", "the coordinator needs a [listen] table")
    if party.role != "coordinator" and text.log is None:
        source.fail("", "needs a [log] table with the coordinator's address")
    if party.role == "auditor" and not text.keys.share:
        source.fail("", "an auditor needs keys.share")
    if party.role == "lab" and text.lab is None:
        source.fail("", "a lab needs a [lab] table with its metrics")
    if text.lab is not None and text.lab.absent not in ABSENT:
        source.fail("lab.absent", f"must be one of {', '.join(ABSENT)}")
    if bool(text.keys.identity) == bool(text.keys.passphrase_file):
        source.fail("", "keys needs exactly one of identity and passphrase_file")
    if not 1 <= text.heartbeat_s <= 86400:
        source.fail("heartbeat_s", "must be from one second to a day")
    return NodeConfig(file, text, charter_file, charter, party.role)
