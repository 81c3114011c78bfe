"""The steps of a key generation by name, in the order in which they follow each other (K12)."""

from collections.abc import Mapping
from functools import cache

from fermata.crypto.threshold.keygen.parameters import Parameters
from fermata.crypto.threshold.keygen.steps.audit import AuditStep
from fermata.crypto.threshold.keygen.steps.base import COMMIT_NONCE, NONCE, Commit, NonceStep, Step
from fermata.crypto.threshold.keygen.steps.batch import (
    AUDIT,
    COMMIT_MORE,
    COMMIT_POWERS,
    COMMIT_PRODUCTS,
    MORE,
    POWERS,
    PRODUCTS,
    BatchStep,
    MoreStep,
    PowersStep,
    ProductsStep,
)
from fermata.crypto.threshold.keygen.steps.blame import BlameStep
from fermata.crypto.threshold.keygen.steps.final import (
    BLAME,
    COMMIT_ROOT,
    KEYS,
    ROOT,
    ROOT_OPENING,
    SELF_TEST,
    KeyStep,
    RootOpeningStep,
    RootStep,
    SelfTestStep,
)
from fermata.crypto.threshold.keygen.work.candidate import private_steps

#: What people are told of the steps that are not about candidates.
_PHASES = {
    COMMIT_NONCE: "session",
    NONCE: "session",
    ROOT: "root exponent",
    COMMIT_ROOT: "root exponent",
    ROOT_OPENING: "root exponent",
    KEYS: "key shares",
    SELF_TEST: "self-test",
    BLAME: "search for who broke the rules",
}


def phase_of(step: str) -> str:
    """The name of a step's phase, for people."""
    return _PHASES.get(step, "candidates")


@cache
def plan_of(parameters: Parameters) -> Mapping[str, Step]:
    """Every step by its name."""
    private = private_steps(parameters)
    following = (*private[1:], COMMIT_PRODUCTS)
    return {
        COMMIT_NONCE: Commit(NONCE, NonceStep()),
        NONCE: NonceStep(),
        **{name: BatchStep(name, after) for name, after in zip(private, following, strict=True)},
        COMMIT_PRODUCTS: Commit(PRODUCTS, ProductsStep()),
        PRODUCTS: ProductsStep(),
        COMMIT_POWERS: Commit(POWERS, PowersStep()),
        POWERS: PowersStep(),
        COMMIT_MORE: Commit(MORE, MoreStep()),
        MORE: MoreStep(),
        AUDIT: AuditStep(),
        ROOT: RootStep(),
        COMMIT_ROOT: Commit(ROOT_OPENING, RootOpeningStep()),
        ROOT_OPENING: RootOpeningStep(),
        KEYS: KeyStep(),
        SELF_TEST: SelfTestStep(),
        BLAME: BlameStep(),
    }
