"""The processes in the sandbox and what they use, as PID 1 sees them, and how to end them all."""

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
    """One process: CPU seconds with those of its reaped children, private resident bytes, threads."""

    pid: int
    name: str
    cpu: float
    private: int
    threads: int


class Ended(NamedTuple):
    """How the job's main process ended."""

    status: int
    usage: resource.struct_rusage


def processes() -> list[Process]:
    """Return every process but this one."""
    alive = []
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
            pages = thread_pages(entry) or pages  # its first thread has ended, others still run
        seconds = sum(map(int, rest[11:15])) / TICKS
        alive.append(Process(int(entry), name, seconds, (int(pages[1]) - int(pages[2])) * PAGE, int(rest[17])))
    return alive


def thread_pages(pid: str) -> list[bytes] | None:
    """Return ``statm`` of a thread other than the first; None if there is no other."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            if thread != pid:
                with open(f"/proc/{pid}/task/{thread}/statm", "rb") as file:
                    return file.read().split()
    except OSError:
        return None
    return None


def proportional(pid: int, otherwise: int) -> int:
    """Return the proportional resident bytes of a process; ``otherwise`` if they cannot be read."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return otherwise
    return otherwise


def reaped_cpu() -> float:
    """Return the CPU seconds of all children reaped so far, and of their children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def out_of_memory_kills() -> int:
    """Return how often the kernel's memory limit killed a process inside; 0 if that cannot be read."""
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
    """Kill and reap every other process; return how ``main`` ended, if seen now, and whether all ended."""
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
