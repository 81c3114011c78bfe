"""Where a lab's figures come from: its metrics file, the files of its tools, what is pushed.

Every reader is light: it reads a tool's files without the tool, turns what stands there into
``Reading``s, and guesses nothing. ``gather`` chooses among them as the node's configuration says.
The number in a reading does not print:

    >>> from fermata.node.sources.reading import Reading
    >>> "7.5" in repr(Reading("line 2", "", ("hours",), "7.5", period="2024Q3"))
    False
"""

from fermata.node.sources.gather import Sources
from fermata.node.sources.measure import Measure

__all__ = ["Measure", "Sources"]
