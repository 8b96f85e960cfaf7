"""The soak itself: its cases are carried out as planned, and its judge finds what it is there to find."""

from __future__ import annotations

import contextlib
import hashlib
import random
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Server
from tests.e2e.conftest import Uploads, half_put, rest
from tests.e2e.live import Live, Start, until
from tests.faults.faults import Scenario
from tests.faults.program import Ended
from tests.faults.proxy import fair
from tests.faults.soak_field import Field
from tests.faults.soak_judge import BASE, Seen, broken
from tests.faults.soak_kills import MARK, Killing, marked, strays
from tests.faults.soak_plan import LONGEST, MOST_RANGES, Kill, Plan, Victim, drawn, weather
from tests.faults.soak_summary import FEWEST, Tally
from tests.faults.soak_ways import MIN_PART, WAYS
from tests.faults.table import CREATE, GET, KINDS, PART, PUT, READS, WRITES, Case, Transfer

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# --- plans ------------------------------------------------------------------


def test_a_seed_and_a_number_name_a_case() -> None:
    assert [drawn(1, number) for number in range(50)] == [drawn(1, number) for number in range(50)]
    assert drawn(1, 1) != drawn(1, 2) != drawn(2, 2)


def test_every_way_victim_and_fault_comes_up() -> None:
    plans = [drawn(1, number) for number in range(4000)]
    assert {plan.name for plan in plans} == {*WAYS}
    assert {kill.victim for plan in plans for kill in plan.kills} == {*Victim.__args__}  # type: ignore[attr-defined]
    assert {case.kind.name for plan in plans for case in plan.faults} == {kind.name for kind in KINDS}


def test_sizes_lie_around_the_ends_of_parts() -> None:
    plans = [drawn(1, number) for number in range(2000)]
    assert {0, 1} <= {plan.size for plan in plans}
    assert {-1, 0, 1} <= {(plan.size + 1) % plan.part - 1 for plan in plans if plan.size > plan.part - 2}
    assert all(plan.offset + plan.size <= LONGEST for plan in plans)
    assert all(plan.size <= plan.part * MOST_RANGES for plan in plans)


def test_rain_meets_every_operation_and_fair_weather_none() -> None:
    rain = weather(random.Random(1), 1.0)
    assert all(rain(operation) for operation in READS | WRITES)
    assert not any(map(fair, READS | WRITES))


# --- the judge ------------------------------------------------------------------

DATA = bytes(range(256)) * 100
MD5 = hashlib.md5(DATA).hexdigest()
ERROR = "gof3r error: it could not be done\n"
LOST = "did not survive: exit code 1"
TOLD = "gof3r warning: see `gof3r uploads ls s3://bucket/key`\n"


def plan(name: str, **changes: Any) -> Plan:
    """A transfer of DATA without trouble."""
    checksums = ("md5", "crc64nvme")
    calm = Plan(1, 1, name, len(DATA), 0, MIN_PART, 2, 1, checksums, True, False, "")
    return replace(calm, **changes)


def success(name: str, **changes: Any) -> Seen:
    """It went as it should; ``changes`` of what was seen, or of how it ended."""
    makes = WAYS[name].makes
    ended = Ended(0, DATA if makes == "stdout" else b"", "duration: 1s\n", 1.0, False, ())
    made = DATA if makes == "object" else None
    files = {"out": DATA} if makes == "file" else {}
    return changed(Seen(ended, DATA, made, MD5 if made else None, files), **changes)


def failure(name: str, **changes: Any) -> Seen:
    """It failed honestly."""
    ended = Ended(1, b"", ERROR, 1.0, False, ())
    return changed(Seen(ended, DATA, None, None, {}), **changes)


def changed(seen: Seen, **changes: Any) -> Seen:
    of_ended = {key: changes.pop(key) for key in [*changes] if hasattr(seen.ended, key)}
    return replace(seen, ended=replace(seen.ended, **of_ended), **changes)


def kills(victim: Victim, number: signal.Signals, count: int = 1) -> tuple[Kill, ...]:
    return (Kill(victim, number, 1, 0.0),) * count


def fault(name: str, operation: str) -> dict[str, Any]:
    """The table's, of a plan."""
    kind = next(kind for kind in KINDS if kind.name == name)
    return {"faults": (Case(Transfer("put", {}), operation, 1, kind),)}


def struck(name: str, operation: str) -> tuple[Scenario, ...]:
    (case,) = fault(name, operation)["faults"]
    return tuple(case.scenarios)


@pytest.mark.parametrize("name", WAYS)
def test_a_success_without_trouble_breaks_no_promise(name: str) -> None:
    expected = ["false success: what it stored has failed", "an object of a command that failed"]
    assert broken(plan(name), success(name)) == (expected if WAYS[name].fails else [])


@pytest.mark.parametrize(
    ("name", "changes", "found"),
    [
        ("put", {"made": DATA[:-1]}, "false success: the object is not what was sent"),
        ("put", {"made": None}, "false success: the object is not what was sent"),
        ("cp streamed", {"made": DATA[::-1]}, "false success: the object is not what was sent"),
        ("get", {"stdout": DATA[:9]}, f"false success: 9 of {len(DATA)} bytes on standard output"),
        ("get -p", {"files": {"out": DATA[1:]}}, f"false success: files {{'out': {len(DATA) - 1}}}"),
        ("get -p", {"files": {}}, "false success: files {}"),
        ("rm", {"made": DATA}, "false success: the object is there"),
        ("put -- CMD that fails", {}, "false success: what it stored has failed"),
        ("put", {"sidecar": "0" * 32}, f"the sidecar holds {'0' * 32}"),
        ("put", {"stdout": b"x"}, "something on standard output"),
        ("put", {"hung": True, "seconds": 60.0}, "hung: nothing for 60 s"),
        ("put", {"left": ("12 (python)",)}, "processes are left: ('12 (python)',)"),
        ("put", {"strays": (12,)}, "processes are left: (12,)"),
        ("put", {"uploads": 1, "unreaped": 1}, "1 uploads are left, and nobody told"),
        ("put", {"uploads": 1, "unreaped": 1, "stderr": TOLD}, "1 uploads are left after doing as was told"),
        ("put", {"stderr": ERROR}, "exit code 0 with 1 error lines"),
        ("put", {"stderr": "Traceback\n"}, "said something else: ['Traceback']"),
        ("put", {"peak": 2 * MIN_PART + BASE + 1}, "a process of 90 MiB with slots of 10 MiB"),
    ],
)
def test_a_false_success_and_what_is_left_are_found(name: str, changes: dict[str, Any], found: str) -> None:
    assert found in broken(plan(name), success(name, **changes))


@pytest.mark.parametrize(
    ("name", "trouble", "changes", "found"),
    [
        ("put", {}, {}, LOST),
        ("get", {"rain": 0.1}, {"struck": struck("closed before", GET)}, LOST),
        ("put", fault("reset before", PART), {"struck": struck("reset before", PART)}, LOST),
        ("put", {}, {"killed": kills("worker", signal.SIGSEGV, 3)}, LOST),
        ("put", {}, {"code": 70}, "exit code 70"),
        ("put", {}, {"code": -signal.SIGTERM, "stderr": ""}, f"exit code {-signal.SIGTERM}"),
        ("put", {}, {"stderr": ""}, "exit code 1 with 0 error lines"),
        ("put", {}, {"stderr": ERROR * 2}, "exit code 1 with 2 error lines"),
        ("put", {}, {"stderr": "gof3r error: internal error: KeyError\n"}, "an internal error"),
        ("put", {}, {"made": DATA[1:]}, "an object that is not what was sent"),
        ("put -- CMD that fails", {}, {"made": DATA}, "an object of a command that failed"),
        ("get", {}, {"stdout": b"x"}, "bytes on standard output that are not the object's"),
        ("get", {}, {"stdout": DATA}, "the whole object on standard output, and no success"),
        ("get -p", {}, {"files": {".out.gof3r-1": b""}}, "files are left: {'.out.gof3r-1': 0}"),
    ],
)
def test_a_failure_that_need_not_be_or_is_not_honest_is_found(
    name: str, trouble: dict[str, Any], changes: dict[str, Any], found: str
) -> None:
    assert found in broken(plan(name, **trouble), failure(name, **changes))


@pytest.mark.parametrize(
    ("trouble", "changes"),
    [
        ({}, {"killed": kills("worker", signal.SIGKILL, 4)}),
        ({}, {"killed": kills("collector", signal.SIGSTOP)}),
        ({}, {"killed": kills("parent", signal.SIGTERM), "code": 143, "stderr": ""}),
        ({}, {"killed": kills("parent", signal.SIGKILL), "code": -9, "stderr": "", "uploads": 1}),
        (fault("always reset", CREATE), {"struck": struck("always reset", CREATE)}),
        ({}, {"killed": kills("collector", signal.SIGKILL), "uploads": 1, "stderr": TOLD + ERROR}),
    ],
)
def test_an_honest_failure_breaks_no_promise(trouble: dict[str, Any], changes: dict[str, Any]) -> None:
    assert broken(plan("put", **trouble), failure("put", **changes)) == []


# --- the summary ------------------------------------------------------------------


def tally(values: list[float]) -> Tally:
    counted = Tally()
    for value in values:
        counted.add(plan("put"), success("put"), [], {"library: open files": value})
    return counted


def test_a_descriptor_lost_now_and_then_is_growth_and_one_transfer_with_many_is_not() -> None:
    assert tally([6.0] * FEWEST).good
    assert tally([*[6.0] * FEWEST, 60.0]).good
    assert not tally([6.0 + number / 10 for number in range(FEWEST)]).good


def test_a_broken_promise_is_counted_by_its_kind() -> None:
    counted = Tally()
    for found in ("false success: x", "hung: x", "files are left: x", "did not survive: x", "exit code 3"):
        counted.add(plan("put"), success("put"), [found], {})
    names = ("false successes", "hangs", "orphans", "not survived", "other")
    assert {name: counted.broken[name] for name in names} == dict.fromkeys(names, 1)
    assert not counted.good


# --- real cases ------------------------------------------------------------------


@pytest.fixture(scope="module")
def field(
    s3: Server, boto: S3Client, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Field]:
    with Field(s3, boto, tmp_path_factory.mktemp("soak"), f"soak-{worker_id}") as field:
        yield field


@pytest.mark.parametrize("name", WAYS)
def test_a_way_without_trouble_keeps_its_promises(field: Field, name: str) -> None:
    number = [*WAYS].index(name)
    stored: Any = ("by ours", "plain", "in parts")[number % 3] if WAYS[name].moves != "up" else ""
    asked = plan(name, number=number, size=MIN_PART + 1, stored=stored, concurrency=3)
    seen = field.carry_out(asked)
    assert broken(asked, seen) == [], seen.ended.stderr
    assert seen.ended.code == WAYS[name].fails


@pytest.mark.parametrize("name", ["put", "library: put pieces"])
def test_a_planned_fault_strikes_and_is_survived(field: Field, name: str) -> None:
    asked = plan(name, number=100, **fault("SlowDown before", PUT))
    seen = field.carry_out(asked)
    assert seen.struck == struck("SlowDown before", PUT)
    assert (broken(asked, seen), seen.ended.code) == ([], 0), seen.ended.stderr


@pytest.mark.parametrize("name", ["get", "library: open to read"])
def test_rain_strikes_and_is_survived(field: Field, name: str) -> None:
    asked = plan(name, number=101, size=900_000, part=100_000, stored="plain", rain=0.5)
    seen = field.carry_out(asked)
    assert seen.struck
    assert (broken(asked, seen), seen.ended.code) == ([], 0), seen.ended.stderr


@pytest.fixture
def start(s3: Server, environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    environment |= {
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_ENDPOINT_URL_S3": s3.endpoint,
        "AWS_REGION": s3.region,
        MARK: str(tmp_path),
    }
    with contextlib.ExitStack() as stack:
        yield Start(environment, tmp_path, stack)


def struck_down(live: Live, kill: Kill) -> None:
    killing = Killing([kill], random.Random(1), lambda: kill.after)
    killing.begin(lambda: live.pid)
    until(lambda: killing.done, str(kill))
    assert killing.end() == (kill,)


def test_a_worker_is_told_from_the_collector(start: Start, boto: S3Client, bucket: str) -> None:
    live = half_put(start, Uploads(boto, bucket), bucket, "--debug")
    struck_down(live, Kill("worker", signal.SIGKILL, 3, 0.0))
    rest(live)
    assert live.end() == 0, live.said
    assert [line for line in live.said if line.endswith(" was lost: another takes over")]


def test_the_collector_is_told_from_a_worker(start: Start, boto: S3Client, bucket: str) -> None:
    live = half_put(start, Uploads(boto, bucket), bucket)
    struck_down(live, Kill("collector", signal.SIGKILL, 3, 0.0))
    assert live.wait() == 1
    assert "collector" in live.said[-1]


def test_a_process_that_lives_on_is_found_and_killed(start: Start, bucket: str, tmp_path: Path) -> None:
    live = start("put", f"s3://{bucket}/k")
    until(lambda: list(marked(str(tmp_path))), "it runs")
    assert live.pid in strays(str(tmp_path), 0.0)
    until(lambda: not live.family(), "all are gone")
    assert strays(str(tmp_path), 0.0) == ()


def test_a_kill_whose_moment_never_comes_is_not_reported(start: Start, bucket: str) -> None:
    live = start("put", f"s3://{bucket}/k")
    looks: list[int] = []

    def asked() -> int:
        looks.append(2)
        return 2

    killing = Killing([Kill("parent", signal.SIGKILL, 3, 0.0)], random.Random(1), asked)
    killing.begin(lambda: live.pid)
    until(lambda: len(looks) > 2, "it has looked for its moment")
    assert killing.end() == ()
    assert live.family()
