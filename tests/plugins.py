"""Install plug-in packages for tests: a module, and a dist-info folder with entry points."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from pathlib import Path

from tests.jobs import ROOT


def install(
    folder: Path, package: str, entries: Mapping[str, Mapping[str, str]], *, source: str = "", version: str = "1.0"
) -> Path:
    """Write a package with one module into ``folder``, which has to be on the import path.

    ``entries``: entry-point group -> name -> value.
    """
    folder.mkdir(exist_ok=True)
    (folder / f"{package}.py").write_text(textwrap.dedent(source))
    info = folder / f"{package}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return folder


def import_path(folder: Path) -> str:
    """Return the PYTHONPATH with which a command finds tdlab and the packages in ``folder``."""
    return os.pathsep.join((str(ROOT), str(folder)))
