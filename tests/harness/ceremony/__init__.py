"""A small ceremony, its participants in one process, and ways to misbehave in it."""
