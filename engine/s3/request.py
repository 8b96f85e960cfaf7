"""Addressing: from names and endpoints, as people type them, to a request as it goes on the wire.

Theory: S3 compares a signature over the percent-encoded path and query with what it receives, byte for byte,
and takes a key as an opaque run of bytes. So everything is encoded once, here, with the one set of characters
that SigV4 leaves alone, and nothing is ever normalised: ``..``, ``//``, a leading ``/``, ``#`` and ``?`` are
ordinary characters of a key. What this module has encoded is both signed and sent as it is.

It must not know S3's operations, credentials, or how a request is sent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NoReturn
from urllib.parse import quote

from ..errors import UsageError, one_line
from ..values import Endpoint, Header, Request, Target

SSE_C = "x-amz-server-side-encryption-customer-"
"""What the headers of a customer's own key begin with: algorithm, key, key-MD5."""

_SSE_C_OPERATIONS = frozenset(
    {
        *("create_multipart_upload", "upload_part", "upload_part_copy", "complete_multipart_upload"),
        *("list_parts", "put_object", "copy_object", "head_object", "get_object"),
    }
)
"""Those whose page in the S3 API reference lists x-amz-server-side-encryption-customer-key."""

_BUCKET_OPERATIONS = frozenset(
    {"list_objects", "list_object_versions", "list_multipart_uploads", "delete_objects"}
)

MAX_KEY = 1024
"""Bytes of UTF-8; S3 User Guide, "Naming Amazon S3 objects"."""

DEFAULT_PORTS = {"http": 80, "https": 443}

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1035, lower case as S3 wants buckets
_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")  # '_' is for container networks
_AUTHORITY = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>.*))?", re.DOTALL)
_AWS_HOST = re.compile(
    r"((?:^|\.)s3(?:-fips)?(?:\.dualstack)?)(?:[.-][a-z]{2}(?:-[a-z]+)+-[0-9]+)?(\.amazonaws\.com(?:\.cn)?(?::[0-9]+)?)$"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def encode(text: str, safe: str = "") -> str:
    """Percent-encode the bytes of ``text``, except ``A-Za-z0-9-._~`` and ``safe``.

    That set is SigV4's UriEncode ("Signature Calculations for the Authorization Header", S3 API reference).
    Surrogate escapes become the bytes they stand for.
    """
    return quote(text, safe=safe, encoding="utf-8", errors="surrogateescape")


def needs_path_style(bucket: str, endpoint: Endpoint) -> bool:
    """Whether ``bucket`` cannot be a label before the endpoint's host.

    A dot breaks the wildcard certificate, an address has no subdomains, and ``localhost`` rarely has any.
    """
    host = endpoint.host.rstrip(".")
    # A last label of digits is an IPv4 address in one of its spellings (127.1 too), never a domain.
    is_address = host.startswith("[") or host.rpartition(".")[2].isdigit()
    return is_address or host == "localhost" or _DNS_LABEL.fullmatch(bucket) is None


def parse_endpoint(text: str, ssl: bool = True) -> Endpoint:
    """``HOST``, ``HOST:PORT``, ``[v6]:PORT``, or a URL of those with a path prefix.

    A scheme in ``text`` wins over ``ssl``. The host is lower case, an IPv6 address in its brackets; the
    prefix keeps its percent-escapes. Raises UsageError.
    """
    scheme, separator, rest = text.strip().rpartition("://")
    scheme = scheme.lower() if separator else ("https" if ssl else "http")
    if scheme not in DEFAULT_PORTS:
        _bad_endpoint(text, "the scheme must be http or https")
    if "?" in rest or "#" in rest or "@" in rest:
        _bad_endpoint(text, "an endpoint has no user, query or fragment")
    authority, _, prefix = rest.partition("/")
    match = _AUTHORITY.fullmatch(authority)
    if match is None or (authority.count(":") > 1 and not authority.startswith("[")):
        _bad_endpoint(text, "an IPv6 address goes in brackets, and a port is all that may follow the host")
    host = match["host"].lower()
    if host.startswith("["):
        try:
            from ipaddress import IPv6Address  # late: hardly anybody has one

            IPv6Address(host[1:-1].replace("%", "?"))  # a zone would need other rules for Host and for curl
        except ValueError:
            _bad_endpoint(text, f"{host} is not an IPv6 address")
    elif not _HOST.fullmatch(host):
        _bad_endpoint(text, "there is no host name" if not host else f"{host!r} is not a host name")
    port = match["port"]
    if port is not None and not (re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        _bad_endpoint(text, f"{port!r} is not a port from 1 to 65535")
    typed: Literal["http", "https"] = "https" if scheme == "https" else "http"
    try:
        prefix = encode("/" + prefix.strip("/"), safe="/%").rstrip("/")
    except UnicodeEncodeError:
        _bad_endpoint(text, "it is not UTF-8")
    return Endpoint(typed, host, None if port is None else int(port), prefix)


def _bad_endpoint(text: str, why: str) -> NoReturn:
    # What stands before an @ may be a password, and what follows a ? a signature.
    shown = one_line(repr(text.rpartition("@")[2].partition("?")[0]), 80)
    raise UsageError(
        f"endpoint {shown}: {one_line(why, 100)} (example: s3.eu-west-1.amazonaws.com or http://127.0.0.1:9000)"
    )


def parse_object_url(text: str) -> tuple[str, str]:
    """``s3://BUCKET/KEY`` to bucket and key, which is everything after the slash. Raises UsageError."""
    scheme, separator, rest = text.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not separator:
        why = "it does not begin with s3://"
    elif not bucket:
        why = "the bucket is missing"
    elif not key:
        why = "the key is missing"
    else:
        return bucket, key
    # Of a presigned URL the query is the signature.
    shown = text if separator and scheme == "s3" else text.partition("?")[0]
    raise UsageError(one_line(f"{shown!r} is not an object's URL: {why} (example: s3://bucket/key)"))


def parse_bucket_url(text: str) -> tuple[str, str]:
    """``s3://BUCKET[/PREFIX]`` to bucket and prefix, all that follows the slash. Raises UsageError."""
    bucket, _, prefix = text.removeprefix("s3://").partition("/")
    if not text.startswith("s3://") or not bucket:
        raise UsageError(one_line(f"{text!r} is not a bucket's URL (example: s3://bucket/prefix)"))
    return bucket, prefix


def check_names(bucket: str, key: str) -> None:
    """Raise UsageError for names that no request can carry; all other judgement is the server's."""
    if not bucket:
        raise UsageError("the bucket's name is empty")
    if "/" in bucket or _CONTROL.search(bucket):
        raise UsageError(one_line(f"bucket {bucket!r}: a name has no slash and no control characters"))
    if not key:
        raise UsageError("the key is empty")
    try:
        bucket.encode()
        length = len(key.encode())
    except UnicodeEncodeError:
        raise UsageError(one_line(f"{bucket!r}, {key!r}: S3's names are UTF-8, and this is not")) from None
    if length > MAX_KEY:
        raise UsageError(f"the key has {length} bytes of UTF-8; S3 allows {MAX_KEY}")


def relocated(request: Request, region: str) -> Request:
    """The same request for ``region``, where the server says that the bucket is.

    Only the region's label in a host of AWS changes, never the domain: an answer must not send our signature
    to a host of its choice. Accelerate's host and those of other stores stay; what is signed changes.
    """
    host = _AWS_HOST.sub(rf"\g<1>.{region}\g<2>", request.authority)
    return replace(request, authority=host, region=region)


def request_for(
    target: Target,
    operation: str,
    method: str,
    query: Sequence[tuple[str, str]] = (),
    headers: Sequence[Header] = (),
    body: bytes = b"",
) -> Request:
    """An unsigned request about ``target``. A parameter without a value is one with an empty value: its
    canonical form is ``uploads=``, and S3 takes that on the wire as well."""
    if not target.key and operation not in _BUCKET_OPERATIONS:
        # Without a key the same request is another operation: an abort would be DeleteBucket.
        raise UsageError(f"{operation} needs a key")
    endpoint = target.endpoint
    authority = endpoint.host if target.path_style else f"{target.bucket}.{endpoint.host}"
    if endpoint.port is not None and endpoint.port != DEFAULT_PORTS[endpoint.scheme]:
        authority += f":{endpoint.port}"
    path = endpoint.prefix
    if target.path_style:
        path += f"/{encode(target.bucket)}"
    path += f"/{encode(target.key, safe='/')}"
    sse_c = operation in _SSE_C_OPERATIONS
    own = tuple(header for header in target.headers if sse_c or not header[0].lower().startswith(SSE_C))
    pairs = sorted((encode(name), encode(value)) for name, value in query)
    return Request(
        operation=operation,
        method=method,
        scheme=endpoint.scheme,
        authority=authority,
        path=path,
        query="&".join(f"{name}={value}" for name, value in pairs),
        headers=(*own, *headers),
        body=body,
        bucket=target.bucket,
        region=target.region,
        role=target.role,
    )
