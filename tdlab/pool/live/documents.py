"""The files in which MCP clients list servers: JSON with comments, TOML and YAML, and where in them the servers are."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tdlab.errors import PoolError
from tdlab.pool.files.yaml_text import YamlError, read_yaml
from tdlab.records import Json
from tdlab.tools import JsonError, NestingError, read_commented_json, read_json

__all__ = ["EXPECTED", "Listed", "has_section", "listed_servers", "read_document"]

EXPECTED = 'a JSON, TOML or YAML file with {"mcpServers": {NAME: {"command": ..., "args": [...]} or {"url": ...}}}'

_SECTIONS = ("mcpServers", "servers", "mcp_servers", "context_servers", "extensions")
_MOST_DEPTH = 100
_GEMINI = {"httpUrl", "trust", "includeTools", "excludeTools"}


@dataclass(frozen=True)
class Listed:
    """One entry of a file as it is there: the server's name, the raw entry, and what the file says around it.

    ``project`` is the folder of a project in Claude Code's file, ``disabled`` whether the file switches the server off
    elsewhere than in its entry, ``inputs`` the definitions beside it, ``dollar`` whether ``$VAR`` is a placeholder.
    """

    name: str
    entry: Json
    project: str | None = None
    disabled: bool = False
    inputs: Json = None
    dollar: bool = False


def read_document(path: Path) -> Json:
    """Return the content of a client's file.

    Args:
        path: The file; ``.toml`` and ``.yaml`` say so by their names, all others are JSON, perhaps with comments and
            trailing commas.

    Raises:
        PoolError: It cannot be read. The message holds nothing of the file.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except OSError as error:
        raise PoolError(f"{path}: cannot be read ({error.strerror})", expected=EXPECTED, do="check the path") from None
    except UnicodeDecodeError:
        raise PoolError(f"{path}: is not UTF-8 text", expected=EXPECTED, do="save it as UTF-8") from None
    suffix = path.suffix.lower()
    line: int | None
    if suffix == ".toml":
        try:
            return tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            found = re.search(r"line (\d+)", str(error))
            line, reason = (int(found[1]) if found else None), "is not TOML"
    elif suffix in (".yaml", ".yml"):
        try:
            documents, _ = read_yaml(text)  # clients take no notice of tags either
            return documents[0] if documents else None
        except YamlError as error:
            line, reason = error.line, "is not YAML"
    else:
        try:
            return read_json(text, strict=False)
        except NestingError as error:
            line, reason = None, error.reason
        except JsonError:
            try:
                return read_commented_json(text, max_depth=_MOST_DEPTH)
            except JsonError as error:
                line, reason = error.line, error.reason
    at = "" if line is None else f"line {line}: "
    raise PoolError(f"{path}: {at}it {reason}", expected=EXPECTED, do="correct the file at that line")


def listed_servers(content: Json) -> Iterator[Listed]:
    """Yield every server of a client's file, with those that are switched off.

    The sections are those of Claude Desktop and Code, Cursor, Windsurf, Cline and Gemini CLI (``mcpServers``, also
    below ``projects``), VS Code (``servers``; ``mcp`` or ``mcp.servers`` in settings), Zed (``context_servers``),
    opencode and Crush (``mcp``), Codex (``mcp_servers``) and Goose (``extensions``). A file that only maps names to
    entries, or lists entries with names, is read, too.

    Args:
        content: The content of the file.
    """
    if isinstance(content, list) and any(_is_entry(entry) for entry in content):
        content = {"mcpServers": content}
    if not isinstance(content, dict):
        return
    count = 0
    for place, inputs in _places(content):
        for name, entry, dollar in _entries(place):
            count += 1
            yield Listed(name, entry, None, _switched_off(content, name), inputs, dollar)
    projects = content.get("projects")
    for folder, project in projects.items() if isinstance(projects, dict) else ():
        if not isinstance(project, dict):
            continue
        off = project.get("disabledMcpServers")
        for name, entry, dollar in _entries(project.get("mcpServers")):
            count += 1
            yield Listed(name, entry, folder, isinstance(off, list) and name in off, None, dollar)
    if not count and not any(key in content for key in (*_SECTIONS, "mcp", "projects")):
        for name, entry, dollar in _entries(content):
            if isinstance(entry, dict) and any(key in entry for key in ("command", "url", "httpUrl", "serverUrl")):
                yield Listed(name, entry, dollar=dollar)


def has_section(content: Json) -> bool:
    """Return whether a file has a section of servers, which may be empty."""
    return isinstance(content, dict) and any(isinstance(section, dict) for section, _ in _places(content))


def _places(content: dict[str, Json]) -> Iterator[tuple[Json, Json]]:
    """Yield every section of servers, and the inputs defined beside it."""
    roots: list[dict[str, Json]] = [content]
    settings = content.get("settings")  # a .code-workspace file
    custom = content.get("customizations")  # a devcontainer.json
    vscode = custom.get("vscode") if isinstance(custom, dict) else None
    for inner in (settings, vscode, vscode.get("settings") if isinstance(vscode, dict) else None):
        if isinstance(inner, dict):
            roots.append(inner)
    for root in roots:
        inputs = root.get("inputs", root.get("mcp.inputs"))
        for key, section in root.items():
            if key == "extensions":
                if isinstance(section, dict):  # Goose; in VS Code's files it is a list of names
                    yield {name: entry for name, entry in section.items() if _is_extension(entry)}, inputs
            elif key in _SECTIONS or key == "mcp.servers" or key.endswith(".mcpServers"):
                yield section, inputs
            elif key == "mcp" and isinstance(section, dict):
                inner_sections = [section[name] for name in ("servers", "mcpServers") if name in section]
                for inner_section in inner_sections:
                    yield inner_section, section.get("inputs", inputs)
                if not inner_sections:  # opencode and Crush; Gemini CLI has settings here
                    yield {name: entry for name, entry in section.items() if _is_entry(entry)}, inputs


def _is_entry(entry: Json) -> bool:
    return isinstance(entry, dict) and any(key in entry for key in ("command", "url", "type"))


def _is_extension(entry: Json) -> bool:
    """Return whether this is an extension of Goose; Gemini CLI has settings of another kind there."""
    return isinstance(entry, dict) and any(key in entry for key in ("type", "cmd", "uri"))


def _entries(section: Json) -> Iterator[tuple[str, Json, bool]]:
    """Yield the names and entries of a section, and whether ``$VAR`` is a placeholder in them."""
    pairs: list[tuple[str, Json]] = []
    if isinstance(section, dict):
        pairs = [(str(name), entry) for name, entry in section.items()]
    elif isinstance(section, list):  # Continue lists entries with names
        for index, entry in enumerate(section):
            name = entry.get("name") if isinstance(entry, dict) else None
            pairs.append((name if isinstance(name, str) else f"[{index}]", entry))
    dollar = any(isinstance(entry, dict) and not _GEMINI.isdisjoint(entry) for _, entry in pairs)
    for name, entry in pairs:
        yield name, entry, dollar


def _switched_off(content: dict[str, Json], name: str) -> bool:
    """Return whether Gemini CLI's settings for all servers leave this one out."""
    mcp = content.get("mcp")
    if not isinstance(mcp, dict):
        return False
    allowed, excluded = mcp.get("allowed"), mcp.get("excluded")
    return (isinstance(allowed, list) and name not in allowed) or (isinstance(excluded, list) and name in excluded)
