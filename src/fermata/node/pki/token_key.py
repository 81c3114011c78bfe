"""Signing keys in a PKCS#11 token (an HSM or a card), which never leave it: keys.md, K35.

A key is named by an RFC 7512 URI, as ``pkcs11:token=fermata;object=auditor-1?module-path=/...``.
The library is an optional dependency, ``fermata-protocol[pkcs11]``; a token needs Ed25519
(CKM_EDDSA, PKCS#11 3.0).
"""

import re
import threading
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import unquote_to_bytes

from fermata.crypto.signing import PUBLIC_KEY_BYTES, SigningKey, verify_signature
from fermata.errors import ConfigError, InvalidSignature, TransportError
from fermata.node.storage.keystore import Passphrase

SCHEME = "pkcs11:"
_URI_CHARS_MAX = 1024
#: Of the path and of the query; what else RFC 7512 knows is refused, and a PIN above all.
_PATH = ("token", "object", "id", "serial", "type")
_VALUE = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=/&]|%[0-9A-Fa-f]{2})+")
#: DER of an OCTET STRING of 32 bytes, in which a token wraps a public key.
_WRAPPED = b"\x04\x20"


@dataclass(frozen=True, slots=True)
class TokenUri:
    """Where a key is. ``module``: the token's library; ``token`` and ``serial`` choose the token,
    ``label`` and ``key_id`` the key."""

    module: str
    token: str
    serial: str = ""
    label: str = ""
    key_id: bytes = b""


def is_token_uri(text: str) -> bool:
    """Whether a signing key's place is a token and not a file."""
    return text.startswith(SCHEME)


def parse_uri(text: str) -> TokenUri:
    """Parses a URI. Raises ConfigError TOKEN_URI, which does not quote what may hold a PIN."""
    path, _, query = text.removeprefix(SCHEME).partition("?")
    given = dict(_pairs(path, ";", _PATH) + _pairs(query, "&", ("module-path",)))
    if len(text) > _URI_CHARS_MAX or given.get("type", b"private") != b"private":
        raise _wrong("is too long, or is not of type=private")
    # K35.1: any other token or key of the same machine must not be taken for this one.
    if "module-path" not in given or not ({"token", "serial"} & given.keys()):
        raise _wrong("needs module-path, and token or serial")
    if not {"object", "id"} & given.keys():
        raise _wrong("needs object or id")
    try:
        words = {name: value.decode() for name, value in given.items() if name != "id"}
    except UnicodeDecodeError:
        raise _wrong("must be UTF-8") from None
    return TokenUri(
        words["module-path"],
        words.get("token", ""),
        words.get("serial", ""),
        words.get("object", ""),
        given.get("id", b""),
    )


def _pairs(text: str, between: str, known: tuple[str, ...]) -> list[tuple[str, bytes]]:
    pairs = []
    for part in text.split(between) if text else ():
        name, equals, value = part.partition("=")
        # K35.2: a PIN in a URI is a PIN in a file that others read and in lists of processes.
        if name in ("pin-value", "pin-source"):
            raise _wrong("must hold no PIN; name its file in keys.pin_file, or type it")
        if name not in known or not equals or not _VALUE.fullmatch(value):
            raise _wrong(f"may have {', '.join(known)} there, each once, percent-encoded")
        pairs.append((name, unquote_to_bytes(value)))
    if len({name for name, _ in pairs}) < len(pairs):
        raise _wrong("names one attribute twice")
    return pairs


def _wrong(what: str) -> ConfigError:
    return ConfigError("TOKEN_URI", f"signing key: its pkcs11 URI {what}")


class TokenSigner:
    """A session with a token, logged in; it signs for any thread, one at a time.

    Raises ConfigError TOKEN_LIBRARY, TOKEN, TOKEN_PIN, TOKEN_KEY.
    """

    def __init__(self, uri: TokenUri, pin: Passphrase) -> None:
        self._uri = uri
        self._pin = pin
        self._lock = threading.Lock()
        self._pkcs11 = _library()
        self._key, self.public_key = self._open()

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes. Raises TransportError TOKEN_AWAY, which may pass."""
        with self._lock:
            try:
                signature = self._signed(message)
            except self._pkcs11.PKCS11Error:
                # A token that was pulled out and put back has forgotten its session.
                try:
                    self._key, _ = self._open()
                    signature = self._signed(message)
                except (self._pkcs11.PKCS11Error, ConfigError):
                    raise TransportError(
                        "TOKEN_AWAY", "signing key: the token does not answer; see that it is there"
                    ) from None
        try:
            # K35.3: a faulty signature may tell others the key, and makes this party a forger.
            verify_signature(self.public_key, signature, message)
        except InvalidSignature:
            raise TransportError(
                "TOKEN_AWAY", "signing key: the token gave a signature that does not verify"
            ) from None
        return signature

    def _signed(self, message: bytes) -> bytes:
        return bytes(self._key.sign(message, mechanism=self._pkcs11.Mechanism.EDDSA))

    def _session(self, token: Any) -> Any:
        try:
            return token.open(user_pin=self._pin.reveal())
        except self._pkcs11.UserAlreadyLoggedIn:
            # A login holds for the whole process, whichever session made it.
            return token.open()

    def _open(self) -> tuple[Any, bytes]:
        kind, uri, where = self._pkcs11, self._uri, f"token {self._uri.token or self._uri.serial}"
        try:
            module = kind.lib(uri.module)
        except (kind.PKCS11Error, OSError):
            raise ConfigError(
                "TOKEN", f"{uri.module}: cannot be loaded as a PKCS#11 library; check module-path"
            ) from None
        chosen = {"token_label": uri.token or None, "token_serial": uri.serial.encode() or None}
        try:
            token = module.get_token(**{k: v for k, v in chosen.items() if v})
            session = self._session(token)
        except (kind.PinIncorrect, kind.PinLenRange, kind.PinInvalid):
            raise ConfigError(
                "TOKEN_PIN", f"{where}: refuses the PIN; after a few wrong ones it locks itself"
            ) from None
        except kind.PKCS11Error as error:
            name = type(error).__name__
            raise ConfigError("TOKEN", f"{where}: cannot be opened ({name})") from None
        try:
            private = self._only(session, kind.ObjectClass.PRIVATE_KEY)
            public = self._only(session, kind.ObjectClass.PUBLIC_KEY)
            point = bytes(public[kind.Attribute.EC_POINT])
        except kind.PKCS11Error as error:
            name = type(error).__name__
            raise ConfigError(
                "TOKEN_KEY", f"{where}: must have one such private key and its public key ({name})"
            ) from None
        if len(point) != PUBLIC_KEY_BYTES:
            point = point.removeprefix(_WRAPPED)
        if len(point) != PUBLIC_KEY_BYTES:
            raise ConfigError("TOKEN_KEY", f"{where}: the key must be an Ed25519 key")
        return private, point

    def _only(self, session: Any, object_class: Any) -> Any:
        """The one key of a class. Raises the library's NoSuchKey or MultipleObjectsReturned."""
        kind, uri = self._pkcs11, self._uri
        wanted = {kind.Attribute.CLASS: object_class}
        wanted |= {kind.Attribute.LABEL: uri.label} if uri.label else {}
        wanted |= {kind.Attribute.ID: uri.key_id} if uri.key_id else {}
        # The library's own ``get_key`` leaves its search open where it finds two keys. The
        # search then ends with the garbage, perhaps in a session that is gone.
        with closing(session.get_objects(wanted)) as search:
            keys = list(islice(search, 2))
        if len(keys) != 1:
            raise kind.MultipleObjectsReturned if keys else kind.NoSuchKey
        return keys[0]


def open_token_key(uri: str, pin: Passphrase, public_key: bytes | None, party: str) -> SigningKey:
    """The key in a token. ``public_key``: the party's in the charter, or None for any.

    Raises ConfigError SIGNING_KEY and as ``TokenSigner`` does.
    """
    signer = TokenSigner(parse_uri(uri), pin)
    if public_key is not None and signer.public_key != public_key:
        raise ConfigError(
            "SIGNING_KEY", f"signing key: must be the key of {party} in the charter, in its token"
        )
    return SigningKey.elsewhere(signer.public_key, signer)


def _library() -> Any:
    try:
        import pkcs11
    except ImportError:
        raise ConfigError(
            "TOKEN_LIBRARY",
            "signing key: in a token needs the extra fermata-protocol[pkcs11]; install it",
        ) from None
    return pkcs11
