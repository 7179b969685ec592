"""The mcpServers file: what clients write into it, and every way in which an entry can be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tdlab.errors import PoolError
from tdlab.pool import read_mcp_config


def write(folder: Path, content: Any) -> Path:
    path = folder / "mcp.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_both_kinds_of_server(tmp_path: Path) -> None:
    specs = read_mcp_config(
        write(
            tmp_path,
            {
                "mcpServers": {
                    "files": {"command": "npx", "args": ["-y", "x"], "env": {"A": "1", "N": 2}, "cwd": "/tmp"},
                    "web": {"type": "http", "url": "https://example.invalid/mcp", "headers": {"X": "y"}},
                    "plain": {"url": "http://localhost:1/mcp"},
                    "off": {"command": "x", "disabled": True},
                }
            },
        )
    )
    assert list(specs) == ["files", "web", "plain"]
    files = specs["files"]
    assert (files.transport, files.command, files.args, files.env) == (
        "stdio",
        "npx",
        ("-y", "x"),
        {"A": "1", "N": "2"},
    )
    assert files.cwd == "/tmp"
    assert (specs["web"].transport, specs["web"].url, specs["web"].headers) == (
        "http",
        "https://example.invalid/mcp",
        {"X": "y"},
    )
    assert specs["plain"].transport == "http"


@pytest.mark.parametrize("word", ["http", "streamable-http", "streamableHttp", "HTTP"])
def test_words_for_streamable_http(word: str, tmp_path: Path) -> None:
    path = write(tmp_path, {"servers": {"a": {"type": word, "url": "http://localhost:1/"}}})
    assert read_mcp_config(path)["a"].transport == "http"


def test_variables_are_replaced_as_clients_do(tmp_path: Path) -> None:
    entry = {
        "command": "${BIN}/serve",
        "args": ["--user=${USER_NAME:-nobody}", "${env:BIN}", "$BIN stays", "{BIN} too"],
        "env": {"TOKEN": "Bearer ${TOKEN}"},
    }
    path = write(tmp_path, {"mcpServers": {"a": entry}})
    spec = read_mcp_config(path, environ={"BIN": "/opt", "TOKEN": "t0p"})["a"]
    assert spec.command == "/opt/serve"
    assert spec.args == ("--user=nobody", "/opt", "$BIN stays", "{BIN} too")
    assert spec.env == {"TOKEN": "Bearer t0p"}


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    entry = {"url": "https://u:s3cret@example.invalid/mcp?key=s3cret", "headers": {"Authorization": "s3cret"}}
    other = {"command": "x", "args": ["--key=s3cret"], "env": {"KEY": "s3cret"}}
    specs = read_mcp_config(write(tmp_path, {"mcpServers": {"a": entry, "b": other}}))
    assert "s3cret" not in repr(specs)
    assert "s3cret" not in str(specs["a"])


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("x", "it is a str"),
        ({}, "it has no command and no url"),
        ({"command": ""}, "its command is empty"),
        ({"command": 3}, "its command is not a string"),
        ({"command": "x", "args": "y"}, "its args are not a list of strings"),
        ({"command": "x", "args": [["y"]]}, "its args are not a list of strings"),
        ({"command": "x", "args": ["a\0b"]}, "its args holds a character that no process can be given"),
        ({"command": "x", "env": ["A=1"]}, "its env is not an object of strings"),
        ({"command": "x", "env": {"A": [1]}}, "in its env, 'A' is not a string"),
        ({"command": "x", "env": {"A=B": "1"}}, "in its env, a name is empty or has an equals sign"),
        ({"command": []}, "its command is empty"),
        ({"command": {"args": ["x"]}}, "it has no command"),
        ({"command": "x", "envFile": "none.env"}, "its envFile cannot be read"),
        ({"source": "extension", "settings": {}}, "it is an extension of the client"),
        ({"command": "x", "cwd": 3}, "its cwd is not a string"),
        ({"command": "${TDLAB_NOT_SET}"}, "the environment variable TDLAB_NOT_SET is not set"),
        ({"type": "sse", "url": "http://localhost/"}, "retired SSE transport"),
        ({"type": "carrier pigeon"}, "its type is 'carrier pigeon'"),
        ({"type": 3}, "its type is not a string"),
        ({"type": "http"}, "it has no url"),
        ({"url": "localhost:80"}, "not an http or https address"),
        ({"url": "http://[::1"}, "not an http or https address"),
        ({"url": "http://h:port/"}, "not an http or https address"),
        (
            {"url": "http://h/", "headers": {"Authorization": "Bearer x\n"}},
            "its header 'Authorization' holds a line break",
        ),
        ({"url": "file:///etc/passwd"}, "not an http or https address"),
    ],
)
def test_a_bad_entry_is_named_and_costs_no_other(entry: Any, says: str, tmp_path: Path) -> None:
    config = read_mcp_config(write(tmp_path, {"mcpServers": {"good": {"command": "x"}, "bad": entry}}))
    assert list(config) == ["good"], "one bad entry must not cost the others"
    assert list(config.failures) == ["bad"]
    assert says in config.failures["bad"]


def test_all_bad_entries_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(PoolError) as caught:
        read_mcp_config(write(tmp_path, {"mcpServers": {"a": 1, "b": 2}}))
    assert "server 'a'" in caught.value.found
    assert "server 'b'" in caught.value.found


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{\n,", "line 2: it is not JSON"),
        ('{// note\n"mcpServers": {"a": {"command": "s3cret" "x"}}}', "line 2: it is not JSON"),
        ("[]", "lists no MCP servers"),
        ("{}", "lists no MCP servers"),
        ('{"mcpServers": []}', "lists no MCP servers"),
        ('{"mcpServers": {}}', "no enabled MCP server"),
        ('{"mcpServers": {"a": {"disabled": true}}}', "no enabled MCP server"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_configuration(content: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(PoolError, match=says):
        read_mcp_config(write(tmp_path, content))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="cannot be read"):
        read_mcp_config(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes(b'{"a": "\xe9"}')
    with pytest.raises(PoolError, match="not UTF-8"):
        read_mcp_config(tmp_path / "latin.json")
