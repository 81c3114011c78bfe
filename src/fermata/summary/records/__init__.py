"""The facts of a folded state as small frozen records, each built by one function of the state."""
