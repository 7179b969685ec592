"""The bubblewrap backend: user, mount, PID, network, IPC, UTS and cgroup namespaces, without a daemon.

If tdlab runs as root, bwrap is started as an unprivileged user without an account, since it would keep the kernel's uid
0 otherwise. ``/`` and ``/dev`` are read-only; ``/work``, ``/tmp`` and ``/dev/shm`` are tmpfs of limited size; the
seccomp filter is passed by descriptor. Cgroups enforce the limits if they are writable, else the supervisor's watchdog
does.
"""

# ruff: noqa: S108 (paths inside the sandbox)

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import anyio
import anyio.to_thread

from tdlab.errors import SandboxUnavailable
from tdlab.sandbox import _seccomp
from tdlab.sandbox._cgroups import Cgroup, CgroupTree
from tdlab.sandbox._process import BOOT, ProcessFailed, SandboxProcess, environment, find_python
from tdlab.sandbox.jobs import WORK_FOLDER, Enforcement, Limits

__all__: list[str] = []

INSTALL = "apt-get install bubblewrap python3 (or your distribution's packages of those names)"
_FIRST_UID = 60600
_UIDS = 500
_PASSWD = f"job:x:1000:1000:job:{WORK_FOLDER}:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n".encode()
_SHM_BYTES = 16 << 20


class SocketTransport:
    """A transport over a connected, non-blocking stream socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setblocking(False)

    async def send(self, data: bytes) -> None:
        """Write all of ``data``."""
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view, socket.MSG_NOSIGNAL) :]
            except BlockingIOError:
                await anyio.wait_writable(self.sock)

    async def receive(self) -> bytes:
        """Return some bytes; empty at the end."""
        while True:
            try:
                return self.sock.recv(1 << 18)
            except BlockingIOError:
                await anyio.wait_readable(self.sock)
            except ConnectionResetError:
                return b""


class BubblewrapTransport(SocketTransport):
    """The connection to a bwrap process."""

    def __init__(
        self, sock: socket.socket, process: subprocess.Popen[bytes], info: int, errors: IO[bytes], cgroup: Cgroup | None
    ) -> None:
        super().__init__(sock)
        self.process = process
        self.cgroup = cgroup
        self._info = info
        self._errors = errors

    async def confine(self) -> None:
        """Move PID 1 of the sandbox process into its cgroup."""
        text = b""
        while True:
            await anyio.wait_readable(self._info)
            data = os.read(self._info, 4096)
            text += data
            if not data or text.rstrip().endswith(b"}"):
                break
        try:
            pid = int(json.loads(text)["child-pid"])
        except (ValueError, KeyError):
            raise ProcessFailed("bwrap did not start") from None
        if self.cgroup is not None:
            try:
                self.cgroup.add(pid)
            except OSError as error:
                raise ProcessFailed(f"the process cannot be moved into its cgroup ({error})") from None

    def oom_kills(self) -> int:
        """Return how often the memory limit has killed a process inside."""
        return self.cgroup.oom_kills() if self.cgroup else 0

    async def complaint(self) -> str:
        """Return the end of the stderr of bwrap and the supervisor."""
        with anyio.move_on_after(0.2):
            while self.process.poll() is None:
                await anyio.sleep(0.01)
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace").strip()[-400:] or "no message"

    async def aclose(self) -> None:
        """End all processes inside: PID 1 ends with bwrap, and all others end with PID 1."""
        self.sock.close()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        while self.process.poll() is None:
            await anyio.sleep(0.002)
        if self.cgroup is not None:
            await anyio.to_thread.run_sync(self.cgroup.remove)
        os.close(self._info)
        self._errors.close()


class Bubblewrap:
    """Starts sandbox processes with bubblewrap; holds the cgroups of one sandbox."""

    name = "bubblewrap"

    def __init__(self, limits: Limits, *, preload: tuple[str, ...] = (), options: dict[str, Any] | None = None) -> None:
        self.limits = limits
        self.preload = preload
        self.program = shutil.which("bwrap") or ""
        self.python = find_python() or ""
        self.tree: CgroupTree | None = None
        self.uses_cgroups = (options or {}).get("cgroups", True)
        self._uids: Iterator[int] = itertools.cycle(range(_FIRST_UID, _FIRST_UID + _UIDS))
        for _ in range(os.getpid() % _UIDS):
            next(self._uids)

    async def open(self) -> None:
        """Check the requirements; raise SandboxUnavailable if something is missing."""
        if not self.program:
            raise SandboxUnavailable("bwrap is not installed", expected="bubblewrap 0.8 or newer", do=INSTALL)
        if not self.python:
            raise SandboxUnavailable("python3 is not installed below /usr", expected="Python 3.9 or newer", do=INSTALL)
        if not _seccomp.supported():
            raise SandboxUnavailable(
                f"bubblewrap has no seccomp filter for {os.uname().machine}",
                expected="x86_64 or aarch64",
                do="add `--set sandbox.backend=docker`",
            )
        if self.uses_cgroups:
            self.tree = await anyio.to_thread.run_sync(CgroupTree)

    @property
    def version(self) -> str:
        """The output of ``bwrap --version``."""
        done = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 (found on PATH)
        return done.stdout.strip()

    def enforced(self) -> dict[str, Enforcement]:
        """Return what enforces each guarantee; the probes test it."""
        cgroups = self.tree.roots if self.tree else {}
        problems = self.tree.problems if self.tree else dict.fromkeys(("memory", "pids", "cpu"), "switched off")

        def by(controller: str, otherwise: Enforcement) -> Enforcement:
            if controller in cgroups:
                return Enforcement(level="kernel", how=f"cgroup v{cgroups[controller][0]} {controller}")
            return otherwise.model_copy(
                update={"how": f"{otherwise.how} (no {controller} cgroup: {problems.get(controller, 'none')})"}
            )

        watchdog = "watchdog"
        return {
            "filesystem": Enforcement(level="kernel", how="mount namespace: /usr read-only and three tmpfs"),
            "network": Enforcement(level="kernel", how="network namespace of its own; seccomp: three families only"),
            "processes_hidden": Enforcement(level="kernel", how="PID namespace"),
            "syscalls": Enforcement(level="kernel", how="seccomp allow list"),
            "privileges": Enforcement(level="kernel", how="no capability, no_new_privs, no further user namespace"),
            "environment": Enforcement(level="kernel", how="started with an empty environment"),
            "wall_time": Enforcement(level="kernel", how="SIGKILL to all by PID 1; a second timer in tdlab"),
            "cpu_time": Enforcement(level=watchdog, how="sampled every 25 ms for all processes; RLIMIT_CPU for each"),
            "cpu_rate": by("cpu", Enforcement(level="none", how="nothing")),
            "memory": by("memory", Enforcement(level=watchdog, how="resident memory sampled every 25 ms")),
            "processes": by("pids", Enforcement(level="kernel", how="RLIMIT_NPROC in the user namespace")),
            "disk": Enforcement(level="kernel", how="size of the tmpfs"),
            "inodes": Enforcement(level=watchdog, how="counted every 25 ms"),
            "output": Enforcement(level="kernel", how="counted and cut by PID 1"),
            "no_leftovers": Enforcement(level="kernel", how="SIGKILL to all by PID 1; writable places emptied"),
            "dies_with_harness": Enforcement(level="kernel", how="PID 1 ends with its channel and with bwrap"),
        }

    def arguments(self, seccomp: int, info: int, passwd: int) -> list[str]:
        """Return the command line of bwrap."""
        disk = str(self.limits.disk_mb << 20)
        out = [self.program, "--unshare-user", "--unshare-all", "--disable-userns", "--uid", "1000", "--gid", "1000"]
        # the hostname stays: programs can print it, and their output is recorded
        out += ["--hostname", "jail", "--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL"]
        out += ["--clearenv"]
        for name, value in environment().items():
            out += ["--setenv", name, value]
        out += ["--ro-bind", "/usr", "/usr"]
        for name in ("bin", "sbin", "lib", "lib64", "lib32"):
            path = Path("/", name)
            if path.is_symlink():
                out += ["--symlink", os.readlink(path), str(path)]
            elif path.is_dir():
                out += ["--ro-bind", str(path), str(path)]
        for name in ("/etc/alternatives", "/etc/ld.so.cache"):
            out += ["--ro-bind-try", name, name]
        out += ["--perms", "0444", "--file", str(passwd), "/etc/passwd"]
        out += ["--proc", "/proc", "--dev", "/dev", "--size", str(_SHM_BYTES), "--perms", "0700", "--tmpfs", "/dev/shm"]
        for folder in (WORK_FOLDER, "/tmp"):
            out += ["--size", disk, "--perms", "0700", "--tmpfs", folder]
        out += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]
        out += ["--info-fd", str(info), "--seccomp", str(seccomp), "--", self.python, "-s", "-B", "-c", BOOT]
        return out

    async def start(self) -> SandboxProcess:
        """Start one process; raise ProcessFailed if it does not start."""
        ours, theirs = socket.socketpair()
        cgroup = None
        errors = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        with contextlib.ExitStack() as stack:
            stack.callback(theirs.close)
            handles = {}
            for name, data in (("seccomp", _seccomp.bpf()), ("passwd", _PASSWD)):
                handles[name], writing = os.pipe()
                stack.callback(os.close, handles[name])
                with os.fdopen(writing, "wb") as file:
                    file.write(data)
            info, info_writer = os.pipe()
            stack.callback(os.close, info_writer)
            try:
                if self.tree is not None and self.tree.roots:
                    limits = self.limits
                    cgroup = self.tree.new_cgroup(
                        memory_mb=limits.memory_mb,
                        disk_mb=limits.disk_mb,
                        processes=limits.processes,
                        cpus=limits.cpus,
                    )
                uid = next(self._uids) if os.geteuid() == 0 else None
                bwrap = subprocess.Popen(  # noqa: S603 (our own command line)
                    self.arguments(handles["seccomp"], info_writer, handles["passwd"]),
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=errors,
                    pass_fds=(handles["seccomp"], info_writer, handles["passwd"]),
                    cwd="/",
                    env={},
                    user=uid,
                    group=uid,
                    extra_groups=[] if uid is not None else None,
                )
            except OSError as error:
                ours.close()
                os.close(info)
                errors.close()
                if cgroup is not None:
                    cgroup.remove()
                raise ProcessFailed(f"bwrap cannot be started: {error}") from None
        process = SandboxProcess(
            BubblewrapTransport(ours, bwrap, info, errors, cgroup),
            self.limits,
            preload=self.preload,
            python=self.python,
            nproc=True,
            own_share=cgroup is not None and "cpu" in cgroup.folders,
        )
        return await process.started()

    async def aclose(self) -> None:
        """Remove the cgroups of the sandbox."""
        if self.tree is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self.tree.close)
