"""As ``fast_clock``; and a coordinator that does not answer is given up in seconds, which are
minutes by such a clock. While there is a file of its name, a coordinator lies (``two_faced``).
"""

import os
import sys
import time
from pathlib import Path

from fast_clock import fast_ns

if __name__ == "__main__":
    time.time_ns = fast_ns
    import two_faced

    from fermata.cli.main import main
    from fermata.node.run.succession import coordinators

    coordinators.LOG_CALL_S = 1.5
    coordinators.BOARD_CALL_S = 1.0
    # Beside the file with which the clock begins; the last word is the path of a configuration.
    party = Path(sys.argv[-1]).parent.name
    two_faced.lie_as(party, Path(os.environ["FERMATA_TEST_EPOCH"]).parent)
    main()
