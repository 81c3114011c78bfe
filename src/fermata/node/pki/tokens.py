"""One-time enrolment tokens: 256 random bits, kept only as SHA-256, gone at their first use.

The book is a JSON file, replaced whole under a lock, so that an operator may issue tokens while
the enrolment service takes them in, and so that of several callers with one token one wins.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from fermata.errors import ConfigError, IdentityError
from fermata.node.files import (
    SECRET_BYTES_MAX,
    SECRET_MODE,
    exclusive_lock,
    read_secret,
    write_atomic,
)
from fermata.node.pki.identity import Identity
from fermata.protocol.wire.ports import ClockMs, Entropy
from fermata.protocol.wire.strict_json import NotJson, decode_json

TOKEN_BYTES = 32
TOKEN_TTL_S_MAX = 30 * 24 * 60 * 60
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}\Z")


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str
    identity: str
    expires_ms: int
    host_names: tuple[str, ...] = ()


class _Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    tokens: tuple[_Entry, ...]


#: The bytes of a book without tokens.
EMPTY_TOKEN_BOOK = msgspec.json.encode(_Book(1, ()))


class TokenBook:
    """The tokens at ``path`` that were issued and not used."""

    def __init__(self, path: Path, clock: ClockMs, entropy: Entropy) -> None:
        self._path = path
        self._lock = path.with_name(path.name + ".lock")
        self._clock = clock
        self._entropy = entropy

    def issue(self, identity: Identity, ttl_s: int, host_names: Sequence[str] = ()) -> str:
        """A token of 43 characters that is good once, for ``identity``, for ``ttl_s`` seconds.

        It is shown here and never again. Raises ``ConfigError`` TOKEN_TTL, TOKEN_BOOK.
        """
        if not 1 <= ttl_s <= TOKEN_TTL_S_MAX:
            raise ConfigError(
                "TOKEN_TTL", f"a token lives 1 to {TOKEN_TTL_S_MAX} seconds; give such a time"
            )
        token = base64.urlsafe_b64encode(self._entropy(TOKEN_BYTES)).decode().rstrip("=")
        now_ms = self._clock()
        entry = _Entry(_hash(token), identity.uri, now_ms + ttl_s * 1000, tuple(host_names))
        with exclusive_lock(self._lock):
            self._write((*self._live(now_ms), entry))
        return token

    def consume(self, token: str) -> tuple[Identity, tuple[str, ...]]:
        """Uses the token up; returns whom it was issued for, and the host names.

        When this returns the token is gone from the disk. Raises ``IdentityError``
        TOKEN_REFUSED, the same for a token unknown, used, expired or malformed.
        """
        if not _TOKEN.match(token):
            raise token_refused()
        wanted = _hash(token)
        with exclusive_lock(self._lock):
            live = self._live(self._clock())
            matches = [entry for entry in live if entry.sha256 == wanted]
            if not matches:
                raise token_refused()
            self._write(tuple(entry for entry in live if entry.sha256 != wanted))
        return Identity.parse(matches[0].identity), matches[0].host_names

    def _live(self, now_ms: int) -> tuple[_Entry, ...]:
        data = read_secret(self._path)
        try:
            book = decode_json(data, _Book, SECRET_BYTES_MAX)
        except NotJson:
            book = _Book(0, ())
        if book.format != 1:
            raise ConfigError(
                "TOKEN_BOOK",
                f"{self._path} is not a book of tokens; restore it, or write"
                f" {EMPTY_TOKEN_BOOK.decode()} into it and issue new tokens",
            )
        return tuple(entry for entry in book.tokens if now_ms < entry.expires_ms)

    def _write(self, entries: tuple[_Entry, ...]) -> None:
        write_atomic(self._path, msgspec.json.encode(_Book(1, entries)), SECRET_MODE)


def token_refused() -> IdentityError:
    """The one refusal of a token, whatever is wrong with it."""
    return IdentityError(
        "TOKEN_REFUSED", "the token is refused; ask the deployment's operator for a new one"
    )


def _hash(token: str) -> str:
    return hashlib.sha256(b"fermata/v1/enrolment-token\n" + token.encode()).hexdigest()
