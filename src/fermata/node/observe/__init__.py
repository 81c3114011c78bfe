"""What operators see: events, gauges, health, the dead man's alarm."""
