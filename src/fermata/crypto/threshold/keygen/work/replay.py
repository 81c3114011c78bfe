"""What everybody should have said of a candidate, from all seeds (docs/spec/keys.md, K17)."""

from collections.abc import Sequence
from dataclasses import dataclass

from fermata.crypto.threshold.keygen.parameters import Parameters
from fermata.crypto.threshold.keygen.work.biprimality import is_power_right
from fermata.crypto.threshold.keygen.work.candidate import CandidateWork, private_steps
from fermata.crypto.threshold.keygen.work.pieces import leaf_of


@dataclass(frozen=True, slots=True)
class Replay:
    """``leaves``: the hashes of pieces by step, sender and receiver; ``products``: n(j) by party;
    ``parts``: p_i and q_i by party.
    """

    leaves: dict[tuple[str, int, int], bytes]
    products: list[int]
    parts: list[tuple[int, int]]

    @property
    def factors(self) -> tuple[int, int]:
        """p and q."""
        return sum(p_i for p_i, _ in self.parts), sum(q_i for _, q_i in self.parts)

    def is_power_right(self, party: int, base: int, power: int) -> bool:
        """Whether a party opened the right power of a base."""
        p, q = self.factors
        return is_power_right(party, base, power, p * q, self.parts[party - 1], p)


def replay(parameters: Parameters, seeds: Sequence[bytes]) -> Replay:
    """Repeats all parties' work on one candidate from their seeds, in order of index."""
    works = [
        CandidateWork(parameters, i, s) for i, s in zip(parameters.indices, seeds, strict=True)
    ]
    inputs: list[dict[str, list[bytes]]] = [{} for _ in works]
    leaves = {}
    for step in private_steps(parameters):
        sent = [work.pieces(step, received) for work, received in zip(works, inputs, strict=True)]
        for receiver, received in enumerate(inputs, start=1):
            received[step] = [pieces[receiver - 1] for pieces in sent]
            for sender in parameters.indices:
                if sender != receiver:
                    leaves[step, sender, receiver] = leaf_of(received[step][sender - 1])
    together = list(zip(works, inputs, strict=True))
    return Replay(
        leaves=leaves,
        products=[work.product_share(received) for work, received in together],
        parts=[work.factors(received) for work, received in together],
    )
