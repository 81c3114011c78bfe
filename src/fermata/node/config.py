"""A node's configuration: one TOML file, whose relative paths are relative to the file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

from fermata.errors import ConfigError
from fermata.node.files import read_file
from fermata.node.observe.telemetry import split_address
from fermata.node.pki.identity import PARTY
from fermata.node.rpc.engine.settings import EngineText
from fermata.node.sources.mapping import SourceText, check_sources
from fermata.protocol.charter.parse import CHARTER_BYTES_MAX, Charter, parse_charter
from fermata.protocol.charter.toml_source import Strict, TomlSource
from fermata.types import READERS, Role

ABSENT = ("wait", "abstain")
CONFIG_BYTES_MAX = 256 * 1024
#: ``keys.share`` of an auditor whose share is on a machine without a network.
OFFLINE = "offline"
HOOK_TIMEOUT_S_MAX = 3600
POSTGRESQL = "postgresql://"
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")


class TlsText(Strict, frozen=True):
    """``issuer`` has the authorities that issued this node's certificate, if ``root`` does not."""

    key: str = "tls/key.pem"
    certificate: str = "tls/cert.pem"
    root: str = "tls/root.pem"
    issuer: str = ""


class KeysText(Strict, frozen=True):
    """``identity`` is an age identity file; ``passphrase_file`` is the alternative to it.

    ``signing`` is an age file, or a key in a PKCS#11 token as ``pkcs11:...``, whose PIN is in
    ``pin_file``. The share of an auditor may have an unlocking of its own, which the node itself
    never reads; with ``share_prompt`` its opener asks for the passphrase at each start.
    """

    signing: str = "keys/signing.age"
    pin_file: str = ""
    share: str = ""
    share_identity: str = ""
    share_passphrase_file: str = ""
    share_prompt: bool = False
    identity: str = ""
    passphrase_file: str = ""


class LogText(Strict, frozen=True):
    """``address`` is where the coordinator's log listens, as host:port."""

    address: str


class AuthorityText(Strict, frozen=True):
    """The authorities in a PEM file, and the parties, as role/id, that they may certify."""

    file: str
    parties: tuple[str, ...]


class ListenText(Strict, frozen=True):
    """Where a coordinator serves the log, or an auditor its copy of it for labs.

    ``deny_list`` is for a node without ``authority``, whose folder has a list of its own.

    ``connections_of_source``: how many connections to the log's port one address may hold. Parties
    that share an address (NAT, or one machine) share this number.

    ``public``: the coordinator's host name or address for the other parties, in their join files.
    """

    address: str = "127.0.0.1:7440"
    connections_of_source: Annotated[int, Meta(ge=1, le=4096)] = 64
    enrolment: str = ""
    public: str = ""
    authority: str = ""
    key_record: str = "key-record.bin"
    reflection: bool = False
    authorities: tuple[AuthorityText, ...] = ()
    deny_list: str = ""


class TelemetryText(Strict, frozen=True):
    """``address`` is for metrics and health; without ``log_file`` events go to standard error."""

    address: str = "127.0.0.1:0"
    log_file: str = ""


class StoreText(Strict, frozen=True):
    """``url``: a PostgreSQL database instead of the file. Of its processes one writes, and another
    takes over ``lease_s`` after that one has vanished."""

    url: str = ""
    lease_s: Annotated[int, Meta(ge=3, le=300)] = 15


class DashboardText(Strict, frozen=True):
    """``tls`` serves with the node's certificate; without it the address must be loopback."""

    address: str
    tls: bool = False


class LabText(Strict, frozen=True):
    """``metrics`` is the lab's own table of figures; ``source`` says where other figures are.

    ``alone``: reports say that the lab would join sums as the only one that does.
    With ``accept_stricter`` the node accepts by itself what is nowhere weaker for its lab.
    """

    metrics: str = ""
    absent: str = "wait"
    alone: bool = False
    accept_stricter: bool = True
    source: tuple[SourceText, ...] = ()


class HookText(Strict, frozen=True):
    """The program or URL that gets notices (docs/spec/notice.md): of every change of the pause, or
    of every step of a motion."""

    command: tuple[str, ...] = ()
    url: str = ""
    ca_file: str = ""
    timeout_s: int = 30


class SilenceText(Strict, frozen=True):
    """The auditors that a lab asks while its log is silent: addresses as host:port, by id."""

    auditors: dict[str, str]


class ConfigText(Strict, frozen=True):
    """The shape of the file; unknown keys are errors.

    ``amended`` is the path of the amended charter in which this party, or its new key, is new.
    ``role`` is observer or operator, for one who only reads; the roster says it of everybody else.
    """

    charter: str
    party: str
    role: str = ""
    amended: str = ""
    data: str = "data"
    tls: TlsText = TlsText()
    keys: KeysText = KeysText()
    telemetry: TelemetryText = TelemetryText()
    store: StoreText = StoreText()
    log: LogText | None = None
    listen: ListenText | None = None
    lab: LabText | None = None
    hook: HookText | None = None
    governance_hook: HookText | None = None
    silence: SilenceText | None = None
    dashboard: DashboardText | None = None
    engine: EngineText | None = None


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """A checked configuration. ``text`` is as written; ``path`` makes its paths absolute.

    ``genesis`` is the charter in entry 0. It pins the log and names the deployment, but it may no
    longer be in force: the replica's state says which charter is. ``roster`` is the charter that
    lists this party: ``genesis``, unless the file has ``amended``.
    """

    file: Path
    text: ConfigText
    charter_file: Path
    genesis: Charter
    role: Role
    roster: Charter

    def path(self, written: str) -> Path:
        """The absolute path of a path in the file."""
        return (self.file.parent / written).absolute()

    @property
    def owner(self) -> str:
        """The node to which the store is bound, as ``role/party``."""
        return f"{self.role}/{self.text.party}"

    @property
    def data(self) -> Path:
        """The folder for the node's own state."""
        return self.path(self.text.data)


def read_charter_file(path: Path) -> tuple[bytes, Charter]:
    """The bytes of a charter file, and the charter in them.

    Raises ConfigError CHARTER with the file and the line, and whatever ``read_file`` raises.
    """
    data = read_file(path, CHARTER_BYTES_MAX)
    try:
        return data, parse_charter(data)
    except ConfigError as error:
        raise ConfigError("CHARTER", f"{path}: {error}") from None


def read_charter(path: Path) -> Charter:
    """The charter in a file. Raises whatever ``read_charter_file`` raises."""
    return read_charter_file(path)[1]


def load_config(
    file: Path, role: Role | None = None, read: Callable[[Path], Charter] = read_charter
) -> NodeConfig:
    """Reads a node's configuration; ``role`` is the role that the command is for, None for any.

    ``read`` reads the charter; before all have joined it may lack signing keys.

    Raises ConfigError CONFIG with the line of the fault, and whatever ``read_charter`` raises.
    """
    source = TomlSource(read_file(file, CONFIG_BYTES_MAX), str(file), "CONFIG", CONFIG_BYTES_MAX)
    text = source.decode(ConfigText)
    _check_values(source, text)
    for table, hook in (("hook", text.hook), ("governance_hook", text.governance_hook)):
        if hook is not None:
            _check_hook(source, hook, table)
    if text.hook is not None and text.governance_hook is not None:
        _check_apart(source, text.hook, text.governance_hook)
    charter_file = (file.parent / text.charter).absolute()
    charter = read(charter_file)
    roster = read_charter((file.parent / text.amended).absolute()) if text.amended else charter
    if roster.deployment != charter.deployment:
        source.fail("amended", "must be a charter of this deployment")
    own_role = _role_of(source, text, roster)
    if role is not None and own_role != role:
        source.fail(
            "party", f"must be of role {role} for this command, but {text.party} is {own_role}"
        )
    _check_role(source, text, own_role)
    if own_role == Role.LAB and text.lab is not None:
        check_sources(source, text.lab.source, roster, text.party)
    return NodeConfig(file, text, charter_file, charter, own_role, roster)


def _role_of(source: TomlSource, text: ConfigText, roster: Charter) -> Role:
    """The role that the roster says; of one who only reads, the configuration."""
    party = roster.parties.get(text.party)
    if not text.role:
        if party is None:
            source.fail("party", "must be on the charter's roster, or have a role that only reads")
        return party.role
    if text.role not in READERS:
        source.fail("role", f"must be one of {', '.join(READERS)}, or left out")
    if party is not None:
        source.fail("role", "must be left out: the charter's roster says it")
    if not PARTY.match(f"{text.role}/{text.party}"):
        source.fail("party", "must be 1 to 40 of a-z, 0-9 and hyphens inside")
    return Role(text.role)


def _check_role(source: TomlSource, text: ConfigText, role: Role) -> None:
    if role == Role.COORDINATOR and text.listen is None:
        source.fail("", "a coordinator needs a [listen] table")
    if role != Role.COORDINATOR and text.log is None:
        source.fail("", "needs a [log] table with the coordinator's address")
    if role == Role.AUDITOR and not text.keys.share:
        what = f"an auditor needs keys.share, the path of its key share, or {OFFLINE!r}"
        source.fail("keys", what)
    _check_share(source, text.keys)
    if role != Role.COORDINATOR and text.engine is not None:
        source.fail("engine", "is for the coordinator only")
    if role != Role.COORDINATOR and text.dashboard is not None:
        source.fail("dashboard", "is for the coordinator only; see: fermata dashboard")
    if role == Role.LAB and text.lab is None:
        source.fail("", "a lab needs a [lab] table with its metrics")
    if role in READERS and (text.lab is not None or text.hook is not None):
        source.fail("", "must have no [lab] and no [hook]: it only reads")
    if role != Role.LAB and text.silence is not None:
        source.fail("silence", "is for labs only: they ask auditors while the log is silent")
    if role not in (Role.COORDINATOR, Role.AUDITOR) and text.listen is not None:
        source.fail("listen", "is for the coordinator, and for auditors who serve their copy")
    listen = text.listen or ListenText()
    if role == Role.AUDITOR and (listen.authority or listen.enrolment or listen.reflection):
        what = "must have no authority, enrolment or reflection: an auditor serves a copy"
        source.fail("listen", what)


def _check_share(source: TomlSource, keys: KeysText) -> None:
    ways = (keys.share_identity, keys.share_passphrase_file, keys.share_prompt)
    if sum(map(bool, ways)) > 1:
        what = "must have at most one of share_identity, share_passphrase_file and share_prompt"
        source.fail("keys", what)
    if any(ways) and keys.share in ("", OFFLINE):
        source.fail("keys", "must have the path of a share where it says what unlocks it")


def _check_values(source: TomlSource, text: ConfigText) -> None:
    if text.lab is not None and text.lab.absent not in ABSENT:
        source.fail("lab.absent", f"must be one of {', '.join(ABSENT)}")
    if text.lab is not None and not text.lab.metrics and not text.lab.source:
        source.fail("lab", "must have metrics, the path of a table, or a [[lab.source]]")
    if not text.role and bool(text.keys.identity) == bool(text.keys.passphrase_file):
        source.fail("keys", "must have exactly one of identity and passphrase_file")
    if text.store.url and not text.store.url.startswith(POSTGRESQL):
        source.fail("store.url", f"must begin with {POSTGRESQL}")
    listen, lab = text.listen or ListenText(), text.lab or LabText("metrics.csv")
    addresses = {"telemetry.address": text.telemetry.address, "listen.address": listen.address}
    if text.log is not None:
        addresses["log.address"] = text.log.address
    if text.dashboard is not None:
        addresses["dashboard.address"] = text.dashboard.address
    if listen.enrolment:
        addresses["listen.enrolment"] = listen.enrolment
    if text.silence is not None:
        addresses |= {f"silence.auditors.{a}": at for a, at in text.silence.auditors.items()}
    for path, address in addresses.items():
        try:
            split_address(address)
        except ConfigError:
            source.fail(path, "must be host:port, such as 127.0.0.1:7440")
    must = {"charter": text.charter, "data": text.data}
    tls = text.tls
    must |= {"tls.key": tls.key, "tls.certificate": tls.certificate, "tls.root": tls.root}
    must |= {"keys.signing": text.keys.signing, "listen.key_record": listen.key_record}
    may = {"keys.share": text.keys.share, "keys.identity": text.keys.identity}
    may |= {"keys.passphrase_file": text.keys.passphrase_file, "listen.authority": listen.authority}
    may |= {"keys.share_identity": text.keys.share_identity, "keys.pin_file": text.keys.pin_file}
    may["keys.share_passphrase_file"] = text.keys.share_passphrase_file
    may |= {"lab.metrics": lab.metrics, "amended": text.amended}
    may |= {"tls.issuer": tls.issuer, "listen.deny_list": listen.deny_list}
    may |= {"listen.public": listen.public, "telemetry.log_file": text.telemetry.log_file}
    _check_authorities(source, listen)
    for path, written in (must | may).items():
        # A NUL ends a path for the system but not for Python, which raises an error of its own.
        if (path in must and not written) or not written.isprintable():
            source.fail(path, "must be the path of a file, in printable characters")


def _check_authorities(source: TomlSource, listen: ListenText) -> None:
    if listen.authority and listen.deny_list:
        source.fail("listen.deny_list", "must be left out: the authority's folder has denied.txt")
    if listen.authorities and not listen.authority and not listen.deny_list:
        source.fail("listen.authorities", "needs deny_list, or nobody could be denied")
    for authority in listen.authorities:
        if not authority.file or not authority.file.isprintable():
            source.fail("listen.authorities", "file must be the path of a PEM file")
        if not authority.parties or not all(PARTY.match(party) for party in authority.parties):
            source.fail("listen.authorities", "parties must be as lab/lab-1: a role and an id")


def _check_apart(source: TomlSource, hook: HookText, governance: HookText) -> None:
    """A scheduler reads a notice without ``is_holding`` as leave to go on."""
    if (hook.command, hook.url) == (governance.command, governance.url):
        what = "must be another receiver than [hook], which would read these notices as the pause's"
        source.fail("governance_hook", what)


def _check_hook(source: TomlSource, hook: HookText, table: str) -> None:
    if bool(hook.command) == bool(hook.url):
        source.fail(table, "must have exactly one of command and url")
    if not 1 <= hook.timeout_s <= HOOK_TIMEOUT_S_MAX:
        source.fail(
            f"{table}.timeout_s", f"must be 1 to {HOOK_TIMEOUT_S_MAX}, got {hook.timeout_s}"
        )
    if not all(word.isprintable() for word in hook.command):
        source.fail(f"{table}.command", "must be in printable characters")
    if hook.command and not Path(hook.command[0]).is_absolute():
        source.fail(
            f"{table}.command", "must begin with the full path of a program; no shell reads it"
        )
    if not hook.ca_file.isprintable():
        source.fail(f"{table}.ca_file", "must be the path of a file, in printable characters")
    if hook.url:
        _check_url(source, hook.url, table)
    if hook.ca_file and not hook.url.startswith("https:"):
        source.fail(f"{table}.ca_file", f"must be left out unless {table}.url is https")


def _check_url(source: TomlSource, url: str, table: str) -> None:
    try:
        place = urlsplit(url)
        host, port = place.hostname or "", place.port
    except ValueError:
        host, port, place = "", None, urlsplit("")
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if not is_plain or not host or port == 0 or place.scheme not in ("http", "https"):
        source.fail(f"{table}.url", "must be an address such as https://host/path")
    if place.username is not None or place.fragment:
        source.fail(f"{table}.url", "must not have a user, password or fragment")
    if place.scheme == "http" and host not in LOOPBACK_HOSTS:
        source.fail(
            f"{table}.url", "must be https; plain http is for 127.0.0.1, [::1] or localhost"
        )
