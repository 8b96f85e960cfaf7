"""Objects as Python's own binary files: ``open`` and what it returns.

Theory: bytes go to an engine by pipe, and the object appears when the file is closed - only then,
and only when it is known to be meant: a file that was left by an exception, that was never closed, or whose
process died, leaves nothing. Wrappers (``TextIOWrapper``) close what they wrap in any case; so inside of its
own ``with`` block closing only ends the stream, and the block's end decides.

Buffering, lines and locks are ``io.BufferedReader``'s and ``io.BufferedWriter``'s. Below them, an exception
in the middle of a write ends the engine: nobody knows how much has gone through. ``reading`` is the other
half.
"""

from __future__ import annotations

import io
import os
from types import TracebackType
from typing import Any, Literal, overload

from gof3r.engine.s3.request import parse_object_url

from . import ordering
from .api import Headers, pairs, transferred
from .child import PIPE, Engine, OnEvent
from .config import Config
from .raw import Raw, check_open
from .reading import Reading, opened
from .results import Result

BUFFER = 1 << 17
"""Bytes that ``io`` keeps for small reads and writes."""


@overload
def open(
    url: str,
    mode: Literal["rb"] = "rb",
    *,
    config: Config | None = None,
    version_id: str = "",
    headers: Headers = (),
    on_event: OnEvent | None = None,
) -> ObjectReader: ...


@overload
def open(
    url: str,
    mode: Literal["wb"],
    *,
    config: Config | None = None,
    headers: Headers = (),
    acl: str = "",
    expected_size: int | None = None,
    if_none_match: bool = False,
    on_event: OnEvent | None = None,
) -> ObjectWriter: ...


@overload
def open(
    url: str,
    mode: str,
    *,
    config: Config | None = None,
    version_id: str = "",
    headers: Headers = (),
    acl: str = "",
    expected_size: int | None = None,
    if_none_match: bool = False,
    on_event: OnEvent | None = None,
) -> ObjectReader | ObjectWriter: ...


def open(
    url: str,
    mode: str = "rb",
    *,
    config: Config | None = None,
    version_id: str = "",
    headers: Headers = (),
    acl: str = "",
    expected_size: int | None = None,
    if_none_match: bool = False,
    on_event: OnEvent | None = None,
) -> ObjectReader | ObjectWriter:
    """Open the object ``url`` as a binary file; ``io.TextIOWrapper`` makes a text file of it.

    ``"rb"``: raises NotFound (a FileNotFoundError) at once where there is none. Read from start to end, the
    bytes are verified as ``get`` does; after a seek, by length and ETag only.

    ``"wb"``: the object appears when the file is closed, verified as by ``put``; ``close`` raises when it
    does not. A ``with`` block that is left by an exception, a file that is never closed, and a process that
    dies leave nothing. A ``with`` block makes the object at its end, even if the file was closed in it.

    ``result`` has the ``Result`` afterwards. The other arguments are those of ``get`` and ``put``.
    """
    bucket, key = parse_object_url(url)
    config = config or Config()
    if mode == "rb":
        if acl or expected_size is not None or if_none_match:
            raise ValueError("acl, expected_size and if_none_match are for writing")
        read = ordering.read_order(
            config, os.environ, bucket, key, version_id=version_id, headers=pairs(headers)
        )
        return ObjectReader(Reading(url, read, on_event, *opened(read, on_event)))
    if mode == "wb":
        if version_id:
            raise ValueError("version_id is for reading")
        put = ordering.put_order(
            config,
            os.environ,
            bucket,
            key,
            headers=pairs(headers),
            acl=acl,
            expected_size=expected_size,
            if_none_match=if_none_match,
        )
        return ObjectWriter(Writing(url, Engine(put, source=PIPE, on_event=on_event)))
    raise ValueError(f"mode must be 'rb' or 'wb' (text: io.TextIOWrapper around it), not {mode!r}")


class ObjectReader(io.BufferedReader):
    """An object open for reading."""

    raw: Reading

    def __init__(self, raw: Reading) -> None:
        super().__init__(raw, BUFFER)

    @property
    def size(self) -> int:
        """Bytes of the object."""
        return self.raw.opened.size

    @property
    def etag(self) -> str:
        return self.raw.opened.etag

    @property
    def version_id(self) -> str:
        return self.raw.opened.version_id

    @property
    def modified(self) -> float | None:
        """Epoch seconds."""
        return self.raw.opened.modified

    @property
    def result(self) -> Result | None:
        """How the whole was verified; None unless it was read from start to end."""
        return self.raw.result


class ObjectWriter(io.BufferedWriter):
    """An object open for writing."""

    raw: Writing

    def __init__(self, raw: Writing) -> None:
        super().__init__(raw, BUFFER)

    @property
    def result(self) -> Result | None:
        """What was stored; None until it is."""
        return self.raw.result

    def __enter__(self) -> ObjectWriter:
        super().__enter__()
        self.raw.held = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.raw.abandon()
        self.raw.held = False
        if self.closed:
            self.raw.settle()
        else:
            self.close()


class Writing(Raw):
    """What is written goes to ``engine``; ``settle`` or ``abandon`` says what becomes of it."""

    mode = "wb"

    def __init__(self, url: str, engine: Engine) -> None:
        super().__init__(url)
        self._engine = engine
        self._count = 0
        self._abandoned = False
        self.held = False
        """A ``with`` block is to decide."""
        self.result: Result | None = None

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        check_open(self)
        return self._count

    def write(self, data: Any) -> int:
        check_open(self)
        view = memoryview(data).cast("B")
        if not self._abandoned:
            try:
                self._engine.write(view)
            except BaseException:
                self._engine.close()
                raise
        self._count += len(view)
        return len(view)

    def close(self) -> None:
        if not self.closed:
            super().close()
            if not self.held:
                self.settle()

    def settle(self) -> None:
        """Have the object made. Raises Gof3rError when it is not."""
        if self.result is None and not self._abandoned:
            self._engine.commit()
            self.result = transferred(self._engine)

    def abandon(self) -> None:
        """There is to be no object; what is still written goes nowhere."""
        self._abandoned = True
        self._engine.close()
