"""The worked example: real public figures, and the deployment in one process that uses them."""
