"""How long a command takes from its start to its first request: imports, arguments, processes.

    python tools/first_request.py [RUNS]

A socket on this machine takes the first bytes of each command's first request and lets it fail; nothing is
transferred. Prints the median and the range, in milliseconds, for a put, a get and an info.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time

COMMANDS = (("put", "s3://bucket/key"), ("get", "s3://bucket/key"), ("info", "s3://bucket/key"))


def first_request(command: tuple[str, ...], server: socket.socket) -> float:
    """Seconds from the start of ``command`` to the first byte that ``server`` gets of it."""
    host, port = server.getsockname()
    environ = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
    }
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "gof3r", *command],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client, _ = server.accept()
    client.recv(1)
    seconds = time.monotonic() - started
    process.terminate()
    client.close()
    process.wait()
    return seconds


def main(runs: int) -> None:
    """Print a line for each command. Commands take turns, so that a busy machine is busy for all."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        taken: dict[str, list[float]] = {command[0]: [] for command in COMMANDS}
        for _ in range(runs):
            for command in COMMANDS:
                taken[command[0]].append(first_request(command, server) * 1000)
    for name, values in taken.items():
        median = statistics.median(values)
        print(f"{name}: {median:.0f} ms to the first request ({min(values):.0f} to {max(values):.0f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
