"""Fermata: a coordinated, verifiable, temporary pause, computed from a public log."""

__version__ = "0.1.0"
