"""XML of S3's answers, read with suspicion.

Theory: a body may come from anyone (a proxy, another service, a stranger), so it is bounded before it is
parsed, in bytes and in tags: an element costs some 200 bytes of memory. It is decoded before it is parsed, so
that no declared encoding hides a DTD; and without a DTD there are no entities to expand.

It must not know what an operation answers.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

MAX_XML = 1 << 23
"""Bytes. The longest answers are listings: 1000 keys of 1024 bytes are 3 MB percent-encoded, and half a MB is
said of them; the rest is for stores that say more, or do not encode."""

MAX_TAGS = 100_000
"""A listing of 1000 objects with owners and checksums has 30,000."""

_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#(?:x0*1?[0-9a-fA-F]|0*(?:[12]?[0-9]|3[01]));"
)
"""What XML 1.0 cannot hold, not even as a reference. S3 repeats such a key in good answers all the same."""


def parsed(body: bytes) -> ElementTree.Element | None:
    """The root, its namespaces dropped; None for what is not such XML."""
    if not body or len(body) > MAX_XML or body.count(b"<") > MAX_TAGS:
        return None
    try:
        text = body.decode().strip()  # S3 sends white space while Complete is at work
        if "<!DOCTYPE" in text:
            return None
        root = ElementTree.fromstring(_FORBIDDEN.sub("\ufffd", text))
    except (ElementTree.ParseError, ValueError):
        return None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def fields(element: ElementTree.Element) -> dict[str, str]:
    """The text of its children, as it is: a key may begin or end with white space."""
    return {child.tag: child.text or "" for child in element}
