"""What a charter would do, told before anybody signs it: false alarms, time and size of reports.

``false_alarm_rate`` counts how often a rule fires though growth is steady, ``cost_of`` what a
report costs a lab, and ``attack`` what released numbers tell about single labs.

    >>> from fermata.assessment.calibration import seed_of
    >>> seed_of(bytes(32), "hot") == seed_of(bytes(32), "hot") != seed_of(bytes(32), "calm")
    True
"""
