"""The writable folders of the sandbox: put files there, collect files from there, empty them after a job."""

from __future__ import annotations

# ruff: noqa: S108 (paths inside the sandbox)
import errno
import fnmatch
import io
import os
import stat
import time
from collections.abc import Iterator

from tdlab.sandbox._inside.channel import Channel

WRITABLE = ["/work", "/tmp", "/dev/shm"]


def inodes_used() -> int:
    """Return the number of files in the writable folders."""
    used = 0
    for folder in WRITABLE:
        try:
            info = os.statvfs(folder)
        except OSError:
            continue
        used += info.f_files - info.f_ffree
    return used


def put_files(files: list[tuple[str, int]], blobs: io.BytesIO) -> None:
    """Write files below /work. tdlab has checked their names, and no job runs yet that could add links."""
    for name, size in files:
        folder = os.path.dirname(name)
        if folder:
            os.makedirs(os.path.join("/work", folder), exist_ok=True)
        with open(os.path.join("/work", name), "xb") as file:
            file.write(blobs.read(size))


def walk(limit: int = 100000) -> Iterator[tuple[str, os.stat_result | None, str]]:
    """Yield the entries below /work as (name, lstat, problem), at most 64 folders deep, without following links."""
    waiting, count = [""], 0
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(os.path.join("/work", folder)), key=lambda e: e.name)
        except OSError as error:
            yield folder, None, f"folder cannot be read ({error.strerror})"
            continue
        for entry in entries:
            count += 1
            if count > limit:
                yield "", None, f"more than {limit} files"
                return
            name = os.path.join(folder, entry.name)
            info = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                if name.count("/") >= 64:
                    yield name, None, "folders deeper than 64"
                else:
                    waiting.append(name)
            else:
                yield name, info, ""


def collect(channel: Channel, patterns: list[str], budget: int, given: set[str]) -> list[str]:
    """Send the regular files that match, within the budget of bytes; return those that cannot be sent, and why."""
    skipped, sent = [], 0
    for name, info, problem in walk():
        shown = name.encode("utf-8", "backslashreplace").decode("ascii", "backslashreplace")[:200]
        if problem or info is None:
            skipped.append(f"{shown}: {problem}")
        elif name in given or not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            continue
        elif not stat.S_ISREG(info.st_mode):
            skipped.append(f"{shown}: not a regular file")
        elif info.st_size > budget:
            skipped.append(f"{shown}: {info.st_size} bytes are more than is left of the limit")
        elif sent >= 256:
            skipped.append(f"{shown}: more than 256 files")
        else:
            try:
                label = name.encode("utf-8").decode("utf-8")
                handle = os.open(os.path.join("/work", name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except UnicodeError:
                skipped.append(f"{shown}: the name is not UTF-8")
                continue
            except OSError as error:
                skipped.append(f"{shown}: cannot be read ({error.strerror})")
                continue
            with os.fdopen(handle, "rb") as file:
                data = file.read(info.st_size)
            budget -= len(data)
            sent += 1
            channel.send_parts(b"f", {"name": label}, data)
        if len(skipped) >= 32:
            skipped.append("and maybe more")
            break
    return skipped


def wipe(root: str, end: float) -> bool:
    """Empty a folder with any file modes; nested folders are moved up first, so that any depth works."""
    try:
        os.chmod(root, 0o700)
        top = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.EROFS)
    fresh, removed = 0, 0
    try:
        while True:
            names = os.listdir(top)
            if not names:
                return True
            for name in names:
                if time.monotonic() > end:
                    return False
                if unlink(name, top):
                    continue
                os.chmod(name, 0o700, dir_fd=top)
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
                try:
                    for nested in os.listdir(inner):
                        if unlink(nested, inner):
                            removed += 1
                            continue
                        os.chmod(nested, 0o700, dir_fd=inner)
                        fresh += 1
                        os.rename(nested, f".wipe-{os.getpid()}-{fresh}", src_dir_fd=inner, dst_dir_fd=top)
                finally:
                    os.close(inner)
                unlink(name, top)
    except OSError:
        return False
    finally:
        os.close(top)


def empty_all() -> bool:
    """Empty every writable folder; return whether that succeeded."""
    end = time.monotonic() + 2
    done = [wipe(folder, end) for folder in WRITABLE]
    return all(done)


def unlink(name: str, folder: int) -> bool:
    """Remove a file or an empty folder; return False for a folder that is not empty."""
    try:
        os.unlink(name, dir_fd=folder)
        return True
    except IsADirectoryError:
        pass
    except PermissionError:
        if not stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
            raise
    try:
        os.rmdir(name, dir_fd=folder)
        return True
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES):
            raise
        return False


def leftovers(known: set[str]) -> int:
    """Return the number of files that the job added."""
    count = sum(1 for name, info, _ in walk() if info is not None and name not in known)
    for folder in WRITABLE[1:]:
        try:
            count += len(os.listdir(folder))
        except OSError:
            continue
    return count
