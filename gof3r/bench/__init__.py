"""``gof3r bench``: what S3 gives this machine, over a sweep of settings.

``measured`` has the values and their file, ``table`` what people read of them, ``plot`` the picture, and
``machine`` what a run was made on. None of them knows how anything is measured.
"""
