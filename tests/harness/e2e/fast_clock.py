"""A node whose clock runs forty times as fast, as every clock of its deployment does.

Silence takes minutes, since an auditor's heartbeat counts once a minute. The clocks agree with each
other; only what a node waits for in real time, such as a call's answer, takes longer by them.
"""

import os
import time
from pathlib import Path

#: How many seconds of the deployment pass in one.
SPEED = 40
_START_NS = Path(os.environ["FERMATA_TEST_EPOCH"]).stat().st_mtime_ns
_real_ns = time.time_ns


def fast_ns() -> int:
    return _START_NS + SPEED * (_real_ns() - _START_NS)


if __name__ == "__main__":
    time.time_ns = fast_ns
    from fermata.cli.main import main

    main()
