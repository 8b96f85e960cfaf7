"""migrate: many objects, from anywhere to anywhere, and again after whatever has ended it."""

from __future__ import annotations

import gzip
import json
import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import boto3
import pytest
from botocore.config import Config

from tests.conftest import Server
from tests.e2e.conftest import Uploads, as_old, keys, md5, stored
from tests.e2e.live import PART, SMALL, Live, Start, noise, until
from tests.e2e.relay import Relay
from tools.local_s3 import LocalS3

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

RECEIPTS = "gof3r-receipts.jsonl"
SIZES = [0, 1, 20_000, 70_000, 300_000]
Receipt = dict[str, Any]


def fill(boto: S3Client, bucket: str, count: int, prefix: str = "from/") -> dict[str, bytes]:
    """Objects of several sizes; by their names below ``prefix``."""
    made = {
        f"{number % 3}/ä b{number}": noise(SIZES[number % len(SIZES)] + number) for number in range(count)
    }
    for name, data in made.items():
        boto.put_object(Bucket=bucket, Key=prefix + name, Body=data, Metadata={"is": md5(data)})
    return made


def receipts(folder: Path, name: str = RECEIPTS) -> dict[str, Receipt]:
    """By destination; one each."""
    lines = [json.loads(line) for line in (folder / name).read_bytes().splitlines()]
    found = {line["destination"]: line for line in lines}
    superseded = sum(line["supersedes"] is not None for line in lines)
    assert len(found) == len(lines) - superseded
    return found


def check(boto: S3Client, bucket: str, made: dict[str, bytes], prefix: str = "to/") -> None:
    """What is below ``prefix`` is what was made, and nothing else."""
    there = [key for key in keys(boto, bucket) if key.startswith(prefix)]
    assert sorted(there) == sorted(prefix + name for name in made)
    for name, data in made.items():
        assert stored(boto, bucket, prefix + name) == data


def between(bucket: str) -> tuple[str, ...]:
    return ("migrate", f"--from=s3://{bucket}/from", f"--to=s3://{bucket}/to")


def moved(live: Live) -> int:
    """Objects that a run says it has moved."""
    line = next(line for line in live.said if "objects moved and verified" in line)
    return int(line.split()[1])


# --- from anywhere to anywhere ------------------------------------------------------------------


def test_objects_move_within_a_service(start: Start, boto: S3Client, bucket: str, tmp_path: Path) -> None:
    made = fill(boto, bucket, 20)
    boto.put_object(Bucket=bucket, Key="from-other", Body=b"not below it")
    code, live = start.run(*between(bucket))
    assert code == 0, live.said
    assert moved(live) == 20
    check(boto, bucket, made)
    for name, data in made.items():
        found = boto.head_object(Bucket=bucket, Key=f"to/{name}")
        assert found["Metadata"] == {"is": md5(data)}
        receipt = receipts(tmp_path)[f"s3://{bucket}/to/{name}"]
        assert receipt["source"] == f"s3://{bucket}/from/{name}"
        assert (receipt["size_bytes"], f'"{receipt["etag"]}"') == (len(data), found["ETag"])
        assert receipt["verified"]


def test_objects_move_between_two_services_with_keys_of_their_own(
    start: Start,
    other: tuple[LocalS3, S3Client],
    boto: S3Client,
    bucket: str,
    uploads: Uploads,
    tmp_path: Path,
) -> None:
    server, their = other
    env = as_old(server, tmp_path)
    made = fill(their, server.bucket, 30)
    made["large"] = noise(3 * PART + 5)
    their.put_object(Bucket=server.bucket, Key="from/large", Body=made["large"])
    words = ["migrate", f"--from=s3://{server.bucket}/from/", f"--to=s3://{bucket}/to", *SMALL]
    words += [f"--source-endpoint={server.endpoint}", "--source-profile=old"]
    code, live = start.run(*words, env=env)
    assert code == 0, live.said
    check(boto, bucket, made)
    assert uploads.pending() == []
    assert receipts(tmp_path)[f"s3://{bucket}/to/large"]["size_bytes"] == 3 * PART + 5


def test_files_move_to_the_store_and_back(start: Start, boto: S3Client, bucket: str, tmp_path: Path) -> None:
    made = {f"a/{number}": noise(SIZES[number % len(SIZES)]) for number in range(12)}
    made |= {f"big{number}": noise(2 * PART + number) for number in range(5)}  # more than lanes
    for name, data in made.items():
        (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files" / name).write_bytes(data)
    code, live = start.run("migrate", "--from=files", f"--to=s3://{bucket}/to", *SMALL)
    assert code == 0, live.said
    check(boto, bucket, made)
    words = ("migrate", f"--from=s3://{bucket}/to", "--to=back", "--receipts=back.jsonl", *SMALL)
    code, live = start.run(*words)
    assert code == 0, live.said
    found = {str(path.relative_to(tmp_path / "back")): path for path in (tmp_path / "back").rglob("*")}
    assert {name: path.read_bytes() for name, path in found.items() if path.is_file()} == made
    assert len(receipts(tmp_path, "back.jsonl")) == len(made)
    for name in (RECEIPTS, "back.jsonl"):
        code, live = start.run("migrate", f"--verify={name}", *SMALL)
        assert (code, live.stdout.decode().split()[0]) == (0, str(len(made))), live.said


def test_a_manifest_says_what_goes_where(start: Start, boto: S3Client, bucket: str, tmp_path: Path) -> None:
    boto.put_object(Bucket=bucket, Key="from", Body=b"object")
    boto.put_object(Bucket=bucket, Key="large", Body=noise(PART + 1))
    (tmp_path / "file").write_bytes(b"a file")
    lines = [
        f"file,s3://{bucket}/put,header=Content-Type:text/x",
        f"s3://{bucket}/from,got/it",
        f"s3://{bucket}/large,s3://{bucket}/copy",
    ]
    (tmp_path / "manifest.csv").write_text("source,destination,options\n" + "\n".join(lines))
    code, live = start.run("migrate", "manifest.csv", *SMALL)
    assert code == 0, live.said
    assert stored(boto, bucket, "put") == b"a file"
    assert boto.head_object(Bucket=bucket, Key="put")["ContentType"] == "text/x"
    assert (tmp_path / "got" / "it").read_bytes() == b"object"
    assert stored(boto, bucket, "copy") == noise(PART + 1)


def test_names_are_chosen_by_the_last_pattern_that_matches(start: Start, boto: S3Client, bucket: str) -> None:
    for name in ("a.tmp", "b.tmp", "c.txt"):
        boto.put_object(Bucket=bucket, Key=f"from/{name}", Body=b"1")
    code, live = start.run(*between(bucket), "--exclude=*.tmp", "--include=a.*")
    assert code == 0, live.said
    assert [key for key in keys(boto, bucket) if key.startswith("to/")] == ["to/a.tmp", "to/c.txt"]


def test_a_ring_for_each_of_many_large_objects_leaves_nothing_open(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    made = {str(number): noise(70_000 + number) for number in range(12)}
    for name, data in made.items():
        (tmp_path / "files" / name).write_bytes(data)
    few = 'ulimit -n 40; exec "$@"'
    code, live = start.run("migrate", "--from=files", f"--to=s3://{bucket}/to", shell=few)
    assert code == 0, live.said
    words = ("migrate", f"--from=s3://{bucket}/to", "--to=back", "-s", "50000", "--receipts=back.jsonl")
    code, live = start.run(*words, shell=few)
    assert code == 0, live.said
    assert {path.name: path.read_bytes() for path in (tmp_path / "back").iterdir()} == made
    code, live = start.run("migrate", "--verify=back.jsonl", shell=few)
    assert code == 0, live.said


# --- again ------------------------------------------------------------------


def test_what_is_done_is_not_done_again_but_for_what_has_changed(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    made = fill(boto, bucket, 8)
    assert start.run(*between(bucket))[0] == 0
    name = next(iter(made))
    made[name] = b"another"
    made["new"] = b"new"
    for each in (name, "new"):
        boto.put_object(Bucket=bucket, Key=f"from/{each}", Body=made[each])
    code, live = start.run(*between(bucket))
    assert (code, moved(live)) == (0, 2), live.said
    check(boto, bucket, made)
    assert len(receipts(tmp_path)) == 9
    assert moved(start.run(*between(bucket))[1]) == 0


def test_killed_again_and_again_it_goes_on(
    start: Start,
    other: tuple[LocalS3, S3Client],
    boto: S3Client,
    bucket: str,
    uploads: Uploads,
    tmp_path: Path,
) -> None:
    server, their = other
    made = fill(their, server.bucket, 60)
    for number in range(6):  # more than lanes
        made[f"large{number}"] = noise(2 * PART + number)
        their.put_object(Bucket=server.bucket, Key=f"from/large{number}", Body=made[f"large{number}"])
    env = as_old(server, tmp_path)
    words = ["migrate", f"--from=s3://{server.bucket}/from/", f"--to=s3://{bucket}/to", *SMALL]
    words += [f"--source-endpoint={server.endpoint}", "--source-profile=old", "--limit-rate=60MB"]
    path = tmp_path / RECEIPTS
    before: list[bytes] = []
    for count in (0, 1, 2, 20, 40, 50):
        live = start(*words, env=env)
        until(partial(killable, live, path, count), "receipts are written")
        live.process.kill()
        live.process.wait()
        whole = [line for line in path.read_bytes().splitlines() if line.endswith(b"}")]
        assert whole[: len(before)] == before, "a receipt stays"
        before = whole
    code, live = start.run(*words, env=env)
    assert code == 0, live.said
    check(boto, bucket, made)
    assert len(receipts(tmp_path)) == len(made)
    assert uploads.pending() == []


def killable(live: Live, path: Path, count: int) -> bool:
    """It has written more than ``count`` receipts, in all runs, or has ended."""
    written = path.read_bytes().count(b"\n") if path.exists() else 0
    return live.process.poll() is not None or written > count


def test_an_upload_that_a_killed_run_has_left_is_ended(
    start: Start, relay: Relay, s3: Server, boto: S3Client, bucket: str, uploads: Uploads
) -> None:
    boto.put_object(Bucket=bucket, Key="from/large", Body=noise(2 * PART))
    mine = boto.create_multipart_upload(Bucket=bucket, Key="to/large2")["UploadId"]
    words = (*between(bucket), *SMALL, "--source-endpoint", s3.endpoint)
    relay.hold(r"POST \S*uploads=")
    live = start(*words)
    relay.held()
    live.process.kill()
    live.process.wait()
    boto.create_multipart_upload(Bucket=bucket, Key="to/large")  # as if its answer had been lost
    theirs = boto.create_multipart_upload(Bucket=bucket, Key="to/larger")["UploadId"]
    code, again = start.run(*words)
    assert code == 0, again.said
    assert sorted(uploads.pending()) == sorted([mine, theirs]), "and nobody else's is touched"


def half_copied(
    start: Start, relay: Relay, other: tuple[LocalS3, S3Client], bucket: str, uploads: Uploads, tmp_path: Path
) -> tuple[list[str], dict[str, str]]:
    """The command line and the environment of a run that was killed when three parts of four were stored."""
    server, their = other
    their.put_object(Bucket=server.bucket, Key="from/large", Body=noise(4 * PART), Metadata={"colour": "red"})
    env = as_old(server, tmp_path)
    words = ["migrate", f"--from=s3://{server.bucket}/from/", f"--to=s3://{bucket}/to", "-s", "5MiB"]
    words += ["-c", "1", f"--source-endpoint={server.endpoint}", "--source-profile=old"]
    relay.hold(r"PUT \S*partNumber=4&")
    live = start(*words, env=env)
    relay.held()
    live.process.kill()
    live.process.wait()
    until(lambda: uploads.parts() == {1, 2, 3}, "three parts are stored")
    return words, env


def test_a_copy_that_was_killed_is_gone_on_with(
    start: Start,
    relay: Relay,
    other: tuple[LocalS3, S3Client],
    boto: S3Client,
    bucket: str,
    uploads: Uploads,
    tmp_path: Path,
) -> None:
    words, env = half_copied(start, relay, other, bucket, uploads, tmp_path)
    before = relay.sent
    code, again = start.run(*words, env=env)
    assert code == 0, again.said
    assert relay.sent - before < 2 * PART, "what was there was not sent again"
    assert stored(boto, bucket, "to/large") == noise(4 * PART)
    assert boto.head_object(Bucket=bucket, Key="to/large")["Metadata"] == {"colour": "red"}
    assert uploads.pending() == []


@pytest.mark.parametrize("how", ["its bytes", "its metadata", "its size"])
def test_a_copy_that_was_killed_and_whose_source_has_changed_is_made_anew(
    start: Start,
    relay: Relay,
    other: tuple[LocalS3, S3Client],
    boto: S3Client,
    bucket: str,
    uploads: Uploads,
    tmp_path: Path,
    how: str,
) -> None:
    words, env = half_copied(start, relay, other, bucket, uploads, tmp_path)
    data = {"its bytes": noise(4 * PART)[::-1], "its size": b"small"}.get(how, noise(4 * PART))
    server, their = other
    their.put_object(Bucket=server.bucket, Key="from/large", Body=data, Metadata={"colour": "blue"})
    code, again = start.run(*words, env=env)
    assert code == 0, again.said
    assert stored(boto, bucket, "to/large") == data
    assert boto.head_object(Bucket=bucket, Key="to/large")["Metadata"] == {"colour": "blue"}
    assert uploads.pending() == []


def test_a_copy_that_was_stopped_is_gone_on_with(
    start: Start,
    relay: Relay,
    other: tuple[LocalS3, S3Client],
    boto: S3Client,
    bucket: str,
    uploads: Uploads,
    tmp_path: Path,
) -> None:
    words, env = half_copied(start, relay, other, bucket, uploads, tmp_path)
    (left,) = uploads.pending()
    relay.hold(r"PUT \S*partNumber=4&")
    live = start(*words, env=env)
    relay.held()
    live.process.send_signal(signal.SIGINT)
    assert live.process.wait() == 130
    assert uploads.pending() == [left]
    before = relay.sent
    code, again = start.run(*words, env=env)
    assert code == 0, again.said
    assert relay.sent - before < 2 * PART, "what was there was not sent again"
    assert stored(boto, bucket, "to/large") == noise(4 * PART)
    assert uploads.pending() == []


def test_two_at_once_are_one(start: Start, relay: Relay, boto: S3Client, bucket: str) -> None:
    fill(boto, bucket, 3)
    relay.hold(r"GET \S*list-type=2")
    first = start(*between(bucket))
    relay.held()
    code, second = start.run(*between(bucket))
    assert code == 2
    assert "another gof3r migrate is at work with it" in second.said[0]
    first.process.kill()


# --- what fails ------------------------------------------------------------------


def test_one_that_fails_keeps_no_other_and_is_tried_again(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    made = fill(boto, bucket, 6)
    boto.put_object(Bucket=bucket, Key="to/1/ä b1", Body=b"in the way")
    code, live = start.run(*between(bucket), "--if-none-match")
    assert code == 1
    assert "1 of 6 objects failed" in live.said[-1]
    assert any(f"to s3://{bucket}/to/1/ä b1" in line for line in live.said if "1 object: " in line)
    assert len(receipts(tmp_path)) == 5
    boto.delete_object(Bucket=bucket, Key="to/1/ä b1")
    code, live = start.run(*between(bucket), "--if-none-match")
    assert (code, moved(live)) == (0, 1), live.said
    check(boto, bucket, made)


def test_too_many_failures_stop_it(start: Start, boto: S3Client, bucket: str) -> None:
    made = fill(boto, bucket, 30)
    for name in made:
        boto.put_object(Bucket=bucket, Key=f"to/{name}", Body=b"in the way")
    code, live = start.run(*between(bucket), "--if-none-match", "--max-errors=2")
    assert code == 1
    assert "stopped after 3 failures" in live.said[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "what is to be moved?"),
        (("--from=s3://a/b",), "one needs the other"),
        (("--from=s3://a/b", "--to=s3://a/b/c"), "lies in"),
        (("--from=s3://a/b", "--to=s3://a/b"), "lies in"),
        (("m", "--if-newer"), "--if-newer"),
        (("manifest", "--from=a", "--to=s3://b"), "what is to be moved?"),
        (("none.csv",), "cannot be read"),
        (("--from=a", "--to=b"), "two directories"),
        (("--from=s3://a", "--to=s3://b", "-c", "auto"), "--concurrency"),
        (("--verify=x", "--dry-run"), "--verify"),
        (("--from=s3://a", "--to=s3://b", "--include="), "empty value"),
    ],
)
def test_what_cannot_be_meant_is_refused(start: Start, words: tuple[str, ...], said: str) -> None:
    code, live = start.run("migrate", *words)
    assert code == 2
    assert said in live.said[0]


def test_an_object_that_was_changed_is_found_by_its_receipt(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    fill(boto, bucket, 5)
    assert start.run(*between(bucket))[0] == 0
    boto.put_object(Bucket=bucket, Key="to/1/ä b1", Body=b"changed")
    boto.delete_object(Bucket=bucket, Key="to/2/ä b2")
    code, live = start.run("migrate", f"--verify={RECEIPTS}")
    assert (code, live.stdout) == (1, b"3 of 5 objects are as their receipts say\n"), live.said
    assert any("it has 7 bytes" in line for line in live.said)
    assert any("NoSuchKey" in line for line in live.said)


def test_what_it_would_take_is_told_and_nothing_done(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    fill(boto, bucket, 5)
    code, live = start.run(*between(bucket), "--dry-run")
    assert code == 0, live.said
    assert live.stdout.startswith(b"objects: 5 of 5\nbytes: ")
    assert not (tmp_path / RECEIPTS).exists()
    assert all(key.startswith("from/") for key in keys(boto, bucket))


def test_a_file_whose_upload_was_broken_is_gone_on_with(
    start: Start, relay: Relay, boto: S3Client, bucket: str, uploads: Uploads, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "large").write_bytes(noise(4 * PART))
    words = ("migrate", "--from=files", f"--to=s3://{bucket}/to", "-s", "5MiB", "-c", "1")
    relay.hold(r"PUT \S*partNumber=4&")
    live = start(*words)
    relay.held()
    live.process.kill()
    live.process.wait()
    until(lambda: uploads.parts() == {1, 2, 3}, "three parts are stored")
    (left,) = uploads.pending()
    before = relay.sent
    code, again = start.run(*words)
    assert code == 0, again.said
    assert relay.sent - before < 2 * PART, "what was there was not sent again"
    assert stored(boto, bucket, "to/large") == noise(4 * PART)
    assert uploads.pending() == []


# --- what is newer ------------------------------------------------------------------


@pytest.mark.parametrize("to_files", [False, True])
def test_only_what_is_newer_moves(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path, to_files: bool
) -> None:
    (tmp_path / "files").mkdir()
    for name in ("old", "new", "missing"):
        (tmp_path / "files" / name).write_bytes(b"mine")
    os.utime(tmp_path / "files" / "old", (1, 1))
    for name in ("old", "new"):
        boto.put_object(Bucket=bucket, Key=f"to/{name}", Body=b"theirs")
    later = time.time() + 1000
    os.utime(tmp_path / "files" / "new", (later, later))
    words = ["--from=files", f"--to=s3://{bucket}/to"]
    if to_files:
        words = [f"--from=s3://{bucket}/to", "--to=files"]
    code, live = start.run("migrate", *words, "--if-newer")
    assert code == 0, live.said
    if to_files:
        found = {path.name: path.read_bytes() for path in (tmp_path / "files").iterdir()}
        assert found == {"old": b"theirs", "new": b"mine", "missing": b"mine"}
    else:
        check(boto, bucket, {"old": b"theirs", "new": b"mine", "missing": b"mine"})


# --- inventories and versions ------------------------------------------------------------------


def test_an_inventory_lists_what_moves(start: Start, boto: S3Client, bucket: str, tmp_path: Path) -> None:
    made = fill(boto, bucket, 6)
    boto.put_object(Bucket=bucket, Key="from/later", Body=b"not in the inventory")
    rows = []
    for name, data in made.items():
        etag = boto.head_object(Bucket=bucket, Key=f"from/{name}")["ETag"].strip('"')
        rows.append(f'"{bucket}","{quote_plus(f"from/{name}")}","{len(data)}","{etag}"\n')
    packed = gzip.compress("".join(rows).encode())
    (tmp_path / "data").mkdir()
    (tmp_path / "2026").mkdir()
    (tmp_path / "data" / "1.csv.gz").write_bytes(packed)
    manifest = {
        "sourceBucket": bucket,
        "destinationBucket": "arn:aws:s3:::inventories",
        "version": "2016-11-30",
        "creationTimestamp": "1514944800000",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size, ETag",
        "files": [{"key": "x/data/1.csv.gz", "size": len(packed), "MD5checksum": md5(packed)}],
    }
    (tmp_path / "2026" / "manifest.json").write_text(json.dumps(manifest))
    code, live = start.run(*between(bucket), "--inventory=2026/manifest.json")
    assert code == 0, live.said
    assert moved(live) == 6
    check(boto, bucket, made)


def test_a_version_that_is_named_is_the_one_that_moves(
    start: Start, boto: S3Client, bucket: str, versioned: str, tmp_path: Path
) -> None:
    first = boto.put_object(Bucket=versioned, Key="k", Body=b"first")["VersionId"]
    boto.put_object(Bucket=versioned, Key="k", Body=b"second")
    lines = [
        {"source": f"s3://{versioned}/k", "destination": f"s3://{bucket}/1", "options": {"versionId": first}},
        {"source": f"s3://{versioned}/k", "destination": f"s3://{bucket}/2"},
    ]
    (tmp_path / "manifest").write_text("\n".join(map(json.dumps, lines)))
    code, live = start.run("migrate", "manifest")
    assert code == 0, live.said
    assert (stored(boto, bucket, "1"), stored(boto, bucket, "2")) == (b"first", b"second")
    assert receipts(tmp_path)[f"s3://{bucket}/1"]["source_version_id"] == first


# --- what cannot be, or must not ------------------------------------------------------------------


@pytest.mark.parametrize("to_file", [False, True])
def test_a_large_object_that_only_its_md5_proves(
    start: Start, other: tuple[LocalS3, S3Client], boto: S3Client, bucket: str, tmp_path: Path, to_file: bool
) -> None:
    server, their = other
    env = as_old(server, tmp_path)
    old = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=Config(request_checksum_calculation="when_required"),
    )
    old.put_object(Bucket=server.bucket, Key="from/k", Body=noise(2 * PART + 1))
    to = "back" if to_file else f"s3://{bucket}/to"
    words = ["migrate", f"--from=s3://{server.bucket}/from", f"--to={to}", *SMALL]
    words += [f"--source-endpoint={server.endpoint}", "--source-profile=old"]
    code, live = start.run(*words, env=env)
    assert code == 0, live.said
    data = (tmp_path / "back" / "k").read_bytes() if to_file else stored(boto, bucket, "to/k")
    assert data == noise(2 * PART + 1)


def test_a_destination_that_is_the_source_of_another_is_not_overwritten(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    for key in ("1", "2"):
        boto.put_object(Bucket=bucket, Key=key, Body=key.encode())
    url = f"s3://{bucket}"
    (tmp_path / "swap.csv").write_text(f"{url}/1,{url}/2\n{url}/2,{url}/1\n")
    code, live = start.run("migrate", "swap.csv")
    assert code == 1
    assert "a destination that is another's source" in live.said[-2]
    assert (stored(boto, bucket, "1"), stored(boto, bucket, "2")) == (b"1", b"2")
    for key in ("T/T/a", "T/T/T/a"):
        boto.put_object(Bucket=bucket, Key=key, Body=key.encode())
    code, live = start.run("migrate", f"--from={url}/T/T", f"--to={url}/T", "--receipts=t")
    assert code == 1
    assert stored(boto, bucket, "T/T/a") == b"T/T/a"


def test_a_run_leaves_its_own_files_alone(start: Start, boto: S3Client, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    for _ in range(2):
        code, live = start.run("migrate", "--from=.", f"--to=s3://{bucket}/to")
        assert code == 0, live.said
    check(boto, bucket, {"a": b"a"})
    boto.put_object(Bucket=bucket, Key=f"to/{RECEIPTS}", Body=b"not these")
    code, live = start.run("migrate", f"--from=s3://{bucket}/to", "--to=.", "--receipts=b")
    assert code == 0, live.said
    code, live = start.run("migrate", f"--from=s3://{bucket}/to", "--to=.", f"--receipts={RECEIPTS}2")
    boto.put_object(Bucket=bucket, Key="to/own", Body=b"not these")
    code, live = start.run("migrate", f"--from=s3://{bucket}/to", "--to=.", "--receipts=own")
    assert code == 1
    assert any("keeps its receipts" in line for line in live.said)


@pytest.mark.parametrize("what", ["fifo", "/dev/null", "/proc/cpuinfo"])
def test_what_is_no_regular_file_is_a_failure(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path, what: str
) -> None:
    os.mkfifo(tmp_path / "fifo")
    boto.put_object(Bucket=bucket, Key="from", Body=b"1")
    (tmp_path / "up.csv").write_text(f"{what},s3://{bucket}/to\n")
    assert start.run("migrate", "up.csv", "--receipts=up")[0] == 1
    assert keys(boto, bucket) == ["from"]
    if what != "/proc/cpuinfo":
        (tmp_path / "down.csv").write_text(f"s3://{bucket}/from,{what}\n")
        assert start.run("migrate", "down.csv", "--receipts=down")[0] == 1
    (tmp_path / "up.jsonl").write_text("{}")
    code, live = start.run("migrate", "/dev/stdin", stdin=b"a,s3://b/c")
    assert (code, "is read twice" in live.said[0]) == (2, True)


# --- what the disk says ------------------------------------------------------------------


def test_two_spellings_of_one_file_are_one_destination(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    for key in ("1", "2", "3", "4"):
        boto.put_object(Bucket=bucket, Key=key, Body=key.encode())
    (tmp_path / "o").mkdir()
    (tmp_path / "link").symlink_to("o")
    (tmp_path / "o" / "other").symlink_to("file")
    b = f"s3://{bucket}"
    lines = [f"{b}/1,o/file", f"{b}/2,o/../o/file", f"{b}/3,link/file", f"{b}/4,o/other"]
    (tmp_path / "manifest").write_text("\n".join(lines) + "\n")
    code, live = start.run("migrate", "manifest")
    assert code == 1
    assert any("two sources for one destination" in line for line in live.said), live.said
    assert not (tmp_path / "o" / "file").exists()
    assert receipts(tmp_path) == {}


def test_a_directory_behind_a_link_takes_what_is_moved(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    made = fill(boto, bucket, 3)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "out").mkdir()
    (tmp_path / "real" / "0").symlink_to(tmp_path / "out")
    code, live = start.run("migrate", f"--from=s3://{bucket}/from", "--to=link")
    assert code == 1
    assert any("leads out of" in line for line in live.said), live.said
    found = {str(path.relative_to(tmp_path / "real")) for path in (tmp_path / "real").rglob("*/*")}
    assert found == {name for name in made if not name.startswith("0/")}
    assert not list((tmp_path / "out").iterdir())


def test_what_is_not_wanted_need_not_be_readable(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "files" / "private").mkdir(parents=True)
    (tmp_path / "files" / "a").write_bytes(b"a")
    long, fd = "n" * 200, os.open(tmp_path / "files" / "private", os.O_RDONLY)
    for _ in range(25):  # a path that no system call takes fails for root as well
        os.mkdir(long, dir_fd=fd)
        below = os.open(long, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    words = ("migrate", "--from=files", f"--to=s3://{bucket}/to")
    code, live = start.run(*words, "--receipts=all")
    assert (code, "cannot list" in live.error) == (1, True), live.said
    code, live = start.run(*words, "--exclude=private/*")
    assert code == 0, live.said
    check(boto, bucket, {"a": b"a"})


def test_nothing_to_move_is_told(start: Start, bucket: str, tmp_path: Path) -> None:
    code, live = start.run("migrate", f"--from=s3://{bucket}/form", "--to=to")
    assert code == 0
    assert live.said[0] == f"gof3r warning: there is nothing below s3://{bucket}/form/"


def test_receipts_that_cannot_be_leave_no_journal(start: Start, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    code, live = start.run("migrate", f"--from=s3://{bucket}/x", "--to=to", "--receipts=folder")
    assert code == 2, live.said
    assert not (tmp_path / "folder.journal").exists()


def test_receipts_without_their_journal_are_told(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    fill(boto, bucket, 2)
    assert start.run(*between(bucket))[0] == 0
    (tmp_path / f"{RECEIPTS}.journal").unlink()
    code, live = start.run(*between(bucket))
    assert code == 2, live.said
    assert "put its journal back, or begin anew with other --receipts" in live.said[0]
    assert not (tmp_path / f"{RECEIPTS}.journal").exists()
