"""The commands that ask and remove: rm, ls, info, verify, uploads, presign. boto3 makes what they see."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

import pytest

from tests.e2e.conftest import Failed, Uploads, etag, keys, md5, stored
from tests.e2e.live import DATA, PART, PIECES, SMALL, Start, noise
from tests.e2e.relay import Relay

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

Answer = dict[str, Any]


def answer(start: Start, *arguments: str) -> list[Answer]:
    """What a question is answered with --json: an object for each line."""
    code, live = start.run(*arguments, "--json")
    assert (code, live.said) == (0, [])
    return [json.loads(line) for line in live.stdout.splitlines()]


def lines(start: Start, *arguments: str) -> list[str]:
    """The same for people."""
    code, live = start.run(*arguments)
    assert (code, live.said) == (0, [])
    return live.stdout.decode().splitlines()


def put(boto: S3Client, bucket: str, *names: str) -> None:
    for name in names:
        boto.put_object(Bucket=bucket, Key=name, Body=name.encode())


# --- rm ------------------------------------------------------------------


def test_objects_are_removed_with_their_sidecars_and_nothing_else(
    start: Start, boto: S3Client, bucket: str
) -> None:
    put(boto, bucket, "a", "b", "c", ".md5/a.md5", ".md5/c.md5", "ab")
    code, live = start.run("rm", f"s3://{bucket}/a", f"s3://{bucket}/b")
    assert (code, live.stdout, live.said) == (0, b"", [])
    assert keys(boto, bucket) == [".md5/c.md5", "ab", "c"]

    code, live = start.run("rm", "-b", bucket, "-k", "c")
    assert (code, live.stdout, live.said) == (0, b"", [])
    assert keys(boto, bucket) == ["ab"]


def test_what_is_not_there_is_as_good_as_removed(start: Start, boto: S3Client, bucket: str) -> None:
    """S3's DeleteObject does not tell one from the other."""
    put(boto, bucket, "a")
    code, live = start.run("rm", f"s3://{bucket}/none", f"s3://{bucket}/a")
    assert (code, live.said) == (0, [])
    assert keys(boto, bucket) == []


def test_what_cannot_be_removed_does_not_keep_the_others(start: Start, boto: S3Client, bucket: str) -> None:
    put(boto, bucket, "a", "b")
    code, live = start.run("rm", f"s3://{bucket}/a", "s3://no-such-bucket/x", f"s3://{bucket}/b")
    assert code == 1
    assert "s3://no-such-bucket/x" in live.error
    assert "NoSuchBucket" in live.error
    assert keys(boto, bucket) == []


def test_of_a_dotted_bucket_the_sidecar_s_old_place_is_cleared_too(start: Start, boto: S3Client) -> None:
    bucket = "dotted.bucket"
    boto.create_bucket(Bucket=bucket)
    try:
        put(boto, bucket, "k", ".md5/k.md5", f".md5/{bucket}/k.md5", f".md5/{bucket}/other.md5")
        code, live = start.run("rm", f"s3://{bucket}/k")
        assert (code, live.said) == (0, [])
        assert keys(boto, bucket) == [f".md5/{bucket}/other.md5"]
        boto.delete_object(Bucket=bucket, Key=f".md5/{bucket}/other.md5")
    finally:
        boto.delete_bucket(Bucket=bucket)


def test_a_version_is_removed_with_the_sidecar_only_if_that_is_its_own(
    start: Start, boto: S3Client, versioned: str
) -> None:
    url = f"s3://{versioned}/k"
    ids = [boto.put_object(Bucket=versioned, Key="k", Body=b"first")["VersionId"]]
    code, live = start.run("put", url, stdin=b"second")
    assert code == 0, live.said
    ids.append(boto.head_object(Bucket=versioned, Key="k")["VersionId"])

    code, live = start.run("rm", url, "-v", ids[0])
    assert (code, live.said) == (0, [])
    assert stored(boto, versioned) == b"second"
    assert stored(boto, versioned, ".md5/k.md5") == md5(b"second").encode()
    versions = boto.list_object_versions(Bucket=versioned, Prefix="k")["Versions"]
    assert [version["VersionId"] for version in versions] == [ids[1]]

    code, live = start.run("rm", url, "--versionId", ids[1])
    assert (code, live.said) == (0, [])
    assert keys(boto, versioned) == []


def test_without_a_version_an_object_is_hidden_and_its_versions_stay(
    start: Start, boto: S3Client, versioned: str
) -> None:
    version = boto.put_object(Bucket=versioned, Key="k", Body=DATA)["VersionId"]
    url = f"s3://{versioned}/k"
    code, live = start.run("rm", url)
    assert (code, live.said) == (0, [])
    assert keys(boto, versioned) == []

    assert start.run("info", url)[0] == 1
    (info,) = answer(start, "info", url, "-v", version)
    assert (info["version_id"], info["size"]) == (version, len(DATA))
    code, live = start.run("verify", url, "-v", version)
    assert code == 0, live.said
    code, live = start.run("get", url, "-v", version)
    assert (code, live.stdout) == (0, DATA), live.said


# --- ls ------------------------------------------------------------------


def test_objects_are_listed_whose_keys_begin_with_the_prefix(
    start: Start, boto: S3Client, bucket: str
) -> None:
    put(boto, bucket, "a", "b/1", "b/2", "bc")
    assert lines(start, "ls", f"s3://{bucket}") == [
        f"s3://{bucket}/{key}" for key in ("a", "b/1", "b/2", "bc")
    ]
    assert lines(start, "ls", f"s3://{bucket}/b/") == [f"s3://{bucket}/{key}" for key in ("b/1", "b/2")]
    assert lines(start, "ls", f"s3://{bucket}/none") == []

    entry = boto.list_objects_v2(Bucket=bucket, Prefix="bc")["Contents"][0]
    modified = entry["LastModified"].strftime("%Y-%m-%dT%H:%M:%SZ")
    (long,) = lines(start, "ls", "-l", f"s3://{bucket}/bc")
    assert long.split() == ["2", modified, "STANDARD", f"s3://{bucket}/bc"]
    assert answer(start, "ls", f"s3://{bucket}/bc") == [
        {
            "bucket": bucket,
            "key": "bc",
            "size": 2,
            "etag": md5(b"bc"),
            "modified": modified,
            "storage_class": "STANDARD",
        }
    ]


def test_a_long_listing_comes_in_pages_and_stops_when_nobody_reads(
    start: Start, boto: S3Client, bucket: str
) -> None:
    names = [
        f"{'k' * 100}{number:04}" for number in range(1001)
    ]  # a page has 1000, and a pipe no room for them
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: boto.put_object(Bucket=bucket, Key=name), names))
    assert lines(start, "ls", f"s3://{bucket}") == [f"s3://{bucket}/{name}" for name in names]

    code, live = start.run(
        "ls", f"s3://{bucket}", shell='{ "$@"; echo $? >code; } | head -1; exit $(cat code)'
    )
    assert (code, live.said) == (141, [])
    assert live.stdout.decode() == f"s3://{bucket}/{names[0]}\n"

    for at in (0, 1000):
        some: Any = [{"Key": name} for name in names[at : at + 1000]]
        boto.delete_objects(Bucket=bucket, Delete={"Objects": some})


def test_a_line_for_people_has_no_control_characters(start: Start, boto: S3Client, bucket: str) -> None:
    put(boto, bucket, "red\x1b[31m\n")
    assert lines(start, "ls", f"s3://{bucket}") == [f"s3://{bucket}/red\\x1b[31m\\n"]


def test_the_listing_of_a_bucket_that_is_missing_is_an_error(fails: Failed) -> None:
    assert "NoSuchBucket" in fails("ls", "s3://no-such-bucket").error


# --- info ------------------------------------------------------------------


def test_everything_is_told_of_an_object_that_boto3_has_made(
    start: Start, boto: S3Client, bucket: str
) -> None:
    boto.put_object(
        Bucket=bucket,
        Key="k",
        Body=DATA,
        Metadata={"by": "me"},
        ContentType="text/x-test",
        CacheControl="max-age=3",
        ChecksumAlgorithm="SHA256",
    )
    head = boto.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    (info,) = answer(start, "info", f"s3://{bucket}/k")
    assert info["object"] == f"s3://{bucket}/k"
    assert (info["size"], info["etag"], info["storage_class"]) == (len(DATA), md5(DATA), "STANDARD")
    assert info["modified"] == head["LastModified"].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert info["headers"] == {"Content-Type": "text/x-test", "Cache-Control": "max-age=3"}
    assert info["metadata"] == {"by": "me"}
    assert info["checksums"] == {"sha256": {"value": head["ChecksumSHA256"], "type": "FULL_OBJECT"}}
    assert (info["parts"], info["sidecar"]) == (None, None)


def test_parts_and_sidecar_are_told_of_what_we_have_put(start: Start, bucket: str) -> None:
    data = noise(2 * PART + 1)
    code, live = start.run("put", f"s3://{bucket}/k", *SMALL, stdin=data)
    assert code == 0, live.said
    (info,) = answer(start, "info", f"s3://{bucket}/k")
    layout = [{"count": 2, "size": PART}, {"count": 1, "size": 1}]
    assert info["parts"] == {"count": 3, "first": PART, "layout": layout}
    assert info["checksums"]["crc64nvme"]["type"] == "FULL_OBJECT"
    sidecar = {"key": ".md5/k.md5", "md5": md5(data), "etag": etag(data), "current": True}
    assert info["sidecar"] == sidecar

    said = lines(start, "info", "-b", bucket, "-k", "k")
    assert f"size: {len(data)} (10.0 MiB)" in said
    assert f"etag: {etag(data)}" in said
    assert f"parts: 3, of bytes: 2 x {PART}, 1 x 1" in said
    assert f"sidecar: .md5/k.md5, md5 {md5(data)}" in said


def test_a_sidecar_of_another_object_is_told_to_be_stale(start: Start, boto: S3Client, bucket: str) -> None:
    older: Answer = {"Body": md5(b"older").encode(), "Metadata": {"etag": md5(b"older")}}
    boto.put_object(Bucket=bucket, Key=".md5/k.md5", **older)
    put(boto, bucket, "k")
    (info,) = answer(start, "info", f"s3://{bucket}/k")
    assert info["etag"] == md5(b"k")
    assert (info["sidecar"]["etag"], info["sidecar"]["current"]) == (md5(b"older"), False)
    assert any("stale" in line for line in lines(start, "info", f"s3://{bucket}/k"))


def test_info_about_nothing_is_an_error_that_says_why(fails: Failed, bucket: str) -> None:
    live = fails("info", f"s3://{bucket}/k", "--json")
    assert live.stdout == b""
    assert "NoSuchKey" in live.error


# --- verify ------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1000, 2 * PART + 1])
def test_what_we_have_put_is_verified_by_all_that_is_stored(start: Start, bucket: str, size: int) -> None:
    code, live = start.run("put", f"s3://{bucket}/k", *SMALL, stdin=noise(size))
    assert code == 0, live.said
    code, live = start.run("verify", f"s3://{bucket}/k", "--stats", "json")
    assert (code, live.stdout) == (0, b""), live.said
    stats = json.loads(live.said[-1])
    assert (stats["bytes"], stats["verified"]) == (size, ["md5", "crc64nvme"])
    assert stats["digests"]["md5"] == md5(noise(size))


Algorithm = Literal["CRC32", "CRC32C", "SHA1", "SHA256"]


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_each_checksum_that_boto3_stores_is_checked(
    start: Start, boto: S3Client, bucket: str, algorithm: Algorithm
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA, ChecksumAlgorithm=algorithm)
    code, live = start.run("verify", f"s3://{bucket}/k", *PIECES)
    assert code == 0, live.said
    assert live.verified == f"md5+{algorithm.lower()}"


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256"])
def test_a_checksum_of_the_parts_checksums_is_checked(
    start: Start, boto: S3Client, bucket: str, algorithm: Algorithm
) -> None:
    data = noise(2 * PART + 1)
    opened = boto.create_multipart_upload(
        Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType="COMPOSITE"
    )
    where: Answer = {"Bucket": bucket, "Key": "k", "UploadId": opened["UploadId"]}
    sent: list[Answer] = []
    for number in (1, 2, 3):
        body = data[(number - 1) * PART : number * PART]
        part: Any = boto.upload_part(PartNumber=number, Body=body, ChecksumAlgorithm=algorithm, **where)
        name = f"Checksum{algorithm}"
        sent.append({"PartNumber": number, "ETag": part["ETag"], name: part[name]})
    parts: Any = {"Parts": sent}
    boto.complete_multipart_upload(MultipartUpload=parts, ChecksumType="COMPOSITE", **where)

    (info,) = answer(start, "info", f"s3://{bucket}/k")
    assert info["checksums"][algorithm.lower()]["type"] == "COMPOSITE"
    code, live = start.run("verify", f"s3://{bucket}/k")
    assert code == 0, live.said
    assert live.verified == f"md5+{algorithm.lower()}"


def test_a_sidecar_that_is_wrong_fails_a_verification(fails: Failed, boto: S3Client, bucket: str) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    boto.put_object(Bucket=bucket, Key=".md5/k.md5", Body=md5(b"other").encode())
    error = fails("verify", f"s3://{bucket}/k").error
    assert md5(DATA) in error
    assert md5(b"other") in error
    assert "its sidecar" in error


def test_bytes_that_come_damaged_fail_a_verification_by_each_digest(
    fails: Failed, relay: Relay, boto: S3Client, bucket: str
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA, ChecksumAlgorithm="SHA256")
    relay.damage(r"GET /\S*/k [^\0]*bytes=100000-")
    error = fails("verify", f"s3://{bucket}/k", *PIECES).error
    assert f"expected {md5(DATA)} from its ETag" in error
    assert "from its checksum" in error


def test_what_nothing_proves_is_not_verified(fails: Failed, boto: S3Client, bucket: str) -> None:
    """Parts of lengths that nobody can guess, and no checksum."""
    opened = boto.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    where: Answer = {"Bucket": bucket, "Key": "k", "UploadId": opened}
    pieces = (noise(PART + 1), noise(PART + 2), noise(10))
    sent = [boto.upload_part(PartNumber=n, Body=piece, **where) for n, piece in enumerate(pieces, 1)]
    parts: Any = {"Parts": [{"PartNumber": n, "ETag": part["ETag"]} for n, part in enumerate(sent, 1)]}
    boto.complete_multipart_upload(MultipartUpload=parts, **where)
    assert "nothing that is stored with it" in fails("verify", f"s3://{bucket}/k").error


def test_nothing_is_there_to_be_verified(fails: Failed, bucket: str) -> None:
    assert "NoSuchKey" in fails("verify", f"s3://{bucket}/k").error


# --- uploads ------------------------------------------------------------------


def test_uploads_are_listed_by_the_prefix_of_their_keys_and_by_their_age(
    start: Start, boto: S3Client, bucket: str
) -> None:
    ids = {
        key: boto.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"] for key in ("a/1", "a/2", "b")
    }
    found = answer(start, "uploads", "ls", f"s3://{bucket}")
    assert {entry["key"]: entry["upload_id"] for entry in found} == ids
    begun = boto.list_multipart_uploads(Bucket=bucket, Prefix="b")["Uploads"][0]["Initiated"]
    when = begun.strftime("%Y-%m-%dT%H:%M:%SZ")
    entry = {"bucket": bucket, "key": "b", "upload_id": ids["b"], "initiated": when}
    assert answer(start, "uploads", "ls", f"s3://{bucket}/b") == [entry]
    assert lines(start, "uploads", "ls", f"s3://{bucket}/b") == [f"{when} {ids['b']} s3://{bucket}/b"]
    assert answer(start, "uploads", "ls", f"s3://{bucket}", "--older-than", "1h") == []


def test_only_the_uploads_that_are_meant_are_aborted(
    start: Start, boto: S3Client, bucket: str, uploads: Uploads
) -> None:
    def opened(key: str) -> str:
        return boto.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]

    ones, twos, other = [opened("a/1"), opened("a/1")], [opened("a/2"), opened("a/3")], opened("b")
    boto.upload_part(Bucket=bucket, Key="a/2", UploadId=twos[0], PartNumber=1, Body=b"part")

    assert lines(start, "uploads", "abort", f"s3://{bucket}", "--older-than", "1h") == []
    assert len(uploads.pending()) == 5

    said = lines(start, "uploads", "abort", f"s3://{bucket}/a/1", "--upload-id", ones[0])
    assert said == [f"aborted {ones[0]} s3://{bucket}/a/1"]
    assert sorted(uploads.pending()) == sorted([ones[1], *twos, other])

    said = lines(start, "uploads", "abort", f"s3://{bucket}/a/", "--older-than", "0")
    assert len(said) == 3
    assert uploads.pending() == [other]


def test_an_upload_that_nobody_knows_cannot_be_aborted(
    start: Start, boto: S3Client, bucket: str, uploads: Uploads
) -> None:
    other = boto.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    code, live = start.run("uploads", "abort", f"s3://{bucket}/k", "--upload-id", f"{other}x")
    assert code == 1
    assert "NoSuchUpload" in live.error
    assert uploads.pending() == [other]


def test_uploads_are_aborted_only_by_age_or_id(
    start: Start, boto: S3Client, bucket: str, uploads: Uploads
) -> None:
    boto.create_multipart_upload(Bucket=bucket, Key="k")
    code, live = start.run("uploads", "abort", f"s3://{bucket}")
    assert code == 2, live.said
    assert len(uploads.pending()) == 1


# --- presign ------------------------------------------------------------------


@pytest.mark.parametrize("key", ["plain", "a b+c/ü%41?x=1&y#z"])
def test_a_presigned_url_gets_and_puts_without_keys(
    start: Start, boto: S3Client, bucket: str, key: str
) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    (url,) = lines(start, "presign", f"s3://{bucket}/{key}", "--method", "PUT", "--expires", "90s")
    with opener.open(urllib.request.Request(url, data=b"bytes", method="PUT")) as reply:
        assert reply.status == 200
    assert stored(boto, bucket, key) == b"bytes"

    (url,) = lines(start, "presign", "-b", bucket, "-k", key)
    with opener.open(url) as reply:
        assert reply.read() == b"bytes"

    with pytest.raises(urllib.error.HTTPError) as refused:
        opener.open(urllib.request.Request(url, data=b"other", method="PUT"))
    assert refused.value.code == 403
    refused.value.close()
    assert stored(boto, bucket, key) == b"bytes"


def test_a_presigned_url_is_of_the_version_that_was_asked_for(
    start: Start, boto: S3Client, versioned: str
) -> None:
    version = boto.put_object(Bucket=versioned, Key="k", Body=b"first")["VersionId"]
    put(boto, versioned, "k")
    (url,) = lines(start, "presign", f"s3://{versioned}/k", "-v", version)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as reply:
        assert reply.read() == b"first"


@pytest.mark.parametrize("expires", ["0", "8d"])
def test_an_age_that_no_url_can_have_is_a_usage_error(start: Start, bucket: str, expires: str) -> None:
    code, live = start.run("presign", f"s3://{bucket}/k", "--expires", expires)
    assert (code, live.stdout) == (2, b"")
