"""The folder of a pack: drafts that leave nothing behind, one move into place, and the provenance beside the files."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tdlab._files import sync_folder, unwritable
from tdlab.errors import StoreError
from tdlab.records import digest
from tdlab.worlds import FILES

__all__ = ["PROVENANCE", "draft_folder", "folder_name", "hash_of", "move_into_place", "provenance_in", "refuse_another"]

PROVENANCE = "provenance.json"
"""The file of a written pack that says how it came about; loading a pack does not read it."""

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_DRAFT = ".tdlab-draft-"
_BEFORE = ".before-"


def folder_name(service: str) -> str:
    """Return the name of a pack's folder: the service's own if that is a plain word, else one made from it.

    Args:
        service: The name of the service.

    Returns:
        Small letters, digits, ``_`` and ``-``; different for services of different names.

    Example:
        >>> folder_name("saffron_gable"), folder_name("@Owner/name")
        ('saffron_gable', 'owner-name-1b09ed')
    """
    if _PLAIN.fullmatch(service):
        return service
    return f"{'-'.join(re.findall('[a-z0-9]+', service.lower()))[:48]}-{digest('folder', service, length=6)}"


@contextmanager
def draft_folder(out: Path, service: str) -> Iterator[Path]:
    """Yield an empty folder below ``out`` that is gone when the block ends, wherever the pack is by then."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(out)
        above = Path(tempfile.mkdtemp(prefix=f"{_DRAFT}{os.getpid()}-", dir=out))
        folder = above / service
        folder.mkdir()
    except OSError as error:
        raise unwritable(out, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(above, ignore_errors=True)


def _remove_leftovers(out: Path) -> None:
    """Delete the drafts of sessions that were killed."""
    for leftover in out.glob(f"{_DRAFT}*"):
        pid = leftover.name.removeprefix(_DRAFT).partition("-")[0]
        if pid.isdecimal() and not _lives(int(pid)):
            shutil.rmtree(leftover, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def refuse_another(target: Path) -> None:
    """Raise StoreError if something that is no pack stands where the pack is to be."""
    if (target.exists() or target.is_symlink()) and not any((target / name).is_file() for name in FILES):
        raise StoreError(
            f"{target}: something that is no pack is in the way", expected="a pack, or nothing",
            do="choose another folder with --out",
        )  # fmt: skip


def move_into_place(folder: Path, target: Path) -> None:
    """Move a complete pack to its place; what is there is kept beside it."""
    before = target.parent / f"{_BEFORE}{target.name}"
    moved = False
    try:
        refuse_another(target)
        if target.exists():
            if before.exists():
                shutil.rmtree(before)
            target.rename(before)
            moved = True
        folder.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        if moved and not target.exists():
            before.rename(target)
        raise unwritable(target, error) from error


def provenance_in(folder: Path) -> dict[str, Any] | None:
    """Return the provenance of a pack; None if it has none that can be read."""
    try:
        value = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes; an empty text for a file that cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
