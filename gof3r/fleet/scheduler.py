"""Dask's scheduler at an address: asked whether it is there before a client is made of it, which would wait
for ever for the answer of a server of another kind, and a minute more to end."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gof3r.engine.errors import Gof3rError, UsageError, one_line

if TYPE_CHECKING:
    from distributed import Security

CONNECT = 10.0
"""Seconds that it has to answer: it may have been started just now."""


def library() -> Any:
    """Dask's. Raises UsageError where it is not installed."""
    try:
        return import_module("distributed")
    except ImportError:
        raise UsageError("--scheduler and --fleet need Dask: pip install 'gof3r[fleet]'") from None


def found(address: str) -> Security | None:
    """What a client needs beside the address, of Dask's own configuration. Raises UsageError for what is no
    address, Gof3rError where no scheduler answers."""
    if "://" in address and not address.startswith(("tcp://", "tls://")):
        raise _no_address(address)
    security = None
    try:
        if address.startswith("tls://"):
            security = library().Security(require_encryption=True)
        asyncio.run(_greet(address, security))
    except ValueError:
        raise _no_address(address) from None
    except (OSError, TypeError, TimeoutError, asyncio.TimeoutError) as error:
        raise _nobody(address, error) from None
    return security


async def _greet(address: str, security: Any) -> None:
    connect = import_module("distributed.comm").connect
    options = security.get_connection_args("client") if security else {}
    comm = await asyncio.wait_for(connect(address, timeout=CONNECT, **options), CONNECT + 1)
    comm.abort()


def _no_address(address: str) -> UsageError:
    return UsageError(one_line(f"--scheduler: expected tcp://HOST:PORT or tls://HOST:PORT, got {address!r}"))


def _nobody(address: str, error: Exception) -> Gof3rError:
    why = str(error) or "what listens there does not answer as Dask does"
    advice = "check the address, and that `dask scheduler` runs there"
    if isinstance(error, TypeError):
        why = "there are no certificates"
    if address.startswith("tls://"):
        advice += "; certificates are taken from Dask's configuration (distributed.comm.tls)"
    return Gof3rError(one_line(f"--scheduler: no scheduler answers at {address} ({why}): {advice}"))
