"""A conversation as HTML for a notebook. Every character of it comes from outside and is escaped."""

from __future__ import annotations

import html
import json
import unicodedata

from tdlab.records import Trajectory

__all__ = ["chat_html"]

_COLOURS = {"user": "#0072B2", "assistant": "#009E73", "tool": "#8a5a00", "system": "#555"}
_MOST = 4000  # characters of one message


def chat_html(trajectory: Trajectory) -> str:
    """The conversation in a box that scrolls: who spoke, calls with their arguments, results, errors marked.

    A message of over 4,000 characters is cut, and says how much is left out. Nothing in it is read as markup, and no
    control or direction character acts.
    """
    rows = [f"<b>{_shown(trajectory.id)}</b>"]
    for message in trajectory.messages:
        colour = "#b00020" if message.is_error else _COLOURS[message.role]
        name = message.role + (" (error)" if message.is_error else "")
        said = [_shown(message.content)] if message.content else []
        for call in message.tool_calls:
            given = json.dumps(call.arguments, ensure_ascii=False) if call.malformed is None else call.malformed
            said.append(f"<code>{_shown(call.name)}({_shown(given)})</code>")
        rows.append(
            f'<div style="border-left:3px solid {colour};padding:2px 8px;margin:4px 0">'
            f'<span style="color:{colour};font-weight:600">{name}</span>'
            f'<div style="white-space:pre-wrap;overflow-wrap:anywhere">{"<br>".join(said)}</div></div>'
        )
    return f'<div style="max-height:420px;overflow:auto;line-height:1.35">{"".join(rows)}</div>'


def _shown(text: str) -> str:
    more = len(text) - _MOST
    kept = text if more <= 0 else f"{text[:_MOST]} … ({more:,} more characters)"
    return html.escape("".join(map(_visible, kept)))


def _visible(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
