"""A story that is told lies in the place of S3's answers ends: in one line or well, and well only if so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.errors import Gof3rError, describe
from gof3r.engine.flow.info import Info
from gof3r.engine.flow.listing import Listing
from gof3r.engine.flow.uploads import Uploads
from gof3r.engine.flow.verify import judge
from gof3r.engine.s3 import replies
from gof3r.engine.values import Job, Outcome, Part, Request, Response, Slot
from tests.flow.desk import DATE, EPOCH, Bucket, Desk
from tests.flow.store import FROM, OBJECT, TARGET
from tests.flow.transfers import copy, get, put
from tests.flow.world import World
from tests.s3.hostile import HEADERS, MD5, NAMES, VALUES, spoiled

# --- a part's answer ------------------------------------------------------------------

SLOT = Slot(0, 0, 64)
JOB = Job(1, 1, Request("upload_part", "PUT", "http", "host", "/b/k"), None, part=Part(2, 5, 10), slot=SLOT)
JOBS = [
    replace(JOB, direction="send"),
    replace(JOB, direction="receive", etag=MD5, object_size=15),
    replace(JOB, part=None, slot=None),
]


ANSWERS = st.builds(
    lambda status, headers, body: Response(
        status, {"etag": MD5, "content-range": "bytes 5-14/15", **headers}, body
    ),
    st.sampled_from([206, 206, 206, 200, 416]),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=1),
    st.just(b"") | spoiled(),
)


@given(st.sampled_from(JOBS), ANSWERS, st.sampled_from([10, 10, 10, 9, 11, 0]), st.booleans())
def test_any_answer_to_a_part_is_judged(job: Job, response: Response, received: int, digested: bool) -> None:
    digests = {"md5": bytes(16), "crc64nvme": bytes(8)} if digested else {}
    failure = judge(Outcome(job, 1, response, digests=digests, received=received)).failure
    if failure is not None:
        assert describe(failure).isprintable()
    elif job.direction == "receive":
        assert (response.status, received, replies.etag(response)) == (206, 10, MD5)
        assert replies.content_range(response) == (5, 14, 15)
    elif job.direction == "send" and digested and replies.etag_is_md5(response.headers):
        assert replies.etag(response) == "00" * 16


# --- whole stories ------------------------------------------------------------------


@dataclass(frozen=True)
class Lie:
    """What is changed of an answer that the server has honestly earned."""

    status: int | None
    headers: dict[str, str]
    dropped: tuple[str, ...]
    body: bytes | None
    flipped: bool
    """One bit of the body is another."""

    def of(self, said: Response) -> Response:
        headers = {
            name: text for name, text in {**said.headers, **self.headers}.items() if name not in self.dropped
        }
        body = said.body if self.body is None else self.body
        if self.flipped and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        return Response(self.status or said.status, headers, body)


class Liar(Bucket):
    """A store whose first answers are lies, where ``lies`` has one in their place; what it does is honest."""

    def __init__(self, lies: list[Lie | None], page: int = 1000) -> None:
        super().__init__(page)
        self._lies = iter(lies)

    def answer(self, request: Request, headers: dict[str, str], body: bytes, length: int) -> Response:  # type: ignore[override]
        said, lie = super().answer(request, headers, body, length), next(self._lies, None)
        return lie.of(said) if lie else said


LIES = st.builds(
    Lie,
    st.none() | st.none() | st.sampled_from([200, 204, 206, 301, 403, 404, 412, 416, 500]),
    st.just({}) | HEADERS,
    st.just(()) | st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
    st.none() | spoiled(),
    st.booleans(),
)
HISTORIES = st.lists(st.none() | LIES, max_size=6)
DATA = bytes(range(40))


def ended(world: World) -> bool:
    """Whether it ended well; if not, in one line."""
    finish = world.run().finish
    assert finish is not None
    if finish.error is not None:
        assert isinstance(finish.error, Gof3rError) and str(finish.error).isprintable()
    return finish.error is None


@given(HISTORIES, st.sampled_from([5, 20]), st.booleans())
def test_a_put_that_is_lied_to_ends_and_claims_only_what_is_there(
    lies: list[Lie | None], size: int, condition: bool
) -> None:
    store = Liar(lies)
    if ended(put(DATA[:size], store=store, attempts=3, if_none_match=condition)):
        assert store.objects[OBJECT].data == DATA[:size]


@given(HISTORIES, st.sampled_from([0, 5, 20]), st.booleans(), st.booleans())
def test_a_get_that_is_lied_to_ends_and_claims_only_what_it_has(
    lies: list[Lie | None], size: int, beside: bool, in_parts: bool
) -> None:
    store, data = Liar(lies), DATA[:size]
    store.keep(data, cuts=[8, 8, 4] if in_parts and size == 20 else (), digests=["crc64nvme"])
    if beside:
        store.keep_sidecar(data)
    world = get(store, attempts=3)
    if ended(world):
        assert world.delivered == data


@given(HISTORIES, st.sampled_from([5, 20]), st.booleans())
def test_a_copy_that_is_lied_to_ends_and_claims_only_what_is_there(
    lies: list[Lie | None], size: int, server_side: bool
) -> None:
    store = Liar(lies)
    store.keep(DATA[:size], path=FROM, cuts=[8, 8, 4] if size == 20 else (), digests=["crc64nvme"])
    if ended(copy(store, server_side=server_side, attempts=3)):
        assert store.objects[OBJECT].data == DATA[:size]


QUESTIONS: dict[str, Callable[[], Any]] = {
    "ls": lambda: Listing(replace(TARGET, key="")),
    "info": lambda: Info(TARGET),
    "uploads ls": lambda: Uploads(
        replace(TARGET, key=""), older_than=0, upload_id="", abort=False, now=EPOCH
    ),
    "uploads abort": lambda: Uploads(
        replace(TARGET, key=""), older_than=1, upload_id="", abort=True, now=EPOCH + 9
    ),
}


@pytest.mark.parametrize("question", QUESTIONS)
@given(lies=HISTORIES)
def test_a_question_that_is_lied_to_ends(question: str, lies: list[Lie | None]) -> None:
    store = Liar(lies, page=1)
    store.keep(DATA)
    store.keep_sidecar(DATA)
    store.began = [("a", "u1", DATE), ("b", "u2", DATE)]
    desk = Desk(QUESTIONS[question](), store).run()
    assert desk.finish is not None
    if desk.finish.error is not None:
        assert desk.error.isprintable()
