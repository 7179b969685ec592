"""The folder of a run: creating it, protecting other files, and describing how two runs differ."""

from __future__ import annotations

from pathlib import Path

from tdlab._files import sync_folder, unwritable
from tdlab.config import NOT_IN_DIGEST
from tdlab.errors import StoreError
from tdlab.records import Json
from tdlab.store._database import DATABASE

__all__ = ["DERIVED", "config_differences", "make_folder", "refuse_foreign_files", "runs_in"]

DERIVED = (
    "config.yaml",
    "dataset.jsonl",
    "dataset.parquet",
    "issues.jsonl",
    "metrics.json",
    "diversity.pdf",
    "diversity.png",
)
"""The names of the files that a run writes beside its store."""


def config_differences(stored: Json, given: Json, key: str = "") -> list[str]:
    """Return one sentence for each setting that differs between two configs, ignoring those outside the digest.

    Args:
        stored: The config in the run directory, or one section or value of it.
        given: The config of this run, or the same part of it.
        key: The dotted path of that part.
    """
    if isinstance(stored, dict) and isinstance(given, dict) and key != "rollout.facts":
        ignored = {"": {"pool"}, "rollout": {"packs"}, "teacher": NOT_IN_DIGEST}.get(key, frozenset())
        missing: Json = None
        if key == "teacher.by_role":
            missing = {}
        elif key.startswith("teacher.by_role.") and key.count(".") == 2:
            ignored = {"base_url"}
        names = [name for name in dict.fromkeys([*stored, *given]) if name not in ignored]
        return [
            line
            for name in names
            for line in config_differences(
                stored.get(name, missing), given.get(name, missing), f"{key}.{name}" if key else name
            )
        ]
    return [] if stored == given else [f"{key} is {stored!r} in the run directory and {given!r} now"]


def make_folder(folder: Path) -> None:
    """Create the folder of a run if it does not exist.

    Raises:
        StoreError: It is a file, or cannot be created.
    """
    if folder.exists() and not folder.is_dir():
        raise StoreError(
            f"{folder}: is a file",
            expected="a folder, or a path where one can be created",
            do="choose another folder with --out",
        )
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if is_new:
            sync_folder(folder.parent)
    except OSError as error:
        raise unwritable(folder, error) from error


def refuse_foreign_files(folder: Path) -> None:
    """Protect files that a new run in ``folder`` would overwrite.

    Raises:
        StoreError: There are such files.
    """
    taken = [name for name in DERIVED if (folder / name).exists()]
    if taken:
        raise StoreError(
            f"{folder}: contains {', '.join(taken)} but no run; a run would overwrite them",
            expected="an empty or new folder, or a run directory",
            do="choose another folder with --out, or move those files away",
        )


def runs_in(folder: Path, *, limit: int = 5) -> list[str]:
    """Return up to ``limit`` run directories directly inside ``folder``, as a hint for error messages."""
    try:
        return sorted(str(file.parent) for file in folder.glob(f"*/{DATABASE}"))[:limit]
    except OSError:
        return []  # without a hint, the message is still right
