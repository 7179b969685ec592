"""How long a test may wait: bounds on wall-clock time hold for a quiet machine and grow with what else it is doing."""

from __future__ import annotations

import os
from pathlib import Path


def slower() -> float:
    """How many times slower than a quiet one this machine is now: processes that want to run, to each processor.

    The average of the last minute or the number at this moment, whichever is larger; 1 where there is a processor for
    each. Work that only computes needs no such bound: measure `time.process_time`.
    """
    average, _, _, running, _ = Path("/proc/loadavg").read_text().split()
    return max(1.0, max(float(average), float(running.partition("/")[0])) / (os.cpu_count() or 1))
