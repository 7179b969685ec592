"""Outlives the harness by a moment: when its standard input ends, ends what is in the named cgroups, removes them."""

import os
import signal
import sys
import time


def empty(folder):
    for inner, _, _ in os.walk(folder, topdown=False):
        try:
            with open(os.path.join(inner, "cgroup.procs"), "rb") as file:
                for pid in file.read().split():
                    os.kill(int(pid), signal.SIGKILL)
        except OSError:
            pass
        try:
            os.rmdir(inner)
        except OSError:
            pass
    return not os.path.exists(folder)


for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
while os.read(0, 4096):
    pass
end = time.monotonic() + 10
while not all([empty(folder) for folder in sys.argv[1:]]) and time.monotonic() < end:
    time.sleep(0.01)
