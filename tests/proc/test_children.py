"""What is asked about processes, of processes at the end of their lives too."""

from __future__ import annotations

import os

from gof3r.engine.proc.children import cpu_seconds, fork, memory


def test_memory_of_a_process_that_has_just_ended_is_nothing() -> None:
    pid = fork(lambda: None, ())
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # ended, and not waited for: a zombie
        assert memory([pid]) == 0
        assert memory([os.getpid(), pid]) > 1 << 20
    finally:
        os.waitpid(pid, 0)
    assert memory([pid]) == 0
    assert cpu_seconds(pid) == 0.0
