"""Misbehaviour of the simulator, played once for all tests of a process that ask about it."""

from types import ModuleType
from typing import Any, TypeVar

from fermata.sim.adversaries import ALL, play
from fermata.sim.adversaries.misbehaviour import Exposure, Misbehaviour

SEED = 1


Kind = TypeVar("Kind", bound=Misbehaviour)
_played: dict[type[Misbehaviour], tuple[Any, Exposure]] = {}


def played(kind: type[Kind]) -> tuple[Kind, Exposure]:
    """The misbehaviour after it was played, to be read only, and what was seen of it."""
    if kind not in _played:
        here = kind()
        _played[kind] = here, here.play(SEED)
    return _played[kind]


def exposed(name: str) -> Exposure:
    return played({kind.__name__: kind for kind in ALL}[name])[1]


def kinds_of(*modules: ModuleType) -> list[type[Misbehaviour]]:
    """All misbehaviour that these modules define."""
    return [kind for kind in ALL if kind.__module__ in {module.__name__ for module in modules}]


def replays(kind: type[Misbehaviour]) -> bool:
    """Whether a second play from the same seed tells the same."""
    return play(kind.__name__, SEED).lines == exposed(kind.__name__).lines
