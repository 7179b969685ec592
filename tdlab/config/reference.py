"""The reference of all settings, made from `RunConfig`: a YAML file with comments, and Markdown for the README."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import yaml

from tdlab.config._section import Section, Setting, suggestion
from tdlab.config.run import RunConfig
from tdlab.errors import ConfigError

__all__ = ["commented_yaml", "find_settings", "settings_markdown", "shown_value"]

_WIDTH = 100
_UNSAID = ("text", "text, or null", "a mapping")
"""Values that a comment does not need to state."""


def find_settings(name: str) -> dict[str, list[Setting]]:
    """Find one setting, or the settings of one section.

    Args:
        name: The full name of a setting or section, such as ``evolution.window``; empty for all settings.

    Returns:
        Section -> its settings, in the order of `RunConfig`; the settings outside all sections are under an empty name.

    Raises:
        ConfigError: There is no such setting or section.

    Example:
        >>> find_settings("evolution.window")["evolution"][0].values
        '1 to 1,000,000'
    """
    wanted = [
        setting
        for setting in RunConfig.settings()
        if not name or setting.name == name or setting.name.startswith(f"{name}.")
    ]
    if not wanted:
        raise ConfigError(
            f"there is no setting or section {name!r}",
            expected="a name such as evolution or evolution.window",
            do=suggestion(name, RunConfig) or "`tdlab config` lists all",
        )
    found: dict[str, list[Setting]] = {}
    for setting in wanted:
        found.setdefault(setting.name.rpartition(".")[0], []).append(setting)
    return found


def shown_value(value: Any) -> str:
    """Write a setting's value as YAML does, in one line.

    Args:
        value: The value.

    Returns:
        The text.

    Example:
        >>> shown_value(None), shown_value(("user", "assistant")), shown_value("")
        ('null', '[user, assistant]', "''")
    """
    plain = list(value) if isinstance(value, tuple) else value
    if isinstance(value, dict):
        plain = {
            key: inner.model_dump(mode="json") if isinstance(inner, Section) else inner for key, inner in value.items()
        }
    text = yaml.safe_dump([plain], default_flow_style=True, allow_unicode=True, width=10**9, sort_keys=False)
    return text.strip()[1:-1]


def commented_yaml(config: RunConfig) -> str:
    """Write a config as YAML in which each setting is explained.

    Args:
        config: The config.

    Returns:
        YAML that `RunConfig.from_yaml` reads back as the same config.

    Example:
        >>> commented_yaml(RunConfig(target=50)).splitlines()[3:5]
        ['# Number of verified trajectories to make. (1 to 1,000,000)', 'target: 50']
    """
    lines = [
        "# All settings of a run, with their values or ranges; see `tdlab run --config FILE`.",
        "# A setting that is left out takes its default.",
        "",
    ]
    lines += _commented(config, "")
    return "\n".join(lines).rstrip() + "\n"


def _commented(section: Section, indent: str) -> Iterator[str]:
    settings = {setting.name: setting for setting in type(section).settings()}
    for key in type(section).model_fields:
        value = getattr(section, key)
        if isinstance(value, Section):
            yield ""
            yield from _comment(_summary(type(value)), indent)
            yield f"{indent}{key}:"
            yield from _commented(value, indent + "  ")
        else:
            setting = settings[key]
            words = "" if setting.values in _UNSAID else f" ({setting.values})"
            yield from _comment(f"{setting.description}{words}", indent)
            yield f"{indent}{key}: {shown_value(section.model_dump(mode='json')[key])}"


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _summary(section: type[Section]) -> str:
    """Return the first paragraph of a section's docstring in one line."""
    return " ".join((section.__doc__ or "").partition("\n\n")[0].split())


def settings_markdown() -> str:
    """Write the reference of all settings as Markdown: a table for each section.

    Returns:
        The Markdown.

    Example:
        >>> print(settings_markdown().splitlines()[2])
        | `target` | 200 | 1 to 1,000,000 | Number of verified trajectories to make. |
    """
    parts = []
    described = dict(RunConfig.sections())
    for section, settings in find_settings("").items():
        rows = [] if not section else [f"### `{section}`", "", _summary(described[section]), ""]
        rows += ["| setting | default | values | |", "|---|---|---|---|"]
        for setting in settings:
            cells = (f"`{setting.name}`", shown_value(setting.default), setting.values, setting.description)
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"
