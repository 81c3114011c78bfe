"""As ``fast_clock``; and a coordinator that does not answer is given up in seconds, which are
minutes by such a clock. While a file is there, a coordinator hands out no cosignature."""

import os
import time
from pathlib import Path

from fast_clock import fast_ns

#: Beside the file with which the clock begins.
WITHHOLD = "withhold"

if __name__ == "__main__":
    time.time_ns = fast_ns
    from fermata.cli.main import main
    from fermata.node.run.succession import coordinators
    from fermata.protocol.roles.log_writer import LogWriter

    coordinators.LOG_CALL_S = 1.5
    coordinators.BOARD_CALL_S = 1.0
    honest = LogWriter.witnesses
    sign = Path(os.environ["FERMATA_TEST_EPOCH"]).with_name(WITHHOLD)
    LogWriter.witnesses = lambda self: [] if sign.exists() else honest(self)
    main()
