"""Every process of a jail and what it uses, as its PID 1 sees them; and the end of them all."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from typing import NamedTuple

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    """One process: its CPU seconds with its waited-for children, its private resident bytes, its threads."""

    pid: int
    name: str
    cpu: float
    private: int
    threads: int


class Ended(NamedTuple):
    """How the job's own process ended."""

    status: int
    usage: resource.struct_rusage


def processes() -> list[Process]:
    """Every process but this one."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or entry == "1" or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                text = file.read()
            with open(f"/proc/{entry}/statm", "rb") as file:
                pages = file.read().split()
        except OSError:
            continue
        name = text[text.index(b"(") + 1 : text.rindex(b")")].decode("utf-8", "replace")
        rest = text[text.rindex(b")") + 2 :].split()
        if rest[0] in (b"Z", b"X"):
            if int(rest[17]) < 2:
                continue
            pages = thread_pages(entry) or pages  # its first thread has ended, others go on
        seconds = sum(map(int, rest[11:15])) / TICKS
        found.append(Process(int(entry), name, seconds, (int(pages[1]) - int(pages[2])) * PAGE, int(rest[17])))
    return found


def thread_pages(pid: str) -> list[bytes] | None:
    """``statm`` as a thread other than the first sees it; None where there is none."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            if thread != pid:
                with open(f"/proc/{pid}/task/{thread}/statm", "rb") as file:
                    return file.read().split()
    except OSError:
        return None
    return None


def proportional(pid: int, otherwise: int) -> int:
    """Resident bytes of a process with its share of what it shares; ``otherwise`` where that cannot be read."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return otherwise
    return otherwise


def reaped_cpu() -> float:
    """CPU seconds of all children waited for so far, theirs included."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def out_of_memory_kills() -> int:
    """How often the kernel's memory limit killed in this jail, where that can be read from inside; else 0."""
    for path in ("/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events"):
        try:
            with open(path, "rb") as file:
                for line in file:
                    if line.startswith(b"oom_kill "):
                        return int(line.split()[1])
        except OSError:
            continue
    return 0


def kill_all(main: int, seconds: float = 1.0) -> tuple[Ended | None, bool]:
    """Kill every other process and wait for each. How main ended if seen now, and whether all died."""
    seen: Ended | None = None
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        try:
            while True:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid == main:
                    seen = Ended(status, usage)
        except ChildProcessError:
            if not processes():
                return seen, True
        if time.monotonic() > end:
            return seen, False
        time.sleep(0.0005)
