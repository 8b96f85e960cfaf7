"""gof3r: stream objects of any size into and out of S3, verified."""

__version__ = "1.0.0.dev0"
