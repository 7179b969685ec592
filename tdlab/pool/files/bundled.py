"""The services that ship with tdlab: one JSON file each below ``data/services``, in a folder named after its domain."""

from __future__ import annotations

import json
from importlib.resources.abc import Traversable

from tdlab.errors import PoolError
from tdlab.pool.files.data import data_file
from tdlab.pool.files.definitions import read_service
from tdlab.pool.files.formats import recognise
from tdlab.pool.issues import PoolIssue
from tdlab.pool.taxonomy import Taxonomy
from tdlab.records import Service

__all__ = ["bundled_services", "data_file", "read_service_file"]


def bundled_services() -> tuple[list[tuple[Service, str]], list[PoolIssue]]:
    """Return every bundled service with the file it comes from, and the issues found in them."""
    taxonomy = Taxonomy.bundled()
    services = []
    issues = []
    for where, text in sorted(_json_files(data_file("services")), key=lambda item: item[0]):
        service, doubts = read_service_file(text, where=where, taxonomy=taxonomy)
        services.append((service, where))
        issues.extend(doubts)
    return services, issues


def read_service_file(text: str, *, where: str, taxonomy: Taxonomy | None = None) -> tuple[Service, list[PoolIssue]]:
    """Read the file of one bundled service.

    Args:
        text: JSON in the form of MCP's ``tools/list``, with ``server``, ``title``, ``description`` and ``domain``.
        where: The file's name, for issues and errors.
        taxonomy: Where its domain is looked up; the bundled one by default.

    Returns:
        The service, and what is doubtful about its definitions.

    Raises:
        PoolError: The text is no JSON, or holds no service.

    Example:
        >>> text = data_file("services", "food-dining", "saffron_gable", "tools.json").read_text("utf-8")
        >>> service, issues = read_service_file(text, where="tools.json")
        >>> service.name, len(issues)
        ('saffron_gable', 0)
    """
    try:
        found = recognise(json.loads(text), stem=where, format="bundled").services
    except ValueError as error:
        raise PoolError(f"{where} is no JSON: {error}", expected="the answer of tools/list, with `server`") from None
    if len(found) != 1:
        raise PoolError(f"{where} holds {len(found)} services", expected="one service")
    service, doubts = read_service(found[0], taxonomy=taxonomy or Taxonomy.bundled(), where=where)
    return service.model_copy(update={"schema_quality": "bundled"}), doubts


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
