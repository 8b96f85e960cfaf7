"""Many machines for one migration, by Dask's scheduler: ``driver`` has the journal and hands out errands (its
``jobs``; ``spreading`` those that share an object), ``task`` does one on another machine, in a clean process
(``member``)."""
