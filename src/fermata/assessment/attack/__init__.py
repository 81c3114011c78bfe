"""An attack from outside: what a run's released numbers tell about single labs (docs/attack.md)."""
