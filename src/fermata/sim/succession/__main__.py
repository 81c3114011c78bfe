"""``python -m fermata.sim.succession``: simulates many seeds, or prints the run of one."""

import argparse
import sys

from fermata.sim.faults import Tally
from fermata.sim.succession.simulation import Outcome, run


def main(arguments: list[str]) -> int:
    """Returns 0 if no seed violated an invariant, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m fermata.sim.succession",
        description="Simulates coordinators that stop, sleep, lie and come back.",
    )
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="how many to run")
    parser.add_argument("--start", type=int, default=0, metavar="S", help="the first seed")
    parser.add_argument("--seed", type=int, metavar="X", help="run this one and tell all of it")
    options = parser.parse_args(arguments)
    first, count = (options.start, options.seeds) if options.seed is None else (options.seed, 1)
    runs = list[Outcome]()
    for seed in range(first, first + count):
        runs.append(run(seed))
        if options.seed is not None:
            sys.stdout.write(runs[-1].text)
        violated = sum(bool(outcome.violations) for outcome in runs)
        sys.stderr.write(f"\r{len(runs)} of {count} seeds, {violated} with violations")
        sys.stderr.flush()
    sys.stderr.write("\n")
    sys.stdout.write(_summary(runs))
    return 1 if any(outcome.violations for outcome in runs) else 0


def _summary(runs: list[Outcome]) -> str:
    seen = sum((outcome.seen for outcome in runs), Tally())
    lines = [
        f"seeds       {len(runs)}",
        f"views       {sum(outcome.views for outcome in runs)} began after the first",
        f"entries     {sum(outcome.entries for outcome in runs)}",
        *(f"  {seen[what]:7}  {what}" for what in sorted(seen)),
        f"violations  {sum(len(outcome.violations) for outcome in runs)}",
    ]
    for outcome in runs:
        for violation in outcome.violations:
            lines.append(f"  seed {outcome.seed}: {violation}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
