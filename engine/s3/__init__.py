"""S3's own rules, without a socket: requests, signatures, replies, checksums."""
