"""All misbehaviours that the simulator plays, with one class for each.

``ALL`` has the classes, and ``play`` plays one by its name and says which rounds were opened all
the same, and with which reasons the log refused.

    >>> from fermata.sim.adversaries import play
    >>> play("VotesTwice", 1).reasons
    frozenset({'VOTED'})
"""

from fermata.sim.adversaries.auditor import ALL_AUDITORS
from fermata.sim.adversaries.clock import ALL_CLOCKS
from fermata.sim.adversaries.committee import ALL_COMMITTEE
from fermata.sim.adversaries.consent import ALL_CONSENT
from fermata.sim.adversaries.coordinator import ALL_COORDINATORS
from fermata.sim.adversaries.drills import ALL_DRILLS
from fermata.sim.adversaries.epochs import ALL_EPOCHS
from fermata.sim.adversaries.lab import ALL_LABS
from fermata.sim.adversaries.misbehaviour import Exposure, Misbehaviour
from fermata.sim.adversaries.pause import ALL_PAUSE
from fermata.sim.adversaries.proofs import ALL_PROOFS
from fermata.sim.adversaries.standing import ALL_STANDING
from fermata.sim.adversaries.starving import ALL_STARVING

ALL: tuple[type[Misbehaviour], ...] = (
    *ALL_COORDINATORS,
    *ALL_AUDITORS,
    *ALL_LABS,
    *ALL_PROOFS,
    *ALL_PAUSE,
    *ALL_COMMITTEE,
    *ALL_CLOCKS,
    *ALL_STANDING,
    *ALL_STARVING,
    *ALL_EPOCHS,
    *ALL_DRILLS,
    *ALL_CONSENT,
)


def play(name: str, seed: int) -> Exposure:
    """Plays the misbehaviour whose class has this name. Raises KeyError."""
    return {kind.__name__: kind for kind in ALL}[name]().play(seed)
