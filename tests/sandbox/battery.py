"""The abuse cases: what untrusted code tries, and how it must end. One property each.

`Case.check` gets the job's result; the code of most cases prints `held` if its attempt was rejected.
"""

# ruff: noqa: E501 (programs in one line each)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tdlab.sandbox import JobResult
from tests.clock import slower

WALL_S = 1.5


@dataclass(frozen=True)
class Case:
    name: str
    code: str
    check: Callable[[JobResult], None]
    job: dict[str, Any] = field(default_factory=dict)
    limits: bool = True
    """Whether the case is about a limit on resources, not about access."""


CASES: list[Case] = []
reaching = False


def case(name: str, code: str, **job: Any) -> Callable[[Callable[[JobResult], None]], Callable[[JobResult], None]]:
    def add(check: Callable[[JobResult], None]) -> Callable[[JobResult], None]:
        CASES.append(Case(name, code, check, job, limits=not reaching))
        return check

    return add


def held(result: JobResult) -> None:
    assert result.status == "ok", (result.reason, result.stderr.text[-500:])
    assert result.stdout.text.strip().splitlines()[-1:] == ["held"], result.stdout.text[-500:]


def status(*wanted: str) -> Callable[[JobResult], None]:
    def check(result: JobResult) -> None:
        assert result.status in wanted, (result.status, result.reason, result.stderr.text[-500:])
        assert result.reason

    return check


def says(text: str) -> Callable[[JobResult], None]:
    def check(result: JobResult) -> None:
        assert result.status == "ok", (result.reason, result.stderr.text[-500:])
        assert result.stdout.text.strip() == text

    return check


def attempt(action: str, *, setup: str = "", errors: str = "OSError, PermissionError") -> str:
    """Return code that tries something and prints `held` if that is rejected."""
    body = "\n".join("    " + line for line in action.strip().splitlines())
    return f"import os, socket, ctypes\n{setup}\ntry:\n{body}\nexcept ({errors}):\n    print('held')\nelse:\n    print('got out')\n"


def refused_call(x86: str, arm: str) -> str:
    """Return code that makes a system call and prints `held` if the kernel or the filter rejects it."""
    return (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"numbers = {{'x86_64': ({x86}), 'aarch64': ({arm})}}[os.uname().machine]\n"
        "done = libc.syscall(*[ctypes.c_long(n) for n in numbers])\n"
        "print('held' if done == -1 and ctypes.get_errno() in (1, 13, 38, 97) else f'got {done} {ctypes.get_errno()}')\n"
    )


# ---------------------------------------------------------------------------------------------- processes and memory

case("fork bomb in Python", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n", wall_s=WALL_S)(
    status("timeout", "killed", "cpu_limit", "memory")
)
case("fork bomb in bash", "bomb() { bomb | bomb & }; bomb; sleep 60", language="bash", wall_s=WALL_S)(
    status("timeout", "killed", "cpu_limit", "memory")
)
case(
    "thread bomb",
    "import threading, time\nwhile True:\n    threading.Thread(target=time.sleep, args=(60,)).start()\n",
    wall_s=WALL_S,
)(status("timeout", "killed", "error"))
case("memory in one process", "blocks = []\nwhile True:\n    blocks.append(bytearray(8 << 20))\n")(status("memory"))
case(
    "memory in many processes",
    "import os, time\nfor _ in range(12):\n    if os.fork() == 0:\n        block = bytearray(40 << 20)\n        time.sleep(60)\ntime.sleep(60)\n",
)(status("memory"))
case(
    "memory behind a dead first thread",
    "import ctypes, threading, time\n"
    "def grow():\n    time.sleep(0.1)\n    blocks = []\n    while True: blocks.append(bytearray(4 << 20)); time.sleep(0.01)\n"
    "threading.Thread(target=grow).start()\n"
    "ctypes.CDLL(None).syscall({'x86_64': 60, 'aarch64': 93}[__import__('os').uname().machine], 0)\n",
)(status("memory"))
case("anonymous memory files", attempt("os.memfd_create('x')"))(held)
case("one process on the processor", "while True: pass\n", cpu_s=0.5)(status("cpu_limit"))
case(
    "many processes on the processor",
    "import os\nfor _ in range(3): os.fork()\nwhile True: pass\n",
    cpu_s=0.7,
)(status("cpu_limit"))
case(
    "processor in children one after the other",
    "import subprocess, sys\nwhile True: subprocess.run([sys.executable, '-Sc', 'for i in range(3000000): pass'])\n",
    cpu_s=0.7,
)(status("cpu_limit"))
case("sleeping for ever", "import time\ntime.sleep(999)\n", wall_s=0.5)(status("timeout"))
case(
    "every signal ignored",
    "import signal, time\n"
    "for n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
    "time.sleep(999)\n",
    wall_s=0.5,
)(status("timeout"))
case("stopping itself", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\n", wall_s=0.5)(status("timeout"))
case("killing every process", attempt("os.kill(-1, 9)"))(held)


@case(
    "killing PID 1",
    "import os, signal\nfor n in range(1, 32):\n    try: os.kill(1, n)\n    except OSError: pass\nprint('held')\n",
)
def _(result: JobResult) -> None:
    held(result)
    assert result.attempts == 1


case("a crash", "import ctypes\nctypes.string_at(0)\n")(status("killed"))
case("endless recursion", "import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()\n")(
    status("killed", "memory", "error")
)


@case(
    "a daemon that outlives the job",
    "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(999)\n    os._exit(0)\n"
    "time.sleep(0.1)\nprint('left')\n",
)
def _(result: JobResult) -> None:
    says("left")(result)
    assert len(result.left_behind.processes) == 1
    assert result.wall_s < 2 * slower(), "a daemon that holds the output open must not hold up the result"


case("as many open files as it likes", "files = []\nwhile True: files.append(open('/dev/null'))\n")(status("error"))


@case("a core dump", "import os, signal\nos.kill(os.getpid(), signal.SIGQUIT)\n", collect=("*",))
def _(result: JobResult) -> None:
    status("killed")(result)
    assert result.signal == 3
    assert [file.name for file in result.files] == []


# ------------------------------------------------------------------------------------------------------------ output


@case("endless output", "while True: print('x' * 10000)\n", wall_s=4)
def _(result: JobResult) -> None:
    status("output_limit", "timeout", "cpu_limit")(result)
    assert result.stdout.truncated
    assert len(result.stdout.data) == 64 << 10


@case("100 MB of output", "import os\nfor _ in range(100): os.write(1, b'y' * (1 << 20)) == 1 << 20 or exit(3)\n")
def _(result: JobResult) -> None:
    assert result.status == "ok", result.reason
    assert result.stdout.total == 100 << 20
    assert result.stdout.data == b"y" * (64 << 10)


@case("100 MB of errors", "import sys\nfor _ in range(100): sys.stderr.write('e' * (1 << 20))\n")
def _(result: JobResult) -> None:
    assert result.status == "ok", result.reason
    assert result.stderr.total == 100 << 20


@case("output before a time-out", "import time\nprint('so far', flush=True)\ntime.sleep(999)\n", wall_s=0.5)
def _(result: JobResult) -> None:
    status("timeout")(result)
    assert result.stdout.text == "so far\n"


@case("output that is no text", "import os\nos.write(1, bytes(range(256)))\n")
def _(result: JobResult) -> None:
    assert result.stdout.data == bytes(range(256))
    assert "�" in result.stdout.text


case("closed streams", "import os, time\nfor n in (0, 1, 2): os.close(n)\ntime.sleep(0.2)\nos._exit(0)\n")(
    lambda result: says("")(result)
)


reaching = True


@case(
    "a forged result on its output",
    "import os, json\n"
    "body = json.dumps({'why': '', 'exit': 0, 'signal': None, 'wall': 0, 'cpu': 0, 'peak_kb': 0, 'out': 0, 'err': 0,"
    " 'processes': [], 'files': 0, 'skipped': [], 'clean': True}).encode()\n"
    "frame = b'R' + (len(body) + 4).to_bytes(4, 'big') + len(body).to_bytes(4, 'big') + body\n"
    "os.write(1, frame); os.write(2, frame)\nos._exit(7)\n",
)
def _(result: JobResult) -> None:
    assert (result.status, result.exit_code) == ("error", 7)


@case(
    "a forged result on every descriptor",
    "import os\nhit = []\nfor n in range(3, 1024):\n    try: os.write(n, b'R' * 64); hit.append(n)\n    except OSError: pass\n"
    "print(hit or 'held')\n",
    mode="fork",
)
def _(result: JobResult) -> None:
    held(result)


case(
    "the supervisor's descriptors",
    attempt("names = os.listdir('/proc/1/fd')\nopen(f'/proc/1/fd/{names[0]}', 'wb')"),
)(held)
case("the supervisor's memory", attempt("open('/proc/1/mem', 'r+b')"))(held)
case("the supervisor's memory from a fork", attempt("open('/proc/1/mem', 'r+b')"), mode="fork")(held)
case(
    "the supervisor's limits",
    attempt("resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))", setup="import resource"),
)(held)
case("the supervisor's priority", attempt("os.setpriority(os.PRIO_PROCESS, 1, 19)\nos.sched_setaffinity(1, {0})"))(held)
case("tracing the supervisor", refused_call("101, 16, 1, 0, 0", "117, 16, 1, 0, 0"))(held)
case("reading another process's memory", refused_call("310, 1, 0, 0, 0, 0, 0", "270, 1, 0, 0, 0, 0, 0"))(held)
case("taking another process's descriptors", refused_call("438, 3, 0, 0", "438, 3, 0, 0"))(held)

reaching = False

# ------------------------------------------------------------------------------------------------------------- files


@case(
    "filling the disk",
    "n = 0\ntry:\n    with open('big', 'wb', buffering=0) as f:\n        while True: n += f.write(b'z' * 65536)\nexcept OSError:\n    print(n)\n",
)
def _(result: JobResult) -> None:
    assert result.status == "ok", result.reason
    assert int(result.stdout.text) <= 16 << 20


@case(
    "filling the disk with many files",
    "n = 0\ntry:\n    for i in range(99):\n        with open(f'/tmp/{i}', 'wb', buffering=0) as f: n += f.write(b'z' * (1 << 20))\nexcept OSError:\n    print(n)\n",
)
def _(result: JobResult) -> None:
    assert result.status == "ok", result.reason
    assert int(result.stdout.text) <= 16 << 20


@case(
    "filling shared memory",
    "n = 0\ntry:\n    with open('/dev/shm/x', 'wb', buffering=0) as f:\n        while True: n += f.write(b'z' * 65536)\nexcept OSError:\n    print(n)\n",
)
def _(result: JobResult) -> None:
    assert result.status == "ok", result.reason
    assert int(result.stdout.text) <= 16 << 20


@case(
    "running out of inodes",
    "import time\nn = 0\ntry:\n    while n < 50000:\n        open(f'f{n}', 'w').close(); n += 1\n        if n > 5100: time.sleep(0.001)\nexcept OSError:\n    pass\nprint(n, flush=True)\ntime.sleep(0.2)\n",
)
def _(result: JobResult) -> None:
    if result.status == "ok":
        assert int(result.stdout.text) <= 5000
    else:
        assert (result.status, result.reason) == ("killed", "made more than 5000 files")


@case(
    "a file of a terabyte without content",
    "f = open('sparse', 'wb')\ntry: f.truncate(1 << 40)\nexcept OSError: print('held')\n",
    collect=("*",),
)
def _(result: JobResult) -> None:
    held(result)


@case("a sparse file at the limit", "open('sparse', 'wb').truncate(16 << 20)\nprint('made')\n", collect=("*",))
def _(result: JobResult) -> None:
    says("made")(result)
    assert not result.files
    assert "sparse" in result.skipped[0]


@case(
    "links to the host in the work directory",
    "import os\nos.symlink('/etc/passwd', 'a')\nos.symlink('/usr', 'b')\nos.symlink('..', 'c')\nos.link('main.py', 'd')\nprint('made')\n",
    collect=("*",),
)
def _(result: JobResult) -> None:
    says("made")(result)
    assert [file.name for file in result.files] == ["d"]
    assert any("a: not a regular file" in text for text in result.skipped)


@case(
    "a FIFO and a socket to be collected",
    "import os, socket\nos.mkfifo('pipe')\nsocket.socket(socket.AF_UNIX).bind('sock')\nprint('made')\n",
    collect=("*",),
)
def _(result: JobResult) -> None:
    says("made")(result)
    assert not result.files
    assert len(result.skipped) == 2


@case(
    "folders 3,000 deep",
    "import os\nfor i in range(3000): os.mkdir('d'); os.chdir('d')\nprint('made')\n",
    collect=("*",),
)
def _(result: JobResult) -> None:
    says("made")(result)
    assert not result.files
    assert "deeper than 64" in result.skipped[0]


@case(
    "modes of 0",
    "import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').close()\nos.chmod('a/b/c', 0)\nos.chmod('a/b', 0)\nos.chmod('a', 0)\nos.chmod('/tmp', 0)\nos.chmod('.', 0)\nprint('made')\n",
)
def _(result: JobResult) -> None:
    says("made")(result)


@case(
    "names that are no text",
    "import os\nopen(b'\\xff\\xfe', 'w').close()\nopen('new\\nline', 'w').close()\nopen('a' * 255, 'w').close()\nopen('-rf', 'w').close()\nprint('made')\n",
    collect=("*",),
)
def _(result: JobResult) -> None:
    says("made")(result)
    assert sorted(file.name for file in result.files) == sorted(["new\nline", "a" * 255, "-rf"])


@case(
    "files collected",
    "import os\nos.makedirs('out/deep')\nopen('out/deep/r.csv', 'w').write('1,2\\n')\nopen('note.txt', 'w').write('no')\n",
    collect=("*.csv",),
)
def _(result: JobResult) -> None:
    assert [(file.name, file.data) for file in result.files] == [("out/deep/r.csv", b"1,2\n")]
    assert result.left_behind.files == 2


case("the root directory", attempt("open('/x', 'w')"))(held)
case("the system's programs", attempt("open('/usr/bin/x', 'w')"))(held)
case("the system's programs once more writable", attempt("os.chmod('/usr/bin/env', 0o777)"))(held)
case("/dev", attempt("open('/dev/x', 'w')"))(held)
case("a device of its own", attempt("os.mknod('disk', 0o60600, os.makedev(254, 0))"))(held)
case("the kernel's settings", attempt("open('/proc/sys/kernel/core_pattern', 'w').write('|/bin/sh')"))(held)
case("the kernel's magic keys", attempt("open('/proc/sysrq-trigger', 'w').write('h')"))(held)
case("the kernel's log", attempt("print(open('/dev/kmsg').read(1))"))(held)
case("cgroups of its own", attempt("os.mkdir('/sys/fs/cgroup/x')"))(held)
case("handles to files by number", refused_call("304, -100, 0, 0", "265, -100, 0, 0"))(held)

reaching = True

# ----------------------------------------------------------------------------------------------------------- network

case("TCP to the internet", attempt("socket.create_connection(('1.1.1.1', 53), 1)"))(held)
case("TCP to the local network", attempt("socket.create_connection(('169.254.169.254', 80), 1)"))(held)
case("UDP", attempt("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('8.8.8.8', 53))"))(held)
case("IPv6", attempt("socket.create_connection(('2606:4700:4700::1111', 53), 1)"))(held)
case("names", attempt("socket.getaddrinfo('example.com', 80)"))(held)
case("AF_VSOCK", attempt("socket.socket(40, socket.SOCK_STREAM)"))(held)
case("AF_NETLINK", attempt("socket.socket(16, socket.SOCK_RAW)"))(held)
case("AF_PACKET", attempt("socket.socket(17, socket.SOCK_RAW)"))(held)
case("AF_ALG", attempt("socket.socket(38, socket.SOCK_SEQPACKET)"))(held)
case("raw sockets", attempt("socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)"))(held)
case(
    "every other family",
    "import socket\nout = []\nfor family in range(3, 46):\n    if family == 10: continue\n    for kind in (1, 2, 3, 5):\n"
    "        try: socket.socket(family, kind).close(); out.append(family)\n        except OSError: pass\nprint(out or 'held')\n",
)(held)

# -------------------------------------------------------------------------------------------------------- privileges

case("becoming root", attempt("os.setuid(0)"))(held)
case(
    "a setuid program",
    "import os, subprocess\n"
    "done = subprocess.run(['/usr/bin/su', '-c', 'id -u'], stdin=subprocess.DEVNULL, capture_output=True, text=True)\n"
    "print('got out' if done.stdout.strip() == '0' else 'held')\n",
)(held)
case(
    "a setuid file of its own",
    "import os, subprocess\nopen('s', 'wb').write(open('/usr/bin/id', 'rb').read())\nos.chmod('s', 0o4755)\nprint('got out' if subprocess.run(['./s', '-u'], capture_output=True, text=True).stdout.strip() == '0' else 'held')\n",
)(held)
case("a user namespace", refused_call("272, 0x10000000", "97, 0x10000000"))(held)
case("a namespace by clone", refused_call("56, 0x10000011, 0, 0, 0, 0", "220, 0x10000011, 0, 0, 0, 0"))(held)
case("a namespace by clone3", refused_call("435, 0, 88", "435, 0, 88"))(held)
case("mounting", refused_call("165, 0, 0, 0, 0, 0", "40, 0, 0, 0, 0, 0"))(held)
case("mounting the new way", refused_call("430, 0, 0", "430, 0, 0"))(held)
case("another root", attempt("os.chroot('/work')"))(held)
case("io_uring", refused_call("425, 8, 0", "425, 8, 0"))(held)
case("bpf", refused_call("321, 0, 0, 0", "280, 0, 0, 0"))(held)
case("keyrings", refused_call("250, 0, -3, 1", "219, 0, -3, 1"))(held)
case("performance events", refused_call("298, 0, 0, -1, -1, 0", "241, 0, 0, -1, -1, 0"))(held)
case("userfaultfd", refused_call("323, 0", "282, 0"))(held)
case("kernel modules", refused_call("313, 0, 0, 0", "273, 0, 0, 0"))(held)
case("the clock", refused_call("227, 0, 0", "112, 0, 0"))(held)
case("rebooting", refused_call("169, 0, 0, 0, 0", "142, 0, 0, 0, 0"))(held)
case("System V shared memory", refused_call("29, 0, 4096, 0o1600", "194, 0, 4096, 0o1600"))(held)
case("typing into a terminal", attempt("fcntl.ioctl(os.openpty()[1], 0x5412, b'x')", setup="import fcntl"))(held)
case("an odd personality", refused_call("135, 0x0400000", "92, 0x0400000"))(held)
