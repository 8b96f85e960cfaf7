"""Runs to test with: some as they are measured, and any that can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from hypothesis import strategies as st

from gof3r.bench.measured import GiB, Measured, MiB, Mode, Run, Setting
from gof3r.config import CHECKSUMS
from gof3r.engine.books import Bottleneck
from gof3r.fields import LARGEST, LAST_SECOND

MACHINE = {
    "instance": "c6in.4xlarge",
    "cpu": "AMD EPYC 7R13",
    "cores": 16,
    "memory_bytes": 32 * GiB,
    "nics_mbit": {"ens5": 12500},
    "kernel": "Linux 6.1.0",
    "python": "3.11.7",
    "libcurl": "PycURL/7.49.0 libcurl/8.23.0 OpenSSL/3.6.5 zlib/1.2.13",
    "gof3r": "1.0.0",
}

SETTING = Setting("put", GiB, 16 * MiB, 40, 2)
ONE = Measured(
    setting=SETTING,
    concurrency=40,
    workers=2,
    seconds=10.0,
    sent=12_500_000_000,
    received=0,
    requests=745,
    series=(1.20e9, 1.25e9, 1.30e9),
    first_byte=(0.0201, 0.0402, 0.0803, 0.1604),
    latency=(0.501, 0.602, 0.703, 1.204),
    retries={"SlowDown": 3},
    cpu={"parent": 4.0, "worker 1": 2.5, "collector": 0.5},
    memory=720_000_000,
    binds="network",
    advice="the network or the server binds: try a larger -c",
)
RUN = Run(
    version="1.0.0",
    began=1_764_000_000.5,
    mode="put",
    url="s3://bucket/bench",
    endpoint="https://s3.eu-west-1.amazonaws.com",
    duration=10.0,
    warmup=2.0,
    checksums=("crc64nvme",),
    machine=MACHINE,
    results=(ONE,),
)


def measured(
    rate: float, part_size: int = 16 * MiB, concurrency: int = 40, workers: int | None = 2, auto: bool = False
) -> Measured:
    """As ONE, at ``rate`` MB/s."""
    setting = Setting("put", GiB, part_size, None if auto else concurrency, workers)
    sent = round(rate * 1e7)
    series = tuple(rate * 1e6 * share for share in (0.9, 1.0, 1.1))
    return replace(
        ONE, setting=setting, concurrency=concurrency, workers=workers or 1, sent=sent, series=series
    )


def run(*results: Measured) -> Run:
    return replace(RUN, results=results)


# --- any ----------------------------------------------------------------------------

WHOLE = st.integers(0, LARGEST)
NUMBERS = st.floats(0, LARGEST)
SOME = st.none() | st.integers(0, 100)
PERCENTILES = st.just(()) | st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
FACTS = st.none() | st.booleans() | st.text() | NUMBERS | WHOLE


def _named(values: st.SearchStrategy[int] | st.SearchStrategy[float]) -> st.SearchStrategy[dict[str, float]]:
    return st.dictionaries(st.text(), values, max_size=3)


MODES: Sequence[Mode] = get_args(Mode)
SETTINGS = st.builds(Setting, st.sampled_from(MODES), WHOLE, WHOLE, SOME, SOME)
RESULTS = st.builds(
    Measured,
    setting=SETTINGS,
    concurrency=WHOLE,
    workers=WHOLE,
    seconds=NUMBERS,
    sent=WHOLE,
    received=WHOLE,
    requests=WHOLE,
    series=st.lists(NUMBERS, max_size=5).map(tuple),
    first_byte=PERCENTILES,
    latency=PERCENTILES,
    retries=_named(WHOLE),
    cpu=_named(NUMBERS),
    memory=WHOLE,
    binds=st.sampled_from(get_args(Bottleneck)),
    advice=st.text(),
)
RUNS = st.builds(
    Run,
    version=st.text(),
    began=st.floats(0, LAST_SECOND),
    mode=st.sampled_from(MODES),
    url=st.text(),
    endpoint=st.text() | st.sampled_from(["s3.amazonaws.com", "http://[::1]:80/x", "//["]),
    duration=NUMBERS,
    warmup=NUMBERS,
    checksums=st.lists(st.sampled_from([*CHECKSUMS, "", "x"]), max_size=2).map(tuple),
    machine=st.dictionaries(
        st.text() | st.sampled_from(sorted(MACHINE)),
        FACTS | st.dictionaries(st.text(), FACTS, max_size=2),
        max_size=4,
    ),
    results=st.lists(RESULTS, max_size=4).map(tuple),
)
