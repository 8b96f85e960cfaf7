"""The engine: a ring of processes around one slab of shared memory.

::

    stdin ──▶ parent ──Job──▶ worker × N ──Outcome──▶ collector ──▶ stdout
                ▲                                         │
                └─────────────────Verdict─────────────────┘

Three layers, imported in one direction only:

- ``s3``: S3's requests, replies, signatures and checksums, as values in and values out.
- ``flow``: what to do next, decided by pure state machines: events in, actions out.
- ``proc``: the shell that acts: processes, pipes, shared memory, curl. It holds no opinions.

``values`` and ``errors`` are the vocabulary that all three share.
"""
