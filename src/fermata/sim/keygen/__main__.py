"""``python -m fermata.sim.keygen``: makes keys without a dealer, half of them with a liar."""

import argparse
import hashlib
import random
import sys

from fermata.crypto.threshold.ceremony.lockstep import Ceremony
from fermata.crypto.threshold.keygen.generation import KeyGeneration
from fermata.crypto.threshold.keygen.outcome import Outcome
from fermata.crypto.threshold.opening import KeyShare, check_share
from fermata.sim.keygen.lies import LIES, LyingParty
from fermata.sim.keygen.play import Played, play

_CONTEXT = b"simulation"


def generate(seed: int, modulus_bits: int) -> tuple[str, str]:
    """Runs one ceremony: what it was, and what was wrong with how it ended ("" if nothing was)."""
    dice = random.Random(seed)  # noqa: S311 - a simulation is repeated by its seed
    count, batch = dice.choice((3, 3, 4, 5)), dice.choice((16, 32, 64))
    threshold = dice.randint((count + 1) // 2, count)
    lie = dice.choice(LIES) if dice.random() < 0.5 else None
    liar = dice.randint(1, count) if lie else 0
    common = (count, modulus_bits, threshold, _CONTEXT, batch)
    parties: dict[int, Ceremony] = {j: KeyGeneration(j, *common) for j in range(1, count + 1)}
    if lie is not None:
        parties[liar] = LyingParty((liar, *common), lie)
    seeds = {j: hashlib.sha256(f"{seed} {j}".encode()).digest() for j in parties}
    played = play(parties, seeds)
    if lie is None or lie.is_harmless:
        return "honest" if lie is None else lie.name, fault_of_key(played)
    culprits = played.culprits(set(parties) - {liar})
    what = "" if culprits == {liar} else f"named {sorted(culprits)} and not {liar}"
    return lie.name, what


def fault_of_key(played: Played) -> str:
    """What is wrong with a key that should be right; nothing is an empty text."""
    ended_as = {turn.public_result for turn in played.ends.values()}
    if len(ended_as) != 1:
        return f"ended in {len(ended_as)} ways; {played.failure or played.findings}"
    record = Outcome.from_bytes(ended_as.pop()).record
    for turn in played.ends.values():
        check_share(record, KeyShare.from_bytes(turn.secret_result))
    return ""


def main(arguments: list[str]) -> int:
    """Returns 0 if all keys came out right and all liars were found out, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m fermata.sim.keygen",
        description="Makes keys without a dealer in memory; a seed replays a ceremony exactly.",
    )
    parser.add_argument("--seeds", type=int, default=50, metavar="N", help="how many to make")
    parser.add_argument("--start", type=int, default=0, metavar="S", help="the first seed")
    parser.add_argument("--bits", type=int, default=512, metavar="B", help="length of the modulus")
    options = parser.parse_args(arguments)
    seeds, bad, liars = range(options.start, options.start + options.seeds), list[str](), 0
    for count, seed in enumerate(seeds, 1):
        kind, wrong = generate(seed, options.bits)
        liars += kind != "honest"
        if wrong:
            bad.append(f"  seed {seed} ({kind}): {wrong}")
        sys.stderr.write(f"\r{count} of {len(seeds)} ceremonies, {len(bad)} wrong")
        sys.stderr.flush()
    sys.stderr.write("\n")
    lines = [
        f"ceremonies   {len(seeds)} of {options.bits} bits, {liars} with a party that lies",
        f"wrong        {len(bad)}",
        *bad,
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
