"""Makes matplotlib's SVG fit for our pages.

The pages' content policy allows no style element and no style attribute, and an id must be unique
on a page. So styles become attributes of their own, shapes that are used by id are written out,
and a shape keeps of its id only the word for its meaning, as a class.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

#: The ids that shapes.py gives.
MEANINGS = frozenset({"line", "point", "bar", "none", "limit", "band", "band-edge", "span"})
_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_TEXT_ATTRIBUTES = ("x", "y", "text-anchor")
_SHAPE_ATTRIBUTES = (
    "d",
    "transform",
    "stroke-width",
    "stroke-dasharray",
    "stroke-dashoffset",
    "stroke-linecap",
    "stroke-linejoin",
)
_COLOURS = ("fill", "stroke")
_PLACE = re.compile(r"translate\((\S+) (\S+)\)")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")


def shapes_of(picture: str, tips: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """The view box and the shapes of a picture that matplotlib wrote.

    ``tips`` has the tooltips of the shapes of each meaning, in the shapes' order.
    """
    root = ElementTree.fromstring(picture)  # noqa: S314 - our own picture
    used = {e.get("id", ""): e for e in root.iter(f"{_SVG}path") if e.get("id")}
    kept = [shape for child in root for shape in _clean(child, used)]
    for meaning, texts in tips.items():
        shapes = (s for e in _walk(kept) if e.get("class") == meaning for s in e)
        for shape, text in zip(shapes, texts, strict=True):
            ElementTree.SubElement(shape, "title").text = text
    return _short(root.get("viewBox", "")), "\n".join(
        ElementTree.tostring(e, encoding="unicode") for e in kept
    )


def _walk(elements: Sequence[Element]) -> Iterator[Element]:
    for element in elements:
        yield from element.iter()


def _clean(element: Element, used: Mapping[str, Element]) -> list[Element]:
    """The element as we write it; for a group without meaning, its children."""
    kind = element.tag.removeprefix(_SVG)
    if kind == "g":
        children = [shape for child in element for shape in _clean(child, used)]
        if element.get("id") not in MEANINGS:
            return children
        group = Element("g", {"class": element.get("id", "")})
        group.extend(children)
        return [group]
    if kind == "path":
        return [_shape("path", _SHAPE_ATTRIBUTES, _styles(element))]
    if kind == "text":
        text = _shape("text", _TEXT_ATTRIBUTES, _styles(element))
        text.text = element.text
        return [text]
    if kind == "use":
        model = used[element.get(_LINK, "").removeprefix("#")]
        place = {"transform": f"translate({element.get('x', '0')} {element.get('y', '0')})"}
        return [_shape("path", _SHAPE_ATTRIBUTES, _styles(model) | _styles(element) | place)]
    return []


def _styles(element: Element) -> dict[str, str]:
    """An element's attributes, including those in its style attribute."""
    styles = dict(element.attrib)
    for declaration in styles.pop("style", "").split(";"):
        name, _, value = declaration.partition(":")
        styles[name.strip()] = value.strip()
    # The first line of a text with several lines has its place in a transform.
    place = _PLACE.match(styles.get("transform", ""))
    if place and "x" not in styles:
        styles |= {"x": place[1], "y": place[2]}
    return styles


def _shape(kind: str, names: Sequence[str], styles: Mapping[str, str]) -> Element:
    kept = {name: _short(styles[name]) for name in names if name in styles}
    return Element(kind, kept | {name: styles[name] for name in _COLOURS if name in styles})


def _short(value: str) -> str:
    """The value with its numbers rounded to a hundredth of a pixel."""
    return _LONG_NUMBER.sub(lambda number: f"{float(number[0]):.2f}", " ".join(value.split()))
