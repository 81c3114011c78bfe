"""The command line, and what its commands share: options, output, exit codes.

``main.run`` runs the program ``fermata``; ``setup``, ``run``, ``read`` and ``govern`` have a module
per group of commands. The result goes to standard output, everything else to standard error.

Importing the package prepares the process before gRPC's C core is loaded. The C core writes lines
of its own to standard error, which in a node is a log of JSON lines that a collector reads. It has
no other place for them, so they are switched off for good: a setting left in an environment for
debugging (``GRPC_TRACE`` prints message bytes) must not act on a node.

    >>> from fermata.cli.output import table_text
    >>> print(table_text(["node", "role"], [["lab-1", "lab"]]))
    node   role
    lab-1  lab
"""

import os

os.environ["GRPC_VERBOSITY"] = "NONE"
os.environ.pop("GRPC_TRACE", None)
