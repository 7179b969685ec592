"""A conversation as a chat, in HTML in which every text is escaped: nobody's words become markup."""

from __future__ import annotations

import html
import json

from tdlab.records import Message, Trajectory
from tdlab.tools import plain

__all__ = ["chat_html"]

_MOST = 4000  # characters of one message
_SIDES = {
    "user": ("#e8f1fa", "0 18% 0 0", "user"),
    "assistant": ("#eef7f0", "0 0 0 18%", "assistant"),
    "tool": ("#f7f5ee", "0 0 0 24%", "tool"),
    "system": ("#f3f3f3", "0", "system"),
}


def chat_html(trajectory: Trajectory, *, reasons: tuple[str, ...] = ()) -> str:
    """The messages of a trajectory one under the other, in a box that scrolls, below its id.

    ``reasons`` say why it was rejected, where it was. A message of over 4,000 characters is cut, and says how much is
    left out. Nothing in it is read as markup, and no control or direction character acts.
    """
    parts = [f"<b>{_text(trajectory.id)}</b>"]
    parts += [_bubble(message) for message in trajectory.messages] or ["<i>Nothing was said.</i>"]
    if reasons:
        told = "".join(f"<li>{_text(reason)}</li>" for reason in reasons)
        parts.append(f'<div style="color:#b00020">rejected:<ul>{told}</ul></div>')
    return f'<div style="max-width:60em;max-height:480px;overflow:auto;line-height:1.4">{"".join(parts)}</div>'


def _bubble(message: Message) -> str:
    colour, margin, name = _SIDES[message.role]
    shown = [f'<div style="white-space:pre-wrap;overflow-wrap:anywhere">{_text(message.content)}</div>']
    if not message.content:
        shown = []
    for call in message.tool_calls:
        arguments = json.dumps(call.arguments, ensure_ascii=False) if call.malformed is None else call.malformed
        shown.append(
            f'<div><code style="background:none;padding:0;white-space:pre-wrap;overflow-wrap:anywhere">'
            f"{_text(call.name)}({_text(arguments)})</code></div>"
        )
    name += " (error)" if message.is_error else ""
    return (
        f'<div style="background:{colour};margin:{margin};padding:4px 10px;border-radius:8px;margin-bottom:6px">'
        f'<span style="color:#777;font-size:11px">{name}</span>{"".join(shown)}</div>'
    )


def _text(text: str) -> str:
    more = len(text) - _MOST
    return html.escape(plain(text if more <= 0 else f"{text[:_MOST]} … ({more:,} more characters)"))
