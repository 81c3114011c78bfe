"""What operators see of a node: events, gauges, health and the dead man's alarm.

``Telemetry`` writes events and metrics, ``AlarmEvents`` reports what is late. An event that repeats
is reported the 1st, 2nd, 4th, 8th ... time only; 0 means that it is not:

    >>> from fermata.node.observe.repetitions import Repetitions
    >>> seen = Repetitions()
    >>> [seen.count(("refused", "lab-1")) for _ in range(8)]
    [1, 2, 0, 4, 0, 0, 0, 8]
"""
