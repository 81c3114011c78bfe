"""Commands of the committee and of those who are bound by the pause."""
