"""The command that prints, explains and writes settings."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tdlab.cli._common import ConfigOption, SetOption, run_config, say
from tdlab.errors import ConfigError

if TYPE_CHECKING:
    from tdlab.config import Setting

__all__ = ["config"]

_WIDTH = 80
_START, _END = "<!-- settings: written by `tdlab config --markdown README.md` -->", "<!-- end of settings -->"


def config(
    name: Annotated[str, typer.Argument(help="A setting or a section, such as evolution.window; default: all.")] = "",
    file: ConfigOption = None,
    set_: SetOption = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write a complete, commented YAML file for `tdlab run --config`.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Update the reference of settings in this Markdown file.")
    ] = None,
) -> None:
    """Print, explain or write the settings of a run.

    With --config or --set, print the values in effect and how they differ from the defaults. With --write, write them
    to a file, also to bring a file of an earlier version up to date.
    """
    from tdlab.config import RunConfig, commented_yaml, find_settings

    settings = run_config(file, set_)
    if write is not None:
        _create(write, commented_yaml(settings))
        say(f"Wrote {write}. To use it: tdlab run --config {write}")
        return
    if markdown is not None:
        _update(markdown)
        say(f"Updated the reference of settings in {markdown}.")
        return
    values = dict(settings.values())
    by_section = find_settings(name)
    if name in values:
        say(_explained(by_section[name.rpartition(".")[0]][0], values[name]))
        return
    described = {section: (kind.__doc__ or "").partition("\n\n")[0] for section, kind in RunConfig.sections()}
    for section, entries in by_section.items():
        if section:
            say(_wrapped(f"{section}: {' '.join(described[section].split())}") + "\n")
        say("\n".join(_line(setting, values) for setting in entries) + "\n")
    changed = [
        setting.name
        for entries in by_section.values()
        for setting in entries
        if values[setting.name] != setting.default
    ]
    if file is not None or set_:
        say(_wrapped(f"Not at their defaults (marked *): {', '.join(changed) or 'none'}."))
    else:
        say("Explain one: tdlab config NAME. Change one: tdlab run --set NAME=VALUE.")


def _line(setting: Setting, values: Mapping[str, Any]) -> str:
    from tdlab.config import shown_value

    value = values[setting.name]
    mark = "*" if value != setting.default else " "
    head = f"{mark} {setting.name} = {shown_value(value)}"
    note = setting.values if value == setting.default else f"{setting.values}; default {shown_value(setting.default)}"
    gap = _WIDTH - len(head) - len(note)
    first = head + " " * gap + note if gap > 1 else f"{head}\n{_wrapped(note, 6)}"
    return f"{first}\n{_wrapped(setting.description, 6)}"


def _explained(setting: Setting, value: Any) -> str:
    from tdlab.config import shown_value

    *sections, key = setting.name.split(".")
    example = "\n".join(
        f"  {'  ' * depth}{word}:" + (f" {shown_value(value)}" if word is key else "")
        for depth, word in enumerate([*sections, key])
    )
    lines = [setting.name, "", _wrapped(setting.description), "", f"value    {shown_value(value)}"]
    if value != setting.default:
        lines.append(f"default  {shown_value(setting.default)}")
    lines += [
        f"values   {setting.values}",
        "",
        f"on the command line: --set {setting.name}=VALUE",
        "in a file:",
        example,
    ]
    return "\n".join(lines)


def _wrapped(text: str, indent: int = 0) -> str:
    space = " " * indent
    return textwrap.fill(text, _WIDTH, initial_indent=space, subsequent_indent=space, break_on_hyphens=False)


def _create(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path}: already exists", do="choose the name of a new file with --write") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})", do="choose another folder") from None


def _update(path: Path) -> None:
    """Replace what stands between the two markers of a Markdown file."""
    from tdlab.config import settings_markdown

    try:
        before, start, rest = path.read_text(encoding="utf-8").partition(_START)
        _, end, after = rest.partition(_END)
        if not end:
            raise ConfigError(
                f"{path}: has no reference of settings", expected=f"a line {_START} and, after it, a line {_END}"
            )
        path.write_text(f"{before}{start}\n\n{settings_markdown()}\n{end}{after}", encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be updated ({reason})", do="check the path") from None
