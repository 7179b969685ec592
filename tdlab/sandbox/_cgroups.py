"""Cgroup limits of sandbox processes, version 1 or 2, if this process may create cgroups.

A sandbox has one folder in each hierarchy that it uses, below the cgroup of this process, so that limits from outside
still apply. Each sandbox process has a folder in it. A keeper process removes them if this process is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tdlab.sandbox import _owner
from tdlab.sandbox._inside import source

__all__: list[str] = []

CONTROLLERS = ("memory", "pids", "cpu")
_SPARE_MB = 32
_PERIOD_US = 20_000


@dataclass
class Hierarchies:
    """The mounted hierarchies: controller -> (version, folder of this process's cgroup, mount point)."""

    controllers: dict[str, tuple[int, Path, Path]] = field(default_factory=dict)

    @classmethod
    def read(cls) -> Hierarchies:
        """Read the hierarchies from ``/proc/self``; there may be none."""
        mounts: dict[str, tuple[int, Path]] = {}
        unified: Path | None = None
        for line in _lines("/proc/self/mountinfo"):
            left, _, right = line.partition(" - ")
            fields, tail = left.split(), right.split()
            if len(fields) < 5 or len(tail) < 3:
                continue
            if tail[0] == "cgroup2":
                unified = Path(fields[4])
            elif tail[0] == "cgroup":
                for option in tail[2].split(","):
                    if option in CONTROLLERS:
                        mounts[option] = (1, Path(fields[4]))
        paths: dict[str, str] = {}
        own = "/"
        for line in _lines("/proc/self/cgroup"):
            number, controllers, path = line.split(":", 2)
            if number == "0":
                own = path
            for name in controllers.split(","):
                paths[name] = path
        result = cls()
        for name in CONTROLLERS:
            if name in mounts:
                base = mounts[name][1] / paths.get(name, "/").lstrip("/")
                result.controllers[name] = (1, base if base.is_dir() else mounts[name][1], mounts[name][1])
            elif unified is not None:
                base = unified / own.lstrip("/")
                result.controllers[name] = (2, base if base.is_dir() else unified, unified)
        return result


@dataclass
class Cgroup:
    """The cgroups of one sandbox process: controller -> (version, folder)."""

    folders: dict[str, tuple[int, Path]]

    def add(self, pid: int) -> None:
        """Move a process into these cgroups; raise OSError if that is not allowed."""
        for _, folder in dict.fromkeys(self.folders.values()):
            (folder / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def oom_kills(self) -> int:
        """Return how often the memory limit has killed a process inside."""
        if "memory" not in self.folders:
            return 0
        version, folder = self.folders["memory"]
        for line in _lines(folder / ("memory.oom_control" if version == 1 else "memory.events")):
            if line.startswith("oom_kill "):
                return int(line.split()[1])
        return 0

    def memory_bytes(self) -> int | None:
        """Return the bytes of memory in use; None without the memory controller."""
        if "memory" not in self.folders:
            return None
        version, folder = self.folders["memory"]
        name = "memory.usage_in_bytes" if version == 1 else "memory.current"
        return int((folder / name).read_text(encoding="ascii"))

    def pids(self) -> set[int]:
        """Return the ids of the processes inside."""
        return {
            int(line) for _, folder in self.folders.values() for line in _lines(folder / "cgroup.procs") if line.strip()
        }

    def remove(self, seconds: float = 2.0) -> bool:
        """Kill the processes inside and remove the folders; return whether that succeeded."""
        return _remove([folder for _, folder in self.folders.values()], seconds)


class CgroupTree:
    """The cgroups of one sandbox. ``problems`` gives the reason for each controller that cannot be used."""

    def __init__(self) -> None:
        self.name = _owner.new_name()
        self.roots: dict[str, tuple[int, Path]] = {}
        self.problems: dict[str, str] = {}
        self._keeper: subprocess.Popen[bytes] | None = None
        self._count = 0
        for controller, (version, base, top) in Hierarchies.read().controllers.items():
            problem = ""
            for parent in dict.fromkeys((base, top)):
                try:
                    self.roots[controller] = (version, self._make(controller, version, parent))
                    break
                except OSError as error:
                    problem = problem or f"{parent}: {error.strerror}"
            else:
                self.problems[controller] = problem
        for controller in CONTROLLERS:
            if controller not in self.roots:
                self.problems.setdefault(controller, "no such controller is mounted")
        if self.roots:
            self._keep()

    def _make(self, controller: str, version: int, parent: Path) -> Path:
        folder = parent / self.name
        if version == 1:
            folder.mkdir(exist_ok=True)
            return folder
        existed = folder.is_dir()
        try:
            if controller not in (parent / "cgroup.subtree_control").read_text(encoding="ascii").split():
                (parent / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")
            folder.mkdir(exist_ok=True)
            (folder / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")
            # moving a process needs write access to its old and its new cgroup
            if not os.access(folder.parent / "cgroup.procs", os.W_OK):
                raise PermissionError(13, "not delegated to this user")
        except OSError:
            if folder.is_dir() and not existed:
                folder.rmdir()
            raise
        return folder

    def _keep(self) -> None:
        folders = [str(folder) for _, folder in dict.fromkeys(self.roots.values())]
        self._keeper = subprocess.Popen(  # noqa: S603 (our own interpreter and source)
            [sys.executable, "-I", "-S", "-c", source("keeper"), *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env={},
        )

    def new_cgroup(self, *, memory_mb: int, disk_mb: int, processes: int, cpus: float) -> Cgroup:
        """Create a cgroup with these limits; raise OSError if the kernel refuses."""
        self._count += 1
        cgroup = Cgroup({})
        for controller, (version, root) in self.roots.items():
            folder = root / f"process-{self._count}"
            folder.mkdir(exist_ok=True)
            cgroup.folders[controller] = (version, folder)
            if controller == "memory":
                size = str((memory_mb + disk_mb + _SPARE_MB) << 20)
                _write(folder, {1: "memory.limit_in_bytes", 2: "memory.max"}[version], size)
                for name in {1: ["memory.memsw.limit_in_bytes"], 2: ["memory.swap.max"]}[version]:
                    if (folder / name).exists():
                        _write(folder, name, size if version == 1 else "0")
            elif controller == "pids":
                _write(folder, "pids.max", str(processes + 3))
            elif version == 1:
                _write(folder, "cpu.cfs_period_us", str(_PERIOD_US))
                _write(folder, "cpu.cfs_quota_us", str(max(1000, int(cpus * _PERIOD_US))))
            else:
                _write(folder, "cpu.max", f"{max(1000, int(cpus * _PERIOD_US))} {_PERIOD_US}")
        return cgroup

    def close(self) -> None:
        """Remove all cgroups of the sandbox, and kill what runs in them."""
        _remove([folder for _, folder in self.roots.values()], 3.0)
        if self._keeper is not None:
            if self._keeper.stdin is not None:
                self._keeper.stdin.close()
            self._keeper.wait(15)


def _write(folder: Path, name: str, value: str) -> None:
    (folder / name).write_text(value, encoding="ascii")


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _remove(folders: list[Path], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while True:
        for top in dict.fromkeys(folders):
            for inner, _, _ in os.walk(top, topdown=False):
                for pid in _lines(Path(inner, "cgroup.procs")):
                    _kill(int(pid))
                try:
                    os.rmdir(inner)
                except OSError:
                    continue  # a process in it has not ended yet: try again below
        if not any(folder.exists() for folder in folders):
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.005)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def collect_garbage() -> list[str]:
    """Remove the cgroups of tdlab processes that have ended; return their paths."""
    removed = []
    for mount in dict.fromkeys(top for _, _, top in Hierarchies.read().controllers.values()):
        for folder, names, _ in os.walk(mount):
            for name in [n for n in names if n.startswith("tdlab-")]:
                names.remove(name)
                if _owner.is_orphan(name) and _remove([Path(folder, name)], 2.0):
                    removed.append(str(Path(folder, name)))
    return removed
