"""XML of S3's answers, read with suspicion.

Theory: a body may come from anyone (a proxy, another service, a stranger), so it is bounded before it is
parsed: in bytes, and in all that costs more memory than its bytes. It is taken for UTF-8 whatever it says, so
that no encoding hides a DTD; and without a DTD there are no entities to expand. Of namespaces only prefixes
are seen, and dropped: to resolve them is to copy a name of any length into every element (8 MB took minutes).

It must not know what an operation answers.
"""

from __future__ import annotations

import re
from itertools import islice
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

MAX_XML = 1 << 23
"""Bytes. The longest answers are listings: 1000 keys of 1024 bytes are 3 MB percent-encoded, and half a MB is
said of them; the rest is for stores that say more, or do not encode."""

MAX_REPLY = 1 << 18
"""Bytes of any other answer. The longest is S3's about a wrong signature: it repeats the whole request, of at
most 8 KB of headers and 3 KB of key, twice as text and twice in hex."""

MAX_COSTS = 100_000
"""Elements (200 bytes of memory each), attributes and what has to be replaced. A listing of 1000 objects with
owners and checksums has 30,000."""

_COST = re.compile(rb"<|=\s*[\"']|&#|[\x00-\x08\x0b\x0c\x0e-\x1f]")
_FORBIDDEN = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]"
    rb"|&#(?:x0*(?:1[0-9a-fA-F]|[0-8bcefBCEF])|0*(?:[0-8]|1[124-9]|2[0-9]|3[01]));"
)
"""What XML 1.0 cannot hold, not even as a reference. S3 repeats such a key in good answers all the same."""
_REPLACEMENT = "\ufffd".encode()


def parsed(body: bytes, most: int = MAX_XML) -> Element | None:
    """The root, its namespaces dropped; None for what is not such XML, or has more than ``most`` bytes."""
    if len(body) > most:
        return None
    text = body.strip()  # S3 sends white space while Complete is at work
    if b"<!DOCTYPE" in text or next(islice(_COST.finditer(text), MAX_COSTS, None), None):
        return None
    builder = TreeBuilder()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True  # else every line is a piece of its own
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(_FORBIDDEN.sub(_REPLACEMENT, text), True)
    except (expat.ExpatError, ValueError):
        return None
    root = builder.close()
    for element in root.iter():
        element.tag = element.tag.rpartition(":")[2]
    return root


def fields(element: Element) -> dict[str, str]:
    """The text of its children, as it is: a key may begin or end with white space."""
    return {child.tag: child.text or "" for child in element}
