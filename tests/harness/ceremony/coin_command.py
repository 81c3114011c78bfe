"""The program ``fermata`` that knows the coin as well; the environment says what goes wrong.

COIN_CANARY: bytes in hex that stand in every private body. COIN_DIE: the process kills itself once
in each turn, and leaves a file of this name for each. COIN_PAUSE_S: how long a turn takes.
"""

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from fermata.cli.main import run
from fermata.protocol.ceremony.key_generation import KINDS
from harness.ceremony.coin import COIN, Coin


class CommandCoin(Coin):
    def mask(self, seed: bytes, receiver: int) -> bytes:
        canary = bytes.fromhex(os.environ["COIN_CANARY"])
        return super().mask(seed, receiver)[:32] + canary

    def step(self, kept, received):
        time.sleep(float(os.environ.get("COIN_PAUSE_S", "0")))
        if name := os.environ.get("COIN_DIE"):
            mark = Path(f"{name}.{kept[0]}")
            if not mark.exists():
                mark.write_text("")
                os.kill(os.getpid(), signal.SIGKILL)
        return super().step(kept, received)


def make(plan, index):
    return CommandCoin(index, tuple(plan.indices), 32)


if __name__ == "__main__":
    KINDS["coin"] = replace(COIN, make=make)
    sys.exit(run())
