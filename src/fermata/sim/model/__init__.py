"""The exhaustive model of the pause: every reachable state, checked."""
