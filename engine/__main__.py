"""``python -m gof3r.engine WISHES NEWS``: one order for a caller in another process, by two descriptors."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, cast

from .proc.caller import Caller
from .proc.channel import Receiver, Sender

if TYPE_CHECKING:
    from .orders import Order


def main(wishes: int, news: int) -> int:
    """Take an order, carry it out, and say how it went. The exit code is for people who look at processes:
    callers read the last message."""
    for fd in (wishes, news):
        os.set_inheritable(fd, False)
    caller = Caller(Receiver(wishes), Sender(news))
    start = caller.start()
    if start is None:
        return 0
    try:
        from .proc.pieces import Ends
        from .proc.session import carry_out  # late: to be reported, should it fail

        ends = Ends(start.source, start.sink, caller, start.vouched)
        caller.end(carry_out(cast("Order", start.order), caller, os.environ, ends))
    except BaseException as error:
        caller.end(error=error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
