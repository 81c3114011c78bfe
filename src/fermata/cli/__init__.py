"""The command line. Importing it prepares the process, before gRPC's C core is loaded.

The C core writes lines of its own to standard error, which in a node is a log of JSON lines that a
collector reads. It has no other place for them, so they are switched off for good: a setting
left in an environment for debugging (``GRPC_TRACE`` prints message bytes) must not act on a node.
"""

import os

os.environ["GRPC_VERBOSITY"] = "NONE"
os.environ.pop("GRPC_TRACE", None)
