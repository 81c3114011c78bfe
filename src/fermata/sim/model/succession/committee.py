"""The committees that the model counts: auditors, threshold, liars, and the quorum of C3."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Committee:
    """``auditors`` of which ``liars`` say anything; ``threshold`` is the charter's t."""

    auditors: int
    threshold: int
    liars: int = 0

    @property
    def honest(self) -> int:
        """Auditors that keep the rules."""
        return self.auditors - self.liars

    @property
    def quorum(self) -> int:
        """q of C3, which the model writes out for itself."""
        return (self.auditors + self.threshold - 1) // 2 + 1

    @property
    def is_live(self) -> bool:
        """Whether the honest auditors are a quorum without the liars."""
        return self.honest >= self.quorum


def committees(auditors_max: int) -> Iterator[Committee]:
    """Every committee of up to so many auditors with fewer than t liars.

    A threshold of 1 is for one auditor alone (C3.5). These are more than the charter's: C3.3.
    """
    for auditors in range(1, auditors_max + 1):
        for threshold in range(min(2, auditors), auditors + 1):
            for liars in range(threshold):
                yield Committee(auditors, threshold, liars)
