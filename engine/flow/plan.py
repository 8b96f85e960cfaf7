"""How an object is cut into parts: S3's limits, part sizes and their growth, ranges, layouts.

Theory. S3 takes at most 10,000 parts, so the part size bounds the object. Of a stream of unknown length the
size is not known when the first part goes out; parts therefore start small (the first bytes leave early, many
parts fly at once) and double late, after every 500 parts, until one part fills all the memory there is.
Memory stays what it was: larger parts mean fewer slots and so fewer connections. Of a known length one size
is chosen that needs no growth, since some stores want equal parts.

All sizes are bytes, all part numbers count from 1. Pure arithmetic: nothing here knows of files, requests,
slots in use, or the slab beyond its page size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import UsageError
from ..values import Part
from .slots import PAGE, stride

KiB, MiB, GiB = 2**10, 2**20, 2**30

# S3's limits: "Amazon S3 multipart upload limits" in its user guide.
MIN_PART = 5 * MiB
"""Every part but the last (EntityTooSmall otherwise)."""
MAX_PART = 5 * GiB
MAX_PARTS = 10_000
MAX_OBJECT = MAX_PARTS * MAX_PART
"""48.8 TiB, which the guide gives as the largest object."""

UNIFORM = 4_000
GROWTH_AFTER = 500
"""Parts of the first size, and parts of one size from then on before it doubles. s3gof3r doubled after each
1,000, which takes half of a stream's connections from 21 GB on, then three quarters (40 GB, 90 MB/s a
connection, -c 16: 944 MB/s; now 1,260). So all slots serve the first 84 GB, and 10 slots of 20 MiB reach 1.07
instead of 1.43 TiB. Memory, not the schedule, bounds an object: there are 12 doublings."""

S3GOF3R = 1_000
"""Parts of one size before s3gof3r doubled it: its objects are read, too."""

HINTED = 9_000
"""Parts that a hinted size is cut into at the most: 1,000 more, which double twice, hold a third more than
it."""

DEFAULT_SLOTS = 10
"""--concurrency's default, s3gof3r's: the first guess at how another gof3r's parts were capped."""


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """Sizes of an upload's parts, decided by part number alone."""

    part_size: int
    """Bytes of the first parts."""
    memory: int
    """Bytes that all slots have together."""
    uniform: int = UNIFORM
    """Parts of ``part_size`` before the first doubling; a multiple of ``step``. More than UNIFORM only where
    the size was known: a wrong ``--expected-size`` then grows past its own end instead of failing."""
    step: int = GROWTH_AFTER
    """Parts between doublings."""

    @property
    def largest(self) -> int:
        """Bytes of the largest part: all the memory in one slot, as far as S3 takes it."""
        return min(self.memory // PAGE * PAGE, MAX_PART)

    def size_of(self, number: int) -> int:
        """Bytes of part ``number`` (the object's last part may be shorter)."""
        doublings = max(0, (number - 1 - self.uniform) // self.step + 1)
        return min(self.part_size << doublings, self.largest)

    def offset_of(self, number: int) -> int:
        """Bytes of the object ahead of part ``number``."""
        return sum(self.size_of(run) * min(self.step, number - run) for run in range(1, number, self.step))

    @property
    def reach(self) -> int:
        """Bytes of the largest object that 10,000 parts hold."""
        return self.offset_of(MAX_PARTS + 1)


def upload_plan(
    part_size: int, slots: int, size: int | None, *, exact: bool = False
) -> tuple[UploadPlan, list[str]]:
    """The plan for ``part_size`` bytes a part and ``slots`` parts at once, and warnings to print.

    At least two slots are planned, so that reading overlaps sending. ``size`` is the length of a file
    (``exact``), or the user's hint, in bytes; None when unknown. Raises UsageError, naming what would do,
    when S3's limits or the memory (``part_size`` times ``slots``) cannot hold it.
    """
    warnings = []
    if part_size < MIN_PART:
        warnings.append(f"part size {human(part_size)} is below S3's minimum, using {human(MIN_PART)}")
        part_size = MIN_PART
    if part_size > MAX_PART:
        raise UsageError(f"part size {human(part_size)} is above S3's maximum, {human(MAX_PART)}")
    slots = max(slots, 2)
    memory = stride(part_size) * slots
    if size is None:
        return UploadPlan(part_size, memory), warnings
    if size > MAX_OBJECT:
        raise UsageError(f"{human(size)} is above S3's largest object, {human(MAX_OBJECT)}")
    most = MAX_PARTS if exact or _mib_up(-(-size // HINTED)) > memory else HINTED
    if size > part_size * most:
        part_size = min(_mib_up(-(-size // most)), MAX_PART)
        if part_size > memory:
            slot = memory // slots  # what the memory is counted in: it is a multiple of this
            enough = _mib_up(-(-part_size // slot) * slot)
            raise UsageError(
                f"{human(size)} in {MAX_PARTS:,} parts needs slots of {human(part_size)}, and all memory for "
                f"slots is {human(memory)}: needs --memory {enough // MiB}MiB or more"
            )
    parts = -(-size // part_size)
    uniform = max(UNIFORM, -(-parts // GROWTH_AFTER) * GROWTH_AFTER)
    return UploadPlan(part_size, memory, uniform), warnings


def crowding(plan: UploadPlan, size: int, concurrency: int) -> str:
    """What to say where ``size`` bytes need parts so large that fewer than ``concurrency`` fit the memory at
    a time; "" where they do not."""
    fit = plan.memory // stride(plan.part_size)
    if fit >= min(concurrency, -(-size // plan.part_size)):
        return ""
    enough = _mib_up(stride(plan.part_size) * concurrency)
    return (
        f"{human(size)} needs parts of {human(plan.part_size)}, {fit} at a time in this memory: "
        f"--memory={enough // MiB}MiB holds {concurrency}"
    )


def _mib_up(size: int) -> int:
    return -(-size // MiB) * MiB


def warnings_at(plan: UploadPlan) -> tuple[tuple[int, str], ...]:
    """(bytes sent, what to tell the user then) for a stream of unknown length, ascending."""
    reach = plan.reach
    advice = "a larger --partsize reaches further" if reach < MAX_OBJECT else "S3 takes no larger object"
    fits = f"of the largest object that fits, {human(reach)}, is sent"
    return tuple((reach * percent // 100, f"{percent}% {fits}: {advice}") for percent in (50, 90))


def ranges(size: int, part_size: int) -> Iterator[Part]:
    """``size`` bytes in parts of ``part_size``, the last one shorter; none for an empty object."""
    for number, offset in enumerate(range(0, size, part_size), 1):
        yield Part(number, offset, min(part_size, size - offset))


def layout(first: int, count: int, size: int) -> tuple[Part, ...] | None:
    """A guess at the parts of which an object of ``size`` bytes was made, or None.

    ``first`` is Content-Length and ``count`` x-amz-mp-parts-count of HEAD with partNumber=1. Tried are equal
    parts, then our own growth, s3gof3r's, and ours after a hint, capped by each number of slots that makes a
    difference. More than one cap can fit when few parts are capped: the default's comes first. S3 does not
    say more without a HEAD per part; a wrong guess shows when the composite ETag does not match, and means
    nothing else.
    """
    if not (0 < first <= size and 0 < count <= MAX_PARTS):
        return None
    if (count - 1) * first < size <= count * first:
        return tuple(ranges(size, first))
    if first > MAX_PART:
        return None
    hinted = [(uniform, GROWTH_AFTER) for uniform in range(UNIFORM + GROWTH_AFTER, count, GROWTH_AFTER)]
    for uniform, step in ((UNIFORM, GROWTH_AFTER), (S3GOF3R, S3GOF3R), *hinted):
        uncapped = 2 ** -(-max(0, count - uniform) // step)
        for slots in (DEFAULT_SLOTS, *range(2, uncapped + 1)):
            plan = UploadPlan(first, stride(first) * slots, uniform, step)
            last = plan.offset_of(count)
            if last < size <= last + plan.size_of(count):
                return tuple(_cut(plan, size))
    return None


def _cut(plan: UploadPlan, size: int) -> Iterator[Part]:
    number, offset = 1, 0
    while offset < size:
        length = min(plan.size_of(number), size - offset)
        yield Part(number, offset, length)
        number, offset = number + 1, offset + length


def human(size: int) -> str:
    """``size`` bytes for a person: ``512 B``, ``20.0 MiB``, ``1.9 TiB``."""
    if size < KiB:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        value /= 1024
        if value < 1023.95:  # rounds to less than 1024.0
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} PiB"
