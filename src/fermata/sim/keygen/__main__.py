"""``python -m fermata.sim.keygen``: makes keys without a dealer, half of them with a liar."""

import argparse
import hashlib
import random
import sys
from dataclasses import dataclass
from functools import partial

from fermata.crypto.threshold.ceremony.lockstep import Ceremony
from fermata.crypto.threshold.keygen.generation import KeyGeneration
from fermata.crypto.threshold.keygen.outcome import Outcome
from fermata.crypto.threshold.keygen.parameters import PARTIES_MIN, parameters_of
from fermata.crypto.threshold.opening import KeyShare, check_share
from fermata.sim.keygen.faults import CrashingParty, SpoilingNetwork
from fermata.sim.keygen.lies import LIES, Lie, LyingParty
from fermata.sim.keygen.play import Played, play

_CONTEXT = b"simulation"


@dataclass(frozen=True, slots=True)
class Run:
    """A ceremony: the ``lie`` that was told in it, what is ``wrong`` with its end, and its faults.

    ``lie`` and ``wrong`` are empty where nobody lied and nothing is wrong.
    """

    lie: str
    wrong: str
    crashes: int
    spoilt: int


def generate(seed: int, modulus_bits: int) -> Run:
    """Runs one ceremony of parties that crash, over a network that spoils private bodies."""
    dice = random.Random(seed)  # noqa: S311 - a simulation is repeated by its seed
    count, batch = dice.choice((3, 3, 4, 5)), dice.choice((16, 32, 64))
    threshold = dice.randint((count + 1) // 2, count)
    lie = dice.choice(LIES) if dice.random() < 0.5 else None
    common = (count, modulus_bits, threshold, _CONTEXT, batch)
    liar = LyingParty((dice.randint(1, count), *common), lie) if lie is not None else None
    honest = {
        j: CrashingParty(partial(KeyGeneration, j, *common), dice)
        for j in range(1, count + 1)
        if liar is None or j != liar.index
    }
    parties: dict[int, Ceremony] = dict(honest)
    if liar is not None:
        parties[liar.index] = liar
    seeds = {j: hashlib.sha256(f"{seed} {j}".encode()).digest() for j in sorted(parties)}
    network = SpoilingNetwork(dice)
    played = play({j: parties[j] for j in seeds}, seeds, network)
    wrong = _wrong(played, lie, liar, honest)
    lie_told = lie.name if lie is not None and liar is not None and liar.has_lied else ""
    crashes = sum(party.crashes for party in honest.values())
    return Run(lie_told, wrong, crashes, network.spoilt)


def _wrong(
    played: Played, lie: Lie | None, liar: LyingParty | None, honest: dict[int, CrashingParty]
) -> str:
    unlike = [j for j, party in honest.items() if not party.is_repeated_alike]
    if unlike:
        return f"parties {unlike} said something else after a crash"
    # The time of a lie may never come: where the first batch has a key there is no other.
    if lie is None or liar is None or lie.is_harmless or not liar.has_lied:
        return fault_of_key(played)
    culprits = played.culprits(set(honest))
    return "" if culprits == {liar.index} else f"named {sorted(culprits)} and not {liar.index}"


def fault_of_key(played: Played) -> str:
    """What is wrong with a key that should be right; nothing is an empty text."""
    endings = {turn.public_result for turn in played.ends.values()}
    if len(endings) != 1:
        return f"ended in {len(endings)} outcomes; {played.failure or played.findings}"
    record = Outcome.from_bytes(endings.pop()).record
    for turn in played.ends.values():
        check_share(record, KeyShare.from_bytes(turn.secret_result))
    return ""


def main(arguments: list[str]) -> int:
    """Returns 0 if all keys came out right and all liars were found out, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m fermata.sim.keygen",
        description="Makes keys without a dealer, among crashes; a seed replays its ceremony.",
    )
    parser.add_argument("--seeds", type=int, default=50, metavar="N", help="how many to make")
    parser.add_argument("--start", type=int, default=0, metavar="S", help="the first seed")
    parser.add_argument("--bits", type=int, default=512, metavar="B", help="length of the modulus")
    options = parser.parse_args(arguments)
    try:
        parameters_of(options.bits, PARTIES_MIN)
    except ValueError as error:
        parser.error(f"argument --bits: {error}")
    seeds, bad, runs = range(options.start, options.start + options.seeds), list[str](), list[Run]()
    for count, seed in enumerate(seeds, 1):
        run = generate(seed, options.bits)
        runs.append(run)
        if run.wrong:
            bad.append(f"  seed {seed} ({run.lie or 'nobody lies'}): {run.wrong}")
        sys.stderr.write(f"\r{count} of {len(seeds)} ceremonies, {len(bad)} wrong")
        sys.stderr.flush()
    sys.stderr.write("\n")
    liars = sum(bool(run.lie) for run in runs)
    lines = [
        f"ceremonies   {len(seeds)} of {options.bits} bits, {liars} with a party that lies",
        f"faults       {sum(run.crashes for run in runs)} crashes, "
        f"{sum(run.spoilt for run in runs)} private bodies spoilt on the way",
        f"wrong        {len(bad)}",
        *bad,
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
