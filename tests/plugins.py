"""Packages that add to tdlab, as they lie in site-packages: a dist-info folder with entry points, beside a module."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from pathlib import Path

from tests.jobs import ROOT


def install(
    folder: Path, package: str, entries: Mapping[str, Mapping[str, str]], *, source: str = "", version: str = "1.0"
) -> Path:
    """Write the package ``package`` with the module of that name into ``folder``, which is to be on the import path.

    ``entries`` are names and values by entry-point group.
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
    """The value of PYTHONPATH that makes a command find tdlab and what is installed in ``folder``."""
    return os.pathsep.join((str(ROOT), str(folder)))
