"""One object copied by several engines between two real servers: begun once, completed once, whatever becomes
of those that send its parts."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import pytest

from gof3r.child import Engine
from gof3r.engine import orders
from gof3r.engine.errors import Gof3rError
from gof3r.engine.flow.events import Receipt
from gof3r.engine.spans import Split, StoredPart
from gof3r.engine.values import Begun, Credentials, Endpoint, Role, Target
from tests.conftest import Server
from tests.e2e.conftest import Uploads, etag, stored
from tests.e2e.live import PART, noise, until
from tests.e2e.relay import Relay
from tests.e2e.test_copy import LIKE, described, upload
from tools.local_s3 import LocalS3

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PARTS = 12
SIZE = (PARTS - 1) * PART + 12345

Make = Callable[[int], orders.Copy]


@pytest.fixture
def make(s3: Server, other: tuple[LocalS3, S3Client], bucket: str, relay: Relay, boto: S3Client) -> Make:
    """Makes an object of so many bytes on the other server; the order that copies it here, by way of the
    relay."""
    server, their = other

    def made(size: int) -> orders.Copy:
        data = noise(size)
        upload(their, server.bucket, "from", *(data[at : at + PART] for at in range(0, size, PART)), **LIKE)
        return orders.Copy(
            _target(server, server.endpoint, server.bucket, "from", "source"),
            _target(s3, relay.endpoint, bucket, "to", "main"),
            sidecar=False,
            server_side=False,
            terms=orders.Terms(
                signer=_signer(s3), source_signer=_signer(server), part_size=PART, concurrency=2
            ),
        )

    return made


def _target(server: Server, endpoint: str, bucket: str, key: str, role: Role) -> Target:
    at = urlsplit(endpoint)
    return Target(
        Endpoint("http", at.hostname or "", at.port), server.region, bucket, key, path_style=True, role=role
    )


def _signer(server: Server) -> orders.Signer:
    return orders.Signer(keys=Credentials(server.access_key, server.secret_key))


def carried_out(order: orders.Order) -> object:
    with Engine(order) as engine:
        return engine.result().value


def split(copy: orders.Copy) -> Split:
    return cast(Split, carried_out(orders.Begin(copy)))


def sent(copy: orders.Copy, of: Split, first: int, last: int) -> tuple[StoredPart, ...]:
    return cast("tuple[StoredPart, ...]", carried_out(orders.Span(copy, of, first, last)))


def test_three_engines_make_one_object_though_one_is_killed_in_its_middle(
    make: Make, relay: Relay, boto: S3Client, bucket: str, uploads: Uploads
) -> None:
    copy = make(SIZE)
    of = split(copy)
    assert [part.length for part in of.parts] == [PART] * (PARTS - 1) + [12345]
    assert uploads.pending() == [of.upload_id]
    relay.hold(r"PUT \S*partNumber=7&")
    with ExitStack() as stack:
        first, second, third = (
            stack.enter_context(Engine(orders.Span(copy, of, number, number + 3))) for number in (1, 5, 9)
        )
        relay.held()
        os.killpg(second._process.pid, signal.SIGKILL)
        with pytest.raises(Gof3rError, match="killed by signal 9"):
            second.result()
        stored_parts = [
            part for each in (first, third) for part in cast("tuple[StoredPart, ...]", each.result().value)
        ]
    assert uploads.pending() == [of.upload_id]
    with pytest.raises(Gof3rError, match="lack part 5"):
        carried_out(orders.Finish(copy, of, tuple(stored_parts)))
    stored_parts += sent(copy, of, 5, 8)
    receipt = carried_out(orders.Finish(copy, of, tuple(stored_parts)))
    assert isinstance(receipt, Receipt)
    assert receipt.etag == etag(noise(SIZE)) == boto.head_object(Bucket=bucket, Key="to")["ETag"].strip('"')
    assert receipt.proofs
    assert stored(boto, bucket, "to") == noise(SIZE)
    assert described(boto, bucket, "to") == LIKE
    assert uploads.pending() == []


def test_finished_twice_and_with_a_lost_answer_it_is_one_object(
    make: Make, relay: Relay, boto: S3Client, bucket: str, uploads: Uploads
) -> None:
    copy = make(PART + 1)
    of = split(copy)
    finish = orders.Finish(copy, of, (*sent(copy, of, 2, 2), *sent(copy, of, 1, 1)))
    relay.lose_answer(r"POST /\S*/to\?\S*uploadId=")
    first = carried_out(finish)
    assert not relay.waits
    assert carried_out(finish) == first
    assert stored(boto, bucket, "to") == noise(PART + 1)
    assert uploads.pending() == []


def test_a_source_that_has_changed_fails_the_span_and_the_upload_is_ended_by_its_id(
    make: Make, other: tuple[LocalS3, S3Client], boto: S3Client, bucket: str, uploads: Uploads
) -> None:
    copy = make(PART + 1)
    of = split(copy)
    server, their = other
    their.put_object(Bucket=server.bucket, Key="from", Body=b"another")
    with pytest.raises(Gof3rError, match=r"part 2 .* 412"):
        sent(copy, of, 2, 2)
    assert uploads.pending() == [of.upload_id]
    carried_out(orders.Uploads(copy.target, upload_id=of.upload_id, abort=True, terms=copy.terms))
    assert uploads.pending() == []


HAD = {1, 2, 3, 4, 5, 6, 8}


def half_sent(copy: orders.Copy, relay: Relay, uploads: Uploads) -> Split:
    """Begun, and killed when the parts ``HAD`` were stored."""
    of = split(copy)
    sent(copy, of, 1, 4)
    relay.hold(r"PUT \S*partNumber=7&")
    with Engine(orders.Span(copy, of, 5, 8)) as engine:
        relay.held()
        until(lambda: uploads.parts() == HAD, "all but one of the second span are stored")
        os.killpg(engine._process.pid, signal.SIGKILL)
        with pytest.raises(Gof3rError, match="killed by signal 9"):
            engine.result()
    return of


def test_what_was_killed_is_begun_again_and_only_what_is_not_there_is_sent(
    make: Make, relay: Relay, boto: S3Client, bucket: str, uploads: Uploads
) -> None:
    copy = make(SIZE)
    of = half_sent(copy, relay, uploads)
    copy = replace(copy, begun=of.begun)
    again = split(copy)
    assert again == replace(of, resumed=True)
    before = relay.sent
    spans = [sent(copy, again, first, last) for first, last in ((5, 8), (9, 12), (1, 3), (4, 4))]
    listed = {each.part.number for span in spans for each in span if each.listed}
    assert listed == HAD
    assert relay.sent - before < (PARTS - len(HAD)) * PART + PART // 2, "what was there was not sent again"
    receipt = carried_out(orders.Finish(copy, again, tuple(each for span in spans for each in span)))
    assert isinstance(receipt, Receipt)
    assert receipt.etag == etag(noise(SIZE)) and receipt.there == len(HAD) * PART
    assert stored(boto, bucket, "to") == noise(SIZE)
    assert described(boto, bucket, "to") == LIKE
    assert uploads.pending() == []


def test_what_several_have_begun_one_goes_on_with(
    make: Make, relay: Relay, boto: S3Client, bucket: str, uploads: Uploads
) -> None:
    copy = make(SIZE)
    of = half_sent(copy, relay, uploads)
    before = relay.sent
    receipt = carried_out(replace(copy, resume=True, begun=of.begun))
    assert isinstance(receipt, Receipt) and receipt.there == len(HAD) * PART
    assert relay.sent - before < (PARTS - len(HAD)) * PART + PART // 2, "what was there was not sent again"
    assert receipt.etag == etag(noise(SIZE))
    assert stored(boto, bucket, "to") == noise(SIZE)
    assert described(boto, bucket, "to") == LIKE
    assert uploads.pending() == []


def test_what_one_has_begun_several_go_on_with(
    make: Make, relay: Relay, boto: S3Client, bucket: str, uploads: Uploads
) -> None:
    copy = make(4 * PART)
    copy = replace(copy, resume=True, terms=replace(copy.terms, concurrency=1))
    relay.hold(r"PUT \S*partNumber=3&")
    with Engine(copy) as engine:
        one = next(engine.shown())
        assert isinstance(one, Begun)
        relay.held()
        os.killpg(engine._process.pid, signal.SIGKILL)
    copy = replace(copy, begun=one)
    of = split(copy)
    assert of.resumed and of.begun == one
    spans = sent(copy, of, 1, 2), sent(copy, of, 3, 4)
    assert {each.part.number for span in spans for each in span if each.listed} == {1, 2}
    carried_out(orders.Finish(copy, of, (*spans[0], *spans[1])))
    assert stored(boto, bucket, "to") == noise(4 * PART)
    assert uploads.pending() == []


def test_a_source_that_has_changed_is_begun_anew(
    make: Make, other: tuple[LocalS3, S3Client], boto: S3Client, bucket: str, uploads: Uploads
) -> None:
    copy = make(2 * PART)
    of = split(copy)
    sent(copy, of, 1, 1)
    server, their = other
    their.put_object(Bucket=server.bucket, Key="from", Body=noise(2 * PART)[::-1])
    with pytest.raises(Gof3rError, match="412") as raised:
        sent(copy, of, 2, 2)
    assert raised.value.kept == ""
    again = split(replace(copy, begun=of.begun))
    assert uploads.pending() == [again.upload_id] and again.upload_id != of.upload_id and not again.resumed
    carried_out(orders.Finish(copy, again, sent(copy, again, 1, 2)))
    assert stored(boto, bucket, "to") == noise(2 * PART)[::-1]


def test_what_fails_names_the_upload_that_is_kept_also_to_who_has_started_the_engine(
    make: Make, uploads: Uploads
) -> None:
    copy = make(PART + 1)
    of = split(copy)
    with pytest.raises(Gof3rError, match="the parts are 1 to 2, not 2 to 3") as raised:
        sent(copy, of, 2, 3)
    assert [raised.value.kept] == uploads.pending() == [of.upload_id]
