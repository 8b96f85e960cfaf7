"""The texts of the commands that ask about objects and uploads, or remove them."""

from __future__ import annotations

from .pieces import CONNECTION, HELP, OBJECT, READ_HEADER, REQUEST_HEADER, VERSION

RM = f"""\
Delete objects, and the md5 objects beside them.

In a bucket with versions the object is hidden, not deleted; -v deletes a
version for good.

Usage:
  gof3r rm [options] [--header=HEADER]... [--] [<url>...]

Arguments:
  <url>                   s3://BUCKET/KEY of each object.

Options:
{OBJECT}
{VERSION}
{REQUEST_HEADER}

{CONNECTION}

Examples:
  gof3r rm s3://my-bucket/old.tar s3://my-bucket/older.tar
  gof3r rm s3://my-bucket/old.tar -v 3HL4kqtJlcpXroDTDmJ
"""

LS = f"""\
List the objects of a bucket, or those whose keys begin with a prefix.

Usage:
  gof3r ls [options] [--header=HEADER]... [--] <url>

Arguments:
  <url>                   s3://BUCKET or s3://BUCKET/PREFIX.

Options:
{HELP}
  -l --long               Also size (bytes), time, and storage class.
  --json                  One JSON object a line, with everything.
{REQUEST_HEADER}

{CONNECTION}

Examples:
  gof3r ls s3://my-bucket/backup/ --long
  gof3r ls s3://my-bucket --json | jq -r .key
"""

INFO = f"""\
Show what is stored about an object: size, ETag, checksums, parts, metadata.

Usage:
  gof3r info [options] [--header=HEADER]... [--] [<url>]

Arguments:
  <url>                   s3://BUCKET/KEY, instead of -b and -k.

Options:
{OBJECT}
{VERSION}
  --json                  As one JSON object.
{READ_HEADER}

{CONNECTION}

Examples:
  gof3r info s3://my-bucket/backup/dir.tar
  gof3r info -b my-bucket -k backup/dir.tar --json
"""

UPLOADS = f"""\
List unfinished multipart uploads, or abort them.

S3 keeps (and bills) the parts of an upload until it is completed or aborted.

Usage:
  gof3r uploads [options] [<command> [<argument>...]]

Commands:
  ls                      List them.
  abort                   Abort those that are old enough, or a certain one.

  'gof3r uploads COMMAND --help' shows what a command takes.

Options:
{HELP}

{CONNECTION}
"""

UPLOADS_LS = f"""\
List the multipart uploads that are neither completed nor aborted.

Usage:
  gof3r uploads ls [options] [--header=HEADER]... [--] <url>

Arguments:
  <url>                   s3://BUCKET, or s3://BUCKET/PREFIX of their keys.

Options:
{HELP}
  --older-than=AGE        Only those begun so long ago: 90s, 30m, 12h, 7d.
  --json                  One JSON object a line.
{REQUEST_HEADER}

{CONNECTION}

Examples:
  gof3r uploads ls s3://my-bucket
  gof3r uploads ls s3://my-bucket/backup/ --older-than=7d
"""

UPLOADS_ABORT = f"""\
Abort multipart uploads, and wait until S3 has forgotten their parts.

Usage:
  gof3r uploads abort [options] [--header=HEADER]... [--] <url>

Arguments:
  <url>                   s3://BUCKET, or s3://BUCKET/PREFIX of their keys.

Options:
{HELP}
  --older-than=AGE        Those begun so long ago: 90s, 30m, 12h, 7d; 0: all.
  --upload-id=ID          Only this one.
{REQUEST_HEADER}

{CONNECTION}

Examples:
  gof3r uploads abort s3://my-bucket --older-than=7d
  gof3r uploads abort s3://my-bucket/dir.tar --upload-id=VXBsb2FkIElE
"""

PRESIGN = f"""\
Print a URL by which anyone can get, or put, an object for some time.

Usage:
  gof3r presign [options] [--header=HEADER]... [--] [<url>]

Arguments:
  <url>                   s3://BUCKET/KEY, instead of -b and -k.

Options:
{OBJECT}
{VERSION}
  --expires=AGE           For how long it works: 90s, 30m, 12h, at most 7d.
                          Default: 1h.
  --method=NAME           GET or PUT. Default: GET.
{READ_HEADER}

{CONNECTION}

Examples:
  gof3r presign s3://my-bucket/report.pdf --expires=12h
  curl -T report.pdf "$(gof3r presign s3://my-bucket/report.pdf --method=PUT)"
"""
