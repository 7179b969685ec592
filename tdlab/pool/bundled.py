"""Where the data that travels with tdlab is: in an installed wheel beside the package's modules, else in the checkout.

The wheel holds the folder ``data`` of the source as ``tdlab/data``.
"""

from __future__ import annotations

import json
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from tdlab.errors import PoolError
from tdlab.pool.catalogue import ToolPool

__all__ = ["bundled_pool", "data_file"]


def data_file(*parts: str) -> Traversable:
    """A file or folder of tdlab's data, such as ``data_file("services")``; PoolError where the data is missing."""
    for root in (resources.files("tdlab") / "data", Path(__file__).resolve().parents[2] / "data"):
        found = root.joinpath(*parts)
        if found.is_file() or found.is_dir():
            return found
    raise PoolError(
        f"the data that comes with tdlab is missing ({'/'.join(parts)})",
        expected="the folder tdlab/data of an installed wheel, or data/ of a source checkout",
        do="install tdlab again",
    )


def bundled_pool() -> ToolPool:
    """The services under ``data/services``, one JSON file each in a folder named by its domain."""
    from tdlab.pool.formats import recognise
    from tdlab.pool.intake import read_service
    from tdlab.pool.taxonomy import Taxonomy

    taxonomy = Taxonomy.bundled()
    services = []
    issues = []
    for file in sorted(_json_files(data_file("services")), key=lambda item: item[0]):
        where, text = file
        for found in recognise(json.loads(text), stem=where, format="bundled").services:
            service, doubts = read_service(found, taxonomy=taxonomy, where=where)
            services.append((service.model_copy(update={"schema_quality": "bundled"}), where))
            issues.extend(doubts)
    return ToolPool._assemble(services, issues=issues)


def _json_files(folder: Traversable, prefix: str = "") -> list[tuple[str, str]]:
    """``(path below the folder, text)`` of every JSON file."""
    found = []
    for entry in folder.iterdir():
        place = f"{prefix}{entry.name}"
        if entry.is_dir():
            found.extend(_json_files(entry, f"{place}/"))
        elif entry.name.endswith(".json"):
            found.append((place, entry.read_text(encoding="utf-8")))
    return found
