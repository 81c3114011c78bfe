"""What one party computes for a candidate and for its key, from seeds and from what it received."""
