"""Harvesting from and calling real servers from the registries; they must be installed and on PATH."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tdlab.pool import LiveServers, ServerSpec, ToolPool, harvest_sync, read_mcp_config
from tests.pool.places import make_database, make_repository

pytestmark = pytest.mark.servers

COMMANDS = ("mcp-server-git", "mcp-server-time", "mcp-server-sqlite", "mcp-server-everything", "mcp-server-filesystem")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an mcpServers file of the installed servers, with a repository, a database and a folder of our own."""
    folder = tmp_path_factory.mktemp("servers").resolve()
    repository, database, files = make_repository(folder), make_database(folder), folder / "files"
    files.mkdir()
    (files / "note.txt").write_text("remember the milk\n")
    arguments = {
        "mcp-server-git": ["--repository", str(repository)],
        "mcp-server-sqlite": ["--db-path", str(database)],
        "mcp-server-filesystem": [str(files)],
    }
    found = {command: shutil.which(command) for command in COMMANDS}
    entries = {
        command.removeprefix("mcp-server-"): {"command": path, "args": arguments.get(command, [])}
        for command, path in found.items()
        if path is not None
    }
    if len(entries) < 3:
        missing = [command for command, path in found.items() if path is None]
        pytest.skip(f"fewer than three MCP servers are in PATH (missing: {', '.join(missing)}; see .ci/run)")
    path = folder / "mcp.json"
    path.write_text(json.dumps({"mcpServers": entries}))
    return path


@pytest.fixture(scope="module")
def specs(config: Path) -> dict[str, ServerSpec]:
    return read_mcp_config(config)


@pytest.fixture(scope="module")
def pool(config: Path) -> ToolPool:
    done = harvest_sync(config, timeout_s=60, concurrency=2)
    assert done.failures == {}
    return done.pool


@pytest.fixture(scope="module")
def servers(specs: dict[str, ServerSpec]) -> Iterator[LiveServers]:
    with LiveServers(specs, connect_timeout_s=60) as running:
        yield running


def needs(specs: dict[str, Any], name: str) -> None:
    if name not in specs:
        pytest.skip(f"mcp-server-{name} is not in PATH (see .ci/run)")


def test_three_real_servers_or_more_are_harvested(pool: ToolPool, specs: dict[str, ServerSpec]) -> None:
    assert {service.name for service in pool.services} == set(specs)
    assert len(pool.services) >= 3
    assert pool.read == len(pool)
    assert {service.schema_quality for service in pool.services} == {"live"}


def test_git(specs: dict[str, ServerSpec], servers: LiveServers, pool: ToolPool) -> None:
    needs(specs, "git")
    assert max(pool.service("git").domains) == "software-development"
    repository = str(Path(specs["git"].args[1]))
    log = servers.call("git", "git_log", {"repo_path": repository}, timeout_s=30)
    assert log.ok
    assert "The first one" in log.text
    assert not servers.call("git", "git_show", {"repo_path": repository, "revision": "none"}, timeout_s=30).ok


def test_time(specs: dict[str, ServerSpec], servers: LiveServers) -> None:
    needs(specs, "time")
    answer = servers.call("time", "get_current_time", {"timezone": "Asia/Tokyo"}, timeout_s=30)
    assert answer.ok
    assert "+09:00" in answer.text


def test_sqlite(specs: dict[str, ServerSpec], servers: LiveServers) -> None:
    needs(specs, "sqlite")
    answer = servers.call("sqlite", "read_query", {"query": "select amount from items"}, timeout_s=30)
    assert answer.ok
    assert "12" in answer.text


def test_filesystem(specs: dict[str, ServerSpec], servers: LiveServers) -> None:
    needs(specs, "filesystem")
    note = str(Path(specs["filesystem"].args[0]) / "note.txt")
    assert servers.call("filesystem", "read_text_file", {"path": note}, timeout_s=30).text == "remember the milk\n"
    assert not servers.call("filesystem", "read_text_file", {"path": "/etc/hostname"}, timeout_s=30).ok


def test_everything(specs: dict[str, ServerSpec], servers: LiveServers) -> None:
    needs(specs, "everything")
    assert servers.call("everything", "echo", {"message": "hi"}, timeout_s=30).text == "Echo: hi"
    assert "[image/png, " in servers.call("everything", "get-tiny-image", {}, timeout_s=30).text
    assert servers.call("everything", "get-structured-content", {"location": "Chicago"}, timeout_s=30).structured
