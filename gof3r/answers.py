"""What the commands that ask print on standard output: values in, lines out.

A line for people has no control characters: what a key has of them is shown as Python would write it. The
JSON has everything as it is; one value a line, so that a listing of millions needs no memory to read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone

from gof3r.engine.flow.info import ObjectInfo
from gof3r.engine.flow.uploads import Aborted
from gof3r.engine.s3.listings import Listed, UploadListed

from .report import size_text


def shown(text: str) -> str:
    """``text`` on one line: characters that a terminal would act on are escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def time_text(seconds: float) -> str:
    """Epoch seconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def listed(bucket: str, entry: Listed, long: bool, as_json: bool) -> str:
    """A line of ``ls``: the URL; ``long`` puts size in bytes, time and storage class before it."""
    if as_json:
        return json.dumps(
            {
                "bucket": bucket,
                "key": entry.key,
                "size": entry.size,
                "etag": entry.etag,
                "modified": time_text(entry.modified),
                "storage_class": entry.storage_class,
            }
        )
    url = shown(f"s3://{bucket}/{entry.key}")
    if not long:
        return url
    return f"{entry.size:>15} {time_text(entry.modified)} {shown(entry.storage_class):<19} {url}"


def upload(bucket: str, entry: UploadListed, as_json: bool) -> str:
    """A line of ``uploads ls``: when it began, its id, its object."""
    if as_json:
        return json.dumps(
            {
                "bucket": bucket,
                "key": entry.key,
                "upload_id": entry.upload_id,
                "initiated": time_text(entry.initiated),
            }
        )
    return f"{time_text(entry.initiated)} {shown(entry.upload_id)} {shown(f's3://{bucket}/{entry.key}')}"


def aborted(bucket: str, entry: Aborted) -> str:
    return f"aborted {shown(entry.upload_id)} {shown(f's3://{bucket}/{entry.key}')}"


def info(answer: ObjectInfo, as_json: bool) -> str:
    """Everything of ``info``: ``name: value`` lines, or JSON."""
    values = _facts(answer)
    if as_json:
        return json.dumps(values)
    return "\n".join(_lines(values))


def _facts(answer: ObjectInfo) -> dict[str, object]:
    head, parts, beside = answer.head, answer.parts, answer.sidecar
    return {
        "object": str(answer.target),
        "size": head.size,
        "etag": head.etag,
        "version_id": head.version_id,
        "modified": None if head.modified is None else time_text(head.modified),
        "storage_class": head.storage_class,
        "encryption": head.encryption,
        "headers": dict(head.content_headers),
        "metadata": dict(head.metadata),
        "checksums": {
            name: {"value": value, "type": kind} for name, (value, kind) in answer.checksums.items()
        },
        "parts": parts
        and {
            "count": parts.count,
            "first": parts.first,
            "layout": [{"count": count, "size": size} for count, size in parts.layout],
        },
        "sidecar": beside
        and {
            "key": beside.place.key,
            "md5": beside.md5,
            "etag": beside.etag,
            "current": answer.sidecar_is_current,
        },
    }


def _lines(values: dict[str, object]) -> Iterator[str]:
    for name, value in values.items():
        match name, value:
            case _, None | "":
                continue
            case "size", int():
                yield f"size: {value} ({size_text(value)})"
            case "checksums", dict():
                for digest, fact in value.items():
                    yield f"{digest}: {shown(fact['value'])} ({fact['type']})"
            case "parts", dict():
                runs = ", ".join(f"{run['count']} x {run['size']}" for run in value["layout"])
                yield f"parts: {value['count']}, of bytes: {runs or 'unknown'}"
            case "sidecar", dict():
                current = "" if value["current"] else ", of another object: stale"
                yield f"sidecar: {shown(value['key'])}, md5 {value['md5']}{current}"
            case "metadata", dict():
                for key, each in value.items():
                    yield shown(f"x-amz-meta-{key}: {each}")
            case _, dict():
                for key, each in value.items():
                    yield shown(f"{key}: {each}")
            case _:
                yield shown(f"{name}: {value}")
