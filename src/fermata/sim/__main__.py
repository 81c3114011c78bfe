"""``python -m fermata.sim``: simulates many seeds, or prints the run of one."""

import argparse
import sys

from fermata.sim.faults import KINDS, Tally
from fermata.sim.simulation import Outcome, run


def main(arguments: list[str]) -> int:
    """Returns 0 if no seed violated an invariant, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m fermata.sim",
        description="Simulates whole deployments with faults; a seed replays a run exactly.",
    )
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="how many to run")
    parser.add_argument("--start", type=int, default=0, metavar="S", help="the first seed")
    parser.add_argument("--seed", type=int, metavar="X", help="run this one and tell all of it")
    parser.add_argument("--verbose", action="store_true", help="tell all of every run")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        seeds = range(options.seed, options.seed + 1)
    else:
        seeds = range(options.start, options.start + options.seeds)
    tells = options.verbose or options.seed is not None
    runs = []
    for count, seed in enumerate(seeds, 1):
        outcome = run(seed)
        runs.append(outcome)
        if tells:
            sys.stdout.write(outcome.text)
        violated = sum(bool(o.violations) for o in runs)
        sys.stderr.write(f"\r{count} of {len(seeds)} seeds, {violated} with violations")
        sys.stderr.flush()
    sys.stderr.write("\n")
    sys.stdout.write(_summary(runs))
    return 1 if any(o.violations for o in runs) else 0


def _summary(runs: list[Outcome]) -> str:
    faults = sum((outcome.faults for outcome in runs), Tally())
    standing = sum((outcome.standing for outcome in runs), Tally())
    phases = Tally(phase for outcome in runs for phase in outcome.phases)
    ended = ", ".join(f"{count} {phase}" for phase, count in sorted(phases.items()))
    lines = [
        f"seeds       {len(runs)}",
        f"rounds      {sum(phases.values())} ({ended})",
        f"entries     {sum(o.entries for o in runs)}",
        f"faults      {sum(faults.values())}",
        *(f"  {faults[kind]:7}  {kind}" for kind in KINDS),
        "standing",
        *(f"  {standing[what]:7}  {what}" for what in standing),
        f"violations  {sum(len(o.violations) for o in runs)}",
    ]
    for outcome in runs:
        if outcome.violations:
            lines += [f"  seed {outcome.seed}: {violation}" for violation in outcome.violations]
            lines.append(f"  replay: python -m fermata.sim --seed {outcome.seed}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
