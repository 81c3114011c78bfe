"""A program that runs many seeds, or tells the run of one: the same for all simulations."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar


class Outcome(Protocol):
    """What came of one seed: its whole text, and each invariant that did not hold."""

    @property
    def seed(self) -> int:
        """Replays the run."""
        ...

    @property
    def text(self) -> str:
        """Every line of the run."""
        ...

    @property
    def violations(self) -> Sequence[object]:
        """Each as ``str`` tells it; nothing if all invariants held."""
        ...


Ran = TypeVar("Ran", bound=Outcome)


@dataclass(frozen=True, slots=True)
class Program:
    """``module``: what ``python -m`` is given. ``description``: what it simulates."""

    module: str
    description: str

    def run(
        self,
        arguments: Sequence[str],
        run: Callable[[int], Ran],
        summary: Callable[[Sequence[Ran]], Sequence[str]],
    ) -> int:
        """Runs the seeds that the arguments ask for, and prints what ``summary`` says of them, with
        the seed of each violation. Returns 0 if no seed violated an invariant, else 1.
        """
        options = self._parser().parse_args(arguments)
        first, count = options.start, options.seeds
        if options.seed is not None:
            first, count = options.seed, 1
        tells = options.verbose or options.seed is not None
        runs: list[Ran] = []
        for seed in range(first, first + count):
            runs.append(run(seed))
            if tells:
                sys.stdout.write(runs[-1].text)
            violated = sum(bool(outcome.violations) for outcome in runs)
            sys.stderr.write(f"\r{len(runs)} of {count} seeds, {violated} with violations")
            sys.stderr.flush()
        sys.stderr.write("\n")
        lines = [*summary(runs), *self._violations(runs)]
        sys.stdout.write("\n".join(lines) + "\n")
        return 1 if any(outcome.violations for outcome in runs) else 0

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(
            prog=f"python -m {self.module}", description=self.description
        )
        parser.add_argument("--seeds", type=int, default=20, metavar="N", help="how many to run")
        parser.add_argument("--start", type=int, default=0, metavar="S", help="the first seed")
        parser.add_argument("--seed", type=int, metavar="X", help="run this one and tell all of it")
        parser.add_argument("--verbose", action="store_true", help="tell all of every run")
        return parser

    def _violations(self, runs: Sequence[Outcome]) -> list[str]:
        lines = [f"violations  {sum(len(outcome.violations) for outcome in runs)}"]
        for outcome in runs:
            if outcome.violations:
                lines += [f"  seed {outcome.seed}: {what}" for what in outcome.violations]
                lines.append(f"  replay: python -m {self.module} --seed {outcome.seed}")
        return lines
