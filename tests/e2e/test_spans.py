"""One object copied by several engines between two real servers: begun once, completed once, whatever becomes
of those that send its parts."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import pytest

from gof3r.child import Engine
from gof3r.engine import orders
from gof3r.engine.errors import Gof3rError
from gof3r.engine.flow.events import Receipt
from gof3r.engine.spans import Split, StoredPart
from gof3r.engine.values import Credentials, Endpoint, Role, Target
from tests.conftest import Server
from tests.e2e.conftest import Uploads, etag, stored
from tests.e2e.live import PART, noise
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
