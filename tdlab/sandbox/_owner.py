"""Names of containers and cgroups, which contain their tdlab process, so that those in use can be told from garbage."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__: list[str] = []


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it has ended. With the pid it is unique."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return int(text[text.rindex(b")") + 2 :].split()[19])


def pid_scope() -> str:
    """Return an id of this boot and this PID namespace, within which pids are unique."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}:{os.stat('/proc/self/ns/pid').st_ino}"


def new_name() -> str:
    """Return a new name for this process, ``tdlab-PID-START-TOKEN``."""
    return f"tdlab-{os.getpid()}-{start_time(os.getpid())}-{secrets.token_hex(4)}"


def is_orphan(name: str) -> bool:
    """Return whether a name from `new_name` belongs to a process that has ended."""
    parts = name.split("-")
    if len(parts) != 4 or parts[0] != "tdlab" or not (parts[1].isdigit() and parts[2].isdigit()):
        return False
    return start_time(int(parts[1])) != int(parts[2])
