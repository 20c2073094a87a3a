"""Read OME-XML: its images, and what this package wrote into one."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from napari_srcnn.image.stack import StackError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_OME_TAG = re.compile(r"\{http://www\.openmicroscopy\.org/Schemas/[^}]*\}")
# OME's own is some ten deep; annotations may hold what they like.
_DEEPEST = 200
#: Namespace of the annotation that holds what only this package knows.
NAMESPACE = "napari-srcnn"


def parse(xml: str | bytes) -> Element | None:
    """Return the root of an OME-XML without OME's namespaces, or None for what is not OME-XML.

    Raises
    ------
    StackError
        It declares entities, which can stand for gigabytes or for other files, or is nested deeper
        than what goes through it can follow.
    """
    if ("<!DOCTYPE" if isinstance(xml, str) else b"<!DOCTYPE") in xml:  # type: ignore[operator]
        raise StackError("the OME-XML has a document type, which OME's has not, and is not read")
    try:
        root = ElementTree.fromstring(xml)
    except (ElementTree.ParseError, ValueError):
        return None
    left = [(root, 1)]
    while left:
        element, depth = left.pop()
        if depth > _DEEPEST:
            raise StackError(f"the OME-XML is nested deeper than {_DEEPEST} elements")
        element.tag = _OME_TAG.sub("", element.tag)
        left += [(child, depth + 1) for child in element]
    return root if root.tag == "OME" else None


def image_of(xml: str, number: int) -> Element | None:
    """Return the Image element `number` of an OME-XML, if it has Pixels."""
    return image_in(parse(xml), number)


def image_in(root: Element | None, number: int) -> Element | None:
    """Return the Image element `number` under `root`, if it has Pixels."""
    images = [] if root is None else root.findall("Image")
    if number >= len(images) or images[number].find("Pixels") is None:
        return None
    return images[number]


def own_annotation(xml: str | None) -> dict[str, Any]:
    """Return what this package wrote into an OME-XML beside OME's own words, or an empty dict."""
    root = parse(xml) if xml else None
    if root is None:
        return {}
    for note in root.iterfind("StructuredAnnotations/CommentAnnotation"):
        if note.get("Namespace") == NAMESPACE:
            try:
                found = json.loads(note.findtext("Value") or "")
            except (ValueError, RecursionError):
                return {}
            return found if isinstance(found, dict) else {}
    return {}
