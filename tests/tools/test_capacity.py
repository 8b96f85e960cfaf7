"""The capacity model: which stage binds, and what is chosen. Round costs, so that answers can be checked."""

from __future__ import annotations

from dataclasses import fields, replace
from math import inf

import pytest
from docopt import DocoptExit
from hypothesis import given
from hypothesis import strategies as st

from tools import capacity
from tools.capacity_model import (
    NEAR,
    PART_SIZES,
    PAYLOAD,
    PIPE,
    Choice,
    Cost,
    Costs,
    Direction,
    End,
    GiB,
    Link,
    Machine,
    MiB,
    Work,
    choose,
    connection_rate,
    fit,
    lift,
    predict,
    side_by_side,
    whole_rate,
)

COSTS = Costs(
    put_parent_pipe=Cost(0.2),
    put_parent_file=Cost(0.1),
    put_worker=Cost(0.4),
    put_worker_tls=Cost(0.8),
    put_collector=Cost(0.01),
    get_parent=Cost(0.01),
    get_worker=Cost(0.4),
    get_worker_tls=Cost(0.8),
    get_collector=Cost(0.01),
    write_pipe=Cost(0.2),
    write_file=Cost(0.25),
    crc=Cost(0.0),
    md5=Cost(1.5),
)
S3 = Link(90e6, 0.020)
LOCAL = Machine(64, inf)
PUT, GET = Work("put", "pipe"), Work("get", "null")
ENDS: tuple[tuple[Direction, End], ...] = (
    *(("put", "pipe"), ("put", "file")),
    *(("get", "pipe"), ("get", "file"), ("get", "null")),
)
WORKS = [Work(*ends, tls, md5) for ends in ENDS for tls in (False, True) for md5 in (False, True)]


@pytest.mark.parametrize(
    ("link", "part_size", "rate"),
    [
        (Link(90e6, 0.0), 20 * MiB, 90e6),
        (Link(100e6, 0.1), 10_000_000, 50e6),  # as long idle as busy
        (Link(90e6, 0.02), 20 * MiB, 82.88e6),
        (Link(90e6, 0.02), 64 * MiB, 87.65e6),
    ],
)
def test_a_connection_is_idle_while_its_first_byte_is_awaited(
    link: Link, part_size: int, rate: float
) -> None:
    assert connection_rate(link, part_size) == pytest.approx(rate, rel=1e-4)


def test_a_part_that_is_only_digested_holds_its_connection() -> None:
    assert connection_rate(Link(100e6, 0.0), 10_000_000, 1 / 100e6) == pytest.approx(50e6)


@pytest.mark.parametrize(
    ("machine", "work", "choice", "binds", "rate"),
    [
        (LOCAL, PUT, Choice(8, 20 * MiB, 4), "connections", 8 * 82.88e6),
        (Machine(64, 1e9), PUT, Choice(99, 20 * MiB, 9), "NIC", 125e6 * PAYLOAD),
        (LOCAL, PUT, Choice(999, 20 * MiB, 9), "pipe", PIPE),
        (LOCAL, Work("put", "file"), Choice(999, 20 * MiB, 64), "parent: read", GiB / 0.1),
        (LOCAL, PUT, Choice(999, 20 * MiB, 1), "workers", GiB / 0.4),
        (LOCAL, Work("put", "pipe", tls=True), Choice(999, 20 * MiB, 1), "workers", GiB / 0.8),
        (LOCAL, Work("put", "pipe", md5=True), Choice(999, 20 * MiB, 9), "collector", GiB / 1.51),
        (LOCAL, Work("get", "pipe", md5=True), Choice(999, 20 * MiB, 9), "collector", GiB / 1.51),
        (LOCAL, Work("get", "file"), Choice(999, 20 * MiB, 64), "collector: write", GiB / 0.25),
        (Machine(1, inf), PUT, Choice(999, 20 * MiB, 9), "cores", GiB / 0.61),
        (Machine(1, inf, beside=0.39), PUT, Choice(999, 20 * MiB, 9), "cores", GiB),
        (Machine(1, inf), GET, Choice(999, 20 * MiB, 9), "cores", GiB / 0.42),
    ],
)
def test_the_slowest_stage_is_the_transfers_rate(
    machine: Machine, work: Work, choice: Choice, binds: str, rate: float
) -> None:
    prediction = predict(machine, S3, work, COSTS, choice)
    assert prediction.binds == binds
    assert prediction.rate == pytest.approx(rate, rel=1e-3)


def test_what_each_part_costs_is_less_of_larger_parts() -> None:
    costs = replace(COSTS, get_parent=Cost(0.0, 0.001))
    rates = [
        dict(predict(LOCAL, S3, GET, costs, Choice(9, size, 9)).stages)["parent"] for size in (MiB, 8 * MiB)
    ]
    assert rates == [pytest.approx(MiB * 1000), pytest.approx(8 * MiB * 1000)]


def test_the_cores_in_use_are_what_the_stages_cost_at_that_rate() -> None:
    machine = Machine(64, 10e9)
    prediction = predict(machine, S3, PUT, COSTS, Choice(99, 20 * MiB, 9))
    assert prediction.cores == pytest.approx(prediction.rate / GiB * 0.61)


def test_a_puts_md5_of_parts_needs_threads_of_workers() -> None:
    stages = dict(predict(LOCAL, S3, Work("put", "file", md5=True), COSTS, Choice(9, 20 * MiB, 2)).stages)
    assert stages["workers: md5"] == pytest.approx(8 * GiB / 1.5)


@pytest.mark.parametrize(
    ("nic", "work", "concurrency", "workers"),
    [
        (10e9, PUT, 15, 1),  # 1177 MB/s at 82.88 a connection; a worker moves 2684
        (25e9, PUT, 36, 2),
        (100e9, GET, 142, 6),  # 11,769 MB/s, a quarter more than they move
        (100e9, Work("get", "null", tls=True), 142, 11),
    ],
)
def test_connections_and_workers_follow_from_the_rate(
    nic: float, work: Work, concurrency: int, workers: int
) -> None:
    choice = choose(Machine(64, nic), S3, work, COSTS, (20 * MiB,)).choice
    assert (choice.concurrency, choice.workers) == (concurrency, workers)


def test_larger_parts_are_chosen_where_what_a_part_costs_would_bind() -> None:
    costs = replace(COSTS, get_parent=Cost(0.0, 0.004))  # 250 parts a second
    machine = Machine(64, 100e9)
    assert choose(machine, S3, GET, COSTS).choice.part_size == 20 * MiB
    assert choose(machine, S3, GET, costs).choice.part_size == 64 * MiB


MACHINES = st.builds(
    Machine,
    st.integers(min_value=1, max_value=192),
    st.floats(min_value=1e9, max_value=400e9),
    st.floats(min_value=0, max_value=2),
)
LINKS = st.builds(Link, st.floats(min_value=1e6, max_value=1e9), st.floats(min_value=0, max_value=0.2))


@given(MACHINES, LINKS, st.sampled_from(WORKS))
def test_no_choice_of_connections_or_workers_is_better_than_the_chosen_one(
    machine: Machine, link: Link, work: Work
) -> None:
    chosen = choose(machine, link, work, COSTS)
    most = max(1, min(machine.cores, 64))
    for size in PART_SIZES:
        other = predict(machine, link, work, COSTS, Choice(100_000, size, most))
        assert chosen.rate >= NEAR * other.rate * (1 - 1e-9)


@given(MACHINES, LINKS, st.sampled_from(WORKS))
def test_the_chosen_connections_are_no_more_than_needed(machine: Machine, link: Link, work: Work) -> None:
    chosen = choose(machine, link, work, COSTS)
    one_less = replace(chosen.choice, concurrency=chosen.choice.concurrency - 1)
    if one_less.concurrency:
        assert predict(machine, link, work, COSTS, one_less).binds == "connections"


@given(MACHINES, LINKS, st.sampled_from(WORKS))
def test_the_chosen_memory_holds_a_slot_for_each_connection_and_three_more(
    machine: Machine, link: Link, work: Work
) -> None:
    choice = choose(machine, link, work, COSTS).choice
    assert choice.memory == (choice.concurrency + 3) * choice.part_size


@given(MACHINES, LINKS, st.sampled_from(WORKS))
def test_more_cores_and_a_larger_nic_never_reach_less(machine: Machine, link: Link, work: Work) -> None:
    larger = replace(machine, cores=machine.cores * 2, nic=machine.nic * 2)
    at_first, then = (choose(each, link, work, COSTS).rate for each in (machine, larger))
    assert then >= NEAR * at_first


@pytest.mark.parametrize(
    ("machine", "work", "count"),
    [
        (Machine(64, 10e9), PUT, 1),
        (Machine(64, 100e9), PUT, 4),  # 11,769 MB/s, 3,000 through one pipe
        (Machine(4, 200e9), PUT, 3),  # 7,041 MB/s for the cores
        (Machine(64, 25e9), Work("put", "pipe", md5=True), 5),
    ],
)
def test_side_by_side_are_as_many_as_fill_the_nic_or_the_cores(
    machine: Machine, work: Work, count: int
) -> None:
    assert side_by_side(choose(machine, S3, work, COSTS)) == count


@pytest.mark.parametrize(
    ("binds", "work", "word"),
    [
        ("NIC", PUT, "full"),
        ("connections", PUT, "-c"),
        ("pipe", PUT, "several gof3r"),
        ("parent: read", PUT, "several gof3r"),
        ("collector: write", GET, "several gof3r"),
        ("collector", Work("put", "pipe", md5=True), "--no-md5"),
        ("collector", GET, "-s"),
        ("parent", GET, "-s"),
        ("workers", PUT, "--workers"),
        ("workers: md5", PUT, "--workers"),
        ("cores", PUT, "more cores"),
        ("cores", Work("put", "pipe", tls=True), "http"),
        ("cores", Work("put", "pipe", md5=True), "--no-md5"),
    ],
)
def test_what_lifts_a_limit_is_told(binds: str, work: Work, word: str) -> None:
    assert word in lift(work, binds)


@pytest.mark.parametrize("direction", ["put", "get"])
def test_a_longer_object_comes_nearer_to_the_rate_and_never_reaches_it(direction: Direction) -> None:
    work = Work(direction, "pipe")
    prediction = predict(LOCAL, S3, work, COSTS, Choice(16, 20 * MiB, 2))
    rates = [whole_rate(S3, work, prediction, size) for size in (GiB, 10 * GiB, 100 * GiB)]
    assert rates == sorted(rates)
    assert 0.98 * prediction.rate < rates[-1] < prediction.rate


SECONDS = st.floats(min_value=0.01, max_value=2)


@given(gib=SECONDS, part=st.floats(min_value=0, max_value=0.01), large=SECONDS, small=SECONDS)
def test_the_fit_finds_both_costs_whatever_each_run_pays_once(
    gib: float, part: float, large: float, small: float
) -> None:
    samples = [
        (size, size * GiB / part_size, once + size * gib + size * GiB / part_size * part)
        for part_size, once in ((20 * MiB, large), (5 * MiB, small))
        for size in (1, 3)
    ]
    found = fit(samples)
    assert found.gib == pytest.approx(gib, abs=1e-9)
    assert found.part == pytest.approx(part, abs=1e-9)


def test_noise_makes_no_cost_negative() -> None:
    assert fit([(1, 50, 2.0), (3, 150, 1.9), (1, 200, 2.0), (3, 600, 1.8)]) == Cost(0.0, 0.0)


@pytest.mark.parametrize("name", [field.name for field in fields(Costs)])
def test_every_cost_of_the_table_is_above_0_and_below_md5s(name: str) -> None:
    assert 0 < getattr(capacity.COSTS, name).of(20 * MiB) <= capacity.COSTS.md5.of(20 * MiB)


def test_a_table_has_straight_columns() -> None:
    assert capacity.table([("a", "bb"), ("ccc", "d")]) == "  a  bb\nccc   d"


def test_a_named_machine_gets_one_line_for_each_direction_and_its_stages(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert capacity.main(["--cores=64", "--nic=100", "--tls", "--sink=null"]) == 0
    out = capsys.readouterr().out
    assert [line.split(",")[0] for line in out.splitlines() if "MB/s a connection" in line] == [
        "put from a pipe",
        "get to /dev/null",
    ]
    assert out.count("each stage alone") == 2


def test_without_a_machine_every_nic_meets_every_number_of_cores(capsys: pytest.CaptureFixture[str]) -> None:
    assert capacity.main(["--direction=put"]) == 0
    cells = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    for nic in (10, 25, 100, 200):
        for cores in (2, 8, 16, 32, 64, 96):
            assert [str(cores), str(nic)] in cells


@pytest.mark.parametrize("argument", ["--direction=up", "--source=null", "--sink=tape"])
def test_an_end_that_there_is_not_is_refused(argument: str) -> None:
    with pytest.raises(DocoptExit):
        capacity.main([argument])
