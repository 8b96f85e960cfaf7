"""Answers as nobody should give them: strategies that spoil good ones."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from gof3r.engine.values import Response
from tests.flow.desk import DATE

MD5 = "0123456789abcdef0123456789abcdef"
HTTP_DATE = "Mon, 06 May 2024 07:08:09 GMT"
CRC = "AAAAAAAAAAA="

GOOD = {
    "Error": "<Code>SlowDown</Code><Message>Reduce.</Message><RequestId>R</RequestId><Region>r-1</Region>",
    "InitiateMultipartUploadResult": "<Bucket>b</Bucket><Key>k</Key><UploadId>u1</UploadId>",
    "CompleteMultipartUploadResult": f"<ETag>&quot;{MD5}-2&quot;</ETag>"
    f"<ChecksumCRC64NVME>{CRC}</ChecksumCRC64NVME>",
    "CopyPartResult": f"<LastModified>{DATE}</LastModified><ETag>&quot;{MD5}&quot;</ETag>",
    "ListBucketResult": "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
    "<NextContinuationToken>t</NextContinuationToken>"
    + f"<Contents><Key>a%20b</Key><LastModified>{DATE}</LastModified><ETag>e</ETag><Size>5</Size></Contents>"
    * 2,
    "ListMultipartUploadsResult": "<IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>"
    "<NextUploadIdMarker>i</NextUploadIdMarker>"
    + f"<Upload><Key>k</Key><UploadId>u</UploadId><Initiated>{DATE}</Initiated></Upload>"
    * 2,
    "Tagging": "<TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet>",
}
"""Answers as they should be, by their root."""

NUMBERS = ["-1", "1e9", "NaN", "１２", "9" * 30, "0", "00", " 5", "5 ", "0x5", "+5", "5.0", "1_000", "", "٣"]
CONTROLS = ["\0", "\x1b[2J", "\r\nx-amz-acl: public-read", "\u202e", "\x9b", "\ud800", "\ufffe", "\U0010ffff"]
MOMENTS = [
    *("9999-99-99T99:99:99Z", "0000-01-01T00:00:00Z", "2024-05-06T07:08:60Z", "9999-12-31T23:59:59.9Z"),
    *("Mon, 99 Feb 2024 00:00:00 GMT", "Thu, 01 Jan 0000 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"),
]
BASE64 = ["=", "AAAA", "====", "AAAAAAAAAAA", CRC + "-2", "AAAAAAAAAAA=\n", "é", "-1", "-99999", "*" * 12]
RANGES = [
    "bytes 0-4/5",
    "bytes 5-4/5",
    "bytes */5",
    "bytes 0-4/*",
    f"bytes 0-{'9' * 30}/{'9' * 31}",
    "bytes ０-4/5",
]
SENSE = [
    MD5,
    f'"{MD5}"',
    f'W/"{MD5}-3"',
    '"',
    "5",
    "true",
    "false",
    "url",
    DATE,
    HTTP_DATE,
    "FULL_OBJECT",
    "u1",
]
TEXTS = st.sampled_from([*NUMBERS, *CONTROLS, *MOMENTS, *BASE64, *RANGES, *SENSE]) | st.text(max_size=20)

MARKUP = [
    *(
        "<!DOCTYPE a [<!ENTITY x 'y'>]>",
        "<![CDATA[",
        "]]>",
        "&x;",
        "&#0;",
        "&#x1F;",
        "&#xD800;",
        "&#1114112;",
        "&",
    ),
    *(
        "<?xml version='1.0' encoding='utf-16'?>",
        "<?xml version='1.1'?>",
        "<?a",
        "<!--",
        "--",
        "-->",
        "<a:b>",
        "<",
    ),
    *(
        "<Key>",
        "</Key>",
        "<Size/>",
        "<Error>",
        "</Error>",
        "<ETag xmlns='x'>",
        "<a b='1' b='2'/>",
        "<a><a><a>",
    ),
    *("\ufeff", "\x85", "\xa0", "\ud800", "<\0>", "</>", "< a>", "<a b=1>", "<a x='&x;'/>", "<é/>"),
]
PIECES = re.compile("<[^>]*>|[^<]+")


def document(root: str) -> str:
    xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{xmlns}">{GOOD[root]}</{root}>'


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A good answer with pieces dropped, doubled, swapped and replaced, then cut or flipped as bytes."""
    pieces = PIECES.findall(document(draw(st.sampled_from([*GOOD]))))
    for _ in range(draw(st.integers(0, 4))):
        at, other = draw(st.integers(0, len(pieces) - 1)), draw(st.integers(0, len(pieces) - 1))
        match draw(st.sampled_from(["drop", "double", "swap", "text", "markup", "wrap"])):
            case "drop":
                pieces[at] = ""
            case "double":
                pieces[at:at] = pieces[at : other + 1]
            case "swap":
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case "text":
                pieces[at] = draw(TEXTS)
            case "markup":
                pieces.insert(at, draw(st.sampled_from(MARKUP)))
            case _:
                deep = draw(st.sampled_from([1, 2, 1000]))
                pieces[at] = "<a>" * deep + pieces[at] + "</a>" * deep
    encoding = draw(st.sampled_from(["utf-8"] * 5 + ["utf-16", "latin-1", "utf-7"]))
    body = bytearray("".join(pieces).encode(encoding, "replace"))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(body)))
        if draw(st.booleans()):
            body[at : at + 1] = draw(st.binary(max_size=2))
        else:
            del body[at:]
    return bytes(body)


NAMES = [
    *(
        "content-length",
        "content-range",
        "content-type",
        "date",
        "etag",
        "expires",
        "last-modified",
        "retry-after",
    ),
    *(
        "x-amz-bucket-region",
        "x-amz-meta-etag",
        "x-amz-meta-\xe9",
        "x-amz-mp-parts-count",
        "x-amz-request-id",
    ),
    *("x-amz-tagging-count", "x-amz-version-id", "x-amz-checksum-type", "x-amz-server-side-encryption"),
    *(f"x-amz-checksum-{name}" for name in ("crc64nvme", "crc32", "crc32c", "sha1", "sha256")),
]
# As they come from the wire: any byte but the ends of lines, taken for Latin-1.
VALUES = TEXTS.map(lambda text: re.sub("[\r\n\0]", "", text).encode("utf-8", "replace").decode("latin-1"))
HEADERS = st.dictionaries(st.sampled_from(NAMES), VALUES)
LIKELY = {"etag": f'"{MD5}"', "content-length": "10", "date": HTTP_DATE, "x-amz-checksum-crc64nvme": CRC}
RESPONSES = st.builds(
    lambda status, likely, headers, body: Response(status, {**(LIKELY if likely else {}), **headers}, body),
    st.sampled_from([200, 200, 204, 206, 301, 307, 400, 403, 404, 416, 503, 0, 199, 999]),
    st.booleans(),
    HEADERS,
    spoiled() | st.binary(max_size=100),
)
