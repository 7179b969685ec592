"""The docker backend: one container per sandbox process, from an image of empty folders and the host's ``/usr``.

The container has no network, a read-only root, tmpfs of limited size, no capabilities, no_new_privs, tdlab's seccomp
profile (`_seccomp`; the engine's own profile allows AF_VSOCK), limits on memory, processes and cores, an unprivileged
user, and no log on the host's disk. tdlab talks to it through the attached stdin and stdout. If tdlab dies, the engine
closes stdin, the supervisor ends, and the engine removes the container.

This is the only module that imports ``docker``.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import secrets
import socket
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from tdlab.errors import SandboxUnavailable
from tdlab.sandbox import _owner, _seccomp
from tdlab.sandbox._bubblewrap import SocketTransport
from tdlab.sandbox._cgroups import Cgroup, Hierarchies
from tdlab.sandbox._process import BOOT, ProcessFailed, SandboxProcess, environment, find_python
from tdlab.sandbox.jobs import WORK_FOLDER, Enforcement, Limits

if TYPE_CHECKING:
    import docker

__all__: list[str] = []

INSTALL = "install docker (Debian: apt-get install docker.io), start it, and let this user reach its socket"
_LABEL = "tdlab.sandbox"
_HOST_LABEL = "tdlab.place"
_FIRST_UID, _UIDS = 1_800_000_000, 100_000_000
_SHM_BYTES = 16 << 20
_CPU_PERIOD_US = 20_000


class DockerTransport(SocketTransport):
    """The attached stdin and stdout of a container, which the engine sends in frames with a head of 8 bytes."""

    def __init__(self, client: docker.DockerClient, container: str, attached: Any) -> None:
        super().__init__(attached._sock)
        self.container = container
        self.memory: Cgroup | None = None
        self._client = client
        self._attached = attached
        self._raw = bytearray()
        self._errors = bytearray()

    async def receive(self) -> bytes:
        """Return some bytes of stdout; empty at the end."""
        while True:
            if len(self._raw) >= 8:
                size = int.from_bytes(self._raw[4:8], "big")
                if len(self._raw) >= 8 + size:
                    kind, data = self._raw[0], bytes(self._raw[8 : 8 + size])
                    del self._raw[: 8 + size]
                    if kind == 1 and data:
                        return data
                    if kind == 2:
                        self._errors = (self._errors + data)[-4096:]
                    continue
            more = await super().receive()
            if not more:
                return b""
            self._raw += more

    async def confine(self) -> None:
        """Do nothing: the engine has applied all limits."""

    def oom_kills(self) -> int:
        """Return how often the memory limit has killed in this container; 0 if its cgroup cannot be read."""
        return self.memory.oom_kills() if self.memory else 0

    async def complaint(self) -> str:
        """Return the end of the supervisor's stderr."""
        return bytes(self._errors).decode("utf-8", "replace").strip()[-400:] or "no message"

    async def aclose(self) -> None:
        """Remove the container and everything that runs in it."""
        with contextlib.suppress(OSError):
            self.sock.close()
        await anyio.to_thread.run_sync(_remove, self._client, self.container)
        self._attached.close()


def _remove(client: docker.DockerClient, container: str) -> None:
    import docker.errors

    try:
        client.api.remove_container(container, force=True, v=True)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if error.status_code != 409:  # it is being removed already
            raise


class Docker:
    """Starts sandbox processes in containers; holds the connection to the engine."""

    name = "docker"

    def __init__(self, limits: Limits, *, preload: tuple[str, ...] = (), options: dict[str, Any] | None = None) -> None:
        self.limits = limits
        self.preload = preload
        self.options = options or {}
        self.owner = _owner.new_name()
        self.image = ""
        self.python = ""
        self.info: dict[str, Any] = {}
        self._client: docker.DockerClient | None = None

    @property
    def client(self) -> docker.DockerClient:
        """The connection to the engine; only after `open`."""
        if self._client is None:
            raise SandboxUnavailable(
                "the connection to docker is closed", do="run jobs inside `async with open_sandbox()`"
            )
        return self._client

    @property
    def version(self) -> str:
        """The engine's version."""
        return str(self.info.get("ServerVersion", ""))

    async def open(self) -> None:
        """Connect to the engine and load the image; raise SandboxUnavailable if something is missing."""
        await anyio.to_thread.run_sync(self._open)

    def _open(self) -> None:
        import docker
        import docker.errors

        address = self.options.get("base_url") or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        try:
            _answers(address)
            self._client = docker.DockerClient(base_url=address, timeout=30, max_pool_size=16)
            self.info = self._client.info()
        except (docker.errors.DockerException, OSError) as error:
            raise SandboxUnavailable(
                f"no docker engine answers ({str(error)[:200]})", expected="a running engine", do=INSTALL
            ) from None
        if self.info.get("OSType") != "linux":
            raise SandboxUnavailable(
                f"the docker engine runs {self.info.get('OSType')} containers",
                expected="a docker engine for Linux containers",
                do="add `--set sandbox.backend=bubblewrap`",
            )
        image = self.options.get("image")
        try:
            if image:
                self._client.images.get(image)
                self.image, self.python = image, ""
                return
            self.python = find_python() or ""
            if not self.python:
                raise SandboxUnavailable(
                    "python3 is not installed below /usr",
                    expected="Python 3.9 or newer",
                    do="install it (Debian: apt-get install python3), or pass options={'image': NAME}",
                )
            content = _image()
            self.image = f"tdlab-sandbox:{hashlib.sha256(content).hexdigest()[:12]}"
            if not self._client.images.list(name=self.image):
                repository, tag = self.image.split(":")
                self._client.api.import_image_from_data(content, repository=repository, tag=tag)
        except docker.errors.ImageNotFound:
            raise SandboxUnavailable(
                f"the docker engine has no image {image!r}",
                expected="an image with python3 and bash",
                do=f"docker pull {image}",
            ) from None
        except docker.errors.APIError as error:
            raise SandboxUnavailable(f"the docker engine rejects the image: {error.explanation}", do=INSTALL) from None

    def enforced(self) -> dict[str, Enforcement]:
        """Return what enforces each guarantee, from the engine's report and the settings; the probes test it."""

        def by(flag: str, how: str, otherwise: Enforcement) -> Enforcement:
            if self.info.get(flag):
                return Enforcement(level="kernel", how=f"cgroup v{self.info.get('CgroupVersion', '1')} {how}")
            return otherwise.model_copy(update={"how": f"{otherwise.how} (this engine has no {how} limit)"})

        seccomp = any("seccomp" in option for option in self.info.get("SecurityOptions") or [])
        return {
            "filesystem": Enforcement(level="kernel", how="read-only root of empty folders; /usr read-only"),
            "network": Enforcement(level="kernel", how="network none; seccomp: three families only"),
            "processes_hidden": Enforcement(level="kernel", how="PID namespace"),
            "syscalls": Enforcement(
                level="kernel" if seccomp else "none", how="seccomp allow list" if seccomp else "no seccomp here"
            ),
            "privileges": Enforcement(level="kernel", how="unprivileged user, no capability, no_new_privs"),
            "environment": Enforcement(level="kernel", how="the container's own"),
            "wall_time": Enforcement(level="kernel", how="SIGKILL to all by PID 1; a second timer in tdlab"),
            "cpu_time": Enforcement(level="watchdog", how="sampled every 25 ms for all processes; RLIMIT_CPU for each"),
            "cpu_rate": by("CpuCfsQuota", "cpu", Enforcement(level="none", how="nothing")),
            "memory": by("MemoryLimit", "memory", Enforcement(level="watchdog", how="sampled every 25 ms")),
            "processes": by("PidsLimit", "pids", Enforcement(level="watchdog", how="counted every 25 ms")),
            "disk": Enforcement(level="kernel", how="size of the tmpfs"),
            "inodes": Enforcement(level="kernel", how="nr_inodes of the tmpfs"),
            "output": Enforcement(level="kernel", how="counted and cut by PID 1; log driver none"),
            "no_leftovers": Enforcement(level="kernel", how="SIGKILL to all by PID 1; writable places emptied"),
            "dies_with_harness": Enforcement(level="kernel", how="stdin ends, PID 1 ends, the engine removes the rest"),
        }

    def _settings(self) -> dict[str, Any]:
        import docker.types

        limits = self.limits
        # Each container has its own user: the kernel counts processes by user and rejects one too many immediately. The
        # cgroup's limit is checked later during a fork, which makes a fork bomb expensive.
        uid = _FIRST_UID + secrets.randbelow(_UIDS)
        disk = f"rw,exec,nosuid,nodev,size={limits.disk_mb << 20},nr_inodes={limits.inodes}"
        owner = f"mode=0700,uid={uid},gid={uid}"
        memory = (limits.memory_mb + limits.disk_mb + 32) << 20
        config = self.client.api.create_host_config(
            auto_remove=True,
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges", f"seccomp={_seccomp.docker_profile()}"],
            ipc_mode="none",
            tmpfs={
                WORK_FOLDER: f"{disk},{owner}",
                "/tmp": f"{disk},{owner}",  # noqa: S108 (inside the container)
                "/dev/shm": f"rw,nosuid,nodev,noexec,size={_SHM_BYTES},nr_inodes=256,{owner}",  # noqa: S108 (likewise)
            },
            binds={} if self.options.get("image") else {"/usr": {"bind": "/usr", "mode": "ro"}},
            log_config=docker.types.LogConfig(type="none"),
            mem_limit=memory if self.info.get("MemoryLimit") else None,
            memswap_limit=memory if self.info.get("MemoryLimit") and self.info.get("SwapLimit") else None,
            pids_limit=limits.processes + 3 if self.info.get("PidsLimit") else None,
            cpu_period=_CPU_PERIOD_US if self.info.get("CpuCfsQuota") else None,
            cpu_quota=max(1000, int(limits.cpus * _CPU_PERIOD_US)) if self.info.get("CpuCfsQuota") else None,
            init=False,
        )
        return {
            "image": self.image,
            "command": [self.python or "python3", "-s", "-B", "-c", BOOT],
            "entrypoint": [],
            "host_config": config,
            "stdin_open": True,
            "user": f"{uid}:{uid}",
            "working_dir": "/",
            "hostname": "jail",
            "environment": environment(),
            "labels": {_LABEL: self.owner, _HOST_LABEL: _owner.pid_scope()},
            "network_disabled": True,
        }

    def _start(self) -> DockerTransport:
        import docker.errors

        try:
            container = self.client.api.create_container(**self._settings())["Id"]
        except (docker.errors.APIError, OSError) as error:
            raise ProcessFailed(f"the container cannot be created: {str(error)[:300]}") from None
        try:
            attached = self.client.api.attach_socket(
                container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            )
            if not isinstance(getattr(attached, "_sock", None), socket.socket):
                raise ProcessFailed("the connection to the engine is not a plain socket")
            transport = DockerTransport(self.client, container, attached)
            self.client.api.start(container)
            transport.memory = self._memory(container)
        except (docker.errors.APIError, OSError) as error:
            _remove(self.client, container)
            raise ProcessFailed(f"the container does not start: {str(error)[:300]}") from None
        except BaseException:
            _remove(self.client, container)
            raise
        return transport

    def _memory(self, container: str) -> Cgroup | None:
        """Return the container's memory cgroup; None if the engine runs elsewhere or it cannot be read."""
        pid = self.client.api.inspect_container(container)["State"]["Pid"]
        hierarchy = Hierarchies.read().controllers.get("memory")
        if hierarchy is None:
            return None
        version, _, top = hierarchy
        try:
            lines = Path(f"/proc/{int(pid)}/cgroup").read_text(encoding="ascii").splitlines()
        except OSError:
            return None
        for line in lines:
            number, controllers, path = line.split(":", 2)
            if (version == 1 and controllers == "memory") or (version == 2 and number == "0"):
                folder = top / path.lstrip("/")
                return Cgroup({"memory": (version, folder)}) if container in path and folder.is_dir() else None
        return None

    async def start(self) -> SandboxProcess:
        """Start one process; raise ProcessFailed if it does not start."""
        with anyio.CancelScope(shield=True):  # a half-created container would have no owner
            transport = await anyio.to_thread.run_sync(self._start)
        process = SandboxProcess(
            transport, self.limits, preload=self.preload, python=self.python, nproc=True, own_share=True
        )
        return await process.started()

    async def collect_garbage(self) -> list[str]:
        """Remove the containers whose tdlab process on this machine has ended; return their short ids."""
        return await anyio.to_thread.run_sync(self._collect_garbage)

    def _collect_garbage(self) -> list[str]:
        removed = []
        for container in self.client.api.containers(all=True, filters={"label": _LABEL}):
            labels = container["Labels"]
            if labels.get(_HOST_LABEL) == _owner.pid_scope() and _owner.is_orphan(labels[_LABEL]):
                _remove(self.client, container["Id"])
                removed.append(container["Id"][:12])
        return removed

    async def aclose(self) -> None:
        """Remove the remaining containers of this sandbox, and close the connection."""
        if self._client is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._close)

    def _close(self) -> None:
        import docker.errors

        client, self._client = self._client, None
        if client is None:
            return
        try:
            for container in client.api.containers(all=True, filters={"label": f"{_LABEL}={self.owner}"}):
                _remove(client, container["Id"])
        except (docker.errors.APIError, OSError):
            self.info = {}  # the engine has ended, and the containers with it
        finally:
            client.close()


def _answers(address: str) -> None:
    """Raise OSError unless an engine listens at a local address; the SDK leaves sockets open if it fails."""
    if not address.startswith("unix://"):
        raise OSError(f"{address} is not a local socket; the containers need this machine's /usr")
    with socket.socket(socket.AF_UNIX) as knock:
        knock.settimeout(5)
        knock.connect(address.removeprefix("unix://"))


def _image() -> bytes:
    """Return a tar of empty folders, and of symlinks into the host's ``/usr`` as the host has them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ("usr", "etc", "proc", "sys", "dev", "work", "tmp"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name in ("bin", "lib", "lib32", "lib64", "sbin"):
            path = Path("/", name)
            if path.is_symlink():
                entry = tarfile.TarInfo(name)
                entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(path)
                tar.addfile(entry)
        passwd = b"root:x:0:0:root:/:/bin/false\n"
        entry = tarfile.TarInfo("etc/passwd")
        entry.size, entry.mode = len(passwd), 0o644
        tar.addfile(entry, io.BytesIO(passwd))
        alternatives = Path("/etc/alternatives")
        if alternatives.is_dir():
            entry = tarfile.TarInfo("etc/alternatives")
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
            for path in sorted(alternatives.iterdir()):
                if path.is_symlink():
                    entry = tarfile.TarInfo(f"etc/alternatives/{path.name}")
                    entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(path)
                    tar.addfile(entry)
    return out.getvalue()
