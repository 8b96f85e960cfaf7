"""From settings and names to what the engine is ordered to do: shared by the command line and the library.

Theory: everything that can be asked becomes one value of ``engine.orders``, complete and checked before
anything starts: where S3 is, who signs, which headers go where, whether one service can copy by itself. What
is wrong with an ask is said here, in one line, as a UsageError; no function below raises anything else.

It must not know how an order was spelled, nor how it is carried out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from gof3r.engine import orders
from gof3r.engine.errors import UsageError, one_line
from gof3r.engine.s3.operations import sidecar_target
from gof3r.engine.s3.request import check_names
from gof3r.engine.values import Credentials, Header, Role, Target

from .config import AUTO, Config, parse_size
from .header import request_headers, sort_headers
from .places import Place, place

MIN_RANGE = 16_384
"""Bytes of a part that is read. Each is a request, with 1 to 2 KB of headers both ways: in smaller ones a
transfer is mostly headers, and of one byte each it practically never ends."""

MAX_EXPIRES = 604_800
"""Seconds, a week: S3 API reference, "Authenticating requests: using query parameters", X-Amz-Expires."""


@dataclass(frozen=True, slots=True)
class Presign:
    """A URL to make: no request is sent."""

    target: Target
    signer: orders.Signer
    method: Literal["GET", "PUT"]
    seconds: int
    """For which the URL is good."""


def put_order(
    config: Config,
    environ: Mapping[str, str],
    bucket: str,
    key: str,
    *,
    headers: Sequence[Header] = (),
    acl: str = "",
    expected_size: int | None = None,
    if_none_match: bool = False,
    resume: bool = False,
    upload_id: str = "",
) -> orders.Put:
    """A stream to an object. ``headers`` are the object's, and those that every request about it carries."""
    if upload_id and not resume:
        raise UsageError("--upload-id says which upload to go on with: give --resume as well")
    here = place(config, environ)
    own, stored = _headers(headers, acl)
    target = _object(here, bucket, key, headers=own)
    _check_sidecar(config, target)
    return orders.Put(
        target=target,
        headers=stored,
        checksums=config.checksums,
        sidecar=config.sidecar,
        if_none_match=if_none_match,
        expected_size=expected_size,
        resume=resume,
        upload_id=upload_id,
        terms=_terms(config, here),
    )


def get_order(
    config: Config,
    environ: Mapping[str, str],
    bucket: str,
    key: str,
    *,
    version_id: str = "",
    headers: Sequence[Header] = (),
    resume: bool = False,
) -> orders.Get:
    """An object to a stream. ``headers`` are those of requests, here and wherever nothing is stored."""
    _check_ranges(config)
    target, terms = _existing(config, environ, bucket, key, version_id, headers)
    return orders.Get(target, config.checksums, config.sidecar, config.unproven, resume=resume, terms=terms)


def verify_order(
    config: Config,
    environ: Mapping[str, str],
    bucket: str,
    key: str,
    *,
    version_id: str = "",
    headers: Sequence[Header] = (),
) -> orders.Verify:
    """An object read and checked."""
    _check_ranges(config)
    return orders.Verify(*_existing(config, environ, bucket, key, version_id, headers))


def info_order(
    config: Config,
    environ: Mapping[str, str],
    bucket: str,
    key: str,
    *,
    version_id: str = "",
    headers: Sequence[Header] = (),
) -> orders.Info:
    """What is stored about an object."""
    return orders.Info(*_existing(config, environ, bucket, key, version_id, headers))


def read_order(
    config: Config,
    environ: Mapping[str, str],
    bucket: str,
    key: str,
    *,
    version_id: str = "",
    headers: Sequence[Header] = (),
) -> orders.Read:
    """An object opened for reading."""
    return orders.Read(get_order(config, environ, bucket, key, version_id=version_id, headers=headers))


def copy_order(
    config: Config,
    environ: Mapping[str, str],
    source: tuple[str, str],
    target: tuple[str, str],
    *,
    source_config: Config | None = None,
    source_version_id: str = "",
    source_headers: Sequence[Header] = (),
    headers: Sequence[Header] = (),
    acl: str = "",
    if_none_match: bool = False,
) -> orders.Copy:
    """An object to another place: bucket and key each. ``source_config`` says how the source is reached, if
    that is otherwise; all else is as ``config`` says."""
    other = source_config or config
    here, there = place(config, environ), place(other, environ)
    if here.ca_bundle and there.ca_bundle and here.ca_bundle != there.ca_bundle:
        raise UsageError("source and destination have a CA bundle each: name one that has both, --ca-bundle")
    own, stored = _headers(headers, acl)
    signer, source_signer = _signer(config), _signer(other)
    role: Role = "main" if signer == source_signer else "source"
    to = _object(here, *target, headers=own)
    _check_sidecar(config, to)
    return orders.Copy(
        source=_object(there, *source, source_version_id, request_headers(source_headers), role),
        target=to,
        headers=stored,
        checksums=config.checksums,
        sidecar=config.sidecar,
        unproven=config.unproven,
        if_none_match=if_none_match,
        server_side=signer == source_signer and signer.sign and _one_service(here, there),
        terms=replace(
            _terms(config, here), source_signer=source_signer, ca_bundle=here.ca_bundle or there.ca_bundle
        ),
    )


def one_service(config: Config, source_config: Config, environ: Mapping[str, str]) -> bool:
    """Whether S3 copies by itself between what the two say. Raises UsageError."""
    same = _signer(config) == _signer(source_config) and config.sign
    return same and _one_service(place(config, environ), place(source_config, environ))


def remove_order(
    config: Config,
    environ: Mapping[str, str],
    names: Sequence[tuple[str, str]],
    *,
    version_id: str = "",
    headers: Sequence[Header] = (),
) -> orders.Remove:
    """Objects, bucket and key each, and their sidecars; ``version_id`` is of one object."""
    if not names:
        raise UsageError("no object is named: nothing to remove")
    if version_id and len(names) > 1:
        raise UsageError("a version belongs to one object, and several are named")
    here, own = place(config, environ), request_headers(headers)
    targets = tuple(_object(here, bucket, key, version_id, own) for bucket, key in names)
    return orders.Remove(targets, _terms(config, here))


def list_order(
    config: Config,
    environ: Mapping[str, str],
    bucket: str,
    prefix: str = "",
    *,
    headers: Sequence[Header] = (),
) -> orders.List:
    """The objects whose keys begin with ``prefix``."""
    here = place(config, environ)
    return orders.List(_prefix(here, bucket, prefix, request_headers(headers)), _terms(config, here))


def uploads_order(
    config: Config,
    environ: Mapping[str, str],
    bucket: str,
    prefix: str = "",
    *,
    older_than: float | None = None,
    upload_id: str = "",
    abort: bool = False,
    headers: Sequence[Header] = (),
) -> orders.Uploads:
    """Multipart uploads under way, to be listed or aborted. ``older_than`` is in seconds.

    Whoever aborts says which: an upload under way is somebody's work.
    """
    if abort and older_than is None and not upload_id:
        raise UsageError("which uploads? give --older-than AGE (0: all of them), or --upload-id ID")
    if abort and upload_id and not prefix:
        raise UsageError("--upload-id: name the upload's key as well, s3://BUCKET/KEY (uploads ls shows it)")
    here = place(config, environ)
    return orders.Uploads(
        target=_prefix(here, bucket, prefix, request_headers(headers)),
        older_than=older_than or 0.0,
        upload_id=upload_id,
        abort=abort,
        terms=_terms(config, here),
    )


def presign_order(
    config: Config,
    environ: Mapping[str, str],
    bucket: str,
    key: str,
    *,
    method: str = "GET",
    seconds: int = 3600,
    version_id: str = "",
    headers: Sequence[Header] = (),
) -> Presign:
    """A URL by which anyone may get or put the object for ``seconds``."""
    if not config.sign:
        raise UsageError("a URL that is not signed is of no use: presign needs credentials")
    if not 1 <= seconds <= MAX_EXPIRES:
        raise UsageError(f"--expires: {seconds} seconds are not from 1 to {MAX_EXPIRES} (7d)")
    if method.upper() not in ("GET", "PUT"):
        raise UsageError(one_line(f"--method: {method!r} is neither GET nor PUT"))
    if method.upper() == "PUT" and version_id:
        raise UsageError("--versionId: what is put gets a version of its own")
    verb = cast(Literal["GET", "PUT"], method.upper())
    target = _object(place(config, environ), bucket, key, version_id, request_headers(headers))
    return Presign(target, _signer(config), verb, seconds)


def _existing(
    config: Config,
    environ: Mapping[str, str],
    bucket: str,
    key: str,
    version_id: str,
    headers: Sequence[Header],
) -> tuple[Target, orders.Terms]:
    here = place(config, environ)
    return _object(here, bucket, key, version_id, request_headers(headers)), _terms(config, here)


def _check_ranges(config: Config) -> None:
    if parse_size(config.part_size) < MIN_RANGE:
        raise UsageError(f"part size: what is read is read in parts of at least {MIN_RANGE} bytes (16KiB)")


def _headers(headers: Sequence[Header], acl: str) -> tuple[tuple[Header, ...], tuple[Header, ...]]:
    return sort_headers((*headers, *([("x-amz-acl", acl)] if acl else [])))


def _object(
    here: Place,
    bucket: str,
    key: str,
    version_id: str = "",
    headers: tuple[Header, ...] = (),
    role: Role = "main",
) -> Target:
    check_names(bucket, key)
    return here.target(bucket, key, version_id, headers, role)


def _prefix(here: Place, bucket: str, prefix: str, headers: tuple[Header, ...]) -> Target:
    check_names(bucket, prefix or "any key")
    return here.target(bucket, prefix, headers=headers)


def _check_sidecar(config: Config, target: Target) -> None:
    if config.sidecar:
        sidecar = sidecar_target(target)
        try:
            check_names(sidecar.bucket, sidecar.key)
        except UsageError:
            raise UsageError(
                "the key is too long for its md5 sidecar, whose key is 9 bytes longer; use --no-md5"
            ) from None


def _terms(config: Config, here: Place) -> orders.Terms:
    return orders.Terms(
        signer=_signer(config),
        retries=config.retries,
        concurrency=None if config.concurrency == AUTO else int(config.concurrency),
        part_size=parse_size(config.part_size),
        memory=None if config.memory is None else parse_size(config.memory),
        workers=config.workers,
        rate=0 if config.limit_rate is None else parse_size(config.limit_rate),
        ca_bundle=here.ca_bundle,
    )


def _signer(config: Config) -> orders.Signer:
    keys = Credentials(config.access_key, config.secret_key, config.token) if config.access_key else None
    return orders.Signer(config.sign, config.profile, keys)


def _one_service(here: Place, there: Place) -> bool:
    """Whether one request can read there and write here: AWS copies between the regions of a partition."""
    return here.endpoint == there.endpoint or here.partition == there.partition != ""
