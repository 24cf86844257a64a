"""What this process may use of the machine."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Processor cores that this process may run on, at least 1.

    Returns:
        Those of its affinity mask (``taskset``, cpusets of containers) where the system has one, else all.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
