"""The texts of the commands that are about many objects."""

from __future__ import annotations

from .pieces import CONNECTION, HELP, REQUEST_HEADER

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
{HELP}
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
{REQUEST_HEADER}

{CONNECTION}

Examples:
  gof3r bench get s3://my-bucket -s 16MiB,64MiB -c 10,40,auto --plot=get.png
  gof3r bench put s3://my-bucket/tmp --size=64KiB,1MiB -c 50 --json > new.json
"""

MIGRATE = f"""\
Move many objects: between stores, from files to S3, from S3 to files.

Each is carried over as by cp and verified; small ones many at a time. Of each
a receipt is written (one line of JSON). Run it again after whatever ended it:
it goes on, and does again what a listing shows to have changed. Nothing is
written beside the objects: .md5/ objects are objects as all others.

Usage:
  gof3r migrate [options] [--header=HEADER]... [--source-header=HEADER]...
           [--include=PATTERN]... [--exclude=PATTERN]... [--] [<manifest>]

Arguments:
  <manifest>              What goes where: lines of CSV, source,destination
                          [,options], or of JSON with these names; plain or
                          gzip. Places are s3://BUCKET/KEY or files.

Options:
{HELP}
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
  --delete-source         In the end, delete the source of all that is done,
                          if it and its destination are as they were then.
  --max-errors=N          Stop after more than N failures.
  --scheduler=ADDRESS     Share it among the workers of this Dask scheduler,
                          tcp://HOST:8786 (`dask worker --resources gof3r=1`).
  --fleet=N               The same, with N workers of its own on this machine.
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
  -c --concurrency=N      Parts of a large object in flight at once. Small
                          objects are up to 64, in the same memory.
                          Default: 10.
  -s --partsize=SIZE      Size of parts. What one holds is moved with many
                          others at a time. Default: 20971520.
  --memory=SIZE           Memory for parts in flight (partsize times
                          concurrency).
  --workers=N             Processes that move parts, 1 to 64.
  --limit-rate=SIZE       At most so many bytes a second, over all connections.
  --progress              Show progress, even if nobody watches.
  --no-progress           Show none.

{CONNECTION}

Examples:
  gof3r migrate --from=s3://old/data --to=s3://new/data --source-profile=old
  gof3r migrate --from=photos --to=s3://my-bucket/photos --exclude='*.tmp'
  gof3r migrate manifest.csv --receipts=done.jsonl
  gof3r migrate --verify=done.jsonl
"""
