"""What a party of a key generation can do wrong, one thing at a time (keys.md, K12 to K19).

A liar says something else than its seed gives, and stands by it: it commits to what it opens, and
publishes the digest of what it sends, unless that is the lie.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from fermata.crypto.threshold.keygen.generation import KeyGeneration
from fermata.crypto.threshold.keygen.steps.base import COMMIT_NONCE, NONCE, Commit, Opening, Step
from fermata.crypto.threshold.keygen.steps.batch import (
    AUDIT,
    COMMIT_MORE,
    COMMIT_POWERS,
    COMMIT_PRODUCTS,
    MORE,
    POWERS,
    PRODUCTS,
)
from fermata.crypto.threshold.keygen.steps.final import (
    BLAME,
    COMMIT_ROOT,
    KEYS,
    ROOT,
    ROOT_OPENING,
    SELF_TEST,
)
from fermata.crypto.threshold.keygen.steps.state import NONE_CHOSEN, Setup, State
from fermata.crypto.threshold.keygen.work.candidate import FACTORS, UNITS, product_step
from fermata.crypto.threshold.keygen.work.draws import SEED_BYTES

Bend = Callable[[bytes], bytes]


def flip_last(data: bytes) -> bytes:
    """Another number, one away."""
    return data[:-1] + bytes([data[-1] ^ 1])


def flip_first_number(data: bytes) -> bytes:
    """Another hash, seed or salt at the beginning."""
    return data[: SEED_BYTES - 1] + flip_last(data[SEED_BYTES - 1 : SEED_BYTES]) + data[SEED_BYTES:]


def cut(data: bytes) -> bytes:
    """A byte too few."""
    return data[:-1]


def lengthen(data: bytes) -> bytes:
    """A byte too many."""
    return data + b"\0"


def fill(data: bytes) -> bytes:
    """Numbers that are all too large."""
    return b"\xff" * len(data)


def always(_: State) -> bool:
    """Whenever the step comes."""
    return True


def has_key(state: State) -> bool:
    """In the batch whose candidate is chosen, which is the last."""
    return state.chosen != NONE_CHOSEN


def has_no_key(state: State) -> bool:
    """In every batch but the last; never, if the first one is the last."""
    return state.chosen == NONE_CHOSEN


@dataclass(frozen=True, slots=True)
class Lie:
    """``name``; the ``step`` that is bent; whether the ``public`` payload or a private body is.

    ``keeps_word``: an opening is bent already when it is committed to. ``also``: another lie that
    the same party tells, with which this one comes out. ``is_harmless``: the key comes out right
    all the same, and nobody learns of it. ``when``: in which of the times that its step comes the
    lie is told, where the step's words mean something else in others.
    """

    name: str
    step: str
    bend: Bend
    public: bool
    keeps_word: bool = False
    also: str = ""
    is_harmless: bool = False
    when: Callable[[State], bool] = always


def _lies() -> list[Lie]:
    lies = []
    for step in (UNITS, product_step(2), FACTORS, ROOT, KEYS):
        lies += [
            Lie(f"{step}: another share", step, flip_last, public=False),
            Lie(f"{step}: a private body cut short", step, cut, public=False),
            Lie(f"{step}: a private body too long", step, lengthen, public=False),
            Lie(f"{step}: private numbers too large", step, fill, public=False),
        ]
    for step in (COMMIT_NONCE, COMMIT_PRODUCTS, COMMIT_POWERS, COMMIT_MORE, COMMIT_ROOT):
        lies.append(Lie(f"{step}: another hash", step, flip_last, public=True))
    for step in (PRODUCTS, POWERS, MORE, ROOT_OPENING):
        lies.append(Lie(f"{step}: other numbers", step, flip_last, public=True, keeps_word=True))
    for step in (NONCE, PRODUCTS, POWERS, MORE, ROOT_OPENING):
        lies += [
            Lie(f"{step}: not what was committed to", step, flip_last, public=True),
            Lie(f"{step}: too long", step, lengthen, public=True, keeps_word=True),
        ]
    for step in (PRODUCTS, POWERS, MORE, ROOT_OPENING, KEYS, SELF_TEST):
        lies.append(Lie(f"{step}: too large", step, fill, public=True, keeps_word=True))
    lies += [
        Lie("nonce: the root of other seeds", NONCE, flip_last, public=True, keeps_word=True),
        Lie("audit: another seed", AUDIT, flip_first_number, public=True),
        Lie(
            "audit: another root of the next batch", AUDIT, flip_last, public=True, when=has_no_key
        ),
        Lie(
            "audit: another leaf of the chosen candidate",
            AUDIT,
            flip_last,
            public=True,
            when=has_key,
        ),
        Lie("key shares: another commitment", KEYS, flip_last, public=True),
        Lie("self-test: another part", SELF_TEST, flip_last, public=True),
        Lie("root: another commitment", ROOT, flip_last, public=True, is_harmless=True),
        Lie(
            "root: another commitment, and a wrong part",
            ROOT,
            flip_last,
            public=True,
            also="self-test: another part",
        ),
        Lie("blame: another seed", BLAME, flip_last, public=True, also="self-test: another part"),
        Lie(
            "blame: another candidate's seed",
            BLAME,
            flip_first_number,
            public=True,
            also="self-test: another part",
        ),
        Lie("blame: too short", BLAME, cut, public=True, also="self-test: another part"),
    ]
    for step in (COMMIT_NONCE, COMMIT_PRODUCTS, AUDIT, ROOT, KEYS, SELF_TEST):
        lies += [
            Lie(f"{step}: words cut short", step, cut, public=True),
            Lie(f"{step}: words too long", step, lengthen, public=True),
        ]
    return lies


LIES = tuple(_lies())
LIES_BY_NAME = {lie.name: lie for lie in LIES}


class _Bent:
    """A step of which something is bent."""

    def __init__(self, honest: Step, lie: Lie) -> None:
        self._honest, self._lie = honest, lie
        self.is_told = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._honest, name)

    def compute(self, setup: Setup, state: State) -> bytes:
        """What is committed to."""
        words: bytes = cast(Opening, self._honest).compute(setup, state)
        return self._bent(state, words) if self._lie.keeps_word else words

    def payload(self, setup: Setup, state: State) -> bytes:
        """What is said to all."""
        words = self._honest.payload(setup, state)
        is_bent = self._lie.keeps_word and isinstance(self._honest, Opening)
        return self._bent(state, words) if self._lie.public and not is_bent else words

    def bodies(self, setup: Setup, state: State) -> list[bytes]:
        """What is sent to each; only the first other party gets the lie."""
        bodies = list(self._honest.bodies(setup, state))
        if bodies and not self._lie.public:
            victim = setup.others[0] - 1
            bodies[victim] = self._bent(state, bodies[victim])
        return bodies

    def _bent(self, state: State, words: bytes) -> bytes:
        if not self._lie.when(state):
            return words
        self.is_told = True
        return self._lie.bend(words)


class LyingParty(KeyGeneration):
    """A party that tells one lie, with whatever belongs to it, as often as its step comes."""

    def __init__(self, setup: tuple[int, int, int, int, bytes, int], lie: Lie) -> None:
        super().__init__(*setup)
        plan: dict[str, Step] = dict(self._plan)
        self._bent = _bend(plan, lie)
        if lie.also:
            _bend(plan, LIES_BY_NAME[lie.also])
        self._plan = plan

    @property
    def has_lied(self) -> bool:
        """Whether the time of its lie has come."""
        return self._bent.is_told


def _bend(plan: dict[str, Step], lie: Lie) -> _Bent:
    honest = plan[lie.step]
    bent = _Bent(honest, lie)
    plan[lie.step] = bent  # type: ignore[assignment]
    if lie.keeps_word and isinstance(honest, Opening):
        plan[honest.commit] = Commit(lie.step, bent)  # type: ignore[arg-type]
    return bent
