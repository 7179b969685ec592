"""Where packs are: those that ship with tdlab, and folders of your own that a run names in ``rollout.packs``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from tdlab.errors import ConfigError, PackError
from tdlab.pool import data_file
from tdlab.records import digest
from tdlab.worlds.pack import FILES, load_pack

__all__ = ["PackFolder", "bundled_packs", "find_packs", "packs_digest"]

_HIDDEN = (".", "_")  # beginnings of folders that hold no pack, such as drafts of `tdlab packs write`


class PackFolder(NamedTuple):
    """A pack of the user's: its service, its folder as an absolute path, and the digest of its three files."""

    service: str
    folder: str
    digest: str


@cache
def bundled_packs() -> dict[str, Traversable]:
    """Return the folder of each bundled service that has a pack, by the service's name.

    Returns:
        Service name to folder, sorted by name.

    Example:
        >>> "saffron_gable" in bundled_packs()
        True
    """
    folders = {}
    for domain in data_file("services").iterdir():
        if domain.is_dir():
            for folder in domain.iterdir():
                if folder.is_dir() and (folder / "world.sql").is_file():
                    folders[folder.name] = folder
    return dict(sorted(folders.items()))


def find_packs(folders: Iterable[str | Path]) -> tuple[PackFolder, ...]:
    """Find and compile the packs in some folders.

    Args:
        folders: Folders of packs, or folders whose subfolders are packs; as in ``rollout.packs``.

    Returns:
        The packs, sorted by service.

    Raises:
        ConfigError: A folder is missing or holds no pack, or two packs are of the same service.
        PackError: A pack is wrong.

    Example:
        >>> find_packs([])
        ()
    """
    found: dict[str, PackFolder] = {}
    for named in folders:
        for folder in _packs_below(Path(named)):
            try:
                pack = load_pack(folder)
            except OSError as error:
                raise PackError(
                    f"a file cannot be read ({error.strerror})", file=str(folder / FILES[0]), rule="files",
                    expected="three files that can be read",
                ) from None  # fmt: skip
            place = PackFolder(pack.service.name, str(folder.resolve()), pack.digest)
            other = found.setdefault(place.service, place)
            if other.folder != place.folder:
                raise ConfigError(
                    f"rollout.packs: {other.folder} and {place.folder} are packs of the same service {place.service}",
                    expected="one pack for each service",
                    do="leave one of the two folders out",
                )
    return tuple(found[service] for service in sorted(found))


def _packs_below(folder: Path) -> list[Path]:
    """Return the folder itself if it is a pack, or else the packs in it."""
    if not folder.is_dir():
        raise ConfigError(f"rollout.packs: {folder} is not a folder", expected="a folder of packs", do="check the path")
    if any((folder / name).is_file() for name in FILES):
        return [folder]
    below = sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(_HIDDEN) and any((path / name).is_file() for name in FILES)
    )
    if not below:
        raise ConfigError(
            f"rollout.packs: {folder} holds no pack",
            expected=f"a folder with {', '.join(FILES)}, or a folder of such folders",
            do=f"`tdlab packs write POOL --service NAME --out {folder}` lets a model write one",
        )
    return below


@cache
def _bundled_files() -> list[tuple[str, str, str]]:
    return [
        (name, file, (folder / file).read_text("utf-8")) for name, folder in bundled_packs().items() for file in FILES
    ]


def packs_digest(packs: Sequence[PackFolder] = ()) -> str:
    """Return a digest of the files of all packs in use: with other packs a run gives other trajectories.

    Args:
        packs: The packs of the user's, from `find_packs`; the bundled ones always count.

    Returns:
        16 hex digits.

    Example:
        >>> len(packs_digest())
        16
    """
    files: list[object] = [*_bundled_files()]
    return digest([*files, *((pack.service, pack.digest) for pack in packs)] if packs else files)
