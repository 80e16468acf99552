"""What the system says a process has used, whatever the process is written in. Linux only."""

from __future__ import annotations

import time
from pathlib import Path

_SCHEDULED = 2  # CPUCLOCK_SCHED of the kernel's posix-timers: what all threads ran, user and system


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has taken, to the nanosecond.

    It is the clock that clock_getcpuclockid(3) names. Threads that have ended count, whose time
    ``/proc/PID/task/*/schedstat`` forgets; ``/proc/PID/stat`` has them too, in ticks of 10 ms.
    """
    return time.clock_gettime(~pid << 3 | _SCHEDULED)


def resident_mib(pid: int) -> float:
    """Return a process's resident memory."""
    return _memory_mib(pid, "VmRSS")


def peak_mib(pid: int) -> float:
    """Return the most resident memory that a process ever had."""
    return _memory_mib(pid, "VmHWM")


def _memory_mib(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024
