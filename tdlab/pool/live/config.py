"""The servers of an MCP client's file, read and checked entry by entry."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from tdlab.errors import PoolError
from tdlab.pool.files.layout import holds_tools
from tdlab.pool.live.documents import EXPECTED, Listed, has_section, listed_servers, read_document
from tdlab.pool.live.placeholders import (
    AskInput,
    Inputs,
    PlaceholderError,
    Placeholders,
    workspace_of,
)
from tdlab.records import Json, Record
from tdlab.tools import shape_of, shorten

__all__ = ["McpConfig", "ServerSpec", "read_mcp_config"]

_STDIO = {"stdio", "local"}
_HTTP = {"http", "streamable-http", "streamable_http", "streamablehttp", "http-stream", "remote"}
_OF_CLIENT = {"builtin", "platform", "frontend", "inline_python"}
_URLS = ("httpUrl", "serverUrl", "url", "uri")
_WORD = re.compile(r"[\w -]{1,30}")
_COMMAND_LINE = re.compile(r"\s-|^\w+=\S*\s")
_SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "fish"}


class ServerSpec(Record):
    """How to reach one MCP server: a command that speaks over stdin and stdout, or the address of an HTTP endpoint.

    ``env`` is added to the few variables that MCP clients pass on (PATH, HOME, ...). ``only_tools`` (None: all) and
    ``without_tools`` name the tools that the client's file lets through and takes out. ``secrets`` are the values that
    came from variables and inputs. Fields that may contain secrets are left out of the representation.

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
    only_tools: tuple[str, ...] | None = Field(None, repr=False)
    without_tools: tuple[str, ...] = Field((), repr=False)
    secrets: tuple[str, ...] = Field((), repr=False)


class McpConfig(Mapping[str, ServerSpec]):
    """The servers of a client's file by name: a mapping of those that can be started.

    Attributes:
        failures: Why the others cannot, by name.
        disabled: The names of those that the file switches off.
    """

    def __init__(
        self,
        servers: Mapping[str, ServerSpec],
        failures: Mapping[str, str] | None = None,
        disabled: tuple[str, ...] = (),
    ) -> None:
        self._servers = dict(servers)
        self.failures = dict(failures or {})
        self.disabled = disabled

    def __getitem__(self, name: str) -> ServerSpec:
        return self._servers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._servers)

    def __len__(self) -> int:
        return len(self._servers)

    def __repr__(self) -> str:
        return f"McpConfig({list(self)}, failures={list(self.failures)}, disabled={list(self.disabled)})"


def read_mcp_config(
    path: str | Path, *, environ: Mapping[str, str] | None = None, ask: AskInput | None = None
) -> McpConfig:
    """Read the servers of an MCP client's file.

    The files of Claude Desktop, Claude Code, VS Code, Cursor, Windsurf, Cline, Zed, Gemini CLI, opencode, Codex, Goose
    and Continue are read as they are. An entry has a ``command`` (with ``args``, ``env``, ``cwd``) or a ``url`` (with
    ``headers``). One that is invalid costs the others nothing.

    Placeholders are replaced: ``${VAR}``, ``${VAR:-default}``, ``${env:VAR}``, ``{env:VAR}``, ``${{ secrets.VAR }}``
    and ``$VAR`` by variables; ``${workspaceFolder}`` by the folder of the file (of the project, for a file in
    ``.vscode`` and the like); ``${input:ID}`` by the variable ``TDLAB_INPUT_ID``, the answer of ``ask``, or the input's
    default. An entry with a placeholder that has no value is invalid.

    Args:
        path: The file of an MCP client.
        environ: The variables to use; by default, the environment of this process.
        ask: Asks a person for an input that no variable gives; None: no one is asked.

    Returns:
        The servers by name, in the order of the file. Where two projects name different servers alike, the second is
        called ``NAME-2``. ``failures`` gives the reasons of invalid entries, never with a value of theirs.

    Raises:
        PoolError: The file cannot be read, or has no valid entry that is enabled.

    Example:
        >>> with open("mcp.json", "w") as file:
        ...     _ = file.write('{"mcpServers": {"web": {"url": "http://localhost:${PORT:-8000}/mcp"}, "b": {}}}')
        >>> config = read_mcp_config("mcp.json", environ={"PORT": "9000"})
        >>> config["web"].url, config.failures
        ('http://localhost:9000/mcp', {'b': 'it has no command and no url'})
    """
    path = Path(path)
    content = read_document(path)
    listed = list(listed_servers(content))
    if not listed and not has_section(content):
        tools = isinstance(content, dict) and holds_tools(content)
        raise PoolError(
            f"{path}: lists no MCP servers: {shape_of(content, 250)}",
            expected=EXPECTED,
            do="pass it as --pool: it holds tools" if tools else "pass the file of your MCP client",
        )
    variables = os.environ if environ is None else environ
    inputs: dict[int, Inputs] = {}
    specs: dict[str, ServerSpec] = {}
    failures: dict[str, str] = {}
    disabled: list[str] = []
    for item in listed:
        if item.disabled or _is_off(item.entry):
            disabled.append(item.name)
            continue
        of_section = inputs.setdefault(id(item.inputs), Inputs(item.inputs, variables, ask))
        placeholders = Placeholders(
            Path(item.project) if item.project else workspace_of(path),
            variables,
            of_section,
            dollar=item.dollar,
            config_folder=path.absolute().parent,
        )
        try:
            spec = _spec(item, placeholders)
        except (_BadEntryError, PlaceholderError) as problem:
            failures[_unused(item.name, {**specs, **failures})] = str(problem)
            continue
        if any(spec.model_copy(update={"name": known.name}) == known for known in specs.values()
               if known.name == spec.name or known.name.startswith(f"{spec.name}-")):  # fmt: skip
            continue  # the same server again, of another project
        name = _unused(item.name, {**specs, **failures})
        specs[name] = spec.model_copy(update={"name": name})
    if not specs:
        reasons = [f"server {shorten(name, 80)!r}: {reason}" for name, reason in failures.items()]
        raise PoolError(
            f"{path}: " + ("; ".join(reasons) if reasons else "lists no enabled MCP server"),
            expected=EXPECTED,
            do="correct these entries, or give them what they need" if reasons else "add or enable one",
        )
    return McpConfig(specs, failures, tuple(dict.fromkeys(disabled)))


class _BadEntryError(Exception):
    """What is wrong with one entry; it holds no value of the entry."""


def _unused(name: str, names: Mapping[str, object]) -> str:
    number, candidate = 1, name
    while candidate in names:
        number += 1
        candidate = f"{name}-{number}"
    return candidate


def _is_off(entry: Json) -> bool:
    return isinstance(entry, dict) and (entry.get("disabled") is True or entry.get("enabled") is False)


def _spec(item: Listed, placeholders: Placeholders) -> ServerSpec:
    if not item.name.strip():
        raise _BadEntryError("its name is empty")
    entry = item.entry
    if not isinstance(entry, dict):
        raise _BadEntryError(f"it is a {type(entry).__name__}, expected an object")
    command = entry.get("command", entry.get("cmd"))
    address = next((key for key in _URLS if entry.get(key) is not None), None)
    kind = _transport(entry, command=command, address=address)
    spec = (
        _http_spec(item.name, entry, address or "url", placeholders)
        if kind == "http"
        else _stdio_spec(item.name, entry, command, placeholders)
    )
    only = _names(entry, "includeTools", "enabled_tools", "available_tools", "tools")
    if only is not None and ("*" in only or (not only and "available_tools" in entry)):
        only = None  # Copilot's and Goose's words for all of them
    without = (*(_names(entry, "excludeTools", "disabled_tools") or ()), *(_names(entry, "disabledTools") or ()))
    secrets = tuple(dict.fromkeys(value for value in placeholders.values if value))
    return spec.model_copy(update={"only_tools": only, "without_tools": without, "secrets": secrets})


def _transport(entry: dict[str, Json], *, command: Json, address: str | None) -> Literal["stdio", "http"]:
    declared = entry.get("type", entry.get("transport", entry.get("transportType")))
    if declared is not None and not isinstance(declared, str):
        raise _BadEntryError("its type is not a string")
    kind = (declared or "").lower()
    if kind in _OF_CLIENT:
        raise _BadEntryError("it is a part of the client, which alone can start it")
    if kind == "sse":
        raise _BadEntryError("it uses the retired SSE transport, expected stdio or streamable HTTP")
    if kind and kind not in _STDIO | _HTTP:
        shown = f"{declared!r}" if _WORD.fullmatch(kind) else "no word"
        raise _BadEntryError(f"its type is {shown}, expected 'stdio' or 'http'")
    if kind in _HTTP or (not kind and command is None and address is not None):
        return "http"
    if command is None:
        if entry.get("source") == "extension" or (not kind and "settings" in entry):
            raise _BadEntryError("it is an extension of the client, which alone knows its command")
        raise _BadEntryError("it has no command" if kind else "it has no command and no url")
    return "stdio"


def _http_spec(name: str, entry: dict[str, Json], key: str, placeholders: Placeholders) -> ServerSpec:
    url = placeholders.expand(_text(entry, key)).strip()
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise _BadEntryError(f"its {key} is not an http or https address")
    headers = _texts(entry, placeholders, "headers", "http_headers", "requestInit")
    for header, variable in _texts(entry, None, "env_http_headers").items():
        headers[header] = placeholders.expand(f"${{env:{variable}}}")
    bearer = entry.get("bearer_token_env_var")
    if isinstance(bearer, str):
        headers["Authorization"] = "Bearer " + placeholders.expand(f"${{env:{bearer}}}")
    for header, value in headers.items():
        if not header.isascii() or not header.isprintable() or not header.strip():
            raise _BadEntryError(f"in its headers, {shorten(header, 40)!r} is not the name of a header")
        if not value.isascii() or not value.replace("\t", " ").isprintable():
            raise _BadEntryError(f"its header {shorten(header, 40)!r} holds a line break or a letter that is not ASCII")
    return ServerSpec(name=name, transport="http", url=url, headers=headers)


def _stdio_spec(name: str, entry: dict[str, Json], command: Json, placeholders: Placeholders) -> ServerSpec:
    first: list[Json] = []
    environments: list[dict[str, Json]] = [entry]
    arguments = entry.get("args")
    if isinstance(command, list):  # opencode: the command and its arguments
        command, first = (command[0] if command else ""), command[1:]
    elif isinstance(command, dict):  # Zed until 2025: {path, args, env}
        environments.insert(0, command)
        arguments = command.get("args") if arguments is None else arguments
        command = command.get("path")
    if not isinstance(command, str):
        raise _BadEntryError("it has no command" if command is None else "its command is not a string")
    if not isinstance(arguments, list | None):
        raise _BadEntryError("its args are not a list of strings")
    args = _as_texts([*first, *(arguments or [])])
    if args is None:
        raise _BadEntryError("its args are not a list of strings")
    command = placeholders.expand(command)
    if not command.strip():
        raise _BadEntryError("its command is empty")
    if _COMMAND_LINE.search(command) and not Path(command).exists():
        raise _BadEntryError("its command holds arguments or variables; they belong in its args and env")
    script = PurePath(command).name in _SHELLS and any(arg.startswith("-") and arg.endswith("c") for arg in args)
    env = _env_file(entry, placeholders)
    for variable in _forwarded(entry):
        if (value := placeholders.environ.get(variable)) is not None:
            env[variable] = value
            placeholders.values.append(value)
    for holder in environments:
        env |= _texts(holder, placeholders, "env", "environment", "envs")
    cwd = entry.get("cwd")
    if cwd is not None and not isinstance(cwd, str):
        raise _BadEntryError("its cwd is not a string")
    spec = ServerSpec(
        name=name,
        transport="stdio",
        command=command,
        args=tuple(placeholders.expand(arg, shell=script) for arg in args),
        env=env,
        cwd=None if cwd is None else placeholders.expand(cwd),
    )
    _check_characters(spec)
    return spec


def _check_characters(spec: ServerSpec) -> None:
    """Refuse what no process can be started with."""
    fields = {"command": (spec.command,), "args": spec.args, "cwd": (spec.cwd or "",)}
    for key, texts in (*fields.items(), *((f"env {name!r:.40}", (name, text)) for name, text in spec.env.items())):
        for text in texts:
            if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
                raise _BadEntryError(f"its {key} holds a character that no process can be given")
    if any(not name or "=" in name for name in spec.env):
        raise _BadEntryError("in its env, a name is empty or has an equals sign")


def _env_file(entry: dict[str, Json], placeholders: Placeholders) -> dict[str, str]:
    """Return the variables of the file that VS Code's ``envFile`` names."""
    name = entry.get("envFile")
    if name is None:
        return {}
    if not isinstance(name, str):
        raise _BadEntryError("its envFile is not a string")
    from dotenv import dotenv_values

    path = placeholders.folder / Path(placeholders.expand(name)).expanduser()
    try:
        with path.open(encoding="utf-8-sig") as file:
            values = dotenv_values(stream=file, interpolate=False)
    except (OSError, UnicodeDecodeError):
        raise _BadEntryError("its envFile cannot be read") from None
    found = {key: value for key, value in values.items() if value is not None}
    placeholders.values.extend(found.values())
    return found


def _forwarded(entry: dict[str, Json]) -> list[str]:
    """Return the variables that Codex (``env_vars``) and Goose (``env_keys``) pass on."""
    names: list[str] = []
    for key in ("env_vars", "env_keys"):
        listed = entry.get(key)
        for item in listed if isinstance(listed, list) else []:
            name = item.get("name") if isinstance(item, dict) else item
            if isinstance(name, str):
                names.append(name)
    return names


def _names(entry: dict[str, Json], *keys: str) -> tuple[str, ...] | None:
    """Return the tools that the first of these keys lists; Gemini CLI also writes ``name(arguments)``."""
    listed = next((entry[key] for key in keys if isinstance(entry.get(key), list)), None)
    if not isinstance(listed, list) or (listed and not any(isinstance(name, str) for name in listed)):
        return None
    return tuple(name.partition("(")[0].strip() for name in listed if isinstance(name, str))


def _text(entry: dict[str, Json], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str):
        raise _BadEntryError(f"it has no {key}" if value is None else f"its {key} is not a string")
    return value


def _texts(entry: dict[str, Json], placeholders: Placeholders | None, *keys: str) -> dict[str, str]:
    """Return the texts of the first of these keys that is there; null means, as in VS Code, that there is none."""
    key = next((key for key in keys if entry.get(key) is not None), None)
    if key is None:
        return {}
    values = entry[key]
    if not isinstance(values, dict):
        raise _BadEntryError(f"its {key} is not an object of strings")
    if key == "requestInit":
        return _texts(values, placeholders, "headers")
    result = {}
    for name, value in values.items():
        if value is None:
            continue
        texts = _as_texts([value])
        if texts is None:
            raise _BadEntryError(f"in its {key}, {shorten(str(name), 40)!r} is not a string")
        result[str(name)] = texts[0] if placeholders is None else placeholders.expand(texts[0])
    return result


def _as_texts(values: list[Json]) -> list[str] | None:
    """Return values as texts: ``true`` for True, digits for a number; None if one of them is neither."""
    texts = []
    for value in values:
        if isinstance(value, bool):
            texts.append("true" if value else "false")
        elif isinstance(value, (str, int, float)):
            texts.append(str(value))
        else:
            return None
    return texts
