"""The services that ship with tdlab: one JSON file each below ``data/services``, in a folder named after its domain."""

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
    """Return every bundled service with the file it comes from, and the issues found in them."""
    taxonomy = Taxonomy.bundled()
    services = []
    issues = []
    for where, text in sorted(_json_files(data_file("services")), key=lambda item: item[0]):
        for definitions in recognise(json.loads(text), stem=where, format="bundled").services:
            service, service_issues = read_service(definitions, taxonomy=taxonomy, where=where)
            services.append((service.model_copy(update={"schema_quality": "bundled"}), where))
            issues.extend(service_issues)
    return services, issues


def _json_files(folder: Traversable, prefix: str = "") -> list[tuple[str, str]]:
    """Return (path below the folder, text) for every JSON file."""
    files = []
    for entry in folder.iterdir():
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            files.extend(_json_files(entry, f"{path}/"))
        elif entry.name.endswith(".json"):
            files.append((path, entry.read_text(encoding="utf-8")))
    return files
