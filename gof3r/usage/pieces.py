"""Options that several commands have: pieces of their texts."""

from __future__ import annotations

HELP = """\
  -h --help               Show this help."""

OBJECT = f"""\
{HELP}
  -b --bucket=NAME        Bucket, where no URL names the object.
  -k --key=NAME           Key of the object, taken as it is."""

VERSION = """\
  -v --versionId=ID       This version of the object."""

STORED_HEADER = """\
  -m --header=HEADER      NAME:VALUE to store with the object, or to ask of S3:
                          x-amz-meta-by:me, Content-Type:text/csv,
                          x-amz-storage-class:STANDARD_IA. Repeatable."""

REQUEST_HEADER = """\
  -m --header=HEADER      NAME:VALUE to send: x-amz-request-payer:requester, or
                          x-amz-expected-bucket-owner:ACCOUNT. Repeatable."""

READ_HEADER = """\
  -m --header=HEADER      NAME:VALUE to send: x-amz-request-payer:requester,
                          x-amz-expected-bucket-owner:ACCOUNT, or a key of
                          your own (SSE-C). Repeatable."""

UPLOAD = f"""\
{STORED_HEADER}
  --acl=NAME              Canned ACL of the object, such as
                          bucket-owner-full-control.
  --expected-size=SIZE    About how much will come, where that is not known:
                          parts are cut for it. A hint, no limit.
  --if-none-match         Never overwrite: fail if there is an object."""

RESUME = """\
  --resume                Go on with the upload of this key that is under way:
                          what it has is compared, not sent again. One that
                          fails is kept, and the command that goes on printed.
                          Headers count only where an upload begins.
  --upload-id=ID          With --resume: this upload, not the newest."""

PACE = """\
  -c --concurrency=N      Parts in flight at once, or auto: more, as long as
                          that is faster. Default: 10.
  -s --partsize=SIZE      Size of parts: bytes, or 20MB, 64MiB.
                          Default: 20971520.
  --memory=SIZE           Memory for parts in flight (partsize times
                          concurrency; with auto, at most a quarter of what
                          is free).
  --workers=N             Processes that move parts, 1 to 64 (one for ten
                          connections, a quarter of the cores left free).
  --limit-rate=SIZE       At most so many bytes a second, over all connections.
  --progress              Show progress, even if nobody watches: by itself it
                          is shown on a terminal.
  --no-progress           Show none.
  --stats=FORMAT          Print statistics at the end, on standard error: text,
                          or json (one line): where the time went, what binds
                          and what helps, percentiles, CPU, memory, digests.
  --trace=FILE            Write a timeline of all parts, in Chrome's format
                          (view it at ui.perfetto.dev)."""

TRANSFER = f"""\
Transfer:
  --checksum=LIST         What to compute, send and prove.
                          Default: md5,crc64nvme.
  --no-md5                No md5 of the whole stream, and no md5 object beside
                          the object. A download of what nothing can prove is
                          then no error. Also: --md5Check-off.
{PACE}"""

CONNECTION = """\
Connection:
  --endpoint=HOST         Host or URL of the S3 service, if it is not AWS's.
  --region=NAME           Region, if neither environment nor profile says it.
  --profile=NAME          Profile in AWS's files for keys and settings.
  --no-sign-request       Send no credentials (public objects).
  --path-style            Put the bucket into the path, not into the host name.
  --no-ssl                Use http, unless the endpoint says https.
  --ca-bundle=FILE        Certificates (PEM) to trust, not the usual ones.
  --retries=N             Attempts at each request. Default: 10.
  --debug                 Explain; show tracebacks."""
