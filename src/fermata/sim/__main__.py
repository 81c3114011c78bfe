"""``python -m fermata.sim``: simulates many seeds, or prints the run of one."""

import sys
from collections.abc import Sequence

from fermata.sim.faults import KINDS, Tally
from fermata.sim.setup.seeds import Program
from fermata.sim.simulation import Outcome, run

PROGRAM = Program(
    "fermata.sim", "Simulates whole deployments with faults; a seed replays a run exactly."
)


def summary(runs: Sequence[Outcome]) -> list[str]:
    """How much was played, with which faults, and what stood."""
    faults = sum((outcome.faults for outcome in runs), Tally())
    standing = sum((outcome.standing for outcome in runs), Tally())
    phases = Tally(phase for outcome in runs for phase in outcome.phases)
    ended = ", ".join(f"{count} {phase}" for phase, count in sorted(phases.items()))
    return [
        f"seeds       {len(runs)}",
        f"rounds      {sum(phases.values())} ({ended})",
        f"entries     {sum(o.entries for o in runs)}",
        f"faults      {sum(faults.values())}",
        *(f"  {faults[kind]:7}  {kind}" for kind in KINDS),
        "standing",
        *(f"  {standing[what]:7}  {what}" for what in standing),
    ]


def main(arguments: list[str]) -> int:
    """Returns 0 if no seed violated an invariant, else 1."""
    return PROGRAM.run(arguments, run, summary)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
