"""Who may call a node that serves the log, or a copy of it."""

from collections.abc import Callable

from fermata.errors import IdentityError
from fermata.node.pki.identity import Identity
from fermata.protocol.fold.governance.amendment import joining_party
from fermata.protocol.roles.replica import Replica


def authorise(replica: Replica) -> Callable[[Identity], None]:
    """A check of who may call: parties of the roster, certified operators and observers.

    The roster is that of the charter in force; parties of a pending amendment may read already. The
    check raises IdentityError NOT_ON_ROSTER.
    """

    def check(identity: Identity) -> None:
        state, charter = replica.state, replica.charter
        if identity.deployment != charter.deployment:
            raise IdentityError("NOT_ON_ROSTER", "certificate: must be of this deployment")
        if identity.role in ("operator", "observer"):
            return
        party = charter.parties.get(identity.id) or joining_party(state, identity.id)
        if party is None or party.role != identity.role:
            raise IdentityError("NOT_ON_ROSTER", "certificate: must be of a party on the roster")

    return check
