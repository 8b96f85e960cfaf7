"""Listings: S3's answers that name many things, page by page.

Theory: a page is a prefix of what there is and the place to go on from; whoever drops that place loses the
rest without noticing. So a page that says there is more, and not where, is ``Unreadable``, as is an answer
with another root (a proxy's good-looking page is not an empty bucket) and an entry that lacks a field.
A key that XML cannot hold comes percent-encoded where the answer says so, and damaged elsewhere.

It must not know who pages, or what is done with an entry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element

from ..errors import one_line
from ..values import Response
from .dates import iso_date
from .markup import fields, parsed
from .replies import Unreadable, unquoted, unreadable


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing has it."""

    key: str
    size: int
    """Bytes."""
    etag: str
    modified: float
    """Epoch seconds."""
    storage_class: str


@dataclass(frozen=True, slots=True)
class ListPage:
    entries: tuple[Listed, ...]
    next_token: str
    """For ``operations.list_objects``; "" on the last page."""


@dataclass(frozen=True, slots=True)
class UploadListed:
    """A multipart upload under way."""

    key: str
    upload_id: str
    initiated: float
    """Epoch seconds."""


@dataclass(frozen=True, slots=True)
class UploadsPage:
    entries: tuple[UploadListed, ...]
    next_key: str
    """With ``next_id`` for ``operations.list_multipart_uploads``; "" on the last page."""
    next_id: str


@dataclass(frozen=True, slots=True)
class PartListed:
    """A part that a multipart upload under way has."""

    number: int
    size: int
    """Bytes."""
    etag: str
    crc64nvme: str
    """Base64; "" where the store tells none."""


@dataclass(frozen=True, slots=True)
class PartsPage:
    entries: tuple[PartListed, ...]
    """A store may list a number several times, when it was sent again (SeaweedFS 4.48)."""
    after: int
    """For ``operations.list_parts``; 0 on the last page."""
    algorithm: str
    """Of the checksums that its parts must have; "" where the store tells none."""
    kind: str
    """``FULL_OBJECT``, ``COMPOSITE``, or "" as above."""


def objects(response: Response) -> ListPage:
    """ListObjectsV2's answer. Raises Unreadable."""
    page = _Page(response, "ListBucketResult")
    encoded = page.said.get("EncodingType", "").strip().lower() == "url"
    entries = tuple(
        Listed(
            key=_decoded(_required(entry, "Key")) if encoded else _required(entry, "Key"),
            size=_number(entry, "Size"),
            etag=unquoted(entry.get("ETag", "")),
            modified=_epoch(entry, "LastModified"),
            storage_class=entry.get("StorageClass", "") or "STANDARD",
        )
        for entry in page.entries("Contents")
    )
    return ListPage(entries, page.next("NextContinuationToken"))


def uploads(response: Response) -> UploadsPage:
    """ListMultipartUploads' answer. Raises Unreadable."""
    page = _Page(response, "ListMultipartUploadsResult")
    entries = tuple(
        UploadListed(
            key=_exact(_required(entry, "Key"), upload_id=_required(entry, "UploadId")),
            upload_id=_required(entry, "UploadId"),
            initiated=_epoch(entry, "Initiated"),
        )
        for entry in page.entries("Upload")
    )
    return UploadsPage(entries, _exact(page.next("NextKeyMarker")), page.next("NextUploadIdMarker"))


def parts(response: Response) -> PartsPage:
    """ListParts' answer. Raises Unreadable."""
    page = _Page(response, "ListPartsResult")
    entries = tuple(
        PartListed(
            number=_number(entry, "PartNumber"),
            size=_number(entry, "Size"),
            etag=_sent_again(unquoted(_required(entry, "ETag"))),
            crc64nvme=_sent_again(entry.get("ChecksumCRC64NVME", "").strip()),
        )
        for entry in page.entries("Part")
    )
    after = int(text) if re.fullmatch("[0-9]{1,5}", text := page.next("NextPartNumberMarker").strip()) else 0
    if page.more and not after:
        raise Unreadable(one_line(f"the listing's NextPartNumberMarker is {text!r}"))
    algorithm, kind = (page.said.get(name, "").strip() for name in ("ChecksumAlgorithm", "ChecksumType"))
    return PartsPage(entries, after, algorithm, kind)


def versions(response: Response) -> tuple[tuple[str, str], ...]:
    """The keys and version ids, delete markers among them, of a page of ListObjectVersions' answer. Raises
    Unreadable."""
    page = _Page(response, "ListVersionsResult")
    encoded = page.said.get("EncodingType", "").strip().lower() == "url"
    found = [
        (_required(each, "Key"), _required(each, "VersionId"))
        for tag in ("Version", "DeleteMarker")
        for each in page.entries(tag)
    ]
    return tuple((_decoded(key) if encoded else key, version) for key, version in found)


def refusals(response: Response) -> tuple[tuple[str, str, str], ...]:
    """DeleteObjects' answer: of each entry that was not deleted, key, code and message. Raises Unreadable."""
    errors = [fields(each) for each in _root(response, "DeleteResult") if each.tag == "Error"]
    return tuple(
        (each.get("Key", ""), each.get("Code", ""), one_line(each.get("Message", ""))) for each in errors
    )


def tags(response: Response) -> tuple[tuple[str, str], ...]:
    """GetObjectTagging's answer: keys and values. Raises Unreadable."""
    found = _root(response, "Tagging").find("TagSet")
    if found is None:
        raise unreadable(response, "no TagSet")
    return tuple((_required(tag, "Key"), tag.get("Value", "")) for tag in map(fields, found))


class _Page:
    """What all listings have in common."""

    def __init__(self, response: Response, root: str) -> None:
        self._root = _root(response, root)
        self.said = fields(self._root)
        truncated = _required(self.said, "IsTruncated").strip().lower()
        if truncated not in ("true", "false"):
            raise Unreadable(one_line(f"the listing's IsTruncated is {truncated!r}"))
        self.more = truncated == "true"

    def entries(self, tag: str) -> list[dict[str, str]]:
        return [fields(element) for element in self._root if element.tag == tag]

    def next(self, name: str) -> str:
        return _required(self.said, name) if self.more else ""


def _decoded(key: str) -> str:
    # S3 writes a space as "+" here, and "+" as %2B.
    return unquote_plus(key, errors="surrogateescape")


def _exact(key: str, upload_id: str = "") -> str:
    """An upload is aborted by its key, and one under a key that is nearly right would seem to be gone."""
    if "\ufffd" in key:
        # The advice first: a key can be as long as the line.
        todo = f" (end it by `uploads abort` with its key and --upload-id {upload_id})" if upload_id else ""
        raise Unreadable(one_line(f"the listing has a key that XML cannot hold{todo}: {key!r}"))
    return key


def _root(response: Response, name: str) -> Element:
    root = parsed(response.body)
    if root is None or root.tag != name:
        raise unreadable(response, f"no {name}")
    return root


def _sent_again(text: str) -> str:
    """What goes into a request of ours. Raises Unreadable."""
    if not text.isprintable():
        raise Unreadable(one_line(f"an entry of the listing has {text!r}"))
    return text


def _required(entry: Mapping[str, str], name: str) -> str:
    value = entry.get(name, "")
    if not value:
        raise Unreadable(f"an entry of the listing has no {name}")
    return value


def _number(entry: Mapping[str, str], name: str) -> int:
    value = _required(entry, name).strip()
    if not re.fullmatch("[0-9]{1,19}", value):  # 19 digits: more than 64 bits hold
        raise Unreadable(one_line(f"the listing's {name} is {value!r}"))
    return int(value)


def _epoch(entry: Mapping[str, str], name: str) -> float:
    value = _required(entry, name)
    seconds = iso_date(value)
    if seconds is None:
        raise Unreadable(one_line(f"the listing's {name} is {value!r}"))
    return seconds
