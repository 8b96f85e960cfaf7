"""The texts of the commands that move one object."""

from __future__ import annotations

from .pieces import CONNECTION, HELP, OBJECT, PACE, READ_HEADER, RESUME, TRANSFER, UPLOAD, VERSION

PUT = f"""\
Upload standard input, a file, or the output of a command to an object.

A command's output becomes an object only if the command exits with 0.

Usage:
  gof3r put [options] [--header=HEADER]... [<url> [<path>]]
  gof3r put [options] [--header=HEADER]... [<url>] -- <cmd> [<arg>...]

Arguments:
  <url>                   s3://BUCKET/KEY, instead of -b and -k.
  <path>                  The file, instead of -p.
  <cmd>                   Command to run; what it prints is uploaded.

Options:
{OBJECT}
  -p --path=PATH          File to upload; standard input with '-' or without.
{UPLOAD}
{RESUME}

{TRANSFER}

{CONNECTION}

Examples:
  tar -c dir | gof3r put -b my-bucket -k backup/dir.tar -m x-amz-meta-by:me
  gof3r put s3://my-bucket/db.sql --if-none-match -- pg_dump --clean mydb
  gof3r put s3://my-bucket/disk.img disk.img --resume
"""

GET = f"""\
Download an object to standard output, or to a file.

The end of the object is held back until the whole is verified; a file appears
only then.

Usage:
  gof3r get [options] [--header=HEADER]... [--] [<url> [<path>]]

Arguments:
  <url>                   s3://BUCKET/KEY, instead of -b and -k.
  <path>                  The file, instead of -p.

Options:
{OBJECT}
  -p --path=PATH          File to write; standard output with '-' or without.
{VERSION}
{READ_HEADER}
  --resume                Keep what has come when it fails, in a hidden file
                          beside the file, and go on with what is kept there.

{TRANSFER}

{CONNECTION}

Examples:
  gof3r get -b my-bucket -k backup/dir.tar | tar -x
  gof3r get s3://my-bucket/photos.zip photos.zip -c 20 -s 64MiB
"""

CP = f"""\
Copy a file to S3, an object to a file, or an object to another place in S3.

Within one service, and with one set of keys, S3 copies by itself; else the
parts pass through memory, never over a disk. A copy is verified as a put is.

Usage:
  gof3r cp [options] [--header=HEADER]... [--source-header=HEADER]... [--]
           <source> <destination>

Arguments:
  <source>                s3://BUCKET/KEY, a file, or '-' (standard input).
  <destination>           s3://BUCKET/KEY, a file, or '-' (standard output).
                          To a directory, a bucket, or a key that ends in '/',
                          the source's name is added.

Options:
{HELP}
  -v --versionId=ID       This version of the source.
{UPLOAD}
  --source-endpoint=HOST  S3 service that the source is on, if another.
  --source-region=NAME    Region of the source, if another.
  --source-profile=NAME   Profile whose keys read the source, if others.
  --source-header=HEADER  NAME:VALUE to send to the source: its payer, or its
                          own key (SSE-C). Repeatable.

{TRANSFER}

{CONNECTION}

Examples:
  gof3r cp film.mkv s3://my-bucket/films/
  gof3r cp s3://old/data.tar s3://new/data.tar --source-profile=old-account
"""

VERIFY = f"""\
Read an object and check it against every digest that is stored for it.

Nothing is written; exit 0 means that each of them matches.

Usage:
  gof3r verify [options] [--header=HEADER]... [--] [<url>]

Arguments:
  <url>                   s3://BUCKET/KEY, instead of -b and -k.

Options:
{OBJECT}
{VERSION}
{READ_HEADER}

Transfer:
{PACE}

{CONNECTION}

Examples:
  gof3r verify s3://my-bucket/backup/dir.tar
  gof3r verify s3://my-bucket/backup/dir.tar --limit-rate=50MB --stats=json
"""
