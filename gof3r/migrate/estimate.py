"""What a migration will take: requests by kind, bytes, seconds. For ``--dry-run``. Pure.

Theory: an object's requests follow from its size and from how the engine tells its transfer (``flow.upload``,
``download``, ``copy``, ``server_copy``); parts are cut by the engine's own arithmetic. What depends on what a
store keeps beside the object is taken at its larger number (an md5 object is looked for, the first part of a
composite ETag asked about), except for tags, which few have and which cost a request each. Nothing is tried
again, and nothing that a store refuses is done another way. A size that is not known counts as an object and
as no bytes.

S3 bills requests in classes: PUT, COPY, POST and LIST in one, GET, HEAD and all others in another; DELETE and
AbortMultipartUpload are free ("Amazon S3 pricing", Requests). Prices differ by region and class of storage,
and are not ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from gof3r.engine.flow import plan, sight
from gof3r.engine.flow.server_copy import MAX_COPY
from gof3r.engine.s3.replies import is_composite
from gof3r.engine.values import Seen

from .items import Item, LocalFile
from .options import NONE, Options

PUT_CLASS = frozenset(
    {
        *("put_object", "copy_object", "create_multipart_upload", "upload_part", "upload_part_copy"),
        *("complete_multipart_upload", "list_objects"),
    }
)
"""By the API's names, as all requests here; what is no member is in the class of GET."""

LISTED_AT_ONCE = 1000
"""Keys of a page: "ListObjectsV2", S3 API reference."""


@dataclass(frozen=True, slots=True)
class How:
    """How all objects are carried over; an item's own options come first."""

    part_size: int
    """Bytes."""
    slots: int
    """Parts in memory at once."""
    sidecar: bool = True
    if_none_match: bool = False
    server_side: bool = False
    """Of copies: one service and one set of keys serve both sides."""


@dataclass(slots=True)
class Estimate:
    """Of the items that were added."""

    how: How
    objects: int = 0
    unknown: int = 0
    """Objects whose size is not known."""
    received: int = 0
    """Bytes that come to this machine; ``sent`` likewise. What passes through is both."""
    sent: int = 0
    copied: int = 0
    """Bytes that a server copies by itself."""
    requests: Counter[str] = field(default_factory=Counter)
    """By operation."""

    def add(self, item: Item) -> None:
        """``item`` is to be carried over. Raises UsageError for a file that no upload can hold."""
        own, size = self._own(item.options), item.known.size
        self.objects += 1
        self.unknown += size is None
        moved = size or 0
        if isinstance(item.source, LocalFile):
            self.requests.update(put(moved, own))
            self.sent += moved
            return
        self.received += moved
        dotted, parts = "." in item.source.bucket, parts_of(item.known.etag)
        seen = Seen(moved, item.known.etag)
        if seen.etag and not (own.sidecar or own.server_side) and sight.can_be(seen, own.part_size):
            self.requests["head_object"] -= 1
        if isinstance(item.destination, LocalFile):
            self.requests.update(get(moved, parts, own, dotted))
        elif not own.server_side:
            self.requests.update(copy(moved, parts, own, dotted))
            self.sent += moved
        else:
            self.requests.update(server_copy(moved, parts, own, dotted))
            self.received -= moved
            self.copied += moved

    def _own(self, options: Options) -> How:
        if options == NONE:
            return self.how
        how = self.how
        md5 = how.sidecar if options.md5 is None else options.md5
        return replace(
            how,
            part_size=options.part_size or how.part_size,
            sidecar=md5 and (options.checksums is None or "md5" in options.checksums),
            if_none_match=how.if_none_match if options.if_none_match is None else options.if_none_match,
        )

    def add_listing(self, keys: int) -> None:
        """So many keys were listed, wanted or not; again by the run itself."""
        self.requests["list_objects"] += max(1, -(-keys // LISTED_AT_ONCE))

    @property
    def put_class(self) -> int:
        return sum(count for name, count in self.requests.items() if name in PUT_CLASS)

    @property
    def get_class(self) -> int:
        return self.requests.total() - self.put_class

    def seconds(self, rate: float, *, latency: float = 0.0, at_once: int = 1) -> float:
        """At ``rate`` bytes a second, both ways together, and ``latency`` seconds for each request, of which
        ``at_once`` wait at a time."""
        waiting = self.requests.total() * latency / at_once
        return (self.received + self.sent) / rate + waiting


Requests = Mapping[str, int]

# Small objects cost the same whatever their size is: worked out once for each that is met again soon.
_worked_out = lru_cache(maxsize=4096)


def parts_of(etag: str) -> int:
    """Those that an object was made of, by its ETag; 0 for one that was not, and where it does not tell."""
    return int(etag.rpartition("-")[2]) if is_composite(etag) else 0


@_worked_out
def put(size: int, how: How) -> Requests:
    """``flow.upload``: a file of ``size`` bytes."""
    cut, _ = plan.upload_plan(how.part_size, how.slots, size, exact=True)
    return _sum(_existing(how), _stored(-(-size // cut.part_size)), _sidecar(how))


@_worked_out
def get(size: int, parts: int, how: How, dotted: bool = False) -> Requests:
    """``flow.download``; ``parts`` as ``parts_of``; ``dotted``: the bucket's name has a dot, and md5 objects
    two places."""
    proof = _sum(_looked_for(how, dotted), _first_part(parts))
    return _sum({"head_object": 1, "get_object": -(-size // how.part_size)}, proof)


@_worked_out
def copy(size: int, parts: int, how: How, dotted: bool = False) -> Requests:
    """``flow.copy``, through this machine: on the source's own parts where it has any."""
    count = parts or _equal_parts(size, how)
    read = _sum({"head_object": 1, "get_object": count if size else 0}, _looked_for(how, dotted))
    return _sum(_existing(how), read, _first_part(parts), _stored(count), _sidecar(how))


@_worked_out
def server_copy(size: int, parts: int, how: How, dotted: bool = False) -> Requests:
    """``flow.server_copy``: no byte comes here."""
    made: Requests = {"copy_object": 1, "head_object": 1}
    if size and (parts or size > MAX_COPY):
        count = parts or _equal_parts(size, how)
        made = {"create_multipart_upload": 1, "upload_part_copy": count, "complete_multipart_upload": 1}
        made = _sum(made, {"head_object": 1}, _first_part(parts))
    md5 = _looked_for(how, dotted) if parts else {}
    return _sum(_existing(how), {"head_object": 1}, made, md5, _sidecar(how))


def _stored(parts: int) -> Requests:
    """An object is made, and looked at."""
    if parts <= 1:
        return {"put_object": 1, "head_object": 1}
    return {
        "create_multipart_upload": 1,
        "upload_part": parts,
        "complete_multipart_upload": 1,
        "head_object": 1,
    }


def _existing(how: How) -> Requests:
    return {"head_object": 1} if how.if_none_match else {}


def _sidecar(how: How) -> Requests:
    return {"put_object": 1} if how.sidecar else {}


def _looked_for(how: How, dotted: bool) -> Requests:
    return {"get_object": 2 if dotted else 1} if how.sidecar else {}


def _first_part(parts: int) -> Requests:
    return {"head_object": 1} if parts else {}


def _equal_parts(size: int, how: How) -> int:
    length = max(how.part_size, plan.MIN_PART, -(-size // plan.MAX_PARTS))
    return -(-size // length) or 1


def _sum(*requests: Requests) -> Requests:
    total: Counter[str] = Counter()
    for one in requests:
        total.update(one)
    return total
