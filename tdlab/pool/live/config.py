"""The file in which MCP clients list their servers (``mcpServers``), read and checked entry by entry."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from tdlab.errors import PoolError
from tdlab.records import Json, Record
from tdlab.tools import JsonError, read_json

__all__ = ["ServerSpec", "read_mcp_config"]

_VARIABLE = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_SECTIONS = ("mcpServers", "servers")
_HTTP = {"http", "streamable-http", "streamable_http", "streamablehttp"}


class ServerSpec(Record):
    """How to reach one MCP server: a command that speaks over stdin and stdout, or the address of an HTTP endpoint.

    ``env`` is added to the few variables that MCP clients pass on (PATH, HOME, ...). Fields that may contain secrets
    (arguments, ``env``, ``url``, ``headers``) are left out of the representation.

    Example:
        >>> ServerSpec(name="files", transport="stdio", command="npx", args=("-y", "server-files"))
        ServerSpec(name='files', transport='stdio', command='npx', cwd=None)
    """

    name: str
    transport: Literal["stdio", "http"]
    command: str = ""
    args: tuple[str, ...] = Field((), repr=False)
    env: dict[str, str] = Field({}, repr=False)
    cwd: str | None = None
    url: str = Field("", repr=False)
    headers: dict[str, str] = Field({}, repr=False)


def read_mcp_config(path: str | Path, *, environ: Mapping[str, str] | None = None) -> dict[str, ServerSpec]:
    """Read the servers of an ``mcpServers`` file.

    An entry has a ``command`` (with ``args``, ``env``, ``cwd``) or a ``url`` (with ``headers``); ``type`` may say
    which. ``${VAR}``, ``${VAR:-default}`` and ``${env:VAR}`` are replaced by variables. Entries with ``"disabled":
    true`` are skipped.

    Args:
        path: The JSON file of an MCP client.
        environ: The variables to use; by default, the environment of this process.

    Returns:
        The servers by name, in the order of the file.

    Raises:
        PoolError: The file cannot be read, an entry is invalid (each is named, never with a variable's value), or no
            server is enabled.

    Example:
        >>> with open("mcp.json", "w") as file:
        ...     _ = file.write('{"mcpServers": {"web": {"url": "http://localhost:${PORT:-8000}/mcp"}}}')
        >>> read_mcp_config("mcp.json", environ={"PORT": "9000"})["web"].url
        'http://localhost:9000/mcp'
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PoolError(f"{path}: cannot be read ({error.strerror})", expected=_EXPECTED, do="check the path") from None
    except UnicodeDecodeError:
        raise PoolError(f"{path}: is not UTF-8 text", expected=_EXPECTED, do="save it as UTF-8") from None
    try:
        content = read_json(text, strict=False)
    except JsonError as error:
        at = "" if error.line is None else f"line {error.line}: "
        raise PoolError(
            f"{path}: {at}it {error.reason}", expected=_EXPECTED, do="correct the file at that line"
        ) from None
    listed = next((content[name] for name in _SECTIONS if name in content), None) if isinstance(content, dict) else None
    if not isinstance(listed, dict):
        raise PoolError(f"{path}: lists no MCP servers", expected=_EXPECTED, do="pass the file of your MCP client")
    variables = os.environ if environ is None else environ
    specs: dict[str, ServerSpec] = {}
    problems: list[str] = []
    for name, entry in listed.items():
        if isinstance(entry, dict) and entry.get("disabled") is True:
            continue
        try:
            specs[name] = _spec(name, entry, variables)
        except _BadEntryError as problem:
            problems.append(f"server {name!r:.80}: {problem}")
    if problems:
        raise PoolError(f"{path}: " + "; ".join(problems), expected=_EXPECTED, do="correct or remove these entries")
    if not specs:
        raise PoolError(f"{path}: lists no enabled MCP server", expected=_EXPECTED, do="add or enable one")
    return specs


_EXPECTED = 'a JSON file with {"mcpServers": {NAME: {"command": ..., "args": [...]} or {"url": ...}}}'


class _BadEntryError(Exception):
    """What is wrong with one entry."""


def _spec(name: str, entry: Json, variables: Mapping[str, str]) -> ServerSpec:
    if not name.strip():
        raise _BadEntryError("its name is empty")
    if not isinstance(entry, dict):
        raise _BadEntryError(f"it is a {type(entry).__name__}, expected an object")
    declared = entry.get("type", entry.get("transport"))
    if declared is not None and not isinstance(declared, str):
        raise _BadEntryError("its type is not a string")
    transport = (declared or "").lower()
    if transport == "sse":
        raise _BadEntryError("it uses the retired SSE transport, expected stdio or streamable HTTP")
    if transport and transport != "stdio" and transport not in _HTTP:
        raise _BadEntryError(f"its type is {declared!r:.40}, expected 'stdio' or 'http'")
    if transport in _HTTP or (not transport and "command" not in entry and ("url" in entry or "serverUrl" in entry)):
        url = _expand(_text(entry, "serverUrl" if "serverUrl" in entry else "url"), variables)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise _BadEntryError("its url is not an http or https address")
        headers = {key: _expand(value, variables) for key, value in _texts(entry, "headers").items()}
        return ServerSpec(name=name, transport="http", url=url, headers=headers)
    args = entry.get("args", [])
    if not isinstance(args, list) or not all(isinstance(arg, str) for arg in args):
        raise _BadEntryError("its args are not a list of strings")
    cwd = entry.get("cwd")
    if cwd is not None and not isinstance(cwd, str):
        raise _BadEntryError("its cwd is not a string")
    command = _expand(_text(entry, "command"), variables)
    if not command.strip() or "\0" in command:
        raise _BadEntryError("its command is empty")
    return ServerSpec(
        name=name,
        transport="stdio",
        command=command,
        args=tuple(_expand(arg, variables) for arg in args),
        env={key: _expand(value, variables) for key, value in _texts(entry, "env").items()},
        cwd=None if cwd is None else _expand(cwd, variables),
    )


def _text(entry: dict[str, Json], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str):
        raise _BadEntryError(f"it has no {key}" if value is None else f"its {key} is not a string")
    return value


def _texts(entry: dict[str, Json], key: str) -> dict[str, str]:
    values = entry.get(key)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise _BadEntryError(f"its {key} is not an object of strings")
    result = {}
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise _BadEntryError(f"in its {key}, {name!r:.40} is not a string")
        result[name] = str(value)
    return result


def _expand(text: str, variables: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        content = variables.get(name)
        if content:
            return content
        if default is not None:
            return default
        if content is None:
            raise _BadEntryError(f"the environment variable {name} is not set")
        return content

    return _VARIABLE.sub(value, text)
