"""The cutting of objects into parts, against S3's limits and the arithmetic done the slow way."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gof3r.engine.errors import UsageError
from gof3r.engine.flow.plan import (
    GROWTH_AFTER,
    HINTED,
    MAX_OBJECT,
    MAX_PART,
    MAX_PARTS,
    MIN_PART,
    UploadPlan,
    crowding,
    human,
    layout,
    ranges,
    upload_plan,
    warnings_at,
)
from gof3r.engine.flow.slots import PAGE, stride
from gof3r.engine.values import Part

KiB, MiB, GiB, TiB = 2**10, 2**20, 2**30, 2**40

part_sizes = st.one_of(st.integers(MIN_PART, MAX_PART), st.integers(5, 5120).map(lambda mib: mib * MiB))
slot_counts = st.integers(1, 128)
part_numbers = st.integers(1, MAX_PARTS)


def stream_plan(part_size: int, slots: int) -> UploadPlan:
    plan, warnings = upload_plan(part_size, slots, None)
    assert not warnings
    return plan


def cut(plan: UploadPlan, size: int) -> list[Part]:
    """The parts as an upload makes them: one after the other until the bytes are out."""
    parts: list[Part] = []
    offset = 0
    while offset < size:
        number = len(parts) + 1
        parts.append(Part(number, offset, min(plan.size_of(number), size - offset)))
        offset += parts[-1].length
    return parts


@pytest.mark.parametrize(
    ("number", "mib"),
    [(1, 20), (4000, 20), (4001, 40), (4501, 80), (5001, 160), (5500, 160), (5501, 200), (9999, 200)],
)
def test_parts_double_after_four_thousand_until_one_fills_the_memory(number: int, mib: int) -> None:
    assert stream_plan(20 * MiB, 10).size_of(number) == mib * MiB


@given(part_sizes, slot_counts)
def test_parts_never_shrink_and_never_exceed_the_memory_or_s3s_limit(part_size: int, slots: int) -> None:
    plan = stream_plan(part_size, slots)
    sizes = [plan.size_of(number) for number in range(1, MAX_PARTS + 1, GROWTH_AFTER // 2)]
    assert sizes[0] == part_size
    assert sizes == sorted(sizes)
    assert sizes[-1] <= plan.largest <= min(plan.memory, MAX_PART)
    assert plan.largest % PAGE == 0


@given(part_sizes, slot_counts, part_numbers)
def test_slots_of_any_part_fit_the_memory_page_by_page(part_size: int, slots: int, number: int) -> None:
    plan = stream_plan(part_size, slots)
    size = plan.size_of(number)
    assert -(-size // PAGE) * PAGE <= plan.memory


def test_a_memory_that_ends_within_a_page_gives_whole_pages_only() -> None:
    plan = UploadPlan(MIN_PART, 2 * MIN_PART + 100)
    assert plan.largest == 2 * MIN_PART


@given(part_sizes, slot_counts)
def test_the_concurrency_asked_for_is_planned_and_at_least_two_slots(part_size: int, slots: int) -> None:
    assert stream_plan(part_size, slots).memory == -(-part_size // PAGE) * PAGE * max(slots, 2)


@given(part_sizes, slot_counts, st.integers(1, 10).map(lambda runs: runs * GROWTH_AFTER), part_numbers)
def test_offset_and_reach_are_the_sums_of_the_parts(
    part_size: int, slots: int, uniform: int, number: int
) -> None:
    plan = UploadPlan(part_size, part_size * slots, uniform)
    ends = list(accumulate(plan.size_of(n) for n in range(1, MAX_PARTS + 1)))
    assert plan.reach == ends[-1]
    assert plan.offset_of(number) == ends[number - 1] - plan.size_of(number)


def test_the_default_memory_reaches_over_a_million_mib() -> None:
    assert stream_plan(20 * MiB, 10).reach == (4_000 * 20 + 500 * (40 + 80 + 160) + 4_500 * 200) * MiB


def test_a_stream_of_48_tib_and_more_fits_ten_thousand_parts_of_5_gib() -> None:
    plan = stream_plan(5 * GiB, 2)
    parts = cut(plan, MAX_OBJECT)
    assert human(MAX_OBJECT) == "48.8 TiB"
    assert len(parts) == MAX_PARTS
    assert {part.length for part in parts} == {MAX_PART}
    assert plan.reach == MAX_OBJECT


@given(part_sizes, slot_counts, st.integers(1, 2 * TiB))
def test_a_stream_within_reach_is_cut_without_gap_into_at_most_ten_thousand_parts(
    part_size: int, slots: int, size: int
) -> None:
    plan = stream_plan(part_size, slots)
    size = min(size, plan.reach)
    parts = cut(plan, size)
    assert len(parts) <= MAX_PARTS
    assert sum(part.length for part in parts) == size
    assert all(part.length == plan.size_of(part.number) for part in parts[:-1])
    assert all(part.offset == plan.offset_of(part.number) for part in (parts[0], parts[-1]))


def test_a_part_size_below_5_mib_is_raised_with_a_warning() -> None:
    plan, warnings = upload_plan(MiB, 10, None)
    assert plan == UploadPlan(5 * MiB, 50 * MiB)
    assert warnings == ["part size 1.0 MiB is below S3's minimum, using 5.0 MiB"]


def test_a_part_size_above_5_gib_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"part size 5\.0 GiB is above S3's maximum"):
        upload_plan(5 * GiB + 1, 2, None)


@pytest.mark.parametrize(
    ("part_mib", "size", "expected_mib"),
    [
        (20, 0, 20),
        (20, 1, 20),
        (20, 15 * GiB, 20),
        (20, 10_000 * 20 * MiB, 20),
        (20, 10_000 * 20 * MiB + 1, 21),
        (20, TiB, 105),
        (20, 10_000 * 200 * MiB, 200),
        (2560, MAX_OBJECT, 5120),
    ],
)
def test_a_known_size_gets_the_smallest_equal_parts_in_the_same_memory(
    part_mib: int, size: int, expected_mib: int
) -> None:
    plan, _ = upload_plan(part_mib * MiB, 10, size, exact=True)
    assert plan.memory == part_mib * MiB * 10
    assert plan.part_size == expected_mib * MiB
    assert {part.length for part in cut(plan, size)[:-1]} <= {expected_mib * MiB}


def test_a_part_size_that_just_suffices_is_left_as_it_was_asked_for() -> None:
    plan, _ = upload_plan(20_000_000, 10, 10_000 * 20_000_000, exact=True)
    assert plan.part_size == 20_000_000


@given(part_sizes, slot_counts, st.integers(0, MAX_OBJECT))
def test_a_known_size_is_cut_into_equal_parts_or_refused_with_a_memory_that_works(
    part_size: int, slots: int, size: int
) -> None:
    try:
        plan, _ = upload_plan(part_size, slots, size)
    except UsageError as error:
        advised = int(str(error).split("--memory ")[1].split("MiB")[0]) * MiB
        plan, _ = upload_plan(part_size, advised // stride(part_size), size)
        with pytest.raises(UsageError):
            upload_plan(part_size, (advised - MiB) // stride(part_size), size)
    assert plan.part_size <= plan.memory
    assert size <= plan.part_size * MAX_PARTS
    assert plan.offset_of(-(-size // plan.part_size) + 1) == -(-size // plan.part_size) * plan.part_size


def test_a_size_that_the_memory_cannot_hold_names_the_memory_it_needs() -> None:
    with pytest.raises(UsageError) as error:
        upload_plan(20 * MiB, 10, 10_000 * 200 * MiB + 1)
    assert str(error.value) == (
        "1.9 TiB in 10,000 parts needs slots of 201.0 MiB, and all memory for slots is 200.0 MiB: "
        "needs --memory 220MiB or more"
    )


def test_a_size_above_s3s_largest_object_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"above S3's largest object, 48\.8 TiB"):
        upload_plan(5 * GiB, 10, MAX_OBJECT + 1)


def test_a_stream_longer_than_its_hint_grows_instead_of_failing() -> None:
    plan, _ = upload_plan(20 * MiB, 10, 6_300 * 20 * MiB)
    assert [plan.size_of(n) // MiB for n in (6_300, 6_500, 6_501, 7_001, 7_501)] == [20, 20, 40, 80, 160]


@given(part_sizes, slot_counts, st.integers(1, 10**13))
def test_a_hint_leaves_room_for_a_third_more_wherever_memory_does(
    part_size: int, slots: int, size: int
) -> None:
    try:
        plan, _ = upload_plan(part_size, slots, size)
    except UsageError:
        return  # more memory is asked for
    assert plan.reach >= size
    if plan.part_size * HINTED >= size:  # then 500 of twice the size, 500 of four times
        if 2 * plan.part_size <= plan.largest:
            assert plan.reach * 9 >= size * 11
        if 4 * plan.part_size <= plan.largest:
            assert plan.reach * 9 >= size * 12


@pytest.mark.parametrize(
    ("size", "concurrency", "says"),
    [
        (15 * GiB, 10, ""),
        (TiB, 1, ""),
        (TiB, 10, "1.0 TiB needs parts of 117.0 MiB, 1 at a time in this memory: --memory=1170MiB holds 10"),
    ],
)
def test_parts_too_large_for_many_at_a_time_are_told_of(size: int, concurrency: int, says: str) -> None:
    plan, _ = upload_plan(20 * MiB, 10, size)
    assert crowding(plan, size, concurrency) == says


def test_growth_after_a_hint_is_recognised() -> None:
    plan, _ = upload_plan(20 * MiB, 10, 6_300 * 20 * MiB)
    made = tuple(cut(plan, plan.offset_of(6_800) + MiB))
    assert layout(20 * MiB, len(made), plan.offset_of(6_800) + MiB) == made


def test_warnings_come_at_50_and_90_percent_of_reach_and_say_what_to_do() -> None:
    plan = UploadPlan(20 * MiB, 200 * MiB)
    assert warnings_at(plan) == (
        (
            560_000 * MiB,
            "50% of the largest object that fits, 1.1 TiB, is sent: a larger --partsize reaches further",
        ),
        (
            1_008_000 * MiB,
            "90% of the largest object that fits, 1.1 TiB, is sent: a larger --partsize reaches further",
        ),
    )


def test_a_larger_part_size_is_not_advised_where_s3_takes_no_larger_object() -> None:
    assert all("partsize" not in text for _, text in warnings_at(UploadPlan(5 * GiB, 10 * GiB)))


@given(st.integers(0, 10**15), st.integers(1, 200))
def test_ranges_cover_the_object_without_gap_or_overlap(size: int, pieces: int) -> None:
    part_size = max(1, size // pieces)
    parts = list(ranges(size, part_size))
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert all(0 < part.length <= part_size for part in parts)
    assert [part.offset for part in parts] == [0, *accumulate(part.length for part in parts)][: len(parts)]
    assert sum(part.length for part in parts) == size


def test_an_empty_object_has_no_ranges() -> None:
    assert list(ranges(0, MiB)) == []


def test_ranges_are_made_as_they_are_asked_for() -> None:
    assert next(ranges(2**80, 1)) == Part(1, 0, 1)


@given(st.integers(1, 2**40), st.integers(1, 2_000))
def test_equal_parts_are_recognised_from_the_first_ones_length(part_size: int, parts: int) -> None:
    size = part_size * parts - part_size // 2
    made = tuple(ranges(size, part_size))
    assert layout(made[0].length, len(made), size) == made


@given(st.integers(MIN_PART, 64 * MiB), st.integers(0, MAX_PARTS - 1), st.integers(1, 2**30))
def test_our_own_growth_is_recognised_at_the_default_concurrency(first: int, full: int, rest: int) -> None:
    plan = stream_plan(first, 10)
    size = plan.offset_of(full + 1) + min(rest, plan.size_of(full + 1))
    made = tuple(cut(plan, size))
    assert layout(made[0].length, len(made), size) == made


def test_where_several_caps_fit_the_default_concurrency_is_guessed() -> None:
    plan = stream_plan(20 * MiB, 10)
    made = tuple(cut(plan, plan.offset_of(5503) + MiB))  # 8 slots would fit too: 160, 160 and 81 MiB
    assert layout(20 * MiB, len(made), plan.offset_of(5503) + MiB) == made


def test_s3gof3rs_growth_after_every_thousand_is_recognised() -> None:
    plan = UploadPlan(20 * MiB, 200 * MiB, uniform=1_000, step=1_000)
    made = tuple(cut(plan, plan.offset_of(2_500) + MiB))
    assert [made[at].length // MiB for at in (0, 999, 1_000, 2_000)] == [20, 20, 40, 80]
    assert layout(20 * MiB, len(made), plan.offset_of(2_500) + MiB) == made


@settings(max_examples=20)  # 10,000 parts each
@given(st.integers(MIN_PART, 40 * MiB), st.integers(2, 128), st.integers(1, 2**30))  # all below S3's 5 GiB
def test_our_own_growth_is_recognised_at_any_concurrency_where_the_cap_shows(
    first: int, slots: int, rest: int
) -> None:
    plan = stream_plan(first, slots)
    size = plan.offset_of(MAX_PARTS) + min(rest, plan.size_of(MAX_PARTS))
    made = tuple(cut(plan, size))
    assert layout(first, MAX_PARTS, size) == made


@given(st.integers(MIN_PART, 64 * MiB), st.integers(2, 128), part_numbers, st.integers(1, 2**30))
def test_a_guess_at_our_own_growth_agrees_with_all_that_head_says(
    first: int, slots: int, count: int, rest: int
) -> None:
    plan = stream_plan(first, slots)
    size = plan.offset_of(count) + min(rest, plan.size_of(count))
    first = min(first, size)
    parts = layout(first, count, size)
    assert parts is not None
    assert parts[0] == Part(1, 0, first)
    assert len(parts) == count
    assert parts[-1].offset + parts[-1].length == size


@pytest.mark.parametrize(
    ("first", "count", "size"),
    [
        (5 * MiB, 3, 20 * MiB),  # a larger part follows
        (5 * MiB, 3, 10 * MiB),  # a smaller one
        (5 * MiB, 1, 4 * MiB),  # the first part is larger than the object
        (4 * MiB, 1, 5 * MiB),  # smaller, and alone
        (5 * MiB, 1_002, 4_000 * 5 * MiB),  # growth after 1,000, and not s3gof3r's
        (5 * MiB, 4_002, 9_000 * 5 * MiB),  # growth after 4,000, and not ours
        (6 * GiB, 10, 48 * GiB),  # above S3's limit, and unequal
        (0, 1, 0),
        (0, 3, 5),
        (1, 0, 1),
        (1, 10**12, 10**12),  # a count that no upload has must not cost memory
    ],
)
def test_parts_that_fit_no_layout_of_ours_are_not_guessed(first: int, count: int, size: int) -> None:
    assert layout(first, count, size) is None


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (1023, "1023 B"),
        (KiB, "1.0 KiB"),
        (MiB - 1, "1.0 MiB"),
        (20 * MiB, "20.0 MiB"),
        (8 * GiB, "8.0 GiB"),
        (10_000 * 200 * MiB, "1.9 TiB"),
        (2**50, "1.0 PiB"),
        (2**50 - 1, "1.0 PiB"),
    ],
)
def test_sizes_read_as_a_person_writes_them(size: int, text: str) -> None:
    assert human(size) == text
