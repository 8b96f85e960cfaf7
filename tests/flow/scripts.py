"""What may come of one request, besides the server's honest answer."""

from __future__ import annotations

from collections.abc import Callable

from gof3r.engine.values import Failure, Response


class Hang:
    """A request that is never answered."""


class Die:
    """The worker dies of the request."""


Result = Response | Failure | Hang | Die
Act = Callable[[], Response]
Script = Callable[[Act], Result]
"""What comes of one request, instead of the server's honest answer, which is what ``Act`` gives."""


def honest(act: Act) -> Result:
    return act()


def instead(result: Result) -> Script:
    """``result``, and the server has done nothing."""
    return lambda act: result


def after(result: Result) -> Script:
    """The server does it, and then ``result``: its answer is lost."""

    def script(act: Act) -> Result:
        act()
        return result

    return script


def saying(body: bytes | None = None, status: int | None = None, **headers: str) -> Script:
    """The server does it, and its answer is changed on the way."""

    def script(act: Act) -> Result:
        answer = act()
        said = {**answer.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return Response(status or answer.status, said, answer.body if body is None else body)

    return script


RESET = Failure("transport", "56", "connection reset")
REFUSED = Failure("transport", "7", "connection refused", connected=False)
