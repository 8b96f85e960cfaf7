"""migrate --delete-source: a source goes when its destination is what its receipt says, and never else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Server
from tests.e2e.conftest import as_old, keys, stored
from tests.e2e.front import Front
from tests.e2e.live import PART, SMALL, Live, Start, noise
from tests.e2e.relay import Relay
from tests.e2e.test_migrate import RECEIPTS, between, check, fill, moved
from tools.local_s3 import LocalS3

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

DELETE = "--delete-source"


def deleted(live: Live) -> int:
    """Sources that a run says it has deleted."""
    line = next(line for line in live.said if line.endswith("sources deleted"))
    return int(line.split()[1])


def stays(live: Live) -> list[str]:
    """Causes that are told."""
    return [line for line in live.said if " stays: " in line or " stay: " in line]


def sources(boto: S3Client, bucket: str, prefix: str = "from/") -> list[str]:
    return [key for key in keys(boto, bucket) if key.startswith(prefix)]


# --- what goes ------------------------------------------------------------------


def test_what_has_been_moved_is_deleted_and_nothing_beside_it(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    made = fill(boto, bucket, 20)
    boto.put_object(Bucket=bucket, Key="from-other", Body=b"not below it")
    boto.put_object(Bucket=bucket, Key=".md5/from/0/ä b0.md5", Body=b"0" * 32)
    code, live = start.run(*between(bucket), DELETE, "--dry-run")
    assert (code, live.stdout.decode().splitlines()[-1]) == (
        0,
        "deleted: up to 20 sources, when all are moved",
    )
    assert len(sources(boto, bucket)) == 20
    code, live = start.run(*between(bucket), DELETE)
    assert (code, moved(live), deleted(live)) == (0, 20, 20), live.said
    check(boto, bucket, made)
    assert [key for key in keys(boto, bucket) if not key.startswith("to/")] == [
        ".md5/from/0/ä b0.md5",
        "from-other",
    ]
    code, live = start.run(*between(bucket), DELETE)
    assert (code, moved(live), deleted(live)) == (0, 0, 0), live.said
    name = next(iter(made))
    boto.put_object(Bucket=bucket, Key=f"from/{name}", Body=b"there again")
    code, live = start.run(*between(bucket), DELETE)
    assert (code, moved(live), deleted(live)) == (0, 1, 1), live.said
    check(boto, bucket, made | {name: b"there again"})


def test_of_two_stores_with_the_same_names_the_sources_go(
    start: Start, other: tuple[LocalS3, S3Client], boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    server, their = other
    their.create_bucket(Bucket=bucket)
    made = fill(their, bucket, 12)
    made["large"] = noise(PART + 5)
    their.put_object(Bucket=bucket, Key="from/large", Body=made["large"])
    env = as_old(server, tmp_path)
    words = ["migrate", f"--from=s3://{bucket}/from/", f"--to=s3://{bucket}/from", *SMALL, DELETE]
    words += [f"--source-endpoint={server.endpoint}", "--source-profile=old"]
    code, live = start.run(*words, env=env)
    assert (code, deleted(live)) == (0, 13), live.said
    assert keys(their, bucket) == []
    check(boto, bucket, made, "from/")
    assert sources(boto, bucket, "") == sources(boto, bucket), "the probe is gone"


def test_files_go_and_objects_go_for_files(start: Start, boto: S3Client, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "files" / "a").mkdir(parents=True)
    (tmp_path / "files" / "a" / "1").write_bytes(b"1")
    (tmp_path / "files" / "big").write_bytes(noise(PART + 9))
    (tmp_path / "kept").write_bytes(b"behind a link")
    (tmp_path / "files" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "files" / "z").symlink_to(tmp_path / "files" / "big")
    (tmp_path / "files" / "twin").hardlink_to(tmp_path / "files" / "a" / "1")
    code, live = start.run("migrate", "--from=files", f"--to=s3://{bucket}/to", *SMALL, DELETE)
    assert (code, deleted(live)) == (0, 5), live.said
    assert [path.name for path in (tmp_path / "files").rglob("*")] == ["a"]
    assert (tmp_path / "kept").read_bytes() == b"behind a link"
    made = {"a/1": b"1", "big": noise(PART + 9), "link": b"behind a link", "z": noise(PART + 9), "twin": b"1"}
    check(boto, bucket, made)
    code, live = start.run("migrate", f"--from=s3://{bucket}/to", "--to=back", "--receipts=b", *SMALL, DELETE)
    assert (code, deleted(live)) == (0, 5), live.said
    assert keys(boto, bucket) == []
    assert {name: (tmp_path / "back" / name).read_bytes() for name in made} == made


def test_versions_go_where_they_are_named(
    start: Start, boto: S3Client, bucket: str, versioned: str, tmp_path: Path
) -> None:
    first = boto.put_object(Bucket=versioned, Key="k", Body=b"first")["VersionId"]
    second = boto.put_object(Bucket=versioned, Key="k", Body=b"second")["VersionId"]
    line = {
        "source": f"s3://{versioned}/k",
        "destination": f"s3://{bucket}/1",
        "options": {"versionId": first},
    }
    (tmp_path / "first").write_text(json.dumps(line))
    code, live = start.run("migrate", "first", DELETE)
    assert (code, deleted(live)) == (0, 1), live.said
    there = boto.list_object_versions(Bucket=versioned)
    assert [each["VersionId"] for each in there["Versions"]] == [second]
    assert "DeleteMarkers" not in there
    (tmp_path / "second").write_text(f"s3://{versioned}/k,s3://{bucket}/2")
    code, live = start.run("migrate", "second", "--receipts=2", DELETE)
    assert (code, deleted(live)) == (0, 1), live.said
    there = boto.list_object_versions(Bucket=versioned)
    assert [each["VersionId"] for each in there["Versions"]] == [second], "behind a delete marker"
    assert len(there["DeleteMarkers"]) == 1


def test_versions_of_one_key_may_go_to_other_places(
    start: Start,
    other: tuple[LocalS3, S3Client],
    s3: Server,
    boto: S3Client,
    versioned: str,
    tmp_path: Path,
) -> None:
    server, their = other
    text = "".join(
        f"[{name}]\naws_access_key_id={each.access_key}\naws_secret_access_key={each.secret_key}\n"
        for name, each in (("old", s3), ("new", server))
    )
    (tmp_path / "credentials").write_text(text)
    names = [boto.put_object(Bucket=versioned, Key="k", Body=body)["VersionId"] for body in (b"1", b"2")]
    lines = [
        {"source": f"s3://{versioned}/k", "destination": to, "options": {"versionId": name}}
        for name, to in zip(names, ("file", f"s3://{server.bucket}/k"), strict=True)
    ]
    (tmp_path / "manifest").write_text("\n".join(map(json.dumps, lines)))
    words = ["migrate", "manifest", DELETE, f"--endpoint={server.endpoint}", "--profile=new"]
    words += [f"--source-endpoint={s3.endpoint}", "--source-profile=old"]
    code, live = start.run(*words, env={"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")})
    assert (code, deleted(live)) == (0, 2), live.said
    assert "Versions" not in boto.list_object_versions(Bucket=versioned)
    assert (tmp_path / "file").read_bytes() == b"1"
    assert stored(their, server.bucket) == b"2"


# --- what is not as it was ------------------------------------------------------------------


def test_what_is_not_at_its_destination_any_more_stays_and_goes_later(
    start: Start, boto: S3Client, bucket: str
) -> None:
    made = fill(boto, bucket, 6)
    first, second, *_ = made
    code, live = start.run(*between(bucket))
    assert code == 0
    boto.put_object(Bucket=bucket, Key=f"to/{first}", Body=made[first] + b"!")
    boto.delete_object(Bucket=bucket, Key=f"to/{second}")
    code, live = start.run(*between(bucket), DELETE)
    assert (code, deleted(live)) == (1, 4), live.said
    assert live.said[-1].endswith("migrate: 2 sources are still there; run it again to try them again")
    assert len(stays(live)) == 2
    assert sources(boto, bucket) == sorted([f"from/{first}", f"from/{second}"])
    for name in (first, second):
        boto.copy_object(Bucket=bucket, Key=f"to/{name}", CopySource=f"{bucket}/from/{name}")
    code, live = start.run(*between(bucket), DELETE)
    assert (code, deleted(live)) == (0, 2), live.said


def test_a_source_that_has_changed_stays(start: Start, boto: S3Client, bucket: str, tmp_path: Path) -> None:
    for key in ("1", "2"):
        boto.put_object(Bucket=bucket, Key=key, Body=b"then")
    (tmp_path / "file").write_bytes(b"then")
    (tmp_path / "same").write_bytes(b"then")
    names = [f"s3://{bucket}/1", f"s3://{bucket}/2", "file", "same"]
    text = "".join(f"{name},s3://{bucket}/to{at}\n" for at, name in enumerate(names))
    (tmp_path / "manifest").write_text(text)
    assert start.run("migrate", "manifest")[0] == 0
    boto.put_object(Bucket=bucket, Key="2", Body=b"now!")
    then = (tmp_path / "file").stat()
    (tmp_path / "file").write_bytes(b"now!")
    os.utime(tmp_path / "file", ns=(then.st_atime_ns, then.st_mtime_ns))
    code, live = start.run("migrate", "manifest", DELETE)
    assert (code, deleted(live)) == (1, 2), live.said
    assert (tmp_path / "file").read_bytes() == stored(boto, bucket, "2") == b"now!"
    assert not (tmp_path / "same").exists()
    assert "1" not in keys(boto, bucket)


def test_a_file_that_is_not_what_was_written_keeps_its_object(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    made = fill(boto, bucket, 3)
    changed, gone, _ = made
    words = ("migrate", f"--from=s3://{bucket}/from", "--to=back")
    assert start.run(*words)[0] == 0
    path = tmp_path / "back" / changed
    path.write_bytes(bytes(len(made[changed])) + b"?")
    (tmp_path / "back" / gone).unlink()
    code, live = start.run(*words, DELETE)
    assert (code, deleted(live)) == (1, 1), live.said
    assert sources(boto, bucket) == sorted([f"from/{changed}", f"from/{gone}"])


def test_a_receipt_that_is_not_there_keeps_its_source(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    fill(boto, bucket, 2)
    assert start.run(*between(bucket))[0] == 0
    text = (tmp_path / RECEIPTS).read_text()
    (tmp_path / RECEIPTS).write_text(text.replace("/to/", "/tu/"))
    code, live = start.run(*between(bucket), DELETE)
    assert (code, deleted(live)) == (1, 0), live.said
    assert len(sources(boto, bucket)) == 2


# --- whose it is as well ------------------------------------------------------------------


@pytest.mark.parametrize("nested", [False, True])
def test_one_store_under_two_names_keeps_everything(
    start: Start, s3: Server, boto: S3Client, bucket: str, nested: bool
) -> None:
    made = fill(boto, bucket, 4)
    alias = s3.endpoint.replace("127.0.0.1", "localhost")
    assert alias != s3.endpoint
    to = f"s3://{bucket}/to" if nested else f"s3://{bucket}/from"
    words = ("migrate", f"--from=s3://{bucket}/from", f"--to={to}", f"--source-endpoint={alias}")
    code, live = start.run(*words, DELETE)
    assert (code, deleted(live)) == (1, 0), live.said
    assert "are one: name it once" in stays(live)[0]
    check(boto, bucket, made, "from/")
    assert not [key for key in keys(boto, bucket) if "probe" in key]


def test_where_a_store_does_not_say_whether_it_is_another_nothing_goes(
    start: Start, front: Front, s3: Server, boto: S3Client, bucket: str
) -> None:
    made = fill(boto, bucket, 2)
    front.answer(r"HEAD \S*gof3r-probe", 403, {}, times=0)
    words = (*between(bucket), f"--endpoint={s3.endpoint}", f"--source-endpoint={front.endpoint}")
    code, live = start.run(*words, DELETE)
    assert (code, deleted(live)) == (1, 0), live.said
    assert "s3:ListBucket" in stays(live)[0]
    check(boto, bucket, made, "from/")
    assert not [key for key in keys(boto, bucket) if "probe" in key]


def test_a_bucket_that_is_mounted_keeps_its_files(
    start: Start, relay: Relay, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "1").write_bytes(b"1")

    def mount() -> None:
        """As a mounted bucket shows it."""
        for key in keys(boto, bucket):
            (tmp_path / "files" / key).touch()

    relay.before(r"HEAD \S*gof3r-probe", mount)
    code, live = start.run("migrate", "--from=files", f"--to=s3://{bucket}", DELETE)
    assert (code, deleted(live)) == (1, 0), live.said
    assert "are one: what is made in one of them is in the other" in stays(live)[0]
    assert (tmp_path / "files" / "1").exists()
    assert keys(boto, bucket) == ["1"]


def test_a_directory_that_is_served_keeps_its_objects(
    start: Start, front: Front, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    fill(boto, bucket, 2)
    front.answer(r"HEAD \S*gof3r-probe", 200, {"ETag": '"e"', "Content-Length": "0"}, times=0)
    code, live = start.run("migrate", f"--from=s3://{bucket}/from", "--to=back", DELETE)
    assert (code, deleted(live)) == (1, 0), live.said
    assert "are one: what is made in one of them is in the other" in stays(live)[0]
    assert len(sources(boto, bucket)) == 2
    assert not list((tmp_path / "back").rglob("*probe*"))


def test_a_source_that_another_still_needs_stays(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    for key in ("two", "twice", "first"):
        boto.put_object(Bucket=bucket, Key=key, Body=key.encode())
    boto.put_object(Bucket=bucket, Key="in the way", Body=b"")
    b = f"s3://{bucket}"
    lines = [
        f"{b}/two,{b}/to1",
        f"{b}/two,{b}/in the way,if-none-match=true",
        f"{b}/first,{b}/to2",
        f"{b}/twice,{b}/to2",  # told, and fails; it is no item of the journal's
        f"{b}/twice,{b}/to3",
    ]
    (tmp_path / "manifest").write_text("\n".join(lines) + "\n")
    code, live = start.run("migrate", "manifest", DELETE)
    assert (code, deleted(live)) == (1, 0), live.said
    assert {"two", "twice", "first"} <= set(keys(boto, bucket))
    boto.delete_object(Bucket=bucket, Key="in the way")
    code, live = start.run("migrate", "manifest", DELETE)
    assert (code, deleted(live)) == (1, 1), live.said
    assert set(keys(boto, bucket)) == {"in the way", "to1", "to3", "twice", "first"}
    assert stored(boto, bucket, "to1") == stored(boto, bucket, "in the way") == b"two"


def test_a_file_that_is_needed_or_written_under_another_name_stays(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"an object")
    boto.put_object(Bucket=bucket, Key="in the way", Body=b"")
    (tmp_path / "up").write_bytes(b"an object")
    (tmp_path / "file").write_bytes(b"file")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    b = f"s3://{bucket}"
    lines = [f"{b}/k,down", f"up,{b}/to", f"file,{b}/to2", f"link,{b}/in the way,if-none-match=true"]
    (tmp_path / "manifest").write_text("\n".join(lines) + "\n")
    assert start.run("migrate", "manifest")[0] == 1
    when = (tmp_path / "up").stat().st_mtime_ns
    (tmp_path / "up").unlink()
    (tmp_path / "up").hardlink_to(tmp_path / "down")
    os.utime(tmp_path / "up", ns=(when, when))
    code, live = start.run("migrate", "manifest", DELETE)
    assert (code, deleted(live)) == (1, 1), live.said
    assert "k" not in keys(boto, bucket)
    assert (tmp_path / "down").read_bytes() == b"an object"
    assert (tmp_path / "up").exists() and (tmp_path / "file").exists()


def test_keys_that_a_store_of_files_takes_for_one_stay(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    boto.put_object(Bucket=bucket, Key="a/K", Body=b"1")
    (tmp_path / "manifest").write_text(f"s3://{bucket}/a/K,s3://{bucket}/a/k\n")
    code, live = start.run("migrate", "manifest", DELETE)
    assert (code, deleted(live)) == (1, 0), live.said
    assert "some stores take both keys for one" in stays(live)[0]


# --- what comes between ------------------------------------------------------------------


def test_what_may_not_be_deleted_is_told_and_tried_again(
    start: Start, front: Front, boto: S3Client, bucket: str
) -> None:
    made = fill(boto, bucket, 5)
    denied = "<Error><Code>AccessDenied</Code><Message>not for you</Message></Error>"
    front.answer(r"DELETE \S*/from/", 403, {}, denied)
    code, live = start.run(*between(bucket), DELETE)
    assert (code, deleted(live)) == (1, 4), live.said
    assert stays(live)[0].startswith("gof3r warning: 1 source stays: AccessDenied: ")
    assert "1 sources are still there" in live.said[-1]
    assert len(sources(boto, bucket)) == 1
    code, live = start.run(*between(bucket), DELETE)
    assert (code, moved(live), deleted(live)) == (0, 0, 1), live.said
    check(boto, bucket, made)
    looked = [seen.line.split()[0] for seen in front.seen if "/to/" in seen.line or "/from/" in seen.line]
    code, live = start.run(*between(bucket), DELETE)
    again = [seen.line.split()[0] for seen in front.seen if "/to/" in seen.line or "/from/" in seen.line]
    assert again == looked, "what is deleted is not looked for again"


def test_what_a_manifest_names_is_not_looked_for_when_it_is_deleted(
    start: Start, boto: S3Client, bucket: str, tmp_path: Path
) -> None:
    boto.put_object(Bucket=bucket, Key="1", Body=b"1")
    (tmp_path / "manifest").write_text(f"s3://{bucket}/1,s3://{bucket}/2\n")
    for count in (1, 0):
        code, live = start.run("migrate", "manifest", DELETE)
        assert (code, moved(live), deleted(live)) == (0, count, count), live.said


def test_killed_between_a_deletion_and_its_note_it_goes_on(
    start: Start, relay: Relay, boto: S3Client, bucket: str
) -> None:
    made = fill(boto, bucket, 5)
    for request in (r"DELETE \S*from", r"HEAD \S*from"):
        relay.hold(request)
        live = start(*between(bucket), DELETE)
        relay.held()
        live.process.kill()
        live.process.wait()
    boto.delete_object(Bucket=bucket, Key=f"from/{next(iter(made))}")
    code, live = start.run(*between(bucket), DELETE)
    assert code == 0, live.said
    check(boto, bucket, made)
    assert sources(boto, bucket) == []


def test_a_lost_answer_is_no_loss(start: Start, relay: Relay, boto: S3Client, bucket: str) -> None:
    made = fill(boto, bucket, 3)
    relay.lose_answer(r"DELETE \S*from")
    code, live = start.run(*between(bucket), DELETE)
    assert (code, deleted(live)) == (0, 3), live.said
    check(boto, bucket, made)


def test_an_object_that_fails_keeps_its_source_and_no_other(
    start: Start, boto: S3Client, bucket: str
) -> None:
    made = fill(boto, bucket, 4)
    name = next(iter(made))
    boto.put_object(Bucket=bucket, Key=f"to/{name}", Body=b"in the way")
    code, live = start.run(*between(bucket), "--if-none-match", DELETE, "--max-errors=0", "--receipts=0")
    assert code == 1
    assert len(sources(boto, bucket)) == 4, "what was stopped deletes nothing"
    for other in list(made)[1:]:
        boto.delete_object(Bucket=bucket, Key=f"to/{other}")
    code, live = start.run(*between(bucket), "--if-none-match", DELETE)
    assert (code, deleted(live)) == (1, 3), live.said
    assert sources(boto, bucket) == [f"from/{name}"]
    boto.delete_object(Bucket=bucket, Key=f"to/{name}")
    code, live = start.run(*between(bucket), "--if-none-match", DELETE)
    assert (code, deleted(live)) == (0, 1), live.said
    check(boto, bucket, made)


def test_nothing_is_deleted_by_a_check(start: Start) -> None:
    code, live = start.run("migrate", "--verify=x", DELETE)
    assert (code, "--verify" in live.said[0]) == (2, True)
