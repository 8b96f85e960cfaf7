"""Requests on their way: windows, losses, retries, clocks, deadlines, and the watch for stillness."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gof3r.engine.flow.dispatch import Dispatch, Done, Failed, Work
from gof3r.engine.flow.events import Beat, Event, Note, NotRenewed, Renewed, Send
from gof3r.engine.flow.pulse import STILL
from gof3r.engine.flow.seats import CONTROL, JOBS_A_WORKER, SPARES
from gof3r.engine.flow.signers import Signer, Signers
from gof3r.engine.s3.operations import upload_part
from gof3r.engine.values import (
    Credentials,
    Endpoint,
    Failure,
    Job,
    Part,
    Request,
    Response,
    Slot,
    Target,
    Timing,
    Verdict,
)
from tests.flow.scripts import RESET, Die, Hang, Script, after, honest, instead
from tests.flow.store import OBJECT, Store, error
from tests.flow.transfers import get, put
from tests.flow.world import STARTED, World

REQUEST = Request("upload_part", "PUT", "http", "host", "/b/k")
DATA = bytes(range(60))
NOW = STARTED


def dispatch_of(
    workers: int = 2,
    concurrency: int = 4,
    attempts: int = 10,
    credentials: Credentials | None = None,
    signers: Signers | None = None,
    rate: int = 0,
) -> Dispatch:
    if signers is None:
        signers = Signers({"main": Signer(credentials)})
        signers.begin(0.0)
    return Dispatch(
        name="put s3://b/k",
        signers=signers,
        workers=workers,
        concurrency=concurrency,
        attempts=attempts,
        random=lambda: 0.5,
        rate=rate,
    )


def part(number: int) -> Work:
    return Work(REQUEST, f"part {number}", Part(number, 8 * number, 8))


def sends(dispatch: Dispatch, now: float = NOW) -> list[Send]:
    actions = dispatch.assign(now)
    assert all(isinstance(action, Send) for action in actions)
    return [action for action in actions if isinstance(action, Send)]


def succeed(dispatch: Dispatch, job: Job, now: float = NOW) -> Done:
    result = dispatch.judged(Verdict(job, 1, Response(200, {}), None), now)
    assert isinstance(result, Done)
    return result


def fail(dispatch: Dispatch, job: Job, failure: Failure, now: float = NOW) -> Note | Failed:
    result = dispatch.judged(Verdict(job, 1, None, failure), now)
    assert isinstance(result, Note | Failed)
    return result


def numbers(sent: list[Send]) -> list[int]:
    return [send.job.part.number for send in sent if send.job.part]


SLOW_DOWN = Failure("server", "SlowDown", status=503)


# --- who gets what ------------------------------------------------------------------


def test_parts_go_to_the_worker_with_the_fewest_lowest_number_first_within_the_window() -> None:
    dispatch = dispatch_of(workers=2, concurrency=3)
    for number in (5, 3, 1, 4, 2):
        dispatch.submit(part(number))
    first = sends(dispatch)
    assert (numbers(first), [send.worker for send in first]) == ([1, 2, 3], [1, 2, 1])
    assert sends(dispatch) == []
    succeed(dispatch, first[1].job)
    (then,) = sends(dispatch)
    assert (numbers([then]), then.worker) == ([4], 2)


def test_a_control_request_never_waits_for_the_window() -> None:
    dispatch = dispatch_of(concurrency=1)
    for number in (1, 2):
        dispatch.submit(part(number))
    assert numbers(sends(dispatch)) == [1]
    dispatch.submit(Work(REQUEST, "head_object"))
    assert [send.worker for send in sends(dispatch)] == [CONTROL]
    assert dispatch.parts_on_wire == 1


def test_a_workers_pipe_never_holds_more_jobs_than_fit_it() -> None:
    dispatch = dispatch_of(workers=1, concurrency=1000)
    for number in range(1, 201):
        dispatch.submit(part(number))
    assert len(sends(dispatch)) == JOBS_A_WORKER
    assert sends(dispatch) == []


def test_a_job_carries_its_attempt_its_credentials_and_a_number_of_its_own() -> None:
    keys = Credentials("AKID", "secret")
    dispatch = dispatch_of(credentials=keys)
    dispatch.submit(part(1))
    (first,) = sends(dispatch)
    fail(dispatch, first.job, RESET)
    (second,) = sends(dispatch, NOW + 1)
    assert (first.job.attempt, second.job.attempt) == (1, 2)
    assert first.job.id != second.job.id
    assert first.job.credentials is second.job.credentials is keys


def test_a_verdict_on_a_job_that_nobody_waits_for_changes_nothing() -> None:
    dispatch = dispatch_of()
    dispatch.submit(part(1))
    (send,) = sends(dispatch)
    succeed(dispatch, send.job)
    assert dispatch.judged(Verdict(send.job, 1, None, RESET), NOW) is None
    assert dispatch.parts_on_wire == 0


# --- regions, credentials, rates ------------------------------------------------------------------

AT = Target(Endpoint("https", "s3.us-east-1.amazonaws.com"), "us-east-1", "b", "k", False)
ELSEWHERE = Failure("server", "PermanentRedirect", status=301, region="eu-west-1")
EXPIRED = Failure("server", "ExpiredToken", status=400)
OLD, NEW = Credentials("OLD", "secret"), Credentials("NEW", "secret")


def test_all_requests_to_a_bucket_turn_to_the_region_that_one_answer_names() -> None:
    dispatch = dispatch_of()
    other = replace(AT, bucket="other")
    for number, target in enumerate((AT, AT, other), 1):
        dispatch.submit(Work(upload_part(target, "id", number), f"part {number}", Part(number, 0, 8)))
    first, second, third = sends(dispatch)
    fail(dispatch, first.job, ELSEWHERE)
    fail(dispatch, second.job, ELSEWHERE)
    again = {send.job.part.number: send.job.request for send in sends(dispatch) if send.job.part}
    assert {request.region for request in again.values()} == {"eu-west-1"}
    assert {request.authority for request in again.values()} == {"b.s3.eu-west-1.amazonaws.com"}
    assert third.job.request.region == "us-east-1"
    dispatch.submit(Work(upload_part(other, "id", 4), "part 4", Part(4, 0, 8)))
    (fourth,) = sends(dispatch)
    assert fourth.job.request == replace(third.job.request, query="partNumber=4&uploadId=id")


def test_a_second_redirect_of_a_bucket_fails() -> None:
    dispatch = dispatch_of()
    dispatch.submit(Work(upload_part(AT, "id", 1), "part 1", Part(1, 0, 8)))
    (send,) = sends(dispatch)
    fail(dispatch, send.job, ELSEWHERE)
    (send,) = sends(dispatch)
    result = fail(dispatch, send.job, replace(ELSEWHERE, region="ap-south-1"))
    assert isinstance(result, Failed)


def expiring(lasts: float | None = None) -> tuple[Dispatch, Signers]:
    signers = Signers({"main": Signer(OLD, lasts, renewable=True)})
    signers.begin(NOW)
    return dispatch_of(signers=signers), signers


def test_nothing_goes_out_between_expired_credentials_and_newer_ones() -> None:
    dispatch, signers = expiring()
    for number in (1, 2):
        dispatch.submit(part(number))
    first, second = sends(dispatch)
    fail(dispatch, first.job, EXPIRED)
    assert signers.due(NOW) == ["main"]
    fail(dispatch, second.job, EXPIRED)
    dispatch.submit(Work(REQUEST, "head_object"))
    assert (signers.due(NOW), sends(dispatch)) == ([], [])
    assert signers.renewed(Renewed("main", NEW, 3600.0), NOW)
    assert [send.job.credentials for send in sends(dispatch)] == [NEW, NEW, NEW]


def test_a_part_signed_before_the_renewal_is_tried_again_without_another() -> None:
    dispatch, signers = expiring()
    dispatch.submit(part(1))
    (send,) = sends(dispatch)
    signers.renewed(Renewed("main", NEW, 3600.0), NOW)
    fail(dispatch, send.job, EXPIRED)
    assert signers.due(NOW) == []
    assert [send.job.credentials for send in sends(dispatch)] == [NEW]


def test_without_newer_credentials_what_was_refused_fails_and_says_why() -> None:
    dispatch, signers = expiring()
    for number in (1, 2):
        dispatch.submit(part(number))
    first, _ = sends(dispatch)
    fail(dispatch, first.job, EXPIRED)
    signers.due(NOW)
    failed = dispatch.not_renewed(NotRenewed("main", "the metadata service is gone"), NOW)
    assert failed is not None
    assert failed.work.part == Part(1, 8, 8)
    assert "ExpiredToken" in str(failed.error)
    assert "no newer credentials: the metadata service is gone" in str(failed.error)


def test_a_failed_renewal_ahead_of_time_fails_nothing() -> None:
    dispatch, signers = expiring(lasts=1000.0)
    dispatch.submit(part(1))
    assert signers.due(NOW + 999.0) == ["main"]
    assert dispatch.not_renewed(NotRenewed("main", "busy"), NOW + 999.0) is None
    assert [send.job.credentials for send in sends(dispatch)] == [OLD]


def test_under_a_rate_parts_with_bytes_go_out_one_after_the_other_and_each_is_held_to_it() -> None:
    dispatch = dispatch_of(rate=8)
    for number in (1, 2):
        dispatch.submit(in_slot(part(number)))
    dispatch.submit(Work(REQUEST, "head_object"))
    control, first = sends(dispatch)
    assert (control.job.rate, first.job.rate) == (0, 8)
    assert dispatch.deadline(NOW) == NOW + 1.0
    assert sends(dispatch, NOW + 0.9) == []
    assert numbers(sends(dispatch, NOW + 1.0)) == [2]


def in_slot(work: Work) -> Work:
    work.slot, work.direction = Slot(0, 0, 8), "send"
    return work


# --- throttling ------------------------------------------------------------------


def test_slowdown_halves_the_window_and_success_opens_it_again() -> None:
    dispatch = dispatch_of(workers=4, concurrency=8)
    for number in range(1, 100):
        dispatch.submit(part(number))
    wire = sends(dispatch)
    assert len(wire) == 8
    for send in wire:
        fail(dispatch, send.job, SLOW_DOWN)
    widths = []
    for second in range(1, 8):
        wire = sends(dispatch, NOW + second)
        widths.append(len(wire))
        for send in wire:
            succeed(dispatch, send.job, NOW + second)
    assert widths == [4, 5, 6, 7, 8, 8, 8]


@pytest.mark.parametrize("asked", [1.0, 7.0, 60.0])
def test_retry_after_is_respected(asked: float) -> None:
    dispatch = dispatch_of()
    dispatch.submit(part(1))
    fail(dispatch, sends(dispatch)[0].job, Failure("server", "SlowDown", status=503, retry_after=asked))
    assert sends(dispatch, NOW + asked) == []
    assert dispatch.deadline(NOW) == NOW + asked + 0.75
    assert numbers(sends(dispatch, NOW + asked + 0.75)) == [1]


def throttled_often(world: World) -> World:
    slow = instead(error(503, "SlowDown", retry_after="2"))
    world.default = lambda job: slow if world.random.random() < 0.4 else honest
    return world


@pytest.mark.parametrize("seed", range(5))
def test_a_throttled_upload_and_download_arrive_whole(seed: int) -> None:
    up = throttled_often(put(DATA, seed=seed)).run()
    assert up.receipt
    assert up.store.objects[OBJECT].data == DATA
    down = throttled_often(get(up.store, seed=seed)).run()
    assert down.receipt
    assert down.delivered == DATA


# --- lost workers ------------------------------------------------------------------


def test_a_lost_workers_jobs_go_to_another_seat_at_once_and_its_own_seat_is_never_used_again() -> None:
    dispatch = dispatch_of(workers=2, concurrency=4)
    for number in range(1, 5):
        dispatch.submit(part(number))
    wire = sends(dispatch)
    lost = [send.job.part for send in wire if send.worker == 1]
    assert all(isinstance(result, Note) for result in dispatch.lost(1, NOW))
    again = sends(dispatch)
    assert [send.job.part for send in again] == lost
    assert {send.worker for send in again} == {3}


def test_the_fourth_loss_is_one_too_many() -> None:
    dispatch = dispatch_of()
    seen = []
    for seat in (1, 2, CONTROL, 3):
        dispatch.lost(seat, NOW)
        seen.append(dispatch.too_many_losses)
    assert seen == [False, False, False, True]


@pytest.mark.parametrize("when", [instead(Die()), after(Die())])
@pytest.mark.parametrize("losses", range(1, SPARES + 1))
def test_a_transfer_survives_three_losses_wherever_they_come(losses: int, when: Script) -> None:
    for what in ("part 3", "complete_multipart_upload", "range 3", "head_object"):
        up = put(DATA).on(what, *[when] * losses).run()
        assert up.receipt and up.store.objects[OBJECT].data == DATA
        down = get(up.store).on(what, *[when] * losses).run()
        assert down.receipt and down.delivered == DATA


def test_the_fourth_loss_fails_the_transfer_and_aborts_the_upload() -> None:
    world = put(DATA).on("part 3", *[instead(Die())] * 4).run()
    assert str(world.error) == "put s3://bucket/key: 4 worker processes were lost (killed, or out of memory)"
    assert world.log[-4:] == ["hush", "silent", "abort_multipart_upload", "list_parts"]
    assert world.store.uploads == {}


# --- attempts ------------------------------------------------------------------


def test_a_skewed_clock_is_corrected_once_for_all_that_follow() -> None:
    skewed = error(403, "RequestTimeTooSkewed", date="Tue, 14 Nov 2023 23:13:20 GMT")  # EPOCH and an hour
    world = put(DATA).on("create_multipart_upload", instead(skewed)).run()
    assert world.receipt
    assert world.log.count("create_multipart_upload") == 2
    assert world.jobs[0].skew == 0
    assert all(job.skew == pytest.approx(3600, abs=2) for job in world.jobs[1:])


def test_a_failed_check_is_tried_once_more_on_a_fresh_connection_and_not_again() -> None:
    dispatch = dispatch_of()
    dispatch.submit(part(7))
    check = Failure("check", "md5", "ETag a, expected b", 200)
    (first,) = sends(dispatch)
    assert isinstance(fail(dispatch, first.job, check), Note)
    (second,) = sends(dispatch, NOW + 1)
    assert (first.job.fresh, second.job.fresh) == (False, True)
    failed = fail(dispatch, second.job, check, NOW + 1)
    assert isinstance(failed, Failed)
    text = "put s3://b/k: part 7: check of md5 failed: ETag a, expected b; again, on a fresh connection"
    assert str(failed.error).startswith(f"{text}; run again")


def test_a_retry_after_another_failure_may_use_its_old_connection_again() -> None:
    dispatch = dispatch_of()
    dispatch.submit(part(1))
    fail(dispatch, sends(dispatch)[0].job, Failure("check", "md5"))
    fail(dispatch, sends(dispatch, NOW + 1)[0].job, RESET, NOW + 1)
    assert sends(dispatch, NOW + 2)[0].job.fresh is False


def test_the_last_attempts_error_is_told_with_the_object_the_part_and_what_to_do() -> None:
    dispatch = dispatch_of(attempts=2)
    dispatch.submit(part(7))
    for second in (0, 1):
        result = fail(dispatch, sends(dispatch, NOW + second)[0].job, Failure("transport", "7", "refused"))
    assert isinstance(result, Failed)
    assert str(result.error) == (
        "put s3://b/k: part 7: network error (curl 7): refused; after 2 attempts; "
        "check --endpoint or AWS_ENDPOINT_URL_S3 and the proxy variables, and that the server runs"
    )
    assert result.error.failure == Failure("transport", "7", "refused")


@pytest.mark.parametrize(
    ("failure", "doubtful"),
    [
        (RESET, True),
        (Failure("server", "InternalError", status=500), True),
        (Failure("server", "InternalError", status=200), True),
        (Failure("lost", "worker"), True),
        (Failure("transport", "7", connected=False), False),
        (Failure("server", "AccessDenied", status=403), False),
        (Failure("server", "SlowDown", status=429), False),
    ],
)
def test_an_attempt_that_may_have_been_carried_out_makes_what_follows_doubtful(
    failure: Failure, doubtful: bool
) -> None:
    dispatch = dispatch_of()
    work = Work(REQUEST, "create_multipart_upload")
    dispatch.submit(work)
    fail(dispatch, sends(dispatch)[0].job, failure)
    assert work.doubtful is doubtful


def test_a_name_that_never_resolved_fails_after_three_attempts_and_one_that_did_after_all() -> None:
    unresolved = Failure("transport", "6", "no such host", connected=False)
    world = get(Store()).on("head_object", *[instead(unresolved)] * 10).run()
    assert "after 3 attempts; check the host's name in --endpoint" in str(world.error)
    up = put(DATA).on("part 2", *[instead(unresolved)] * 9).run()
    assert up.receipt


@pytest.mark.parametrize("on_wire", [False, True])
def test_a_request_whose_time_is_up_fails_wherever_it_is(on_wire: bool) -> None:
    dispatch = dispatch_of()
    work = Work(REQUEST, "abort_multipart_upload", expires=NOW + 3)
    dispatch.submit(work)
    (send,) = sends(dispatch)
    if not on_wire:
        fail(dispatch, send.job, SLOW_DOWN)
    assert dispatch.expire(NOW + 2.9) == []
    assert (dispatch.deadline(NOW + 2.9) or 0) <= NOW + 3
    (failed,) = dispatch.expire(NOW + 3)
    assert failed.work is work
    assert "out of time" in str(failed.error)
    assert dispatch.deadline(NOW + 3) is None
    assert sends(dispatch, NOW + 10) == []


def test_a_retry_that_would_come_too_late_is_not_waited_for() -> None:
    dispatch = dispatch_of()
    dispatch.submit(Work(REQUEST, "abort_multipart_upload", expires=NOW + 3))
    later = Failure("server", "SlowDown", status=503, retry_after=5.0)
    assert isinstance(fail(dispatch, sends(dispatch)[0].job, later), Failed)


# --- the slow tail ------------------------------------------------------------------

LONG = bytes(range(256)) * 2


@pytest.mark.parametrize("put_it", [True, False])
def test_a_part_that_is_far_slower_than_the_others_is_sent_again_on_a_fresh_connection(put_it: bool) -> None:
    world = put(LONG) if put_it else get(put(LONG).run().store)
    name = "part 50" if put_it else "range 50"
    world.on(name, instead(Hang())).run()
    assert world.receipt.size == len(LONG)
    tries = [job for job in world.jobs if job.part and job.part.number == 50]
    assert [(job.attempt, job.fresh) for job in tries] == [(1, False), (2, True)]
    assert world.now - STARTED < 60, "long before anything else would have noticed"


def test_a_part_is_given_up_for_slowness_only_once() -> None:
    world = put(LONG).on("part 50", instead(Hang()), instead(Hang()))
    world.run(until=lambda: world.now - STARTED > 100)
    assert world.log.count("part 50") == 2


SOON = Timing(started=1.0, answered=1.1)


def test_under_a_rate_nothing_is_slow() -> None:
    dispatch = dispatch_of(rate=8)
    for number in range(1, 60):
        dispatch.submit(in_slot(part(number)))
    for second in range(58):
        (send,) = sends(dispatch, NOW + second)
        dispatch.judged(Verdict(send.job, 1, Response(200, {}), None, timing=SOON), NOW + second)
    sends(dispatch, NOW + 58)
    assert dispatch.slow(NOW + 1000) == []


# --- stillness ------------------------------------------------------------------


def hung(world: World, what: str) -> World:
    return world.on(what, *[instead(Hang())] * 3)


@pytest.mark.parametrize(
    "world", [hung(put(DATA), "part 3"), hung(get(put(DATA).run().store), "range 3")], ids=["put", "get"]
)
def test_a_transfer_with_a_part_on_the_wire_gives_up_after_5_minutes_without_a_byte(world: World) -> None:
    world.run()
    assert "no byte has moved for 5 minutes; run again" in str(world.error)
    assert STILL < world.now - STARTED < STILL + 10
    assert world.store.uploads == {}


def test_a_byte_every_4_minutes_is_enough() -> None:
    world = hung(put(DATA), "part 3")

    def trickle() -> Event | None:
        if int(world.now - STARTED) // 240 > world.moved // 1000:
            world.moved += 1000
        return None

    world.before = trickle
    world.run(until=lambda: world.now > STARTED + 3600)
    assert "hush" not in world.log


def test_an_idle_producer_is_not_stillness() -> None:
    world = put(DATA)
    world.run(until=lambda: "part 2" in world.log)
    world.source_idle = True
    world.run(until=lambda: world.now > STARTED + 3 * STILL)
    assert "hush" not in world.log
    world.source_idle = False
    assert world.run().receipt


def test_a_slow_reader_is_not_stillness() -> None:
    world = get(put(DATA).run().store)
    world.reader_slow = True
    world.run(until=lambda: world.now > STARTED + 3 * STILL)
    world.reader_slow = False
    assert world.run().receipt


def test_a_suspended_machine_is_not_stillness() -> None:
    world = hung(put(DATA), "part 3")
    for _ in range(5):  # 4 minutes awake, an hour asleep
        began = world.now
        world.run(until=lambda began=began: world.now > began + 240)  # type: ignore[misc]
        assert "hush" not in world.log
        world.now += 3600
    world.run()
    assert "no byte has moved for 5 minutes" in str(world.error)


def test_stillness_is_counted_from_the_start_of_the_transfer_and_not_of_the_machine() -> None:
    world = hung(put(DATA), "part 3")
    world._next_beat = 10 * STARTED  # no beat before parts are on the wire
    world.run(until=lambda: "part 3" in world.log)
    world.handle(Beat(0))
    assert "hush" not in world.log


def test_a_failed_request_is_told_as_it_happened() -> None:
    world = put(DATA).on("part 2", instead(RESET)).run()
    told = "part 2: attempt 1 failed: network error (curl 56): connection reset; again in "
    assert sum(note.startswith(told) for note in world.notes) == 1
    assert world.receipt


def test_a_retry_that_falls_due_while_the_parent_is_busy_does_not_wait_for_the_next_beat() -> None:
    world = put(b"x" * 8, sidecar=False).on("put_object", instead(RESET))
    world.run(until=lambda: any("failed" in note for note in world.notes))
    due = world.transfer.deadline()
    assert due is not None and due < world.now + 1
    world.now = due + 0.5  # nothing has been handled since
    assert world.transfer.deadline() == due
    world.handle(None)
    assert world.log.count("put_object") == 2
