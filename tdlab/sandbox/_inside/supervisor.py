"""The supervisor, PID 1 of the sandbox: takes one job at a time from tdlab, runs it in a child, and cleans up after it.

The channel is file descriptors 0 and 1, in frames of one letter, four bytes of length and a payload. tdlab sends ``C``
settings, ``J`` job and ``K`` kill; the supervisor sends ``H`` hello, ``o`` and ``e`` output, ``f`` file and ``R``
result. The channel is moved to other descriptors and closed in every child, and this process is not dumpable, so that a
job of the same user can neither trace it nor open its descriptors. As PID 1 it takes no signals from inside. It exits
at the end of the channel, and then the kernel ends every process in the sandbox.
"""

# ruff: noqa: BLE001, S102, S108, S606, T201 (its task is to run code)

from __future__ import annotations

import atexit
import ctypes
import gc
import io
import json
import os
import resource
import select
import signal
import sys
import time
from typing import Any, NoReturn

from tdlab.sandbox._inside.channel import Channel
from tdlab.sandbox._inside.files import collect, empty_all, inodes_used, leftovers, put_files
from tdlab.sandbox._inside.usage import Ended, kill_all, out_of_memory_kills, processes, proportional, reaped_cpu

SETTINGS: dict[str, Any] = {}
TICK = 0.025
CHUNK = 1 << 18


def set_limits(job: dict[str, Any]) -> None:
    """Set the kernel's limits for each single process."""
    cpu = int(job["cpu_s"]) + 1
    limits = {
        "CORE": (0, 0),
        "NOFILE": (SETTINGS["open_files"],) * 2,
        "FSIZE": (SETTINGS["disk_mb"] << 20,) * 2,
        "CPU": (cpu, cpu + 1),
        "MEMLOCK": (1 << 16,) * 2,
        "MSGQUEUE": (0, 0),
    }
    if SETTINGS["nproc"]:
        limits["NPROC"] = (SETTINGS["processes"] + 2,) * 2
    for name, pair in limits.items():
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), pair)


def child(job: dict[str, Any], given: int, out: int, err: int) -> NoReturn:
    """Become the job, in the child: drop everything that belongs to the supervisor, then run the program."""
    status = 127
    try:
        os.setsid()
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        os.dup2(given, 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.closerange(3, 512)
        try:
            with open("/proc/self/oom_score_adj", "w") as file:
                file.write("1000")
        except OSError:
            pass
        os.nice(SETTINGS["nice"])
        os.chdir("/work")
        os.umask(0o022)
        set_limits(job)
        if job["mode"] == "fork":
            ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
            status = run_here(job)
        else:
            program = (SETTINGS["python"] or sys.executable) if job["file"].endswith(".py") else SETTINGS["bash"]
            os.execve(program, [program, *job["flags"], job["file"], *job["arguments"]], SETTINGS["environment"])
    except BaseException as error:
        os.write(2, f"the job could not be started: {error!r}\n".encode("utf-8", "replace"))
    finally:
        os._exit(status)


def run_here(job: dict[str, Any]) -> int:
    """Run Python code in this process, as ``python main.py`` would; return the exit code."""
    os.environ.clear()
    os.environ.update(SETTINGS["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    sys.argv = [job["file"], *job["arguments"]]
    sys.path.insert(0, os.path.dirname(job["file"]))
    main = type(sys)("__main__")
    main.__file__ = job["file"]
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    status = 0
    try:
        with open(job["file"], "rb") as file:
            text = file.read()
        exec(compile(text, job["file"], "exec", dont_inherit=True), main.__dict__)
    except SystemExit as leave:
        if leave.code is None:
            status = 0
        elif isinstance(leave.code, int):
            status = leave.code & 0xFF
        else:
            status = 1
            print(leave.code, file=sys.stderr)
    except BaseException as error:
        status = 1
        trace = error.__traceback__.tb_next if error.__traceback__ else None
        import traceback

        traceback.print_exception(type(error), error, trace)
    try:
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        status = status or 120
    return status


class Stream:
    """One output pipe of the job: sends the first bytes on, and counts them all."""

    def __init__(self, channel: Channel, kind: bytes, keep: int) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        self.channel, self.kind, self.left, self.total, self.open = channel, kind, keep, 0, True

    def pump(self) -> bool:
        """Read once; return False if there was nothing to read."""
        try:
            data = os.read(self.reading, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self.open = False
            return False
        self.total += len(data)
        if self.left > 0:
            kept = data[: self.left]
            self.left -= len(kept)
            self.channel.send(self.kind, kept)
        return True


def run(channel: Channel, payload: bytes, wake: int) -> None:
    """Run one job and empty the writable folders after it."""
    length = int.from_bytes(payload[:4], "big")
    job = json.loads(payload[4 : 4 + length])
    blobs = io.BytesIO(payload)
    blobs.seek(4 + length)
    before_oom, before_cpu = out_of_memory_kills(), reaped_cpu()
    try:
        put_files(job["files"], blobs)
        given = os.open("/dev/null", os.O_RDONLY)
        if job["stdin"]:
            os.close(given)
            given = os.open("/tmp/.stdin", os.O_RDWR | os.O_CREAT | os.O_EXCL)
            os.unlink("/tmp/.stdin")
            with os.fdopen(os.dup(given), "wb") as file:
                file.write(blobs.read(job["stdin"]))
            os.lseek(given, 0, os.SEEK_SET)
    except OSError as error:
        clean = empty_all()
        channel.send_parts(b"R", {"failed": f"files cannot be written: {error}", "clean": clean})
        return
    out = Stream(channel, b"o", job["keep"])
    err = Stream(channel, b"e", job["keep"])
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        child(job, given, out.writing, err.writing)
    for handle in (given, out.writing, err.writing):
        os.close(handle)
    why, ended, peak, sampled = watch(channel, job, pid, (out, err), wake, started, before_cpu)
    wall = time.monotonic() - started
    left = [process.name for process in processes()] if not why else []
    seen, dead = kill_all(pid)
    ended = seen or ended
    status = ended.status if ended else None
    for stream in (out, err):
        while stream.pump():
            pass
        os.close(stream.reading)
    report = {
        "why": why,
        "exit": os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None,
        "signal": os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else None,
        "wall": wall,
        "cpu": max(reaped_cpu() - before_cpu, sampled),
        "peak_kb": max(peak // 1024, ended.usage.ru_maxrss if ended else 0),
        "out": out.total,
        "err": err.total,
        "oom": out_of_memory_kills() - before_oom,
        "processes": left[:64],
        "skipped": collect(channel, job["collect"], job["collect_bytes"], {job["file"][6:]}) if job["collect"] else [],
    }
    known = {job["file"][6:]} | {name for name, _ in job["files"]}
    report["files"] = leftovers(known)
    report["clean"] = empty_all() and dead
    channel.send_parts(b"R", report)


def watch(
    channel: Channel,
    job: dict[str, Any],
    pid: int,
    streams: tuple[Stream, Stream],
    wake: int,
    started: float,
    before_cpu: float,
) -> tuple[str, Ended | None, int, float]:
    """Wait for the job and enforce its limits; return why it was stopped or "", how it ended, peak bytes, CPU s."""
    poller = select.poll()
    by_handle = {stream.reading: stream for stream in streams}
    for handle in (channel.incoming, wake, *by_handle):
        poller.register(handle, select.POLLIN | select.POLLHUP)
    deadline = started + job["wall_s"]
    tick, peak, sampled = started + 0.01, 0, 0.0
    while True:
        now = time.monotonic()
        if now >= deadline:
            return "timeout", None, peak, sampled
        for handle, _ in poller.poll(max(0.0, min(deadline, tick) - now) * 1000 + 0.2):
            if handle == channel.incoming:
                kind, _ = channel.receive()
                if kind == b"K":
                    return "cancelled", None, peak, sampled
            elif handle == wake:
                os.read(wake, 4096)
            else:
                stream = by_handle[handle]
                stream.pump()
                if not stream.open:
                    poller.unregister(handle)
        if sum(stream.total for stream in streams) > job["total"]:
            return "output", None, peak, sampled
        try:
            while True:
                done, code, used = os.wait4(-1, os.WNOHANG)
                if done == pid:
                    return "", Ended(code, used), peak, sampled
                if done == 0:
                    break
        except ChildProcessError:
            return "", None, peak, sampled
        now = time.monotonic()
        if now >= tick:
            alive = processes()
            sampled = max(sampled, reaped_cpu() - before_cpu + sum(process.cpu for process in alive))
            size = sum(process.private for process in alive)
            if size > SETTINGS["memory"] or size > peak:
                exact = sum(proportional(process.pid, process.private) for process in alive) if len(alive) > 1 else size
                peak = max(peak, exact)
                if exact > SETTINGS["memory"]:
                    return "memory", None, peak, sampled
            if sampled > job["cpu_s"]:
                return "cpu", None, peak, sampled
            if sum(process.threads for process in alive) > SETTINGS["processes"] + 1:
                return "processes", None, peak, sampled
            if inodes_used() > SETTINGS["inodes"]:
                return "inodes", None, peak, sampled
            tick = max(now + TICK, now + 4 * (time.monotonic() - now))


def main() -> None:
    """Hide, say hello, and run jobs until the channel ends."""
    # moved above 2 and not inherited; 0 and 1 now lead to /dev/null
    channel = Channel(os.dup(0), os.dup(1))
    nowhere = os.open("/dev/null", os.O_RDWR)
    for handle in (0, 1):
        os.dup2(nowhere, handle)
    hidden = ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) == 0
    for number in (signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL if number == signal.SIGINT else signal.SIG_IGN)
    kind, payload = channel.receive()
    SETTINGS.update(json.loads(payload))
    problem = ""
    if SETTINGS["preload"] is not None:
        for module in SETTINGS["preload"]:
            try:
                __import__(module)
            except Exception as error:
                problem = f"{module} cannot be preloaded: {error!r}"
    wake, poke = os.pipe()
    for handle in (wake, poke):
        os.set_blocking(handle, False)
    signal.set_wakeup_fd(poke, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    hello = {"pid": os.getpid(), "hidden": hidden, "version": sys.version.split()[0], "problem": problem}
    channel.send_parts(b"H", hello)
    gc.collect()
    gc.freeze()  # else the garbage collector's marks would make every fork copy pages
    while True:
        kind, payload = channel.receive()
        if kind == b"J":
            run(channel, payload, wake)


if __name__ == "__main__":
    main()
