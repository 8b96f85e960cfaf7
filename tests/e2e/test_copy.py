"""cp: between files and S3, by the server, and through this machine, to an object that is its source in
everything, or to none at all."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Server
from tests.e2e.conftest import Failed, Uploads, as_old, etag, keys, md5, stored
from tests.e2e.live import MIB, PART, PROMPT, SMALL, Live, Start, noise, until
from tests.e2e.relay import Relay
from tools.local_s3 import LocalS3

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

LENGTH = PART + 1
"""Bytes of a source of two parts."""

Headers = dict[str, Any]
LIKE: Headers = {
    "Metadata": {"by": "me: and you", "n": "2"},
    "ContentType": "text/x-test",
    "ContentLanguage": "de",
    "ContentDisposition": 'attachment; filename="a b"',
    "CacheControl": "max-age=3",
}
"""What an object is described with, in boto3's words."""


def upload(boto: S3Client, bucket: str, key: str, *pieces: bytes, **described: Any) -> str:
    """A multipart object of ``pieces``, which is not of our making; its ETag."""
    opened = boto.create_multipart_upload(Bucket=bucket, Key=key, **described)["UploadId"]
    where: Headers = {"Bucket": bucket, "Key": key, "UploadId": opened}
    sent = [boto.upload_part(PartNumber=n, Body=piece, **where) for n, piece in enumerate(pieces, 1)]
    parts: Any = [{"PartNumber": number, "ETag": part["ETag"]} for number, part in enumerate(sent, 1)]
    done = boto.complete_multipart_upload(MultipartUpload={"Parts": parts}, **where)
    return done["ETag"].strip('"')


def make(boto: S3Client, bucket: str, size: int, key: str = "from", **described: Any) -> bytes:
    """A source of ``size`` bytes, in parts of PART bytes if it has more; and its md5 sidecar."""
    data = noise(size)
    if size <= PART:
        boto.put_object(Bucket=bucket, Key=key, Body=data, **described)
    else:
        upload(boto, bucket, key, *(data[at : at + PART] for at in range(0, size, PART)), **described)
    boto.put_object(
        Bucket=bucket, Key=f".md5/{key}.md5", Body=md5(data).encode(), Metadata={"etag": etag(data)}
    )
    return data


def described(boto: S3Client, bucket: str, key: str) -> Headers:
    """As LIKE."""
    head: Headers = dict(boto.head_object(Bucket=bucket, Key=key))
    return {name: head.get(name) for name in LIKE}


def tags(boto: S3Client, bucket: str, key: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in boto.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]}


def sidecar(boto: S3Client, bucket: str, key: str) -> tuple[str, str]:
    """The md5 that is kept beside an object, and the ETag that it is for."""
    found = boto.get_object(Bucket=bucket, Key=f".md5/{key}.md5")
    return found["Body"].read().decode(), found["Metadata"].get("etag", "")


@pytest.fixture
def copies(bucket: str) -> tuple[str, ...]:
    """Arguments of a copy that the server makes by itself."""
    return "cp", f"s3://{bucket}/from", f"s3://{bucket}/to", *SMALL


@pytest.fixture
def passes(copies: tuple[str, ...], s3: Server, relay: Relay) -> tuple[str, ...]:
    """The same of one that passes through this machine: for all that it knows, two servers. The relay is on
    the way to the destination."""
    return *copies, "--source-endpoint", s3.endpoint


@pytest.fixture
def passes_from(copies: tuple[str, ...], s3: Server, relay: Relay) -> tuple[str, ...]:
    """As ``passes``, and the relay is on the way from the source."""
    return *copies, "--endpoint", s3.endpoint, "--source-endpoint", relay.endpoint


@pytest.fixture(params=["by the server", "through this machine"])
def either(
    request: pytest.FixtureRequest, copies: tuple[str, ...], passes: tuple[str, ...]
) -> tuple[str, ...]:
    return copies if request.param == "by the server" else passes


# --- files ------------------------------------------------------------------


@pytest.mark.parametrize(("command", "size"), [("cp", PART + 1), ("copy", 0)])
def test_a_file_goes_to_s3_and_comes_back(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path, command: str, size: int
) -> None:
    (tmp_path / "in").write_bytes(noise(size))
    headers = ("-m", "x-amz-meta-by:me", "-m", "Content-Type:text/x-test")
    code, up = start.run(command, "in", f"s3://{bucket}/k", *SMALL, *headers)
    assert code == 0, up.said
    assert up.verified == "md5+crc64nvme"
    head = boto.head_object(Bucket=bucket, Key="k")
    assert (head["ETag"], head["Metadata"]) == (f'"{etag(noise(size))}"', {"by": "me"})
    assert head["ContentType"] == "text/x-test"
    assert sidecar(boto, bucket, "k") == (md5(noise(size)), etag(noise(size)))

    code, down = start.run(command, f"s3://{bucket}/k", "out", *SMALL)
    assert (code, down.stdout) == (0, b""), down.said
    assert (tmp_path / "out").read_bytes() == noise(size)


def test_a_dash_is_a_stream(start: Start, boto: S3Client, bucket: str) -> None:
    code, up = start.run("cp", "-", f"s3://{bucket}/k", stdin=b"from a pipe")
    assert code == 0, up.said
    assert stored(boto, bucket) == b"from a pipe"
    code, down = start.run("cp", f"s3://{bucket}/k", "-")
    assert (code, down.stdout) == (0, b"from a pipe"), down.said


@pytest.mark.parametrize(
    ("source", "destination", "name"),
    [
        ("folder/in", "s3://{}", "in"),
        ("folder/in", "s3://{}/", "in"),
        ("folder/in", "s3://{}/deep/er/", "deep/er/in"),
        ("s3://{}/a/from", "s3://{}", "from"),
        ("s3://{}/a/from", "s3://{}/deep/", "deep/from"),
        ("s3://{}/a/from", ".", "./from"),
        ("s3://{}/a/from", "folder", "folder/from"),
        ("s3://{}/a/from", "folder/", "folder/from"),
    ],
)
def test_a_bucket_a_slash_and_a_directory_take_the_source_s_name(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path, source: str, destination: str, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/in").write_bytes(b"bytes")
    boto.put_object(Bucket=bucket, Key="a/from", Body=b"bytes")
    code, live = start.run("cp", source.format(bucket), destination.format(bucket))
    assert code == 0, live.said
    local = not destination.startswith("s3://")
    assert ((tmp_path / name).read_bytes() if local else stored(boto, bucket, name)) == b"bytes"


def test_an_object_without_a_name_does_not_go_into_a_directory(
    start: Start, boto: S3Client, bucket: str
) -> None:
    code, live = start.run("cp", f"s3://{bucket}/a/", ".")
    assert (code, live.said[-1]) == (2, "run 'gof3r cp --help' for usage.")


def test_two_files_are_no_copy_of_ours(start: Start, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"bytes")
    code, live = start.run("cp", "in", "out")
    assert (code, sorted(path.name for path in tmp_path.iterdir())) == (2, ["home", "in"])
    assert "cp(1)" in live.said[0]


# --- what a copy is ------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1000, 3 * PART + 1])
def test_a_copy_is_its_source_in_everything(
    start: Start, relay: Relay, boto: S3Client, bucket: str, either: tuple[str, ...], size: int
) -> None:
    data = make(boto, bucket, size, **LIKE, Tagging="t=1&u=a%20b")
    relay.refuse(rf"GET /{bucket}/from HTTP")
    code, live = start.run(*either)
    assert code == 0, live.said
    assert relay.waits  # what the server copies by itself is not fetched
    assert "md5" in live.verified
    assert stored(boto, bucket, "to") == data
    assert boto.head_object(Bucket=bucket, Key="to")["ETag"] == f'"{etag(data)}"'
    assert described(boto, bucket, "to") == LIKE
    assert tags(boto, bucket, "to") == {"t": "1", "u": "a b"}
    assert sidecar(boto, bucket, "to") == (md5(data), etag(data))


def test_a_sidecar_that_names_no_object_is_copied_as_it_is_by_the_server(
    start: Start, boto: S3Client, bucket: str, copies: tuple[str, ...]
) -> None:
    make(boto, bucket, LENGTH)
    boto.put_object(Bucket=bucket, Key=".md5/from.md5", Body=b"0" * 32)  # s3gof3r's, and stale
    code, live = start.run(*copies)
    assert code == 0, live.said
    assert sidecar(boto, bucket, "to") == ("0" * 32, "")


@pytest.mark.parametrize("size", [1000, LENGTH])
def test_headers_of_a_copy_replace_those_of_the_same_name_and_no_others(
    start: Start, boto: S3Client, bucket: str, either: tuple[str, ...], size: int
) -> None:
    data = make(boto, bucket, size, **LIKE, Tagging="t=1")
    new = ("-m", "x-amz-meta-n:3", "-m", "x-amz-meta-new:4", "-m", "content-type:text/new")
    code, live = start.run(*either, *new, "-m", "x-amz-tagging:z=9")
    assert code == 0, live.said
    assert stored(boto, bucket, "to") == data
    metadata = {"by": "me: and you", "n": "3", "new": "4"}
    assert described(boto, bucket, "to") == LIKE | {"Metadata": metadata, "ContentType": "text/new"}
    assert tags(boto, bucket, "to") == {"z": "9"}


def test_without_md5_a_copy_has_no_sidecar(
    start: Start, boto: S3Client, bucket: str, either: tuple[str, ...]
) -> None:
    data = make(boto, bucket, 1000)
    code, live = start.run(*either, "--no-md5")
    assert code == 0, live.said
    assert stored(boto, bucket, "to") == data
    assert keys(boto, bucket) == [".md5/from.md5", "from", "to"]


@pytest.mark.parametrize(("size", "told"), [(1000, True), (LENGTH, False)])
def test_a_copy_by_the_server_has_a_sidecar_where_somebody_tells_the_md5(
    start: Start, boto: S3Client, bucket: str, copies: tuple[str, ...], size: int, told: bool
) -> None:
    data = make(boto, bucket, size)
    boto.delete_object(Bucket=bucket, Key=".md5/from.md5")
    code, live = start.run(*copies)
    assert code == 0, live.said
    assert (".md5/to.md5" in keys(boto, bucket)) == told
    assert not told or sidecar(boto, bucket, "to") == (md5(data), etag(data))


def test_a_copy_through_this_machine_has_a_sidecar_even_where_its_source_has_none(
    start: Start, boto: S3Client, bucket: str, passes: tuple[str, ...]
) -> None:
    data = make(boto, bucket, LENGTH)
    boto.delete_object(Bucket=bucket, Key=".md5/from.md5")
    code, live = start.run(*passes)
    assert code == 0, live.said
    assert sidecar(boto, bucket, "to") == (md5(data), etag(data))


def test_parts_that_memory_cannot_hold_are_cut_anew(
    start: Start, boto: S3Client, bucket: str, passes: tuple[str, ...]
) -> None:
    data = noise(13 * MIB)
    upload(boto, bucket, "from", data[: 12 * MIB], data[12 * MIB :])
    boto.put_object(Bucket=bucket, Key=".md5/from.md5", Body=md5(data).encode())
    code, live = start.run(*passes, "--memory", "10MiB", "-c", "2")
    assert code == 0, live.said
    assert stored(boto, bucket, "to") == data
    assert boto.head_object(Bucket=bucket, Key="to")["ETag"] == f'"{etag(data)}"'
    assert sidecar(boto, bucket, "to") == (md5(data), etag(data))


def test_what_the_server_copied_on_other_boundaries_is_copied_again_to_prove_it(
    start: Start, boto: S3Client, bucket: str, copies: tuple[str, ...]
) -> None:
    """Nobody can guess these lengths: the copy's ETag will be another."""
    data = noise(11 * MIB + 500)
    upload(boto, bucket, "from", data[: PART + 1], data[PART + 1 : 11 * MIB], data[11 * MIB :])
    boto.put_object(Bucket=bucket, Key=".md5/from.md5", Body=md5(data).encode())
    code, live = start.run(*copies)
    assert code == 0, live.said
    assert "nothing proves" in live.said[0]
    assert stored(boto, bucket, "to") == data
    assert sidecar(boto, bucket, "to")[0] == md5(data)


def test_a_copy_of_what_nothing_proves_is_an_error(
    fails: Failed, boto: S3Client, bucket: str, either: tuple[str, ...]
) -> None:
    data = noise(11 * MIB + 500)
    upload(boto, bucket, "from", data[: PART + 1], data[PART + 1 : 11 * MIB], data[11 * MIB :])
    assert "--no-md5" in fails(*either).error


def test_a_copy_of_a_version_is_that_version(
    start: Start, boto: S3Client, versioned: str, s3: Server, relay: Relay
) -> None:
    first = boto.put_object(Bucket=versioned, Key="from", Body=b"first")["VersionId"]
    boto.put_object(Bucket=versioned, Key="from", Body=b"second")
    for way in ((), ("--source-endpoint", s3.endpoint)):
        code, live = start.run("cp", f"s3://{versioned}/from", f"s3://{versioned}/to", "-v", first, *way)
        assert code == 0, live.said
        assert stored(boto, versioned, "to") == b"first"
        boto.delete_object(Bucket=versioned, Key="to")


# --- two servers ------------------------------------------------------------------


def test_a_copy_between_two_services_uses_each_one_s_keys_and_region(
    start: Start, other: tuple[LocalS3, S3Client], boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    server, their = other
    env = as_old(server, tmp_path)
    source = ("--source-profile", "old", "--source-region", "eu-old-7")
    data = make(their, server.bucket, LENGTH, **LIKE)
    with Relay(server.endpoint) as relay:
        # Its region is in what is signed, and in nothing else.
        relay.refuse(rf"GET /{server.bucket}/from [^\0]*/eu-old-7/s3/aws4_request")
        urls = (f"s3://{server.bucket}/from", f"s3://{bucket}/to")
        code, live = start.run("cp", *urls, "--source-endpoint", relay.endpoint, *source, *SMALL, env=env)
        assert code == 0, live.said
        assert not relay.waits
    assert "md5" in live.verified
    assert stored(boto, bucket, "to") == data
    assert boto.head_object(Bucket=bucket, Key="to")["ETag"] == f'"{etag(data)}"'
    assert described(boto, bucket, "to") == LIKE
    assert sidecar(boto, bucket, "to") == (md5(data), etag(data))


# --- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize("size", [1000, LENGTH])
def test_a_copy_never_overwrites_where_that_is_asked_for(
    start: Start, fails: Failed, boto: S3Client, bucket: str, either: tuple[str, ...], size: int
) -> None:
    data = make(boto, bucket, size)
    code, live = start.run(*either, "--if-none-match")
    assert code == 0, live.said
    assert stored(boto, bucket, "to") == data

    boto.put_object(Bucket=bucket, Key="to", Body=b"older")
    assert "--if-none-match" in fails(*either, "--if-none-match").error
    assert stored(boto, bucket, "to") == b"older"


@pytest.mark.parametrize(
    ("size", "request_line"),
    [
        (1000, r"PUT /\S*/to "),
        (LENGTH, r"POST /\S*/to\?uploadId"),
    ],
)
def test_a_copy_by_the_server_whose_answer_is_lost_is_known_for_our_own(
    start: Start,
    relay: Relay,
    boto: S3Client,
    bucket: str,
    copies: tuple[str, ...],
    size: int,
    request_line: str,
) -> None:
    data = make(boto, bucket, size)
    relay.lose_answer(request_line)
    code, live = start.run(*copies, "--if-none-match")
    assert code == 0, live.said
    assert not relay.waits
    assert stored(boto, bucket, "to") == data


def test_an_upload_whose_create_was_answered_to_nobody_is_told(
    start: Start, relay: Relay, boto: S3Client, bucket: str, copies: tuple[str, ...]
) -> None:
    make(boto, bucket, LENGTH)
    relay.lose_answer(r"POST /\S*/to\?uploads")
    code, live = start.run(*copies)
    assert code == 0, live.said
    assert f"gof3r uploads ls s3://{bucket}/to" in live.said[0]


@pytest.mark.parametrize("size", [1000, LENGTH])
def test_an_object_is_copied_onto_itself_only_with_new_headers(
    start: Start, fails: Failed, boto: S3Client, bucket: str, size: int
) -> None:
    data = make(boto, bucket, size, **LIKE)
    itself = ("cp", f"s3://{bucket}/from", f"s3://{bucket}/from", *SMALL)
    assert "the source is the destination" in fails(*itself).error

    code, live = start.run(*itself, "-m", "x-amz-meta-n:3")
    assert code == 0, live.said
    assert stored(boto, bucket, "from") == data
    assert described(boto, bucket, "from") == LIKE | {"Metadata": {"by": "me: and you", "n": "3"}}
    assert boto.head_object(Bucket=bucket, Key="from")["ETag"] == f'"{etag(data)}"'


def test_a_source_that_is_missing_is_named(
    fails: Failed, boto: S3Client, bucket: str, either: tuple[str, ...]
) -> None:
    live = fails(*either)
    assert f"s3://{bucket}/from" in live.error
    assert "NoSuchKey" in live.error
    assert keys(boto, bucket) == []


def test_a_destination_s_bucket_that_is_missing_is_named(
    fails: Failed, boto: S3Client, bucket: str, either: tuple[str, ...]
) -> None:
    make(boto, bucket, LENGTH)
    arguments = ["s3://no-such-bucket/to" if each.endswith("/to") else each for each in either]
    assert "NoSuchBucket" in fails(*arguments).error


# --- what goes wrong in the middle ------------------------------------------------------------------


def overwritten(boto: S3Client, bucket: str) -> Callable[[], object]:
    return lambda: boto.put_object(Bucket=bucket, Key="from", Body=b"another")


@pytest.mark.parametrize(
    ("size", "request_line"), [(1000, r"PUT /\S*/to "), (LENGTH, r"PUT /\S*/to\?partNumber=2&")]
)
def test_a_source_that_changes_while_the_server_copies_fails(
    fails: Failed,
    relay: Relay,
    boto: S3Client,
    bucket: str,
    copies: tuple[str, ...],
    size: int,
    request_line: str,
) -> None:
    make(boto, bucket, size)
    relay.before(request_line, overwritten(boto, bucket))
    assert "PreconditionFailed" in fails(*copies).error
    assert not relay.waits
    assert "to" not in keys(boto, bucket)


def test_a_source_that_changes_while_it_passes_fails(
    fails: Failed, relay: Relay, boto: S3Client, bucket: str, passes_from: tuple[str, ...]
) -> None:
    make(boto, bucket, LENGTH)
    relay.before(rf"GET /\S*/from [^\0]*bytes={PART}-", overwritten(boto, bucket))
    live = fails(*passes_from)
    assert "PreconditionFailed" in live.error
    assert "changed" in live.error
    assert "to" not in keys(boto, bucket)


@pytest.mark.parametrize("size", [1000, LENGTH])
def test_a_source_that_its_sidecar_disproves_is_not_copied(
    fails: Failed, boto: S3Client, bucket: str, passes: tuple[str, ...], size: int
) -> None:
    make(boto, bucket, size)
    boto.put_object(Bucket=bucket, Key=".md5/from.md5", Body=md5(b"other bytes").encode())
    assert md5(b"other bytes") in fails(*passes).error
    assert keys(boto, bucket) == [".md5/from.md5", "from"]


@pytest.mark.parametrize(
    ("size", "option"), [(1000, ()), (LENGTH, ()), (LENGTH, ("--no-md5", "--checksum", "crc64nvme"))]
)
def test_a_source_that_is_damaged_on_its_way_is_not_copied(
    start: Start,
    fails: Failed,
    relay: Relay,
    boto: S3Client,
    bucket: str,
    passes_from: tuple[str, ...],
    size: int,
    option: tuple[str, ...],
) -> None:
    code, put = start.run("put", "-b", bucket, "-k", "from", *SMALL, *option, stdin=noise(size))
    assert code == 0, put.said
    relay.damage(r"GET /\S*/from [^\0]*bytes=0-")
    assert "of the bytes is" in fails(*passes_from, *option).error
    assert not relay.waits
    assert "to" not in keys(boto, bucket)


@pytest.mark.parametrize(
    ("number", "request_line"),
    [(signal.SIGINT, r"PUT \S*partNumber=2&"), (signal.SIGTERM, r"POST \S*\?uploadId")],
)
def test_a_signal_in_the_middle_of_a_copy_ends_and_aborts_it(
    start: Start,
    relay: Relay,
    uploads: Uploads,
    boto: S3Client,
    bucket: str,
    either: tuple[str, ...],
    number: signal.Signals,
    request_line: str,
) -> None:
    make(boto, bucket, LENGTH)
    relay.hold(request_line)
    live = start(*either)
    relay.held()
    live.signal(number)
    assert live.wait(PROMPT) == 128 + number, live.said
    assert live.said == []
    assert uploads.pending() == []
    assert keys(boto, bucket) == [".md5/from.md5", "from"]


def test_a_signal_while_a_source_is_read_ends_and_aborts_a_copy(
    start: Start, relay: Relay, uploads: Uploads, boto: S3Client, bucket: str, passes_from: tuple[str, ...]
) -> None:
    make(boto, bucket, LENGTH)
    relay.hold(rf"GET /\S*/from [^\0]*bytes={PART}-")
    live = start(*passes_from)
    relay.held()
    until(uploads.pending, "the upload is created")
    live.signal(signal.SIGTERM)
    assert live.wait(PROMPT) == 143, live.said
    assert live.said == []
    assert uploads.pending() == []


def killed(start: Start, relay: Relay, request_line: str, *arguments: str) -> Live:
    """A copy whose worker is killed while it waits for the answer to this request."""
    relay.hold(request_line)
    live = start(*arguments, "--debug")
    live.owner(relay.held()).kill()
    assert live.end() == 0, live.said
    assert sum(line.endswith(" was lost: another takes over") for line in live.said) == 1
    return live


def test_a_worker_killed_in_the_middle_of_a_copy_costs_a_retry(
    start: Start,
    relay: Relay,
    uploads: Uploads,
    boto: S3Client,
    bucket: str,
    either: tuple[str, ...],
) -> None:
    data = make(boto, bucket, LENGTH)
    killed(start, relay, r"PUT \S*partNumber=2&", *either)
    assert stored(boto, bucket, "to") == data
    assert uploads.pending() == []


def test_a_worker_killed_while_it_reads_a_source_costs_a_retry(
    start: Start, relay: Relay, boto: S3Client, bucket: str, passes_from: tuple[str, ...]
) -> None:
    data = make(boto, bucket, LENGTH)
    killed(start, relay, rf"GET /\S*/from [^\0]*bytes={PART}-", *passes_from)
    assert stored(boto, bucket, "to") == data


def test_a_killed_collector_fails_a_copy_and_aborts_it(
    start: Start, relay: Relay, uploads: Uploads, boto: S3Client, bucket: str, passes: tuple[str, ...]
) -> None:
    make(boto, bucket, LENGTH)
    relay.hold(r"PUT \S*partNumber=2&")
    live = start(*passes)
    relay.held()
    live.children()[0].kill()
    assert live.wait() == 1
    assert "collector" in live.error
    assert uploads.pending() == []


def test_nothing_survives_a_killed_copy(
    start: Start, relay: Relay, boto: S3Client, bucket: str, passes: tuple[str, ...]
) -> None:
    make(boto, bucket, LENGTH)
    relay.hold(r"PUT \S*partNumber=2&")
    live = start(*passes)
    relay.held()
    os.kill(live.pid, signal.SIGKILL)
    until(lambda: not live.family(), "all processes are gone", PROMPT)
