"""Scale the time limits of tests with the load of the machine."""

from __future__ import annotations

import os
from pathlib import Path


def slower() -> float:
    """Return how many times slower this machine is now than when it is idle: runnable processes per processor.

    The larger of the last minute's average and the current number, at least 1. To limit computation alone, measure
    `time.process_time` instead.
    """
    average, _, _, running, _ = Path("/proc/loadavg").read_text().split()
    return max(1.0, max(float(average), float(running.partition("/")[0])) / (os.cpu_count() or 1))
