"""``migrate --scheduler`` and ``--fleet``: the cluster found or made, and driven."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import ExitStack

from gof3r.migrate.journal import Journal
from gof3r.migrate.ordered import How
from gof3r.migrate.tally import Tally

from .cluster import Dask
from .driver import Driver
from .errand import settled
from .local import Local


def carry_all(
    scheduler: str, fleet: int, how: How, tally: Tally, journal: Journal, environ: Mapping[str, str]
) -> None:
    """Until there is nothing to do, by the cluster of the ``scheduler`` at this address, or, where that is
    empty, by ``fleet`` workers of our own. Raises as ``driver.Driver.run``."""
    run = f"gof3r-{uuid.uuid4().hex[:12]}"
    with ExitStack() as stack:
        if not scheduler:
            scheduler = stack.enter_context(Local(fleet, environ)).address
        cluster = stack.enter_context(Dask(scheduler, run))
        Driver(cluster, settled(how, environ), tally, journal, environ, run).run()
