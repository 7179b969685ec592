"""Why ``sandlock`` (Landlock and seccomp, by pip alone) is not a backend: which guarantees it gives.

    /usr/bin/python3 -m venv /tmp/sandlock && /tmp/sandlock/bin/pip install sandlock
    /tmp/sandlock/bin/python tests/benchmarks/sandlock_tier.py

Runs tdlab's escape probes and some limits of the battery in the strictest sandbox that it offers, as an unprivileged
user if started by root; prints one JSON object. It needs only the source of the probes, and a kernel with Landlock ABI
6. Docker and bubblewrap give every guarantee listed under ``not_held``.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PROBES = Path(__file__).resolve().parents[2] / "tdlab" / "sandbox" / "_inside" / "probes.py"
NOBODY = 65534
MEMORY_MB = 128


def sandbox(folder: str) -> Any:
    """The strictest settings: a work folder with a quota, no network, limits on memory, processes and files."""
    from sandlock import Sandbox

    system = [path for path in ("/usr", "/lib", "/lib64", "/bin", "/proc/self", "/dev/null") if os.path.exists(path)]
    return Sandbox(
        fs_readable=system, fs_writable=[folder], cwd=folder, workdir=folder, max_disk="16M",
        max_memory=f"{MEMORY_MB}M", max_processes=24, max_open_files=256, clean_env=True, no_coredump=True,
    )  # fmt: skip


def run(code: str, *, seconds: float = 8.0) -> dict[str, Any]:
    """One program: how it ended, what it printed, how long it took."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        (Path(folder) / "main.py").write_text(code)
        began = time.perf_counter()
        result = sandbox(folder).run(["/usr/bin/python3", "-I", f"{folder}/main.py"], timeout=seconds)
        if result.error:
            raise RuntimeError(result.error)
        return {
            "seconds": time.perf_counter() - began,
            "reason": str(result.reason),
            "out": result.stdout.decode("utf-8", "replace"),
            "size": len(result.stdout),
            "err": result.stderr.decode("utf-8", "replace")[-300:],
            "left": sorted(name for name in os.listdir(folder) if name != "main.py")[:5],
        }


def alive(mark: str) -> bool:
    """Whether a process with this argument runs now."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


MEMORY_OF_ALL = f"""
import os, time
for _ in range(8):
    if os.fork() == 0:
        touched = bytearray({MEMORY_MB // 2} << 20)
        print(len(touched) >> 20, flush=True)
        time.sleep(1)
        os._exit(0)
time.sleep(1.5)
"""
FORKS = """
import os, time
n = 0
try:
    while n < 200:
        if os.fork() == 0:
            time.sleep(2)
            os._exit(0)
        n += 1
except OSError:
    pass
print(n)
"""
THREADS = """
import threading, time
n = 0
try:
    while n < 200:
        threading.Thread(target=time.sleep, args=(1,), daemon=True).start()
        n += 1
except RuntimeError:
    pass
print(n)
"""
DISK = """
n = 0
try:
    with open("filling", "wb") as file:
        while n < 64:
            file.write(b"x" * (1 << 20))
            file.flush()
            n += 1
except OSError:
    pass
print(n)
"""
INODES = """
n = 0
try:
    while n < 2000:
        open(f"f{n}", "w").close()
        n += 1
except OSError:
    pass
print(n)
"""
BUSY = "import time\nend = time.time() + 3\nwhile time.time() < end: pass\nprint('spent')"
DAEMON = "import os\nif os.fork() == 0:\n    os.setsid()\n    os.execv('/usr/bin/sleep', ['sleep', {mark!r}])"
CONNECT = "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect({path!r})\nprint('in')"


def counted(code: str, *, seconds: float = 8.0) -> int:
    """The sum of the numbers that a program printed."""
    return sum(int(word) for word in run(code, seconds=seconds)["out"].split())


def limits() -> dict[str, str]:
    """Each limit with what was seen where it was not held; empty where it was."""
    found: dict[str, str] = {}

    def note(name: str, seen: bool, what: str) -> None:
        found[name] = what if seen else ""

    one = run(f"x = bytearray({4 * MEMORY_MB} << 20); print(len(x))")
    note("memory of one process", bool(one["out"].strip()), "four times the limit was touched")
    touched = counted(MEMORY_OF_ALL)
    note("memory of all processes", touched > 1.2 * MEMORY_MB, f"{touched} MB in eight processes")
    forks, threads = counted(FORKS), counted(THREADS)
    note("number of processes", forks > 24, f"{forks} were forked")
    note("number of threads", threads > 24, f"{threads} were started")
    size, made = counted(DISK), counted(INODES, seconds=30)
    note("bytes of files", size > 17, f"{size} MB were written against a quota of 16")
    note("number of files", made >= 2000, f"{made} were made, there is no such limit")
    output = run("import sys\nfor _ in range(100): sys.stdout.write('x' * (1 << 20))")
    note("bytes of output", output["size"] > 1 << 20, f"{output['size'] >> 20} MB kept in the harness's memory")
    late = run("import time; time.sleep(30)", seconds=1.0)["seconds"] - 1
    note("time", late > 0.3, f"{late:.1f} s late")
    note("CPU seconds", "spent" in run(BUSY)["out"], "there is no such limit")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.socket(socket.AF_UNIX) as server:
        os.chmod(folder, 0o755)
        path = f"{folder}/service.sock"
        server.bind(path)
        os.chmod(path, 0o777)
        server.listen(1)
        reached = run(CONNECT.format(path=path))["out"]
    note("unix sockets of the host", "in" in reached, "a service outside of every allowed path was reached")
    run(DAEMON.format(mark="7355.5"))
    time.sleep(0.3)
    note("daemons of a job", alive("7355.5"), "one outlives its job")
    run("open('/dev/shm/tdlab-sandlock', 'w').close()")
    note("state between jobs", os.path.exists("/dev/shm/tdlab-sandlock"), "files in /dev/shm stay")
    return found


def killed_harness() -> str:
    """What runs on a second after the harness was killed with -9."""
    mark = "7366.6"
    code = f"import os\nos.execv('/usr/bin/sleep', ['sleep', '{mark}'])"
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o777)
        (Path(folder) / "main.py").write_text(code)
        harness = os.fork()
        if harness == 0:
            sandbox(folder).run(["/usr/bin/python3", "-I", f"{folder}/main.py"], timeout=60)
            os._exit(0)
        end = time.monotonic() + 5
        while not alive(mark) and time.monotonic() < end:
            time.sleep(0.05)
        started = alive(mark)
        os.kill(harness, signal.SIGKILL)
        os.waitpid(harness, 0)
        time.sleep(1.0)
        if not started:
            return "the job did not start"
        return "the job runs on" if alive(mark) else ""


def main() -> int:
    if os.geteuid() == 0:
        os.environ["HOME"] = "/tmp"
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.execv(sys.executable, [sys.executable, *sys.argv])  # so that /proc/self is the new user's
    import sandlock

    probes = run(PROBES.read_text(), seconds=20)
    try:
        escapes = {f"probe: {name}": what for name, what in json.loads(probes["out"]).items() if what}
        count = len(json.loads(probes["out"]))
    except ValueError:
        escapes, count = {"probes": f"did not run: {probes['reason']} {probes['err']}"}, 0
    found = {**escapes, **limits(), "killed harness": killed_harness()}
    times = []
    for _ in range(9):
        times.append(run("print(1)")["seconds"] * 1000)
    report = {
        "sandlock": sandlock.__version__,
        "landlock_abi": sandlock.landlock_abi_version(),
        "kernel": os.uname().release,
        "probes": count,
        "job_ms": round(statistics.median(times), 1),
        "held": [name for name, what in found.items() if not what],
        "not_held": {name: what for name, what in found.items() if what},
    }
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
