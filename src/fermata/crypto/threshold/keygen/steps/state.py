"""What a party keeps from one turn of a key generation to the next."""

from dataclasses import dataclass

import msgspec

from fermata.crypto.threshold.keygen.parameters import Parameters, parameters_of
from fermata.crypto.transcript import digest_parts
from fermata.errors import InvalidEncoding

DOMAIN_SESSION = "fermata/v1/keygen-session"
#: No candidate has been accepted.
NONE_CHOSEN = -1


@dataclass(frozen=True, slots=True)
class Setup:
    """One party's side: its index, the parameters, and candidates in a batch; nothing secret.

    ``threshold``: how many shares open with the key; ``context``: what the key is for (the
    charter's hash).
    """

    index: int
    parameters: Parameters
    threshold: int
    batch_size: int
    context: bytes

    @property
    def others(self) -> list[int]:
        """The indices of all other parties, ascending."""
        return [j for j in self.parameters.indices if j != self.index]

    def receivers_of(self, sender: int) -> list[int]:
        """To whom a party sends, ascending."""
        return [j for j in self.parameters.indices if j != sender]

    def digest(self) -> bytes:
        """SHA-256 of what all parties must agree on before they begin."""
        return digest_parts(
            DOMAIN_SESSION,
            self.parameters.modulus_bits.to_bytes(4, "big"),
            self.parameters.parties.to_bytes(4, "big"),
            self.threshold.to_bytes(4, "big"),
            self.batch_size.to_bytes(4, "big"),
            self.context,
        )


def setup_of(
    index: int, parties: int, modulus_bits: int, threshold: int, context: bytes, batch_size: int
) -> Setup:
    """The set-up of a party. Raises ValueError for numbers out of range."""
    parameters = parameters_of(modulus_bits, parties)
    # Of fewer than l + 1 shares the sum of everybody's view would say more than the key's shares.
    if not parameters.degree < threshold <= parties:
        raise ValueError(
            f"the threshold must be from {parameters.degree + 1} to {parties}, got {threshold}"
        )
    if not 1 <= index <= parties:
        raise ValueError(f"the index must be from 1 to {parties}, got {index}")
    if not 1 <= batch_size <= 1024:
        raise ValueError(f"a batch must have 1 to 1024 candidates, got {batch_size}")
    return Setup(index, parameters, threshold, batch_size, context)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A party's memory. ``seed``, ``inputs``, ``own_private``, and ``own_opening`` are secret.

    ``step``: what this party and the others say in turn ``turn``; ``mode``: how the messages of
    that turn are to be read. By step, of the batch under way: ``payloads`` and ``digests`` by
    sender from 1, ``inputs`` the private bodies by sender, ``turns``. ``survivors``: by candidate,
    the moduli that may be products of two primes. ``previous``: the private step just before.
    """

    setup: bytes
    seed: bytes
    turn: int = 0
    step: str = ""
    mode: str = "words"
    previous: str = ""
    session: bytes = b""
    transcript: bytes = b""
    batch: int = 0
    own_public: bytes = b""
    own_private: bytes = b""
    #: What this party opens in the next turn.
    own_opening: bytes = b""
    payloads: dict[str, tuple[bytes, ...]] = {}
    digests: dict[str, tuple[bytes, ...]] = {}
    inputs: dict[str, tuple[bytes, ...]] = {}
    turns: dict[str, int] = {}
    roots: tuple[bytes, ...] = ()
    survivors: dict[int, bytes] = {}
    chosen: int = NONE_CHOSEN
    #: Messages of this step that came before a complaint was answered: public and private bodies.
    held: dict[int, tuple[bytes, bytes]] = {}
    #: Complainer and accused, ascending.
    disputes: tuple[tuple[int, int], ...] = ()

    def __repr__(self) -> str:
        return f"State(turn={self.turn}, step={self.step!r})"

    def to_bytes(self) -> bytes:
        """All of it, secrets included."""
        return msgspec.msgpack.encode(self)

    def change(self, **changes: object) -> "State":
        """A copy with some fields changed."""
        return msgspec.structs.replace(self, **changes)


def state_from_bytes(kept: bytes, setup: Setup) -> State:
    """The inverse of ``State.to_bytes``. Raises InvalidEncoding KEYGEN_STATE."""
    try:
        state = msgspec.msgpack.decode(kept, type=State)
    except msgspec.DecodeError:
        raise InvalidEncoding(
            "KEYGEN_STATE", "key generation: what was kept of the last turn is damaged or cut short"
        ) from None
    if state.setup != setup.digest():
        raise InvalidEncoding(
            "KEYGEN_STATE", "key generation: what was kept belongs to another ceremony"
        )
    return state
