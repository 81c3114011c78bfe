"""``python -m fermata.sim.succession``: simulates many seeds, or prints the run of one."""

import sys
from collections.abc import Sequence

from fermata.sim.faults import Tally
from fermata.sim.setup.seeds import Program
from fermata.sim.succession.simulation import Outcome, run

PROGRAM = Program(
    "fermata.sim.succession", "Simulates coordinators that stop, sleep, lie and come back."
)


def summary(runs: Sequence[Outcome]) -> list[str]:
    """How much was played, and what happened in it."""
    seen = sum((outcome.seen for outcome in runs), Tally())
    return [
        f"seeds       {len(runs)}",
        f"views       {sum(outcome.views for outcome in runs)} began after the first",
        f"entries     {sum(outcome.entries for outcome in runs)}",
        *(f"  {seen[what]:7}  {what}" for what in sorted(seen)),
    ]


def main(arguments: list[str]) -> int:
    """Returns 0 if no seed violated an invariant, else 1."""
    return PROGRAM.run(arguments, run, summary)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
