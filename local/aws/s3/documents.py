"""The XML that S3 speaks: written from nested pairs, read into plain values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeAlias
from xml.etree import ElementTree as Etree
from xml.sax.saxutils import escape

from local.aws.s3.faults import S3Fault

_TAG = re.compile(r"[\w\s+\-=._:/@]*")
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

Node: TypeAlias = "tuple[str, str | int | bool | list[Node] | None]"
"""A name with its text, or with its children; None leaves it out."""


def document(root: str, children: Iterable[Node]) -> bytes:
    """An XML document of S3."""
    inner = "".join(_text(node) for node in children)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{NAMESPACE}">{inner}</{root}>'.encode()


def _text(node: Node) -> str:
    name, value = node
    if value is None:
        return ""
    if isinstance(value, list):
        return f"<{name}>{''.join(_text(child) for child in value)}</{name}>"
    if isinstance(value, bool):
        return f"<{name}>{str(value).lower()}</{name}>"
    return f"<{name}>{escape(str(value))}</{name}>"


def parse(body: bytes, root: str) -> Etree.Element:
    """The root of a document that a client sent; anything but a `root` document is refused."""
    try:
        element = Etree.fromstring(body)  # noqa: S314 - from our own clients on this machine
    except Etree.ParseError as error:
        raise malformed() from error
    if local_name(element) != root:
        raise malformed()
    return element


def malformed() -> S3Fault:
    """400: not a document of the form that was due."""
    return S3Fault(400, "MalformedXML", "The XML you provided was not well-formed or did not validate.")


def local_name(element: Etree.Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def children(element: Etree.Element, name: str) -> list[Etree.Element]:
    """The children of that name, whatever their namespace."""
    return [child for child in element if local_name(child) == name]


def texts(element: Etree.Element) -> dict[str, str]:
    """The texts of an element's children by name."""
    return {local_name(child): child.text or "" for child in element}


def tags_of(body: bytes) -> dict[str, str]:
    """The tags in a `Tagging` document."""
    found = {}
    for tag_set in children(parse(body, "Tagging"), "TagSet"):
        for tag in children(tag_set, "Tag"):
            pair = texts(tag)
            if "Key" not in pair or "Value" not in pair:
                raise malformed()
            found[pair["Key"]] = pair["Value"]
    return checked_tags(found)


def checked_tags(tags: dict[str, str]) -> dict[str, str]:
    """`tags` when AWS would take them: ten at most, of letters, digits, spaces and a few signs."""
    if len(tags) > 10:
        raise S3Fault(400, "BadRequest", "Object tags cannot be greater than 10")
    for key, value in tags.items():
        if not (1 <= len(key) <= 128 and _TAG.fullmatch(key)):
            raise S3Fault(400, "InvalidTag", "The TagKey you have provided is invalid")
        if not (len(value) <= 256 and _TAG.fullmatch(value)):
            raise S3Fault(400, "InvalidTag", "The TagValue you have provided is invalid")
    return tags


def iso_time(moment_ms: int) -> str:
    """A time in a document."""
    moment = datetime.fromtimestamp(moment_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment_ms % 1000:03d}Z"


def http_time(moment_ms: int) -> str:
    """A time in a header."""
    return datetime.fromtimestamp(moment_ms // 1000, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
