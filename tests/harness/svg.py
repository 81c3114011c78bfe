"""Charts as they are written: their elements by tag and by class."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> Element:
    return ElementTree.fromstring(svg)


def texts(root: Element) -> list[str]:
    """What is written in a chart."""
    return [e.text or "" for e in root.iter(f"{SVG}text")]


def shapes_in(root: Element, meaning: str) -> list[Element]:
    """The shapes of all groups of a class."""
    return [shape for e in root.iter() if e.get("class") == meaning for shape in e]


def subpaths(shape: Element) -> list[list[tuple[float, float]]]:
    """The corners of each part of a path, in the chart's units."""
    parts: list[list[tuple[float, float]]] = []
    words = (shape.get("d") or "").split()
    for index, word in enumerate(words):
        if word == "M":
            parts.append([])
        if word in ("M", "L"):
            parts[-1].append((float(words[index + 1]), float(words[index + 2])))
    return parts
