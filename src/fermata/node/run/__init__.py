"""The loop of a running node, and how the node of each role is put together."""
