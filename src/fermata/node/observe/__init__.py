"""What operators see: events, gauges, health, the dead man's alarm.

``Telemetry`` writes events and metrics, ``AlarmEvents`` says what is late. What repeats is told the
1st, 2nd, 4th, 8th time, and 0 is silence:

    >>> from fermata.node.observe.repetitions import Repetitions
    >>> seen = Repetitions()
    >>> [seen.count(("refused", "lab-1")) for _ in range(8)]
    [1, 2, 0, 4, 0, 0, 0, 8]
"""
