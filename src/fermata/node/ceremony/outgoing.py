"""What a participant hands in: the bodies of a turn, sealed, and the turn that it signs."""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from fermata.crypto.threshold.ceremony.lockstep import Turn
from fermata.crypto.threshold.ceremony.private_bodies import SUITE, Place, Secrets, commit
from fermata.node.ceremony.around import Me
from fermata.node.ceremony.items import PUBLIC, SEALED, TURN
from fermata.node.ceremony.state_file import KeptItem
from fermata.protocol.ceremony.messages import payload_hash, payload_of, sign
from fermata.protocol.ceremony.plan import Plan
from fermata.protocol.wire.codec import sha256
from fermata.wire.v1 import ceremony_service_pb2 as wire


def items_of(
    plan: Plan,
    me: Me,
    secrets: Secrets,
    set_ups: Sequence[bytes],
    before: Sequence[bytes],
    turn: Turn,
) -> list[KeptItem]:
    """The items of a turn that has messages, the signed turn last.

    ``set_ups`` and ``before``: everybody's envelopes, of the set-up and of the turn before. Sealing
    draws a key inside the library, so the items must be kept: made again, they would differ.
    """
    if turn.messages is None:
        raise ValueError("a turn without messages has no items")
    index, number = plan.index_of(me.party), turn.number
    items, bodies = [], []
    for receiver, body in sorted(turn.messages.private.items()):
        place = Place(plan.id, index, receiver, number)
        salt = secrets.salt(receiver, number)
        keys = wire.CeremonySetUp.FromString(payload_of(set_ups[receiver - 1])).receive_keys
        key = keys[plan.others(receiver).index(index)]
        sealed = SUITE.encrypt(salt + body, X25519PublicKey.from_public_bytes(key), info=place.info)
        items.append(KeptItem(SEALED, number, receiver, sealed))
        bodies.append(
            wire.PrivateBody(
                receiver=receiver,
                commitment=commit(place, salt, body),
                sealed_sha256=sha256(sealed),
            )
        )
    if turn.messages.public:
        items.append(KeptItem(PUBLIC, number, 0, turn.messages.public))
    message = wire.SignedTurn(
        ceremony=plan.id,
        sender=index,
        turn=number,
        public_sha256=sha256(turn.messages.public),
        private_bodies=bodies,
        seen=[payload_hash(envelope) for envelope in before],
    )
    # The last item: whoever finds it finds the bodies.
    items.append(KeptItem(TURN, number, 0, sign(message, me.party, me.key)))
    return items
