"""Signed notices of the pause, and their way to the systems of a lab."""
