"""Read OME-XML: its images, and what this package wrote into one."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_OME_TAG = re.compile(r"\{http://www\.openmicroscopy\.org/Schemas/[^}]*\}")
#: Namespace of the annotation that holds what only this package knows.
NAMESPACE = "napari-srcnn"


def parse(xml: str | bytes) -> Element | None:
    """Return the root of an OME-XML without OME's namespaces, or None for what is not OME-XML."""
    try:
        root = ElementTree.fromstring(xml)
    except (ElementTree.ParseError, ValueError):
        return None
    for element in root.iter():
        element.tag = _OME_TAG.sub("", element.tag)
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
            except ValueError:
                return {}
            return found if isinstance(found, dict) else {}
    return {}
