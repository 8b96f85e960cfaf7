"""``python -m gof3r.engine WISHES NEWS``: one order for a caller in another process, by two descriptors."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, cast

from .proc.caller import Caller, Start, serve

if TYPE_CHECKING:
    from .orders import Order


def main(wishes: int, news: int) -> int:
    """Take an order, carry it out, and say how it went; the exit code."""
    return serve(wishes, news, _carry_out)


def _carry_out(start: Start, caller: Caller) -> object:
    from .proc.pieces import Ends
    from .proc.session import carry_out  # late: to be reported, should it fail

    ends = Ends(start.source, start.sink, caller, start.vouched)
    return carry_out(cast("Order", start.order), caller, os.environ, ends)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
