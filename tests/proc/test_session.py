"""How many processes share the connections out."""

from __future__ import annotations

import pytest

from gof3r.engine.proc.session import workers_for


@pytest.mark.parametrize(
    ("concurrency", "cores", "workers"),
    [
        (1, 1, 1),
        (10, 2, 1),
        (40, 2, 1),
        (10, 8, 1),
        (11, 8, 2),
        (51, 8, 6),
        (1000, 8, 6),
        (143, 64, 15),
        (1000, 64, 48),
        (1000, 256, 64),
    ],
)
def test_ten_connections_share_a_worker_and_a_quarter_of_the_cores_stays_free(
    concurrency: int, cores: int, workers: int
) -> None:
    assert workers_for(concurrency, cores) == workers
