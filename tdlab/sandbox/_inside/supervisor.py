"""PID 1 of every jail: takes jobs one by one from the harness, runs each in a child, and cleans up after it.

The channel is file descriptors 0 and 1, in frames of one letter, four bytes of length and a payload: ``C`` settings,
``J`` job, ``K`` kill; back come ``H`` hello, ``o`` and ``e`` output, ``f`` file, ``R`` result. The channel is moved out
of the way and closed in every child, and this process is not dumpable, so that a job of the same user can neither trace
it nor open its descriptors; as PID 1 it takes no signal from inside. When the channel ends it exits, and the kernel
ends every process of the jail with it.
"""

import atexit
import ctypes
import errno
import fnmatch
import gc
import io
import json
import os
import resource
import select
import signal
import stat
import sys
import time

WRITABLE = ["/work", "/tmp", "/dev/shm"]
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
SETTINGS = {}
TICK = 0.025
CHUNK = 1 << 18


# ------------------------------------------------------------------------------------------------------- the channel


class Channel:
    """Frames to and from the harness."""

    def __init__(self, incoming, outgoing):
        self.incoming, self.outgoing = incoming, outgoing

    def _read(self, size):
        parts = []
        while size:
            data = os.read(self.incoming, min(size, 1 << 20))
            if not data:
                os._exit(0)
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def receive(self):
        head = self._read(5)
        return head[:1], self._read(int.from_bytes(head[1:], "big"))

    def send(self, kind, payload):
        view = memoryview(kind + len(payload).to_bytes(4, "big") + payload)
        while view:
            try:
                view = view[os.write(self.outgoing, view) :]
            except OSError:
                os._exit(0)

    def send_parts(self, kind, head, blob=b""):
        text = json.dumps(head).encode()
        self.send(kind, len(text).to_bytes(4, "big") + text + blob)


# ------------------------------------------------------------------------------------------------- processes and usage


def processes():
    """Every process but this one: (pid, name, CPU seconds with its waited-for children, private resident bytes)."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or entry == "1" or int(entry) == os.getpid():
            continue
        try:
            with open("/proc/%s/stat" % entry, "rb") as file:
                text = file.read()
            with open("/proc/%s/statm" % entry, "rb") as file:
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
        found.append((int(entry), name, seconds, (int(pages[1]) - int(pages[2])) * PAGE, int(rest[17])))
    return found


def thread_pages(pid):
    """``statm`` as a thread other than the first sees it; None where there is none."""
    try:
        for thread in os.listdir("/proc/%s/task" % pid):
            if thread != pid:
                with open("/proc/%s/task/%s/statm" % (pid, thread), "rb") as file:
                    return file.read().split()
    except OSError:
        return None
    return None


def proportional(pid, otherwise):
    """Resident bytes of a process with its share of what it shares; ``otherwise`` where that cannot be read."""
    try:
        with open("/proc/%d/smaps_rollup" % pid, "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return otherwise
    return otherwise


def reaped_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def out_of_memory_kills():
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


def inodes_used():
    used = 0
    for place in WRITABLE:
        try:
            info = os.statvfs(place)
        except OSError:
            continue
        used += info.f_files - info.f_ffree
    return used


def kill_all(main, seconds=1.0):
    """Kill every other process and wait for each. Returns main's wait status and usage if seen, and whether all died."""
    seen, end = None, time.monotonic() + seconds
    while True:
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            pass
        try:
            while True:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid == main:
                    seen = (status, usage)
        except ChildProcessError:
            if not processes():
                return seen, True
        if time.monotonic() > end:
            return seen, False
        time.sleep(0.0005)


# ---------------------------------------------------------------------------------------------------------- the files


def put_files(files, blobs):
    """Write the given files below /work. Names were checked by the harness, and nothing runs that could add links."""
    for name, size in files:
        folder = os.path.dirname(name)
        if folder:
            os.makedirs(os.path.join("/work", folder), exist_ok=True)
        with open(os.path.join("/work", name), "xb") as file:
            file.write(blobs.read(size))


def walk(limit=100000):
    """Entries below /work, each as (name, lstat), folders not followed if they are links; at most 64 deep."""
    waiting, count = [""], 0
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(os.path.join("/work", folder)), key=lambda e: e.name)
        except OSError as error:
            yield folder, None, "folder cannot be read (%s)" % error.strerror
            continue
        for entry in entries:
            count += 1
            if count > limit:
                yield "", None, "more than %d files" % limit
                return
            name = os.path.join(folder, entry.name)
            info = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                if name.count("/") >= 64:
                    yield name, None, "folders deeper than 64"
                else:
                    waiting.append(name)
            else:
                yield name, info, ""


def collect(channel, patterns, budget, given):
    """Send the regular files that match, within the budget of bytes; names of those that cannot be had, and why."""
    skipped, sent = [], 0
    for name, info, problem in walk():
        shown = name.encode("utf-8", "backslashreplace").decode("ascii", "backslashreplace")[:200]
        if problem:
            skipped.append("%s: %s" % (shown, problem))
        elif name in given or not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            continue
        elif not stat.S_ISREG(info.st_mode):
            skipped.append("%s: not a regular file" % shown)
        elif info.st_size > budget:
            skipped.append("%s: %d bytes are more than is left of the limit" % (shown, info.st_size))
        elif sent >= 256:
            skipped.append("%s: more than 256 files" % shown)
        else:
            try:
                label = name.encode("utf-8").decode("utf-8")
                handle = os.open(os.path.join("/work", name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except UnicodeError:
                skipped.append("%s: the name is not UTF-8" % shown)
                continue
            except OSError as error:
                skipped.append("%s: cannot be read (%s)" % (shown, error.strerror))
                continue
            with os.fdopen(handle, "rb") as file:
                data = file.read(info.st_size)
            budget -= len(data)
            sent += 1
            channel.send_parts(b"f", {"name": label}, data)
        if len(skipped) >= 32:
            skipped.append("and maybe more")
            break
    return skipped


def wipe(root, end):
    """Empty a folder, however deep and whatever the modes; nested folders are moved up, so that no depth is a problem."""
    try:
        os.chmod(root, 0o700)
        top = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.EROFS)
    fresh, removed = 0, 0
    try:
        while True:
            names = os.listdir(top)
            if not names:
                return True
            for name in names:
                if time.monotonic() > end:
                    return False
                if unlink(name, top):
                    continue
                os.chmod(name, 0o700, dir_fd=top)
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
                try:
                    for nested in os.listdir(inner):
                        if unlink(nested, inner):
                            removed += 1
                            continue
                        os.chmod(nested, 0o700, dir_fd=inner)
                        fresh += 1
                        os.rename(nested, ".wipe-%d-%d" % (os.getpid(), fresh), src_dir_fd=inner, dst_dir_fd=top)
                finally:
                    os.close(inner)
                unlink(name, top)
    except OSError:
        return False
    finally:
        os.close(top)


def unlink(name, folder):
    """Remove a file or an empty folder; False for a folder that is not empty."""
    try:
        os.unlink(name, dir_fd=folder)
        return True
    except IsADirectoryError:
        pass
    except PermissionError:
        if not stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
            raise
    try:
        os.rmdir(name, dir_fd=folder)
        return True
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES):
            raise
        return False


# ------------------------------------------------------------------------------------------------------------ the job


def set_limits(job):
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


def child(job, given, out, err):
    """In the child: take leave of everything that is the supervisor's, then become the job. Does not return."""
    status = 127
    try:
        os.setsid()
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
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
        os.nice(5)
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
        os.write(2, ("the job could not be started: %r\n" % (error,)).encode("utf-8", "replace"))
    finally:
        os._exit(status)


def run_here(job):
    """Run Python code in this process as if it were ``python main.py``; the exit code."""
    os.environ.clear()
    os.environ.update(SETTINGS["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    sys.argv = [job["file"], *job["arguments"]]
    sys.path.insert(0, os.path.dirname(job["file"]))
    main = type(sys)("__main__")
    main.__file__ = job["file"]
    main.__builtins__ = __builtins__
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
    """One of the job's output pipes: passes on the first bytes, counts them all."""

    def __init__(self, channel, kind, keep):
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        self.channel, self.kind, self.left, self.total, self.open = channel, kind, keep, 0, True

    def pump(self):
        """Read once; False when there was nothing."""
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


def run(channel, payload, wake):
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
        clean = all([wipe(place, time.monotonic() + 2) for place in WRITABLE])
        channel.send_parts(b"R", {"failed": "files cannot be written: %s" % error, "clean": clean})
        return
    out = Stream(channel, b"o", job["keep"])
    err = Stream(channel, b"e", job["keep"])
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        child(job, given, out.writing, err.writing)
    for handle in (given, out.writing, err.writing):
        os.close(handle)
    why, status, usage, peak, sampled = watch(channel, job, pid, (out, err), wake, started, before_cpu)
    wall = time.monotonic() - started
    left = [name for _, name, _, _, _ in processes()] if not why else []
    seen, dead = kill_all(pid)
    if seen is not None:
        status, usage = seen
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
        "peak_kb": max(peak // 1024, usage.ru_maxrss if usage else 0),
        "out": out.total,
        "err": err.total,
        "oom": out_of_memory_kills() - before_oom,
        "processes": left[:64],
        "skipped": collect(channel, job["collect"], job["collect_bytes"], {job["file"][6:]}) if job["collect"] else [],
    }
    known = {job["file"][6:]} | {name for name, _ in job["files"]}
    report["files"] = leftovers(known)
    end = time.monotonic() + 2
    report["clean"] = dead and all([wipe(place, end) for place in WRITABLE])
    channel.send_parts(b"R", report)


def leftovers(known):
    """How many files lie about that nobody gave."""
    count = sum(1 for name, info, _ in walk() if info is not None and name not in known)
    for place in WRITABLE[1:]:
        try:
            count += len(os.listdir(place))
        except OSError:
            continue
    return count


def watch(channel, job, pid, streams, wake, started, before_cpu):
    """Wait for the job's own process, hold its limits. (why it was stopped or "", wait status, usage, peak, CPU)."""
    poller = select.poll()
    by_handle = {stream.reading: stream for stream in streams}
    for handle in (channel.incoming, wake, *by_handle):
        poller.register(handle, select.POLLIN | select.POLLHUP)
    deadline = started + job["wall_s"]
    tick, peak, sampled = started + 0.01, 0, 0.0
    status = usage = None
    while True:
        now = time.monotonic()
        if now >= deadline:
            return "timeout", status, usage, peak, sampled
        for handle, _ in poller.poll(max(0.0, min(deadline, tick) - now) * 1000 + 0.2):
            if handle == channel.incoming:
                kind, _ = channel.receive()
                if kind == b"K":
                    return "cancelled", status, usage, peak, sampled
            elif handle == wake:
                os.read(wake, 4096)
            else:
                stream = by_handle[handle]
                stream.pump()
                if not stream.open:
                    poller.unregister(handle)
        if sum(stream.total for stream in streams) > job["total"]:
            return "output", status, usage, peak, sampled
        try:
            while True:
                done, code, used = os.wait4(-1, os.WNOHANG)
                if done == pid:
                    return "", code, used, peak, sampled
                if done == 0:
                    break
        except ChildProcessError:
            return "", status, usage, peak, sampled
        now = time.monotonic()
        if now >= tick:
            alive = processes()
            sampled = max(sampled, reaped_cpu() - before_cpu + sum(entry[2] for entry in alive))
            size = sum(entry[3] for entry in alive)
            if size > SETTINGS["memory"] or size > peak:
                exact = sum(proportional(entry[0], entry[3]) for entry in alive) if len(alive) > 1 else size
                peak = max(peak, exact)
                if exact > SETTINGS["memory"]:
                    return "memory", status, usage, peak, sampled
            if sampled > job["cpu_s"]:
                return "cpu", status, usage, peak, sampled
            if sum(entry[4] for entry in alive) > SETTINGS["processes"] + 1:
                return "processes", status, usage, peak, sampled
            if inodes_used() > SETTINGS["inodes"]:
                return "inodes", status, usage, peak, sampled
            tick = max(now + TICK, now + 4 * (time.monotonic() - now))


def main():
    # Moved above 2 and not inherited; 0 and 1 now lead nowhere.
    channel = Channel(os.dup(0), os.dup(1))
    nowhere = os.open("/dev/null", os.O_RDWR)
    for handle in (0, 1):
        os.dup2(nowhere, handle)
    hidden = ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) == 0
    for number in (signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL if number == signal.SIGINT else signal.SIG_IGN)
    kind, payload = channel.receive()
    SETTINGS.update(json.loads(payload))
    if SETTINGS.get("places"):
        WRITABLE[:] = SETTINGS["places"]
    problem = ""
    if SETTINGS["preload"] is not None:
        for module in SETTINGS["preload"]:
            try:
                __import__(module)
            except Exception as error:
                problem = "%s cannot be preloaded: %r" % (module, error)
    wake, poke = os.pipe()
    for handle in (wake, poke):
        os.set_blocking(handle, False)
    signal.set_wakeup_fd(poke, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    hello = {"pid": os.getpid(), "hidden": hidden, "version": sys.version.split()[0], "problem": problem}
    channel.send_parts(b"H", hello)
    gc.collect()
    gc.freeze()  # forks then do not copy pages for the collector's marks
    while True:
        kind, payload = channel.receive()
        if kind == b"J":
            run(channel, payload, wake)


main()
