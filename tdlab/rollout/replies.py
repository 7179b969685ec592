"""What a result says, in a sentence: the replies of the scripted assistant, and values read out of tool messages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from tdlab.blueprints import follow
from tdlab.records import CODE_TOOL, Json, Tool
from tdlab.tools import goal_phrase, label, leaves, past_tense, referenced_entity, roles, say, shorten, singular

__all__ = ["Report", "parsed", "report", "value_at"]

_SECOND_VERB = re.compile(
    r"(?:, and|,| and) (?!the |a |an )\w+ (?:the|a|an|its|their|it|them|every|all|somebody|one)\b"
)
_MOST_FACTS = 5
_MOST_ITEMS = 3
_LONGEST = 80
_NAMING = ("name", "title", "subject", "label", "summary", "url")


class Report(NamedTuple):
    """A sentence or two about one result, and whether the call changed something."""

    text: str
    changed: bool


def report(tool: Tool, arguments: Mapping[str, Json], content: str, *, told_by: str = "") -> Report:
    """What a call of ``tool`` changed or found; ``told_by`` is the argument that tells it from its neighbours."""
    part, result = roles(tool), parsed(content)
    if tool.key == CODE_TOOL and isinstance(result, dict):
        return Report(_printed(result.get("stdout")), False)
    verb, _, rest = goal_phrase(tool).partition(" ")
    rest = _SECOND_VERB.split(rest, maxsplit=1)[0]
    if part.nature.effect in ("write", "delete"):
        news = _facts(result, skip=arguments)
        return Report(f"I {past_tense(verb)} {rest}".rstrip() + (f" ({', '.join(news)})." if news else "."), True)
    about = f"For {_apart(told_by, arguments[told_by])}: " if told_by else ""
    if not isinstance(result, dict):
        shown = say(result) if not isinstance(result, str) else result.strip()
        return Report(f"{about}{shown[:300] or 'The answer was empty.'}", False)
    if part.listed is not None and isinstance(result.get(part.listed[0]), list):
        field, _, key = part.listed
        return Report(about + _listing(label(field), key, result[field]), False)
    rows = next((f for f, v in result.items() if isinstance(v, list) and v and isinstance(v[0], dict)), None)
    if rows is not None and len(_facts({f: v for f, v in result.items() if f != rows}, skip=arguments)) < 2:
        return Report(about + _listing(label(rows), "", result[rows]), False)
    facts = _facts(result, skip=arguments) or _facts(result)
    text = "; ".join(facts) if facts else "there is nothing to report"
    return Report(f"{about}{text[0].upper()}{text[1:]}.", False)


def _apart(name: str, value: Json) -> str:
    """A text or a list by itself; a number says nothing without its name."""
    return say(value) if isinstance(value, (str, list, dict)) else f"{label(name)} {say(value)}"


def _printed(stdout: Json) -> str:
    """What a program printed: the entries of an object, the rows of a query, or the lines."""
    result = parsed(stdout) if isinstance(stdout, str) else stdout
    if isinstance(result, dict) and isinstance(result.get("rows"), list) and isinstance(result.get("columns"), list):
        names = [label(str(name)) for name in result["columns"]]
        rows = [
            ", ".join(f"{name} {say(value)}" for name, value in zip(names, row, strict=False))
            for row in result["rows"]
            if isinstance(row, list)
        ]
        facts = rows[:_MOST_FACTS]
    elif isinstance(result, dict):
        facts = [f"{label(name)}: {say(value) if value != [] else 'none'}" for name, value in result.items()]
        facts = facts[:_MOST_FACTS]
    else:
        lines = str(stdout or "").replace("\t", " ").splitlines()
        facts = [" ".join(line.split()) for line in lines[:_MOST_FACTS]]
    shown = [shorten(fact, 2 * _LONGEST) for fact in facts if fact]
    return f"The program gives {'; '.join(shown)}." if shown else "The program printed nothing."


def _listing(name: str, key: str, items: list[Json]) -> str:
    if not items:
        return f"I found no {name}."
    shown = [_item(item, key) for item in items[:_MOST_ITEMS]]
    more = f", and {len(items) - len(shown)} more" if len(items) > len(shown) else ""
    what = name if len(items) > 1 else " ".join((*name.split()[:-1], singular(name.split()[-1])))
    return f"I found {len(items)} {what}: {'; '.join(shown)}{more}."


def _item(item: Json, key: str) -> str:
    """One entry of a list: what names it, then its identifier and one more fact."""
    if not isinstance(item, Mapping):
        return say(item)
    name = next((f for f in item if f.rpartition("_")[2] in _NAMING and isinstance(item[f], str) and item[f]), None)
    rest = [f for f in _facts(item, skip=()) if name is None or not f.startswith(label(name) + " ")]
    chosen = [f for f in rest if not f.startswith(label(key) + " ")]
    facts = [say(item[key])] if item.get(key) is not None else []
    facts += chosen[: 1 if name else 2]
    return f"{say(item[name])} ({', '.join(facts)})" if name is not None and facts else ", ".join(facts) or "an entry"


def _facts(value: Json, skip: Mapping[str, Json] | tuple[str, ...] = ()) -> list[str]:
    """``label value`` for what is worth telling, identifiers last; at most five."""
    known = set(skip)
    found: dict[str, tuple[bool, str]] = {}
    for name, leaf in leaves(value):
        if (
            leaf in (None, "", [], {})
            or not name
            or name in known
            or name.startswith("next_")
            or len(str(leaf)) > _LONGEST
        ):
            continue
        found.setdefault(f"{label(name)} {say(leaf)}", (referenced_entity(name) is not None, name))
    ordered = sorted(found, key=lambda text: found[text][0])
    return ordered[:_MOST_FACTS]


def value_at(text: str, path: tuple[str | int, ...]) -> Json:
    """The value at ``path`` in a tool message that holds JSON; None where it is not there."""
    return follow(parsed(text), path)


def parsed(text: str) -> Json:
    """Parse a text that may be JSON.

    Args:
        text: Content of a tool message.

    Returns:
        The JSON value; the text itself if it is not JSON.

    Example:
        >>> parsed('{"total": 3}'), parsed("three")
        ({'total': 3}, 'three')
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
