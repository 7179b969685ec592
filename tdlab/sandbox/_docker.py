"""The docker tier: a container per warm jail, made from an image of empty folders and the host's ``/usr`` read-only.

No network, read-only root, bounded tmpfs, no capability, no_new_privs, our seccomp profile (`_seccomp`; the engine's
own leaves AF_VSOCK open), limits on memory, processes and cores, an unprivileged user, no log on the host's disk. The
channel is the attached stdin and stdout; when the harness dies the engine closes stdin, the supervisor ends, and the
engine removes the container.

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
from tdlab.sandbox._jail import BOOT, Jail, JailBroken, environment, find_python
from tdlab.sandbox.jobs import WORK_FOLDER, Enforcement, Limits

if TYPE_CHECKING:
    import docker

__all__: list[str] = []

INSTALL = "install docker (Debian: apt-get install docker.io), start it, and let this user reach its socket"
_LABEL = "tdlab.sandbox"
_PLACE = "tdlab.place"
_FIRST_UID, _UIDS = 1_800_000_000, 100_000_000
_SHM_BYTES = 16 << 20
_CPU_PERIOD_US = 20_000


class DockerTransport(SocketTransport):
    """A container's attached stdin and stdout, which the engine sends in frames with a head of eight bytes."""

    def __init__(self, client: docker.DockerClient, container: str, attached: Any) -> None:
        super().__init__(attached._sock)
        self.container = container
        self.memory: Cgroup | None = None
        self._client = client
        self._attached = attached
        self._raw = bytearray()
        self._errors = bytearray()

    async def receive(self) -> bytes:
        """Some bytes of stdout; empty at the end."""
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
        """The engine has done it already."""

    def oom_kills(self) -> int:
        """How often the memory limit has killed in this container, where its cgroup can be read."""
        return self.memory.oom_kills() if self.memory else 0

    async def complaint(self) -> str:
        """The end of what the supervisor wrote to stderr."""
        return bytes(self._errors).decode("utf-8", "replace").strip()[-400:] or "no message"

    async def aclose(self) -> None:
        """Remove the container with all that runs in it."""
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
        if error.status_code != 409:  # its removal is under way
            raise


class Docker:
    """Starts jails in containers; holds the connection to the engine."""

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
        """The connection; only after `open`."""
        if self._client is None:
            raise SandboxUnavailable("the connection to docker is closed")
        return self._client

    @property
    def version(self) -> str:
        """The engine's version."""
        return str(self.info.get("ServerVersion", ""))

    async def open(self) -> None:
        """Reach the engine and have the image there. SandboxUnavailable says what is missing."""
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
            raise SandboxUnavailable(f"the engine runs {self.info.get('OSType')} containers", expected="linux")
        wanted = self.options.get("image")
        try:
            if wanted:
                self._client.images.get(wanted)
                self.image, self.python = wanted, ""
                return
            self.python = find_python() or ""
            if not self.python:
                raise SandboxUnavailable(
                    "there is no python3 below /usr", expected="Python 3.9 or newer", do="install it, or name an image"
                )
            content = _image()
            self.image = f"tdlab-sandbox:{hashlib.sha256(content).hexdigest()[:12]}"
            if not self._client.images.list(name=self.image):
                repository, tag = self.image.split(":")
                self._client.api.import_image_from_data(content, repository=repository, tag=tag)
        except docker.errors.ImageNotFound:
            raise SandboxUnavailable(
                f"the engine has no image {wanted!r}", expected="an image with python3 and bash", do="pull it first"
            ) from None
        except docker.errors.APIError as error:
            raise SandboxUnavailable(f"the engine refuses the image: {error.explanation}", do=INSTALL) from None

    def enforced(self) -> dict[str, Enforcement]:
        """What holds here, by the engine's own account and our settings. Tried by the probes."""

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
            "wall_time": Enforcement(level="kernel", how="SIGKILL to all by PID 1; a second clock in the harness"),
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
        # A user of its own for each jail: the kernel counts processes by user, and refuses one too many at once. The
        # limit of the cgroup comes later in a fork, and makes a fork bomb costly.
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
                "/tmp": f"{disk},{owner}",  # noqa: S108 (the jail's own)
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
            "labels": {_LABEL: self.owner, _PLACE: _owner.place()},
            "network_disabled": True,
        }

    def _start(self) -> DockerTransport:
        import docker.errors

        try:
            made = self.client.api.create_container(**self._settings())["Id"]
        except (docker.errors.APIError, OSError) as error:
            raise JailBroken(f"no container: {str(error)[:300]}") from None
        try:
            attached = self.client.api.attach_socket(made, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
            if not isinstance(getattr(attached, "_sock", None), socket.socket):
                raise JailBroken("the engine is not reached by a plain socket")
            transport = DockerTransport(self.client, made, attached)
            self.client.api.start(made)
            transport.memory = self._memory(made)
        except (docker.errors.APIError, OSError) as error:
            _remove(self.client, made)
            raise JailBroken(f"the container does not start: {str(error)[:300]}") from None
        except BaseException:
            _remove(self.client, made)
            raise
        return transport

    def _memory(self, container: str) -> Cgroup | None:
        """The container's memory cgroup, where the engine runs on this machine and it can be seen."""
        pid = self.client.api.inspect_container(container)["State"]["Pid"]
        found = Hierarchies.read().found.get("memory")
        if found is None:
            return None
        version, _, top = found
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

    async def start(self) -> Jail:
        """A warm jail. JailBroken where it does not start."""
        with anyio.CancelScope(shield=True):  # a container half made would be nobody's
            transport = await anyio.to_thread.run_sync(self._start)
        jail = Jail(transport, self.limits, preload=self.preload, python=self.python, nproc=True, own_share=True)
        try:
            await jail.start()
        except BaseException:
            await jail.aclose()
            raise
        return jail

    async def collect_garbage(self) -> list[str]:
        """Remove the containers of harnesses of this machine that are no more; their names."""
        return await anyio.to_thread.run_sync(self._collect_garbage)

    def _collect_garbage(self) -> list[str]:
        removed = []
        for container in self.client.api.containers(all=True, filters={"label": _LABEL}):
            labels = container["Labels"]
            if labels.get(_PLACE) == _owner.place() and _owner.is_orphan(labels[_LABEL]):
                _remove(self.client, container["Id"])
                removed.append(container["Id"][:12])
        return removed

    async def aclose(self) -> None:
        """Remove what is left of this sandbox's containers, and close the connection."""
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
            self.info = {}  # the engine has gone, and the jails with it
        finally:
            client.close()


def _answers(address: str) -> None:
    """OSError where no one listens at a local address (the SDK leaves sockets open where it fails)."""
    if not address.startswith("unix://"):
        raise OSError(f"{address} is not a local socket: the jails need this machine's /usr")
    with socket.socket(socket.AF_UNIX) as knock:
        knock.settimeout(5)
        knock.connect(address.removeprefix("unix://"))


def _image() -> bytes:
    """A tar of empty folders and symlinks to the host's ``/usr``, as the host has them; some hundred bytes."""
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
