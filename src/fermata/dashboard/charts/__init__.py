"""Charts as SVG text, drawn by matplotlib on the server (ADR 0018).

``line_chart`` and ``bar_chart`` of ``draw`` make a chart from ``Point``s and ``Annotations``, and
``standalone`` a file of one; a machine that cannot draw gets an empty text.

    >>> from fermata.dashboard.charts.data import Point
    >>> from fermata.dashboard.charts.draw import line_chart
    >>> points = [Point("2024Q3", 1.0, "1"), Point("2024Q4", 2.5, "2.5")]
    >>> line_chart("hours", "Hours", "1; 2.5", points)[:4]
    '<svg'
"""
