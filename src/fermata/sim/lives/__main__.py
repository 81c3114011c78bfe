"""``python -m fermata.sim.lives``: plays many lives and checks each; see fermata.sim.lives."""

import argparse
import sys

from fermata.sim.lives.checks import isolations
from fermata.sim.lives.history import PROFILES, ROUNDS, live


def main(arguments: list[str]) -> int:
    """Returns 0 if no life isolates too few organisations, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m fermata.sim.lives",
        description="Plays lives of a panel whose parts stand; a seed replays a life exactly.",
    )
    parser.add_argument("--lives", type=int, default=60, metavar="N", help="how many to play")
    parser.add_argument("--start", type=int, default=0, metavar="S", help="the first seed")
    options = parser.parse_args(arguments)
    seeds, bad = range(options.start, options.start + options.lives), list[str]()
    rounds = changes = joined = left = 0
    for count, seed in enumerate(seeds, 1):
        terms = PROFILES[seed % len(PROFILES)]
        history = live(seed, terms)
        bad += [f"  seed {seed}: {what}" for what in isolations(history, terms)]
        rounds += len({sum_.round_number for sum_ in history.opened})
        changes += history.changes
        joined, left = joined + history.joined, left + history.left
        sys.stderr.write(f"\r{count} of {len(seeds)} lives, {len(bad)} isolations")
        sys.stderr.flush()
    sys.stderr.write("\n")
    lines = [
        f"lives        {len(seeds)} of {ROUNDS} rounds",
        f"rounds with a result  {rounds}",
        f"changes of the set    {changes} ({joined} labs joined, {left} left)",
        f"isolations   {len(bad)}",
        *bad,
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
