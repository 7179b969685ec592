"""The folder of a run: making it, keeping off other people's files, and saying how two runs differ."""

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
"""Names of the files that a run writes beside its store."""


def config_differences(there: Json, here: Json, place: str = "") -> list[str]:
    """Each value that differs between two configs, as a sentence; those that no digest tells are left out."""
    if isinstance(there, dict) and isinstance(here, dict) and place != "rollout.facts":
        untold = {"": {"pool"}, "teacher": NOT_IN_DIGEST}.get(place, frozenset())
        names = [name for name in dict.fromkeys([*there, *here]) if name not in untold]
        return [
            line
            for name in names
            for line in config_differences(there.get(name), here.get(name), f"{place}.{name}" if place else name)
        ]
    return [] if there == here else [f"{place} is {there!r} there and {here!r} here"]


def make_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise StoreError(
            f"{folder}: is a file", expected="a folder, or a path where one can be made", do="choose another with --out"
        )
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if made:
            sync_folder(folder.parent)
    except OSError as error:
        raise unwritable(folder, error) from error


def refuse_foreign_files(folder: Path) -> None:
    taken = [name for name in DERIVED if (folder / name).exists()]
    if taken:
        raise StoreError(
            f"{folder}: holds {', '.join(taken)} but no run; a run would overwrite them",
            expected="an empty or new folder, or a run directory",
            do="choose another folder with --out, or move those files away",
        )


def runs_in(folder: Path, *, limit: int = 5) -> list[str]:
    try:
        return sorted(str(file.parent) for file in folder.glob(f"*/{DATABASE}"))[:limit]
    except OSError:
        return []  # only a hint for the message: no hint where the folder cannot be listed
