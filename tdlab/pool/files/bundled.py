"""The services that come with tdlab: one JSON file each under ``data/services``, in a folder named by its domain."""

from __future__ import annotations

import json
from importlib.resources.abc import Traversable

from tdlab.pool.files.data import data_file
from tdlab.pool.files.definitions import read_service
from tdlab.pool.files.formats import recognise
from tdlab.pool.issues import PoolIssue
from tdlab.pool.taxonomy import Taxonomy
from tdlab.records import Service

__all__ = ["bundled_services", "data_file"]


def bundled_services() -> tuple[list[tuple[Service, str]], list[PoolIssue]]:
    """Every bundled service with the file it comes from, and what was found about them."""
    taxonomy = Taxonomy.bundled()
    services = []
    issues = []
    for where, text in sorted(_json_files(data_file("services")), key=lambda item: item[0]):
        for found in recognise(json.loads(text), stem=where, format="bundled").services:
            service, doubts = read_service(found, taxonomy=taxonomy, where=where)
            services.append((service.model_copy(update={"schema_quality": "bundled"}), where))
            issues.extend(doubts)
    return services, issues


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
