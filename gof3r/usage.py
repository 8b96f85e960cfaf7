"""What the user can type: one text for each command, which is its help and its specification at once.

Theory: docopt parses by these texts, and nothing is accepted that they do not show; the man page, the shells'
completion and the ini file are made of them too. So an option exists where it is described, and nowhere else.
No text has docopt's ``[default: x]``: what was given and what was not must stay apart, since an option may
also come from the environment or a file. ``Default: x.`` is for the reader (and the ini file).
"""

from __future__ import annotations

_HELP = """\
  -h --help               Show this help."""

_OBJECT = f"""\
{_HELP}
  -b --bucket=NAME        Bucket, where no URL names the object.
  -k --key=NAME           Key of the object, taken as it is."""

_VERSION = """\
  -v --versionId=ID       This version of the object."""

_STORED_HEADER = """\
  -m --header=HEADER      NAME:VALUE to store with the object, or to ask of S3:
                          x-amz-meta-by:me, Content-Type:text/csv,
                          x-amz-storage-class:STANDARD_IA. Repeatable."""

_REQUEST_HEADER = """\
  -m --header=HEADER      NAME:VALUE to send: x-amz-request-payer:requester, or
                          x-amz-expected-bucket-owner:ACCOUNT. Repeatable."""

_READ_HEADER = """\
  -m --header=HEADER      NAME:VALUE to send: x-amz-request-payer:requester,
                          x-amz-expected-bucket-owner:ACCOUNT, or a key of
                          your own (SSE-C). Repeatable."""

_UPLOAD = f"""\
{_STORED_HEADER}
  --acl=NAME              Canned ACL of the object, such as
                          bucket-owner-full-control.
  --expected-size=SIZE    About how much will come, where that is not known:
                          parts are cut for it. A hint, no limit.
  --if-none-match         Never overwrite: fail if there is an object."""

_RESUME = """\
  --resume                Go on with the upload of this key that is under way:
                          what it has is compared, not sent again. One that
                          fails is kept, and the command that goes on printed.
                          Headers count only where an upload begins.
  --upload-id=ID          With --resume: this upload, not the newest."""

_PACE = """\
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

_TRANSFER = f"""\
Transfer:
  --checksum=LIST         What to compute, send and prove.
                          Default: md5,crc64nvme.
  --no-md5                No md5 of the whole stream, and no md5 object beside
                          the object. A download of what nothing can prove is
                          then no error. Also: --md5Check-off.
{_PACE}"""

_CONNECTION = """\
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

TOP = f"""\
Stream objects of any size into and out of S3, verified.

Usage:
  gof3r [options] [<command> [<argument>...]]

Commands:
  put                     Upload standard input, a file, or a command's output.
  get                     Download an object to standard output, or to a file.
  cp                      Copy between files and S3, or within S3. Also: copy.
  rm                      Delete objects and their md5 objects.
  ls                      List objects.
  info                    Show what is stored about an object.
  verify                  Read an object and check it against every digest.
  uploads                 List unfinished multipart uploads, or abort them.
  presign                 Print a URL that works without credentials.
  bench                   Measure what S3 gives, and find the best settings.
  migrate                 Move many objects, with receipts, restartable.
  completion              Print a completion script for your shell.

  'gof3r COMMAND --help' shows what a command takes.

Options:
{_HELP}
  -v --version            Show the version.
  -i --writeini           Write ~/.gof3r.ini: the options and their defaults.
  -m --manpage            Show the manual page, for man: gof3r -m | man -l -

{_CONNECTION}

Options of the connection may also stand before the command. What is not given
is taken from the environment (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL_S3,
...), ~/.gof3r.ini, and AWS's files, in this order.

Examples:
  tar -c dir | gof3r put s3://my-bucket/backup/dir.tar
  gof3r get s3://my-bucket/backup/dir.tar | tar -x
"""

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
{_OBJECT}
  -p --path=PATH          File to upload; standard input with '-' or without.
{_UPLOAD}
{_RESUME}

{_TRANSFER}

{_CONNECTION}

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
{_OBJECT}
  -p --path=PATH          File to write; standard output with '-' or without.
{_VERSION}
{_READ_HEADER}
  --resume                Keep what has come when it fails, in a hidden file
                          beside the file, and go on with what is kept there.

{_TRANSFER}

{_CONNECTION}

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
{_HELP}
  -v --versionId=ID       This version of the source.
{_UPLOAD}
  --source-endpoint=HOST  S3 service that the source is on, if another.
  --source-region=NAME    Region of the source, if another.
  --source-profile=NAME   Profile whose keys read the source, if others.
  --source-header=HEADER  NAME:VALUE to send to the source: its payer, or its
                          own key (SSE-C). Repeatable.

{_TRANSFER}

{_CONNECTION}

Examples:
  gof3r cp film.mkv s3://my-bucket/films/
  gof3r cp s3://old/data.tar s3://new/data.tar --source-profile=old-account
"""

RM = f"""\
Delete objects, and the md5 objects beside them.

In a bucket with versions the object is hidden, not deleted; -v deletes a
version for good.

Usage:
  gof3r rm [options] [--header=HEADER]... [--] [<url>...]

Arguments:
  <url>                   s3://BUCKET/KEY of each object.

Options:
{_OBJECT}
{_VERSION}
{_REQUEST_HEADER}

{_CONNECTION}

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
{_HELP}
  -l --long               Also size (bytes), time, and storage class.
  --json                  One JSON object a line, with everything.
{_REQUEST_HEADER}

{_CONNECTION}

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
{_OBJECT}
{_VERSION}
  --json                  As one JSON object.
{_READ_HEADER}

{_CONNECTION}

Examples:
  gof3r info s3://my-bucket/backup/dir.tar
  gof3r info -b my-bucket -k backup/dir.tar --json
"""

VERIFY = f"""\
Read an object and check it against every digest that is stored for it.

Nothing is written; exit 0 means that each of them matches.

Usage:
  gof3r verify [options] [--header=HEADER]... [--] [<url>]

Arguments:
  <url>                   s3://BUCKET/KEY, instead of -b and -k.

Options:
{_OBJECT}
{_VERSION}
{_READ_HEADER}

Transfer:
{_PACE}

{_CONNECTION}

Examples:
  gof3r verify s3://my-bucket/backup/dir.tar
  gof3r verify s3://my-bucket/backup/dir.tar --limit-rate=50MB --stats=json
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
{_HELP}

{_CONNECTION}
"""

UPLOADS_LS = f"""\
List the multipart uploads that are neither completed nor aborted.

Usage:
  gof3r uploads ls [options] [--header=HEADER]... [--] <url>

Arguments:
  <url>                   s3://BUCKET, or s3://BUCKET/PREFIX of their keys.

Options:
{_HELP}
  --older-than=AGE        Only those begun so long ago: 90s, 30m, 12h, 7d.
  --json                  One JSON object a line.
{_REQUEST_HEADER}

{_CONNECTION}

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
{_HELP}
  --older-than=AGE        Those begun so long ago: 90s, 30m, 12h, 7d; 0: all.
  --upload-id=ID          Only this one.
{_REQUEST_HEADER}

{_CONNECTION}

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
{_OBJECT}
{_VERSION}
  --expires=AGE           For how long it works: 90s, 30m, 12h, at most 7d.
                          Default: 1h.
  --method=NAME           GET or PUT. Default: GET.
{_READ_HEADER}

{_CONNECTION}

Examples:
  gof3r presign s3://my-bucket/report.pdf --expires=12h
  curl -T report.pdf "$(gof3r presign s3://my-bucket/report.pdf --method=PUT)"
"""

BENCH = f"""\
Measure what S3 gives, for each combination of the settings that are named.

The data is made in memory; what is read is checked and dropped. For get and
mixed, 1 GiB of each object size is uploaded first. Everything is below a key
of its own under the URL's (gof3r-bench-...), and removed in the end. Without
options it takes two minutes and a half.

Usage:
  gof3r bench [options] [--header=HEADER]... [--] (put | get | mixed) <url>

Arguments:
  <url>                   s3://BUCKET or s3://BUCKET/PREFIX; or an object.

Options:
{_HELP}
  -s --partsize=LIST      Sizes of parts. Default: 8MiB,20MiB,64MiB.
  -c --concurrency=LIST   Requests at once, or auto. Default: 5,10,20,40.
  --size=LIST             Sizes of objects: one that a part holds is moved
                          whole, others by their parts. Default: 1GiB.
  --existing              Get the object that the URL names; nothing is made.
  --workers=LIST          Processes that move parts, or auto. Default: auto.
  --duration=AGE          For how long each setting is measured. Default: 10s.
  --warmup=AGE            For how long it runs before. Default: 2s.
  --checksum=LIST         What to compute, send and check.
                          Default: crc64nvme.
  --memory=SIZE           Memory for parts in flight, where auto chooses.
  --json                  Print one JSON document instead of a table.
  --csv                   Print CSV.
  --plot=FILE             Draw it: FILE.png or FILE.svg.
  --compare=FILE          Put an earlier result (of --json) beside it.
  --progress              Show progress, even if nobody watches.
  --no-progress           Show none.
{_REQUEST_HEADER}

{_CONNECTION}

Examples:
  gof3r bench get s3://my-bucket -s 16MiB,64MiB -c 10,40,auto --plot=get.png
  gof3r bench put s3://my-bucket/tmp --size=64KiB,1MiB -c 50 --json > new.json
"""

MIGRATE = f"""\
Move many objects: between stores, from files to S3, from S3 to files.

Each is carried over as by cp and verified; small ones many at a time. Of each
a receipt is written (one line of JSON). Run it again after whatever ended it:
it goes on, and does what has changed at its source since. Nothing is written
beside the objects: .md5/ objects are objects as all others.

Usage:
  gof3r migrate [options] [--header=HEADER]... [--source-header=HEADER]...
           [--include=PATTERN]... [--exclude=PATTERN]... [--] [<manifest>]

Arguments:
  <manifest>              What goes where: lines of CSV, source,destination
                          [,options], or of JSON with these names; plain or
                          gzip. Places are s3://BUCKET/KEY or files.

Options:
{_HELP}
  --from=PLACE            Instead of a manifest: what is below
                          s3://BUCKET/PREFIX, or a directory.
  --to=PLACE              Where that goes, under the same names.
  --inventory=FILE        The manifest.json of an S3 Inventory: it tells what
                          is below --from, which is then not listed.
  --include=PATTERN       Only names that match (* matches slashes, too).
  --exclude=PATTERN       All names but these. Both are repeatable: the last
                          one that matches decides.
  --receipts=FILE         Where receipts go; FILE.journal beside it remembers
                          what is done. Default: gof3r-receipts.jsonl.
  --verify=FILE           Check a finished migration again, by its receipts:
                          every object is read at its destination.
  --dry-run               Say what would be moved, and what it would take.
  --if-newer              Only what was modified after what is at its
                          destination, or is not there (with --from).
  --delete-source         Delete each source when its receipt is on the disk,
                          if it is still what was moved.
  --max-errors=N          Stop after more than N failures.
  --acl=NAME              Canned ACL of the objects.
  --if-none-match         Never overwrite: what is there is a failure.
  -m --header=HEADER      NAME:VALUE to store with the objects, or to ask of
                          S3. Repeatable.
  --source-endpoint=HOST  S3 service that the sources are on, if another.
  --source-region=NAME    Region of the sources, if another.
  --source-profile=NAME   Profile whose keys read the sources, if others.
  --source-header=HEADER  NAME:VALUE to send to the sources. Repeatable.

Transfer:
  --checksum=LIST         What to compute, send and prove.
                          Default: md5,crc64nvme.
  -c --concurrency=N      Parts in flight at once. Default: 10.
  -s --partsize=SIZE      Size of parts. What one holds is moved with many
                          others at a time. Default: 20971520.
  --memory=SIZE           Memory for parts in flight (partsize times
                          concurrency).
  --workers=N             Processes that move parts, 1 to 64.
  --limit-rate=SIZE       At most so many bytes a second, over all connections.
  --progress              Show progress, even if nobody watches.
  --no-progress           Show none.

{_CONNECTION}

Examples:
  gof3r migrate --from=s3://old/data --to=s3://new/data --source-profile=old
  gof3r migrate --from=photos --to=s3://my-bucket/photos --exclude='*.tmp'
  gof3r migrate manifest.csv --receipts=done.jsonl
  gof3r migrate --verify=done.jsonl
"""

COMPLETION = f"""\
Print a script that teaches a shell to complete gof3r's commands and options.

Usage:
  gof3r completion [options] [--] (bash | zsh | fish)

Options:
{_HELP}

Examples:
  source <(gof3r completion bash)
  gof3r completion fish > ~/.config/fish/completions/gof3r.fish
"""

COMMANDS = {
    "put": PUT,
    "get": GET,
    "cp": CP,
    "rm": RM,
    "ls": LS,
    "info": INFO,
    "verify": VERIFY,
    "uploads ls": UPLOADS_LS,
    "uploads abort": UPLOADS_ABORT,
    "presign": PRESIGN,
    "bench": BENCH,
    "migrate": MIGRATE,
    "completion": COMPLETION,
}
"""The text of each command, in the order in which people meet them."""

GROUPS = {"uploads": UPLOADS}
"""Names that take a second one."""

ALIASES = {"copy": "cp"}  # s3gof3r's

MODES = ("put", "get", "mixed")
"""Of bench."""

SHELLS = ("bash", "zsh", "fish")
