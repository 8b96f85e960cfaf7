"""``gof3r migrate``: many objects carried over, each once, each verified, across any number of runs.

``items`` has the words: a place, an item, what is known of a source. Work comes from a ``manifest``, an S3
Inventory (``inventory``) or a listing (``mapping``), with the ``options`` of single objects, and is chosen by
``selection``; ``folder`` looks at what is in the way on this machine. What has become of each item is kept by
the ``journal`` (``schema``, ``states``), proven by the ``receipts`` (``appended``), and the two are kept
together by the ``record``. ``estimate`` says beforehand what it will take.

None of them knows how an object is carried over.
"""
