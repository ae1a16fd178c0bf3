"""HTML and SVG as a tree: the standard library's ElementTree writes it, so no text gets out unescaped.

Nothing here knows what a report is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias
from xml.etree.ElementTree import Element, tostring

Node: TypeAlias = "Element | str | None"
Nodes: TypeAlias = "Node | Iterable[Nodes]"

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def h(tag: str, *children: Nodes, **attributes: str | float | None) -> Element:
    """An element. `class_="wide"` gives `class`, `data_row=3` gives `data-row`; None leaves out.

    Texts may hold anything: control characters and lone surrogates become U+FFFD.
    """
    element = Element(tag)
    for name, value in attributes.items():
        if value is not None:
            element.set(name.rstrip("_").replace("_", "-"), printable(str(value)))
    for child in children:
        append(element, child)
    return element


def append(element: Element, child: Nodes) -> None:
    """Puts a text, an element or several of them behind what the element holds."""
    if isinstance(child, Element):
        element.append(child)
    elif isinstance(child, str):
        _append_text(element, printable(child))
    elif child is not None:
        for one in child:
            append(element, one)


def name(text: object, class_: str | None = None) -> Element:
    """A name that somebody else chose: `<bdi>` keeps right-to-left letters from turning what stands around it."""
    return h("bdi", str(text), class_=class_)


def to_html(element: Element) -> str:
    """As an HTML5 parser reads it."""
    return tostring(element, encoding="unicode", method="html")


def printable(text: str) -> str:
    """The text without what no HTML document may hold."""
    return _UNPRINTABLE.sub("\ufffd", text)


def _append_text(element: Element, text: str) -> None:
    if len(element):
        element[-1].tail = (element[-1].tail or "") + text
    else:
        element.text = (element.text or "") + text
