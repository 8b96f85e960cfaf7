"""gof3r: stream objects of any size into and out of S3, verified.

::

    import gof3r

    gof3r.put("dump.sql", "s3://bucket/dump.sql")
    gof3r.get("s3://bucket/dump.sql", "copy.sql")
    with gof3r.open("s3://bucket/lines.txt", "wb") as file:   # appears at the end of the block, or not at all
        file.write(b"a line\\n")
    with gof3r.open("s3://bucket/lines.txt") as file:
        for line in file:
            ...

Keys, region and endpoint come from where AWS's own tools take them, or from a ``Config``. Every transfer runs
in processes of its own, so all of this works in threads, in notebooks and in scripts without a guard. What
fails raises a ``Gof3rError``; where Python has a word for it, that as well (``NotFound`` is a
``FileNotFoundError``). An exception cancels: nothing half done stays in S3.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "1.0.0.dev0"

if TYPE_CHECKING:
    from gof3r.engine.errors import AccessDenied as AccessDenied
    from gof3r.engine.errors import AlreadyExists as AlreadyExists
    from gof3r.engine.errors import Gof3rError as Gof3rError
    from gof3r.engine.errors import NotFound as NotFound
    from gof3r.engine.errors import TransferError as TransferError
    from gof3r.engine.errors import UsageError as UsageError
    from gof3r.engine.flow.events import Progress as Progress
    from gof3r.engine.proc.caller import Debugged as Debugged
    from gof3r.engine.proc.caller import Warned as Warned
    from gof3r.engine.s3.listings import Listed as Listed

    from .api import copy as copy
    from .api import get as get
    from .api import info as info
    from .api import list as list
    from .api import put as put
    from .api import remove as remove
    from .api import verify as verify
    from .config import Config as Config
    from .files import ObjectReader as ObjectReader
    from .files import ObjectWriter as ObjectWriter
    from .files import open as open
    from .results import ObjectInfo as ObjectInfo
    from .results import Removed as Removed
    from .results import Result as Result

_HOMES = {
    "api": ("copy", "get", "info", "list", "put", "remove", "verify"),
    "files": ("ObjectReader", "ObjectWriter", "open"),
    "config": ("Config",),
    "results": ("ObjectInfo", "Removed", "Result"),
    "engine.errors": (
        *("AccessDenied", "AlreadyExists", "Gof3rError", "NotFound", "ReaderGone"),
        *("TransferError", "UsageError"),
    ),
    "engine.flow.events": ("Progress",),
    "engine.proc.caller": ("Debugged", "Warned"),
    "engine.s3.listings": ("Listed",),
}
"""Module to its public names. Each is imported when it is first used: the command line needs few of them."""

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> tuple[str, ...]:
    return (*globals(), *__all__)
