"""The escape probes, run as a job: print a JSON object from probe to what it reached; empty if it was stopped."""

# ruff: noqa: SIM115, T201 (a probe may leave a file open; the printed text is the result)

from __future__ import annotations

import ctypes
import json
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

reached: dict[str, str] = {}
libc = ctypes.CDLL(None, use_errno=True)


def probe(name: str) -> Callable[[Callable[[], Any]], None]:
    """Run the decorated function at once; its result is what the probe reached."""

    def run(function: Callable[[], Any]) -> None:
        try:
            reached[name] = str(function() or "")[:120]
        except (OSError, ValueError, PermissionError):
            reached[name] = ""

    return run


def syscall(number: int, *arguments: int) -> str:
    """Make a system call; return its result, or nothing if it was rejected."""
    ctypes.set_errno(0)
    done = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    return "" if done < 0 and ctypes.get_errno() in (1, 13, 38, 97) else f"returned {done}"


@probe("read root's files")
def _() -> Any:
    for path in ("/etc/shadow", "/root", "/home", "/var/lib", "/var/run/docker.sock", "/run"):
        if os.path.isdir(path):
            if os.listdir(path) not in ([], ["lock"]):
                return path
        elif os.path.exists(path):
            return open(path, "rb").read(10)


@probe("write outside of the work directory")
def _() -> Any:
    for folder in ("/", "/usr", "/etc", "/dev", "/proc/sys/kernel", "/usr/bin"):
        path = folder + "/.tdlab-probe"
        try:
            with open(path, "w"):
                return path
        except OSError:
            continue


@probe("reach the network")
def _() -> Any:
    for address in (("1.1.1.1", 53), ("8.8.8.8", 443), ("169.254.169.254", 80), ("172.17.0.1", 80)):
        sock = socket.socket()
        sock.settimeout(0.2)
        try:
            sock.connect(address)
            return address
        except OSError:
            continue
        finally:
            sock.close()


@probe("open a socket of another family")
def _() -> Any:
    for family, kind in ((40, 1), (17, 3), (16, 3), (38, 5), (31, 3), (2, 3)):
        try:
            socket.socket(family, kind).close()
            return f"family {family}"
        except OSError:
            continue


@probe("be root")
def _() -> Any:
    if os.getuid() == 0 or os.geteuid() == 0:
        return "uid 0"
    os.setuid(0)
    return "setuid(0)"


@probe("hold a capability")
def _() -> Any:
    for line in open("/proc/self/status"):
        if line.startswith(("CapPrm", "CapEff", "CapBnd", "CapAmb")) and int(line.split()[1], 16):
            return line.strip()


@probe("gain privileges by exec")
def _() -> Any:
    for line in open("/proc/self/status"):
        if line.startswith("NoNewPrivs") and line.split()[1] != "1":
            return "no_new_privs is off"


@probe("run without a filter")
def _() -> Any:
    for line in open("/proc/self/status"):
        if line.startswith("Seccomp:") and line.split()[1] != "2":
            return "seccomp is off"


@probe("see the host's processes")
def _() -> Any:
    others = [p for p in os.listdir("/proc") if p.isdigit() and int(p) not in (os.getpid(), os.getppid(), 1)]
    return others[:5]


@probe("open the supervisor's channel")
def _() -> Any:
    return os.listdir(f"/proc/{os.getppid()}/fd")


@probe("read the supervisor's memory")
def _() -> Any:
    with open(f"/proc/{os.getppid()}/mem", "rb"):
        return "opened"


X86 = os.uname().machine == "x86_64"
FORBIDDEN = {
    "ptrace": ((101, 16, os.getppid(), 0, 0), (117, 16, os.getppid(), 0, 0)),
    "unshare a user namespace": ((272, 0x10000000), (97, 0x10000000)),
    "mount": ((165, 0, 0, 0, 0, 0), (40, 0, 0, 0, 0, 0)),
    "bpf": ((321, 0, 0, 0), (280, 0, 0, 0)),
    "io_uring": ((425, 8, 0), (425, 8, 0)),
    "keyctl": ((250, 0, -3, 0), (219, 0, -3, 0)),
    "perf events": ((298, 0, 0, -1, -1, 0), (241, 0, 0, -1, -1, 0)),
    "userfaultfd": ((323, 0), (282, 0)),
    "process_vm_readv": ((310, os.getppid(), 0, 0, 0, 0, 0), (270, os.getppid(), 0, 0, 0, 0, 0)),
    "open by handle": ((304, -100, 0, 0), (265, -100, 0, 0)),
    "System V shared memory": ((29, 0, 4096, 0o1600), (194, 0, 4096, 0o1600)),
}
for name, calls in FORBIDDEN.items():
    probe(f"call {name}")(partial(syscall, *calls[0 if X86 else 1]))


@probe("see a variable of the host")
def _() -> Any:
    known = "HOME HOSTNAME LANG LC_ALL LC_CTYPE LOGNAME OLDPWD PATH PWD SHLVL TMPDIR TZ USER _"
    return [n for n in os.environ if n not in known.split() and not n.startswith(("PYTHON", "OPENBLAS_"))]


print(json.dumps(reached))
