"""One reader for each kind of file or service that a lab's figures come from.

Each turns bytes into ``Reading``s, and refuses what it does not understand with the place of it.

    >>> from fermata.node.sources.readers.table import read_table
    >>> (found,) = read_table("figures.csv", b"round,metric,value\\n2024Q3,hours,7.5\\n", "quarter")
    >>> found.period, found.scores, found.text
    ('2024Q3', ('hours',), '7.5')
"""
