"""What the library hands back: frozen values of plain types, for programs and for eyes.

The engine's own values hold what the engine needs. Here each fact has the form in which other tools show it:
md5 and sha in hex, CRCs in base64 as S3 gives them, objects by their URL. They come from here alone, so the
engine may change its own.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gof3r.engine.flow.events import Receipt
    from gof3r.engine.flow.info import ObjectInfo as Found
    from gof3r.engine.flow.remove import Removed as Gone

_CRCS = ("crc64nvme", "crc32", "crc32c")


@dataclass(frozen=True, slots=True)
class Result:
    """A transfer that succeeded."""

    size: int
    """Bytes of the object."""
    etag: str
    version_id: str
    """Empty without versioning."""
    verified: tuple[str, ...]
    """Digests that were checked over the whole object, strongest first; empty only where a ``Config`` with
    ``md5=False`` has allowed it, and nothing could be."""
    digests: Mapping[str, str]
    """Those of the whole object that were computed, by name: md5 and sha in hex, CRCs in base64."""
    retries: Mapping[str, int]
    """How often each error code has led to another attempt."""
    seconds: float
    warnings: tuple[str, ...]
    """What somebody should know all the same."""


@dataclass(frozen=True, slots=True)
class Removed:
    """An object that is gone."""

    url: str
    version_id: str
    """Of the version that was removed, or of the delete marker that was set; empty without versioning."""
    delete_marker: bool
    """That version is a delete marker."""
    sidecars: tuple[str, ...]
    """Keys of md5 sidecars that are gone as well, if they were there."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What S3 and the md5 sidecar say about an object."""

    url: str
    size: int
    """Bytes."""
    etag: str
    version_id: str
    modified: float | None
    """Epoch seconds."""
    storage_class: str
    encryption: str
    """``AES256``, ``aws:kms``...; empty where none is named."""
    headers: Mapping[str, str] = field(repr=False)
    """What the object says of its content: Content-Type, Cache-Control..."""
    metadata: Mapping[str, str] = field(repr=False)
    """The user's own, without ``x-amz-meta-``."""
    tag_count: int
    checksums: Mapping[str, tuple[str, str]]
    """Name to the digest in base64 and its type: FULL_OBJECT, or COMPOSITE (of the parts' digests)."""
    part_count: int
    """0 for an object that was not uploaded in parts."""
    part_size: int
    """Bytes of the first part; 0 as above."""
    md5: str
    """Of the sidecar, in hex; empty without one, and with one that is about other bytes."""


def result(receipt: Receipt, retries: Mapping[str, int], seconds: float, warnings: tuple[str, ...]) -> Result:
    """The engine's receipt for users."""
    return Result(
        size=receipt.size,
        etag=receipt.etag,
        version_id=receipt.version_id,
        verified=receipt.proofs,
        digests={
            name: b64encode(digest).decode() if name in _CRCS else digest.hex()
            for name, digest in receipt.digests.items()
        },
        retries=retries,
        seconds=seconds,
        warnings=warnings,
    )


def removed(gone: Gone) -> Removed:
    return Removed(str(gone.target), gone.version_id, gone.delete_marker, gone.sidecars)


def object_info(found: Found) -> ObjectInfo:
    head = found.head
    return ObjectInfo(
        url=str(found.target),
        size=head.size,
        etag=head.etag,
        version_id=head.version_id,
        modified=head.modified,
        storage_class=head.storage_class,
        encryption=head.encryption,
        headers=dict(head.content_headers),
        metadata=head.metadata,
        tag_count=head.tag_count,
        checksums=found.checksums,
        part_count=found.parts.count if found.parts else 0,
        part_size=found.parts.first if found.parts else 0,
        md5=found.sidecar.md5 if found.sidecar and found.sidecar_is_current else "",
    )
