"""The system call policy, as BPF bytes for bubblewrap and as a JSON profile for docker.

An allow list (`_syscalls`) that also checks some arguments: only sockets of the families UNIX, INET and INET6 (AF_VSOCK
reaches the host even without a network), no new namespaces by clone, no input into terminals, only the usual
personalities, no limits or priorities of other processes (such as the supervisor). Rejected calls return EPERM, or
ENOSYS so that C libraries fall back to older calls.
"""

from __future__ import annotations

import errno
import json
import platform
import struct

from tdlab.sandbox._syscalls import ALLOWED

__all__: list[str] = []

FAMILIES = (1, 2, 10)
NAMESPACE_FLAGS = 0x7E020080  # CLONE_NEW*: NS, CGROUP, UTS, IPC, USER, PID, NET, and TIME
PERSONALITIES = (0x0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF)
TERMINAL_IOCTLS = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
SELF_ONLY = {"prlimit64": 1, "sched_setaffinity": 1, "setpriority": 2}  # number of first arguments that have to be 0
CHECKED = ("socket", "socketpair", "clone", "personality", "ioctl", *SELF_ONLY)

_ARCH = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_LOAD, _JEQ, _JGE, _JGT, _JSET, _RET = 0x20, 0x15, 0x35, 0x25, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_NR, _ARCH_AT, _ARG0, _ARG1 = 0, 4, 16, 24


def supported() -> bool:
    """Return whether there is a filter for this machine's architecture."""
    return platform.machine() in _ARCH


def _errno(number: int) -> int:
    return 0x00050000 | number


def bpf(machine: str | None = None) -> bytes:
    """Return the filter as an array of ``struct sock_filter``; KeyError for an architecture without one."""
    audit, column = _ARCH[machine or platform.machine()]
    numbers = {name: both[column] for name, both in ALLOWED.items() if both[column] is not None}
    out: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_JEQ, 1, 0, audit),
        (_RET, 0, 0, _KILL),
        (_LOAD, 0, 0, _NR),
        (_JGE, 0, 1, 0x40000000),
        (_RET, 0, 0, _errno(errno.ENOSYS)),
    ]
    for name in CHECKED:
        body = _argument_check(name)
        out.append((_JEQ, 0, len(body), numbers[name] or 0))
        out += body
    plain = sorted(number for name, number in numbers.items() if number is not None and name not in CHECKED)
    for low, high in _ranges(plain):
        # below low: continue with the next range; up to high: allow
        out += [(_JGE, 0, 2, low), (_JGT, 1, 0, high), (_RET, 0, 0, _ALLOW)]
    out.append((_RET, 0, 0, _errno(errno.ENOSYS)))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in out)


def _argument_check(name: str) -> list[tuple[int, int, int, int]]:
    deny = (_RET, 0, 0, _errno(errno.EPERM))
    allow = (_RET, 0, 0, _ALLOW)
    if name == "clone":
        return [(_LOAD, 0, 0, _ARG0), (_JSET, 0, 1, NAMESPACE_FLAGS & ~0x80), deny, allow]
    if name in SELF_ONLY:
        checks: list[tuple[int, int, int, int]] = []
        for index in range(SELF_ONLY[name]):
            checks += [(_LOAD, 0, 0, _ARG0 + 8 * index), (_JEQ, 1, 0, 0), deny]
        return [*checks, allow]
    argument, values, on_match, otherwise = {
        "socket": (_ARG0, FAMILIES, allow, (_RET, 0, 0, _errno(errno.EAFNOSUPPORT))),
        "socketpair": (_ARG0, (1,), allow, (_RET, 0, 0, _errno(errno.EAFNOSUPPORT))),
        "personality": (_ARG0, PERSONALITIES, allow, deny),
        "ioctl": (_ARG1, TERMINAL_IOCTLS, deny, allow),
    }[name]
    tests = [(_JEQ, len(values) - index, 0, value) for index, value in enumerate(values)]
    return [(_LOAD, 0, 0, argument), *tests, otherwise, on_match]


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


def docker_profile() -> str:
    """Return the policy as docker's JSON, with two more calls that the engine needs before the program starts."""
    plain = sorted({*ALLOWED, "capset", "seccomp"} - set(CHECKED))
    rules: list[dict[str, object]] = [{"names": plain, "action": "SCMP_ACT_ALLOW"}]
    for name, values in (("socket", FAMILIES), ("socketpair", (1,)), ("personality", PERSONALITIES)):
        rules += [_rule(name, "SCMP_ACT_ALLOW", 0, "SCMP_CMP_EQ", value) for value in values]
    rules.append(_rule("clone", "SCMP_ACT_ALLOW", 0, "SCMP_CMP_MASKED_EQ", NAMESPACE_FLAGS & ~0x80, 0))
    for name, count in SELF_ONLY.items():
        arguments = [{"index": i, "value": 0, "valueTwo": 0, "op": "SCMP_CMP_EQ"} for i in range(count)]
        rules.append({"names": [name], "action": "SCMP_ACT_ALLOW", "args": arguments})
    # ioctl: the rules together allow all but the two; a rule may compare each argument only once
    rules += [
        _rule("ioctl", "SCMP_ACT_ALLOW", 1, "SCMP_CMP_LT", TERMINAL_IOCTLS[0]),
        _rule("ioctl", "SCMP_ACT_ALLOW", 1, "SCMP_CMP_GT", TERMINAL_IOCTLS[1]),
    ]
    between = range(TERMINAL_IOCTLS[0] + 1, TERMINAL_IOCTLS[1])
    rules += [_rule("ioctl", "SCMP_ACT_ALLOW", 1, "SCMP_CMP_EQ", number) for number in between]
    for name in ("clone3", "memfd_create"):
        rules.append({"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS})
    return json.dumps(
        {
            "defaultAction": "SCMP_ACT_ERRNO",
            "archMap": [
                {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
                {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
            ],
            "syscalls": rules,
        }
    )


def _rule(name: str, action: str, index: int, op: str, value: int, value_two: int = 0) -> dict[str, object]:
    return {
        "names": [name],
        "action": action,
        "args": [{"index": index, "value": value, "valueTwo": value_two, "op": op}],
    }
