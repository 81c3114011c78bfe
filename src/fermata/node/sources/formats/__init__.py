"""The syntax of files, read strictly: text, JSON and JSON lines, TOML, YAML, rows of CSV.

What a file means is for ``fermata.node.sources.readers``. Here a number stays the text that it is,
nothing is read in one of two possible ways, and what is cut off is refused:

    >>> from fermata.node.sources.formats.yaml_text import read_yaml
    >>> read_yaml("file", b"score: 0.10\\nmodel: model-a\\n")
    {'score': '0.10', 'model': 'model-a'}
"""
