"""Placeholders in client files (``${VAR}``, ``${input:ID}``, ``${workspaceFolder}``, ...), replaced before use."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from tdlab.records import Json, Record
from tdlab.tools import shorten

__all__ = ["AskInput", "ConfigInput", "Inputs", "PlaceholderError", "Placeholders", "workspace_of"]

_VARIABLE = re.compile(r"([A-Za-z_]\w*)(?::-(.*))?", re.DOTALL)
_START = re.compile(r"\$\{\{\s*(?:secrets|inputs)\.([A-Za-z_]\w*)\s*\}\}|\$\{|\{(env|file):([^{}]*)\}|\$([A-Za-z_]\w*)")
_SURELY_A_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]+")
_EDITOR = re.compile(
    r"(command|config|extensionInstallFolder|user_config)[:.].*|(file|execPath|lineNumber|selectedText)"
)
_CLIENT_FOLDERS = {
    ".amazonq", ".claude", ".codex", ".cursor", ".gemini", ".kiro", ".opencode", ".roo", ".vscode", ".windsurf", ".zed",
}  # fmt: skip
_MOST_FILE_BYTES = 65_536
_MOST_DEPTH = 8


class PlaceholderError(Exception):
    """A placeholder has no value; the text completes a sentence and holds no value."""


class ConfigInput(Record):
    """An input that a client's file defines, and that the client asks its user for.

    ``options`` are the only valid values, if there are any. ``default`` is None where the file gives none.
    """

    id: str
    description: str = ""
    password: bool = False
    options: tuple[str, ...] = ()
    default: str | None = Field(None, repr=False)

    @property
    def variable(self) -> str:
        """The environment variable that gives the input its value.

        Example:
            >>> ConfigInput(id="github-token").variable
            'TDLAB_INPUT_GITHUB_TOKEN'
        """
        return "TDLAB_INPUT_" + re.sub(r"\W", "_", self.id).upper()


AskInput = Callable[[ConfigInput], str | None]
"""A function that asks a person for an input; None or an empty text: no answer."""


class Inputs:
    """The inputs of one file and their values, each asked for at most once."""

    def __init__(self, defined: Json, environ: Mapping[str, str], ask: AskInput | None) -> None:
        self._environ = environ
        self._ask = ask
        self._defined: dict[str, ConfigInput] = {}
        self._values: dict[str, str] = {}
        for raw in defined if isinstance(defined, list) else []:
            if isinstance(raw, dict) and isinstance(raw.get("id"), str):
                self._defined[raw["id"]] = _input(raw)

    def value(self, name: str) -> str:
        """Return the value of an input: from its environment variable, from a person, or its default."""
        asked = self._defined.get(name, ConfigInput(id=name))
        if name not in self._values:
            value = self._environ.get(asked.variable)
            if not value and self._ask is not None:
                value = self._ask(asked)
            if not value and asked.default is not None:
                value = asked.default
            if value is None or (not value and asked.default is None):
                raise PlaceholderError(
                    f"the input {shorten(name, 40)!r} has no value; set the environment variable {asked.variable}"
                )
            self._values[name] = value
        if asked.options and self._values[name] not in asked.options:
            raise PlaceholderError(
                f"the value of the input {shorten(name, 40)!r} is not one of its {len(asked.options)} options"
            )
        return self._values[name]


def _input(raw: dict[str, Json]) -> ConfigInput:
    options = raw.get("options")
    values = [
        option.get("value", option.get("label")) if isinstance(option, dict) else option
        for option in (options if isinstance(options, list) else [])
    ]
    default, description = raw.get("default"), raw.get("description")
    return ConfigInput(
        id=str(raw["id"]),
        description=description if isinstance(description, str) else "",
        password=raw.get("password") is True,
        options=tuple(value for value in values if isinstance(value, str)),
        default=default if isinstance(default, str) else None,
    )


def workspace_of(path: Path) -> Path:
    """Return the folder that clients call the workspace of a file.

    A file in a client's own folder, such as ``.vscode/mcp.json``, belongs to the folder above.

    Args:
        path: The file.

    Example:
        >>> str(workspace_of(Path("/srv/app/.vscode/mcp.json"))), str(workspace_of(Path("/srv/app/mcp.json")))
        ('/srv/app', '/srv/app')
    """
    folder = path.absolute().parent
    return folder.parent if folder.name in _CLIENT_FOLDERS else folder


@dataclass
class Placeholders:
    """Replaces the placeholders of one entry; ``values`` collects what came from variables, inputs and files.

    ``dollar`` is True for files of Gemini CLI, which replaces ``$VAR`` anywhere in a text. In other files ``$VAR`` is a
    placeholder only where it is all of the text or all behind its last blank or equals sign (``Bearer $TOKEN``), and is
    in capitals: ``pa$sword`` is a password. In a script for a shell (``shell`` of `expand`), ``$VAR`` is the shell's
    wherever the variable is not set here.
    """

    folder: Path
    environ: Mapping[str, str]
    inputs: Inputs
    dollar: bool = False
    config_folder: Path | None = None
    values: list[str] = field(default_factory=list)

    def expand(self, text: str, *, shell: bool = False) -> str:
        """Return the text with all placeholders replaced.

        Raises:
            PlaceholderError: One of them has no value.
        """
        return self._expand(text, shell=shell, depth=0)

    def _expand(self, text: str, *, shell: bool, depth: int) -> str:
        if depth > _MOST_DEPTH:
            raise PlaceholderError("its placeholders are nested too deeply")
        parts: list[str] = []
        at = 0
        while match := _START.search(text, at):
            parts.append(text[at : match.start()])
            at = match.end()
            secret, kind, name, variable = match.groups()
            if secret is not None:
                parts.append(self._note(self._variable(secret)))
            elif variable is not None:
                parts.append(self._dollar(text, match, shell=shell))
            elif kind == "env":
                parts.append(self._note(self._variable(name)))
            elif kind == "file":
                parts.append(self._note(self._file(name)))
            else:
                end = _closing(text, at)
                parts.append(self._braces(text[at:end], depth=depth))
                at = end + 1
        return "".join([*parts, text[at:]])

    def _note(self, value: str) -> str:
        self.values.append(value)
        return value

    def _dollar(self, text: str, match: re.Match[str], *, shell: bool) -> str:
        name = match[4]
        surely = _SURELY_A_VARIABLE.fullmatch(name) is not None
        alone = match.end() == len(text) and (match.start() == 0 or text[match.start() - 1] in " =")
        if not self.dollar and not (surely and alone):
            return match[0]
        value = self.environ.get(name)
        if value:
            return self._note(value)
        if surely and not shell:
            raise PlaceholderError(f"the environment variable {name} is not set")
        return match[0]

    def _braces(self, body: str, *, depth: int) -> str:
        """Return the value of ``${body}``."""
        if body.startswith("input:"):
            return self._note(self.inputs.value(body.removeprefix("input:")))
        predefined = self._predefined(body)
        if predefined is not None:
            return predefined
        match = _VARIABLE.fullmatch(body.removeprefix("env:"))
        editor = _EDITOR.fullmatch(body)
        if match is None or (editor is not None and match[1] not in self.environ):
            kind = "" if editor is None else f" of an editor, of the kind {editor[1] or editor[2]}"
            raise PlaceholderError(f"it has a placeholder{kind} that cannot be replaced here (see read_mcp_config)")
        name, default = match.groups()
        if default is None:
            return self._note(self._variable(name))
        value = self.environ.get(name)
        return self._note(value) if value else self._expand(default, shell=False, depth=depth + 1)

    def _variable(self, name: str) -> str:
        value = self.environ.get(name)
        if value is None:
            raise PlaceholderError(f"the environment variable {shorten(name, 40)} is not set")
        return value

    def _predefined(self, name: str) -> str | None:
        """Return the value of a variable that VS Code and its relatives define."""
        kind, colon, of = name.partition(":")
        if kind in ("workspaceFolder", "workspaceRoot"):
            if colon and of != self.folder.name:
                raise PlaceholderError(
                    f"it names the workspace folder {shorten(of, 40)!r}, and there is only the file's"
                )
            return str(self.folder)
        if name in ("workspaceFolderBasename", "workspaceRootFolderName"):
            return self.folder.name
        if name == "userHome":
            return self.environ.get("HOME") or str(Path.home())
        if name in ("pathSeparator", "/"):
            return os.sep
        return str(Path.cwd()) if name == "cwd" else None

    def _file(self, name: str) -> str:
        """Return the text of the file in opencode's ``{file:...}``."""
        path = (self.config_folder or self.folder) / Path(name).expanduser()
        try:
            with path.open("rb") as file:
                content = file.read(_MOST_FILE_BYTES + 1)
            if len(content) > _MOST_FILE_BYTES:
                raise PlaceholderError("the file of a placeholder is larger than 64 KiB")
            return content.decode("utf-8").strip()
        except (OSError, ValueError):
            raise PlaceholderError("the file of a placeholder cannot be read") from None


def _closing(text: str, at: int) -> int:
    """Return the position of the brace that closes the placeholder whose body begins at ``at``."""
    depth = 1
    for index in range(at, len(text)):
        if text.startswith("${", index):
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if not depth:
                return index
    raise PlaceholderError("it has a placeholder whose brace is not closed")
