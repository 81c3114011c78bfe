"""What the verifier's checks are called, how they end, and why some are not made."""

from collections.abc import Sequence
from dataclasses import dataclass

from fermata.protocol.reprs import short_repr
from fermata.types import RoundNumber

PASSED, FAILED, NOT_CHECKED = "passed", "failed", "not checked"
TITLES = {
    1: "charter and its signatures",
    2: "key record",
    3: "log: every file, every entry, its head and who witnessed it",
    4: "each statement's signature, role, round and replay",
    5: "each report's proof",
    6: "closes: every report counted once or excluded with its reason; disclosure rules",
    7: "aggregates are the products of the listed reports",
    8: "endorsement quorums",
    9: "openings, bounds and statistics",
    10: "triggers and pause, over the whole history",
    12: "acknowledgements, compliance and motions",
}
#: Numbers without a check: a reader who sees a gap would look for what was left out.
WITHOUT_CHECK = {11: "sealed checks, of which this version has none"}
#: What a public bundle cannot show, since it has no ciphertext of a single lab.
NEEDS_SEALED = {
    7: "needs the sealed parts, which a public bundle leaves out: a quorum of auditors has"
    " checked it (V8)"
}
#: What a full bundle cannot show of rounds whose sealed parts the term has let go.
LET_GO = {
    5: "without the link to the ciphertexts, whose sealed parts the charter's term lets go",
    6: "without the sealed parts, which the charter's term lets go",
    7: "needs sealed parts that the charter's term lets go: a quorum of auditors has checked it"
    " (V8)",
}


def let_go_texts(
    number: int, left_out: Sequence[RoundNumber], made: Sequence[RoundNumber]
) -> tuple[str, ...]:
    """What a full bundle does not show of a check, and of which rounds it does; nothing if no
    round is left out. The round that was opened last is always in its term, so ``made`` has it."""
    if number not in LET_GO or not left_out:
        return ()
    return (f"rounds {_listed(left_out)}: {LET_GO[number]}; made whole of rounds {_listed(made)}",)


def _listed(rounds: Sequence[RoundNumber]) -> str:
    return ", ".join(map(str, rounds))


OPEN_ONLY = "without the link to the ciphertexts, which needs the sealed parts"


@short_repr("number status title findings")
@dataclass(frozen=True, slots=True)
class Check:
    """One check: its number, how it ended, and what was found, each finding with its entry."""

    number: int
    status: str
    findings: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The check's subject, for people."""
        return TITLES[self.number]
