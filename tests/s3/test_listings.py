"""A listing's page is read whole, or not at all."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

import botocore.session
import pytest
from botocore.parsers import RestXMLParser
from hypothesis import given
from hypothesis import strategies as st

from gof3r.engine.errors import one_line
from gof3r.engine.s3 import listings, replies
from gof3r.engine.s3.listings import (
    Listed,
    ListPage,
    UploadListed,
    UploadsPage,
)
from gof3r.engine.s3.replies import Unreadable
from gof3r.engine.values import Response

XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"
DATE, EPOCH = "2009-10-12T17:50:30.250Z", 1255369830.25


def page(root: str, *inside: str, truncated: str = "false") -> Response:
    xml = f'<?xml version="1.0"?>\n<{root} xmlns="{XMLNS}">'
    if truncated:
        xml += f"<IsTruncated>{truncated}</IsTruncated>"
    return Response(200, {}, f"{xml}{''.join(inside)}</{root}>".encode("utf-8", "surrogatepass"))


def contents(key: str, **fields: str) -> str:
    given = {"Key": key, "LastModified": DATE, "ETag": "&quot;e&quot;", "Size": "5", **fields}
    return "<Contents>" + "".join(f"<{name}>{text}</{name}>" for name, text in given.items()) + "</Contents>"


def objects(*inside: str, truncated: str = "false") -> ListPage:
    return listings.objects(page("ListBucketResult", *inside, truncated=truncated))


ENCODED = "<EncodingType>url</EncodingType>"
OWNER = "<Owner><ID>1</ID><DisplayName>Key</DisplayName></Owner>"


def test_a_page_of_objects_tells_each_ones_facts() -> None:
    entries = contents("a", StorageClass="GLACIER") + contents("b", Size="5497558138880", Owner=OWNER)
    assert objects("<Name>bucket</Name>", entries, "<KeyCount>2</KeyCount>") == ListPage(
        (Listed("a", 5, "e", EPOCH, "GLACIER"), Listed("b", 5497558138880, "e", EPOCH, "STANDARD")), ""
    )


def test_a_page_that_is_not_the_last_tells_where_to_go_on() -> None:
    token = "<NextContinuationToken>1/+= %2B</NextContinuationToken>"
    assert objects(ENCODED, token, truncated="true") == ListPage((), "1/+= %2B")
    assert objects(token).next_token == ""


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("a+b", "a b"),
        ("a%20b", "a b"),
        ("a%2Bb", "a+b"),
        ("a/b", "a/b"),
        ("a%2Fb", "a/b"),
        ("%2520", "%20"),
        ("%C3%A9é", "éé"),
        ("%FF", "\udcff"),
        ("%00%0A%EF%BF%BF", "\x00\n\uffff"),
        ("%", "%"),
    ],
)
def test_a_key_is_decoded_where_the_answer_says_that_it_is_encoded(written: str, key: str) -> None:
    assert objects(contents(written), ENCODED).entries[0].key == key
    assert objects(contents(written)).entries[0].key == written


@pytest.mark.parametrize("key", [" a ", "+", "a\tb", "é", "&amp;lt;"])
def test_a_key_that_is_not_encoded_is_taken_as_it_is(key: str) -> None:
    assert objects(contents(key)).entries[0].key == key.replace("&amp;", "&")


@given(st.lists(st.binary(min_size=1).map(lambda raw: raw.decode("utf-8", "surrogateescape"))))
def test_every_key_survives_a_listing(keys: list[str]) -> None:
    entries = (contents(quote_plus(key, errors="surrogateescape")) for key in keys)
    assert [entry.key for entry in objects(ENCODED, *entries).entries] == keys


def test_a_full_page_of_the_longest_keys_is_read() -> None:
    key = "é" * 512
    answer = page("ListBucketResult", ENCODED, *[contents(quote_plus(key), Owner=OWNER)] * 1000)
    assert len(answer.body) > 3_000_000
    assert [entry.key for entry in listings.objects(answer).entries] == [key] * 1000


def upload(key: str = "k", identity: str = "i/d=", date: str = DATE) -> str:
    return (
        f"<Upload><Key>{key}</Key><UploadId>{identity}</UploadId><Initiator><ID>1</ID></Initiator>"
        f"{OWNER}<StorageClass>STANDARD</StorageClass><Initiated>{date}</Initiated></Upload>"
    )


MARKERS = "<NextKeyMarker>a+b</NextKeyMarker><NextUploadIdMarker>m/</NextUploadIdMarker>"


def uploads(*inside: str, truncated: str = "false") -> UploadsPage:
    return listings.uploads(page("ListMultipartUploadsResult", *inside, truncated=truncated))


def test_a_page_of_uploads_tells_key_id_and_beginning_and_where_to_go_on() -> None:
    entry = UploadListed("a +é%20", "i/d=", EPOCH)
    assert uploads(upload("a +é%20"), MARKERS) == UploadsPage((entry,), "", "")
    assert uploads(upload("a +é%20"), MARKERS, truncated="true") == UploadsPage((entry,), "a+b", "m/")


def test_the_keys_of_uploads_are_raw_even_if_the_store_says_that_they_are_encoded() -> None:
    # SeaweedFS 4.48 does; an upload is aborted by its key.
    assert uploads(ENCODED, upload("a+b")).entries[0].key == "a+b"


@pytest.mark.parametrize("number", range(32))
def test_of_control_characters_xml_holds_tabs_and_ends_of_lines(number: int) -> None:
    for reference in (f"&#{number};", f"&#00{number};", f"&#x{number:x};", f"&#x0{number:X};"):
        if chr(number) in "\t\n\r":
            assert uploads(upload(f"a{reference}b")).entries[0].key == f"a{chr(number)}b"
        else:
            with pytest.raises(Unreadable, match="XML cannot hold"):
                uploads(upload(f"a{reference}b"))


@pytest.mark.parametrize("key", ["a\x01", "a&#x1;", "\ufffd"])
def test_an_upload_whose_key_xml_cannot_hold_is_not_listed_under_another(key: str) -> None:
    with pytest.raises(Unreadable, match="XML cannot hold .*--upload-id"):
        uploads(upload(key))


def tags(xml: str) -> tuple[tuple[str, str], ...]:
    return listings.tags(Response(200, {}, f'<Tagging xmlns="{XMLNS}">{xml}</Tagging>'.encode()))


def test_tags_are_taken_as_they_are() -> None:
    xml = "<Tag><Key> a</Key><Value>b &amp; c </Value></Tag><Tag><Key>d</Key><Value/></Tag>"
    assert tags(f"<TagSet>{xml}</TagSet>") == ((" a", "b & c "), ("d", ""))
    assert tags("<TagSet/>") == ()


@pytest.mark.parametrize(
    ("date", "epoch"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-01T00:00:01.5Z", 1.5),
        ("1970-01-01T00:00:01.123456789Z", 1.123456789),
        ("2026-11-22T23:38:52.47Z", 1795390732.47),
    ],
)
def test_a_moment_is_epoch_seconds_wherever_we_are(date: str, epoch: float) -> None:
    assert uploads(upload(date=date)).entries[0].initiated == epoch


@pytest.mark.parametrize(
    "date",
    ["", "now", "2009-10-12", "2009-10-12T17:50:30", "2009-13-12T17:50:30Z", "0000-01-01T00:00:00Z"]
    + ["2009-10-12T17:50:30+02:00", "٢٠٠٩-10-12T17:50:30Z"],
)
def test_an_entry_without_a_moment_is_unreadable(date: str) -> None:
    with pytest.raises(Unreadable, match="Initiated"):
        uploads(upload(date=date))
    with pytest.raises(Unreadable, match="LastModified"):
        objects(contents("a", LastModified=date))


@pytest.mark.parametrize(
    ("read", "inside", "truncated", "lacks"),
    [
        (objects, "", "", "IsTruncated"),
        (objects, "", "perhaps", "IsTruncated"),
        (objects, "", "true", "NextContinuationToken"),
        (uploads, "<NextKeyMarker>k</NextKeyMarker>", "true", "NextUploadIdMarker"),
        (uploads, "<NextUploadIdMarker>i</NextUploadIdMarker>", "true", "NextKeyMarker"),
        (objects, contents(""), "false", "Key"),
        (objects, contents("a", Size=""), "false", "Size"),
        (objects, contents("a", Size="-1"), "false", "Size"),
        (objects, contents("a", Size="9" * 5000), "false", "Size"),
        (objects, contents("a", Size="٣"), "false", "Size"),
        (uploads, upload(""), "false", "Key"),
        (uploads, upload("k", ""), "false", "UploadId"),
    ],
)
def test_a_page_that_lacks_something_is_unreadable_and_says_what(
    read: Any, inside: str, truncated: str, lacks: str
) -> None:
    with pytest.raises(Unreadable, match=lacks):
        read(inside, truncated=truncated)


READERS = [listings.objects, listings.uploads, listings.versions, listings.tags, listings.refusals]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Welcome</body></html>",
        b"<ListAllMyBucketsResult><IsTruncated>false</IsTruncated></ListAllMyBucketsResult>",
        b"<Tagging/>",
        b"\xff",
    ],
)
def test_another_answer_than_the_listing_is_not_an_empty_one(read: Any, body: bytes) -> None:
    with pytest.raises(Unreadable, match="the answer has no"):
        read(Response(200, {}, body))


def test_a_page_cut_short_is_unreadable() -> None:
    whole = page("ListBucketResult", contents("a")).body
    for length in range(len(whole)):
        with pytest.raises(Unreadable):
            listings.objects(Response(200, {}, whole[:length]))


NAMES = [
    "Contents",
    "Version",
    "DeleteMarker",
    "Error",
    "VersionId",
    "Upload",
    "Part",
    "TagSet",
    "Tag",
    "Key",
    "Value",
    "Size",
    "ETag",
    "UploadId",
    "Initiated",
]
NAMES += [
    "IsTruncated",
    "NextKeyMarker",
    "NextContinuationToken",
    "PartNumber",
    "EncodingType",
    "LastModified",
]
TEXTS = st.text() | st.sampled_from([DATE, "true", "false", "5", "url", "%", "9999-99-99T99:99:99Z", "<x/>"])
FIELDS = st.lists(st.tuples(st.sampled_from(NAMES), TEXTS), max_size=8).map(
    lambda pairs: "".join(f"<{name}>{text}</{name}>" for name, text in pairs)
)
ENTRIES = st.builds(lambda name, inside: f"<{name}>{inside}</{name}>", st.sampled_from(NAMES), FIELDS)
ROOTS = ["ListBucketResult", "ListMultipartUploadsResult", "ListPartsResult", "Tagging"]
ROOTS += ["ListVersionsResult", "DeleteResult"]


@pytest.mark.parametrize("read", READERS)
@given(
    st.builds(
        lambda root, inside: page(root, *inside, truncated="").body,
        st.sampled_from(ROOTS),
        st.lists(ENTRIES | FIELDS, max_size=4),
    )
    | st.binary()
)
def test_any_answer_at_all_is_a_page_or_one_line_of_unreadable(read: Any, body: bytes) -> None:
    try:
        read(Response(200, {}, body))
    except Unreadable as unreadable:
        assert str(unreadable).isprintable() and len(str(unreadable)) <= 300


# botocore's opinion

PLAIN = st.text(
    st.characters(min_codepoint=33, max_codepoint=0xD7FF, exclude_categories=["C", "Z"]), min_size=1
)
SIZES = st.integers(0, 5 << 40)


MODEL = botocore.session.Session().get_service_model("s3")


def botocores(operation: str, response: Response) -> Any:
    shape: Any = MODEL.operation_model(operation).output_shape
    given = {"body": response.body, "headers": {}, "status_code": response.status}
    return RestXMLParser().parse(given, shape)


@given(st.lists(st.tuples(PLAIN, SIZES), max_size=5), PLAIN, st.booleans())
def test_a_page_of_objects_is_read_as_botocore_reads_it(
    given: list[tuple[str, int]], token: str, more: bool
) -> None:
    entries = (contents(escape(key), Size=str(size)) for key, size in given)
    next_token = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>" if more else ""
    answer = page("ListBucketResult", *entries, next_token, truncated=str(more).lower())
    ours, theirs = listings.objects(answer), botocores("ListObjectsV2", answer)
    assert ours.next_token == theirs.get("NextContinuationToken", "")
    assert [(e.key, e.size, f'"{e.etag}"', e.modified) for e in ours.entries] == [
        (e["Key"], e["Size"], e["ETag"], e["LastModified"].timestamp()) for e in theirs.get("Contents", ())
    ]


@given(st.lists(st.tuples(PLAIN, PLAIN), max_size=5), PLAIN, st.booleans())
def test_a_page_of_uploads_is_read_as_botocore_reads_it(
    given: list[tuple[str, str]], marker: str, more: bool
) -> None:
    markers = f"<NextKeyMarker>{escape(marker)}</NextKeyMarker><NextUploadIdMarker>i</NextUploadIdMarker>"
    entries = (upload(escape(key), escape(identity)) for key, identity in given)
    answer = page("ListMultipartUploadsResult", *entries, markers, truncated=str(more).lower())
    ours, theirs = listings.uploads(answer), botocores("ListMultipartUploads", answer)
    assert (ours.next_key, ours.next_id) == ((theirs["NextKeyMarker"], "i") if more else ("", ""))
    assert [(e.key, e.upload_id, e.initiated) for e in ours.entries] == [
        (e["Key"], e["UploadId"], e["Initiated"].timestamp()) for e in theirs.get("Uploads", ())
    ]


@given(st.lists(st.tuples(PLAIN, PLAIN, st.sampled_from(["Version", "DeleteMarker"])), max_size=5))
def test_a_page_of_versions_is_read_as_botocore_reads_it(given: list[tuple[str, str, str]]) -> None:
    entries = (
        f"<{kind}><Key>{escape(key)}</Key><VersionId>{escape(version)}</VersionId></{kind}>"
        for key, version, kind in given
    )
    answer = page("ListVersionsResult", *entries)
    ours, theirs = listings.versions(answer), botocores("ListObjectVersions", answer)
    said = [*theirs.get("Versions", ()), *theirs.get("DeleteMarkers", ())]
    assert list(ours) == [(each["Key"], each["VersionId"]) for each in said]


@given(st.lists(st.tuples(PLAIN, PLAIN, PLAIN), max_size=3))
def test_what_was_not_deleted_is_read_as_botocore_reads_it(given: list[tuple[str, str, str]]) -> None:
    entries = (
        f"<Error><Key>{escape(key)}</Key><Code>{escape(code)}</Code><Message>{escape(said)}</Message></Error>"
        for key, code, said in given
    )
    answer = page("DeleteResult", *entries, truncated="")
    theirs = botocores("DeleteObjects", answer).get("Errors", ())
    assert [code for _, code, _ in listings.refusals(answer)] == [one_line(e["Code"]) for e in theirs]
    assert len(listings.refusals(answer)) == len(given)


def test_the_longest_page_is_below_the_bound_of_an_answer() -> None:
    """1000 keys of 1024 bytes, all percent-encoded, and 1 KiB besides for each."""
    assert 1000 * (3 * 1024 + 1024) < replies.MAX_XML
