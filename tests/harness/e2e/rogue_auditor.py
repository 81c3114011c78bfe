"""An auditor whose every part is wrong, and which is honest in all else."""

from fermata.cli.main import main
from fermata.crypto.integers import int_to_bytes
from fermata.node.opener.process import OpenerProcess

honest_part = OpenerProcess.__call__


def wrong_part(self, state, round_, close):
    given = honest_part(self, state, round_, close)
    n, width = state.key.record.n, state.key.public_key.modulus_width
    for panel in given.statement.partial_opening.panels if given is not None else ():
        for place, part in enumerate(panel.parts):
            panel.parts[place] = int_to_bytes(2 * int.from_bytes(part, "big") % n, width)
    return given


OpenerProcess.__call__ = wrong_part
main()
