"""Dues by the band of a metric, as a table of a charter."""

BANDS = """
[dues]
unit = "EUR"
metric = "share"
[[dues.band]]
at_most = "-50"
amount = "10"
[[dues.band]]
at_most = "0"
amount = "20.50"
[[dues.band]]
amount = "70"
"""
