"""All misbehaviours that the simulator plays: what a party does, one class per way."""

from fermata.sim.adversaries_auditor import ALL_AUDITORS
from fermata.sim.adversaries_committee import ALL_COMMITTEE
from fermata.sim.adversaries_coordinator import ALL_COORDINATORS
from fermata.sim.adversaries_lab import ALL_LABS
from fermata.sim.adversaries_pause import ALL_PAUSE
from fermata.sim.adversaries_proofs import ALL_PROOFS
from fermata.sim.misbehaviour import Exposure, Misbehaviour

ALL: tuple[type[Misbehaviour], ...] = (
    *ALL_COORDINATORS,
    *ALL_AUDITORS,
    *ALL_LABS,
    *ALL_PROOFS,
    *ALL_PAUSE,
    *ALL_COMMITTEE,
)


def play(name: str, seed: int) -> Exposure:
    """Plays the misbehaviour whose class has this name. Raises KeyError."""
    return {kind.__name__: kind for kind in ALL}[name]().play(seed)
