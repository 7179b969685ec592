"""Who owns a jail: names that carry the harness's process, so that garbage is told from what is still in use."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__: list[str] = []


def start_time(pid: int) -> int | None:
    """Clock ticks between boot and the start of a process: with the pid it names a process for good. None if gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return int(text[text.rindex(b")") + 2 :].split()[19])


def place() -> str:
    """This boot of this machine and this PID namespace: pids mean the same only within it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}:{os.stat('/proc/self/ns/pid').st_ino}"


def new_name() -> str:
    """``tdlab-PID-START-TOKEN`` for this process."""
    return f"tdlab-{os.getpid()}-{start_time(os.getpid())}-{secrets.token_hex(4)}"


def is_orphan(name: str) -> bool:
    """Whether a name of `new_name` belongs to a process that is no more."""
    parts = name.split("-")
    if len(parts) != 4 or parts[0] != "tdlab" or not (parts[1].isdigit() and parts[2].isdigit()):
        return False
    return start_time(int(parts[1])) != int(parts[2])
