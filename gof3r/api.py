"""What the library does, one function for each thing that can be asked: a story on one screen.

Each makes an order of its arguments, gives it to an engine in a process of its own, and waits. All may be
called from any thread, as many at once as the machine bears; each engine has its own processes and memory
(``Config``). An exception, KeyboardInterrupt included, cancels what is under way: nothing half done stays in
S3 or on the disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

from gof3r.engine import orders
from gof3r.engine.s3.request import parse_bucket_url, parse_object_url

from . import ordering, results, streams
from .child import PIPE, Engine, OnEvent
from .config import Config
from .results import ObjectInfo, Removed, Result

if TYPE_CHECKING:
    from gof3r.engine.flow.events import Receipt
    from gof3r.engine.flow.info import ObjectInfo as Found
    from gof3r.engine.flow.remove import Removed as Gone
    from gof3r.engine.s3.listings import Listed

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


def put(
    source: streams.Source,
    url: str,
    *,
    config: Config | None = None,
    headers: Headers = (),
    acl: str = "",
    expected_size: int | None = None,
    if_none_match: bool = False,
    on_event: OnEvent | None = None,
) -> Result:
    """Store ``source`` as the object ``url`` (``s3://bucket/key``), verified; its md5 goes beside it.

    ``source``: a path (str or PathLike), bytes, a binary file from where it stands, or an iterable of bytes.
    ``headers``: the object's (Content-Type, x-amz-meta-..., x-amz-storage-class...) and those of requests
    (x-amz-request-payer, SSE-C...). ``expected_size``: bytes, a hint where a stream does not tell.
    ``if_none_match``: never replace an object. ``on_event`` gets ``Progress``, ``Warned`` and ``Debugged``.

    Raises Gof3rError (UsageError, TransferError; AlreadyExists, AccessDenied, NotFound), what reading the
    source raises, and OSError for a path that cannot be opened. Then there is no new object.
    """
    bucket, key = parse_object_url(url)
    with ExitStack() as stack:
        given = streams.source(source, stack)
        order = ordering.put_order(
            config or Config(),
            os.environ,
            bucket,
            key,
            headers=pairs(headers),
            acl=acl,
            expected_size=given.size if expected_size is None else expected_size,
            if_none_match=if_none_match,
        )
        if given.fd is not None:
            result = transferred(stack.enter_context(Engine(order, source=given.fd, on_event=on_event)))
            given.finish()
            return result
        engine = stack.enter_context(Engine(order, source=PIPE, on_event=on_event))
        for piece in given.pieces:
            engine.write(piece)
        engine.commit()
        return transferred(engine)


def get(
    url: str,
    sink: streams.Sink,
    *,
    config: Config | None = None,
    version_id: str = "",
    headers: Headers = (),
    on_event: OnEvent | None = None,
) -> Result:
    """Fetch the object ``url``, verified, into ``sink``: a path or a binary file.

    A file at a path appears when all of it is there and proven, not before. A file object gets bytes that
    have been checked part by part, and the last of them only when the whole is proven.

    Raises Gof3rError (NotFound, AccessDenied; TransferError also for bytes that are not what was stored), and
    what writing the sink raises.
    """
    order = ordering.get_order(
        config or Config(),
        os.environ,
        *parse_object_url(url),
        version_id=version_id,
        headers=pairs(headers),
    )
    with ExitStack() as stack:
        taker = streams.sink(sink, stack)
        fd = PIPE if taker.fd is None else taker.fd
        engine = stack.enter_context(Engine(order, sink=fd, on_event=on_event))
        if taker.fd is None:
            room = memoryview(bytearray(streams.READ))
            while count := engine.readinto(room):
                taker.write(room[:count])
        result = transferred(engine)
        taker.finish()
        return result


def verify(
    url: str,
    *,
    config: Config | None = None,
    version_id: str = "",
    headers: Headers = (),
    on_event: OnEvent | None = None,
) -> Result:
    """Read the object ``url`` and hold it against every digest that is stored for it. Raises Gof3rError when
    one does not match, or there is none."""
    order = ordering.verify_order(
        config or Config(),
        os.environ,
        *parse_object_url(url),
        version_id=version_id,
        headers=pairs(headers),
    )
    with open(os.devnull, "wb") as nowhere, Engine(order, sink=nowhere.fileno(), on_event=on_event) as engine:
        return transferred(engine)


def copy(
    source_url: str,
    url: str,
    *,
    config: Config | None = None,
    source_config: Config | None = None,
    source_version_id: str = "",
    source_headers: Headers = (),
    headers: Headers = (),
    acl: str = "",
    if_none_match: bool = False,
    on_event: OnEvent | None = None,
) -> Result:
    """Copy the object ``source_url`` to ``url``, verified; by the service itself where one serves both.

    ``source_config``: how the source is reached, where that is otherwise. ``source_headers``: of requests for
    the source (SSE-C, payer). ``headers``: these replace the source's of the same name. Raises Gof3rError.
    """
    order = ordering.copy_order(
        config or Config(),
        os.environ,
        parse_object_url(source_url),
        parse_object_url(url),
        source_config=source_config,
        source_version_id=source_version_id,
        source_headers=pairs(source_headers),
        headers=pairs(headers),
        acl=acl,
        if_none_match=if_none_match,
    )
    with Engine(order, on_event=on_event) as engine:
        return transferred(engine)


def remove(
    *urls: str,
    config: Config | None = None,
    version_id: str = "",
    headers: Headers = (),
    on_event: OnEvent | None = None,
) -> tuple[Removed, ...]:
    """Remove objects and their md5 sidecars; ``version_id`` removes that version of a single one.

    What is not there is no error. One that cannot be removed does not keep the others; then Gof3rError is
    raised in the end.
    """
    names = [parse_object_url(url) for url in urls]
    order = ordering.remove_order(
        config or Config(), os.environ, names, version_id=version_id, headers=pairs(headers)
    )
    with Engine(order, on_event=on_event) as engine:
        return tuple(results.removed(cast("Gone", gone)) for gone in engine.shown())


def info(
    url: str,
    *,
    config: Config | None = None,
    version_id: str = "",
    headers: Headers = (),
    on_event: OnEvent | None = None,
) -> ObjectInfo:
    """What is stored about the object ``url``. Raises NotFound, or another Gof3rError."""
    order = ordering.info_order(
        config or Config(),
        os.environ,
        *parse_object_url(url),
        version_id=version_id,
        headers=pairs(headers),
    )
    with Engine(order, on_event=on_event) as engine:
        return results.object_info(cast("Found", engine.result().value))


def list(
    url: str,
    *,
    config: Config | None = None,
    headers: Headers = (),
    on_event: OnEvent | None = None,
) -> Iterator[Listed]:
    """The objects whose URLs begin with ``url`` (``s3://bucket[/prefix]``), as they come.

    Each has ``key``, ``size`` (bytes), ``etag``, ``modified`` (epoch seconds) and ``storage_class``. Raises
    Gof3rError, also on the way. Closing the iterator ends the listing.
    """
    order = ordering.list_order(
        config or Config(), os.environ, *parse_bucket_url(url), headers=pairs(headers)
    )
    return _listed(order, on_event)


def _listed(order: orders.List, on_event: OnEvent | None) -> Iterator[Listed]:
    with Engine(order, on_event=on_event) as engine:
        for page in engine.shown():
            yield from cast("tuple[Listed, ...]", page)


def pairs(headers: Headers) -> tuple[tuple[str, str], ...]:
    return tuple(headers.items() if isinstance(headers, Mapping) else headers)


def transferred(engine: Engine) -> Result:
    """Waits for the end of a transfer. Raises what the engine has ended with."""
    done = engine.result()
    return results.result(cast("Receipt", done.value), done.retries, done.seconds, tuple(engine.warnings))
