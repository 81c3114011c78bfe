"""A charter without its signing keys: what people agree on before the parties have joined.

All that a charter says but the parties' keys has a hash of its own, the *keyless hash*. It does not
change when the keys are filled in, so a party that agreed to it can check that nothing else was.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fermata.crypto.signing import SigningKey
from fermata.errors import ConfigError
from fermata.protocol.charter.parse import MODULUS_BITS_MIN, Charter, parse_charter
from fermata.protocol.charter_faults import charter_faults

#: The line of a party's key. Nothing but 32 bytes in base64 can hide behind the hash.
_KEY = re.compile(rb'^(signing_key[ \t]*=[ \t]*")((?:[A-Za-z0-9+/]{43}=)?)(")', re.MULTILINE)
#: A value that ``fermata charter new`` leaves to people, and its key.
_PLACEHOLDER = re.compile(r'^\s*([a-z_]+)\s*=\s*"(<[^"]*>)"')


@dataclass(frozen=True, slots=True)
class KeylessCharter:
    """A charter file in which signing keys may be empty.

    ``charter``: what it says; parties without a key have a made-up one that nobody may rely on.
    ``order``: the parties in the order of their keys in the file. ``missing``: those without one.
    """

    data: bytes
    charter: Charter
    order: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def keyless_sha256(self) -> bytes:
        """The hash of the file without any signing key."""
        return hashlib.sha256(without_keys(self.data)).digest()

    def completed(self, keys: Mapping[str, bytes]) -> bytes:
        """The file with the missing keys (32 bytes, by party) filled in, and nothing else changed.

        Raises ConfigError CHARTER if the keys do not make a charter, as where two are the same.
        """
        given = [keys[p] if p in self.missing else None for p in self.order]
        data = _filled(self.data, given)
        parse_charter(data)
        return data


def without_keys(data: bytes) -> bytes:
    """A charter's bytes with every signing key empty."""
    return _KEY.sub(rb"\1\3", data)


def read_keyless(data: bytes, modulus_bits_min: int = MODULUS_BITS_MIN) -> KeylessCharter:
    """Reads a charter in which signing keys may be empty.

    Raises ConfigError CHARTER as ``parse_charter`` does, and for a key that does not stand on a
    line of its own.
    """
    written = [match[2] for match in _KEY.finditer(data)]
    # With a made-up key in each place, the roster says which party a place belongs to.
    made_up = [_made_up(place) for place in range(len(written))]
    charter = parse_charter(
        _filled(data, [None if w else k for w, k in zip(written, made_up, strict=True)]),
        modulus_bits_min,
    )
    by_key = {
        p.signing_key: p.id
        for p in parse_charter(
            _filled(without_keys(data), made_up), modulus_bits_min
        ).parties.values()
    }
    order = tuple(by_key.get(key, "") for key in made_up)
    if set(order) != set(charter.parties) or len(order) != len(charter.parties):
        raise ConfigError(
            "CHARTER",
            "each signing_key must stand at the beginning of a line of its own, and nowhere else",
        )
    missing = tuple(p for p, key in zip(order, written, strict=True) if not key)
    return KeylessCharter(data, charter, order, missing)


def keyless_faults(data: bytes) -> list[str]:
    """All that people must change in a charter file before its keys are filled in, in sentences.

    What the template leaves to people first, each with its line.
    """
    faults = []
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        if match := _PLACEHOLDER.match(line):
            text = "".join(c if c.isprintable() else "?" for c in match[2])
            faults.append(f"charter line {number}: {match[1]}: must be filled in, got {text}")
    written = [match[2] for match in _KEY.finditer(data)]
    made_up = [None if key else _made_up(place) for place, key in enumerate(written)]
    return faults + charter_faults(_filled(data, made_up))


def _made_up(place: int) -> bytes:
    seed = hashlib.sha256(b"fermata/v1/no-key-yet\n%d" % place).digest()
    return SigningKey.from_seed(seed).public_key


def _filled(data: bytes, keys: Sequence[bytes | None]) -> bytes:
    """The file with these keys in the places of its keys, in order; None leaves what is there."""
    rest = iter(keys)

    def fill(match: re.Match[bytes]) -> bytes:
        key = next(rest)
        return match[1] + (match[2] if key is None else base64.b64encode(key)) + match[3]

    return _KEY.sub(fill, data)
