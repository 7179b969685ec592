"""Conversations as HTML chats, with every text escaped."""

from __future__ import annotations

import html
import json

from tdlab.records import Message, Reason, Trajectory
from tdlab.tools import printable

__all__ = ["chat_html"]

_MOST = 4000  # characters of one message
_SIDES = {
    "user": ("#e8f1fa", "0 18% 0 0", "user"),
    "assistant": ("#eef7f0", "0 0 0 18%", "assistant"),
    "tool": ("#f7f5ee", "0 0 0 24%", "tool"),
    "system": ("#f3f3f3", "0", "system"),
}


def chat_html(trajectory: Trajectory, *, reasons: tuple[Reason, ...] = ()) -> str:
    """Render a trajectory as a chat in HTML.

    The messages are shown in a scrolling box below the id. Messages over 4,000 characters are shortened, with a note.
    All text is escaped, control and direction characters included.

    Args:
        trajectory: The trajectory.
        reasons: Why it was rejected; shown in red at the end.

    Returns:
        HTML for `IPython.display.HTML`.

    Example:
        >>> from tdlab.records import Message, Trajectory
        >>> chat = chat_html(Trajectory(id="t", messages=(Message(role="user", content="<b>Hi</b>"),)))
        >>> "&lt;b&gt;Hi&lt;/b&gt;" in chat
        True
    """
    blocks = [f"<b>{_text(trajectory.id)}</b>"]
    blocks += [_bubble(message) for message in trajectory.messages] or ["<i>No messages.</i>"]
    if reasons:
        items = "".join(f"<li>{_text(str(reason))}</li>" for reason in reasons)
        blocks.append(f'<div style="color:#b00020">rejected:<ul>{items}</ul></div>')
    return f'<div style="max-width:60em;max-height:480px;overflow:auto;line-height:1.4">{"".join(blocks)}</div>'


def _bubble(message: Message) -> str:
    colour, margin, name = _SIDES[message.role]
    blocks = []
    if message.content:
        blocks.append(f'<div style="white-space:pre-wrap;overflow-wrap:anywhere">{_text(message.content)}</div>')
    for call in message.tool_calls:
        arguments = json.dumps(call.arguments, ensure_ascii=False) if call.malformed is None else call.malformed
        blocks.append(
            f'<div><code style="background:none;padding:0;white-space:pre-wrap;overflow-wrap:anywhere">'
            f"{_text(call.name)}({_text(arguments)})</code></div>"
        )
    name += " (error)" if message.is_error else ""
    return (
        f'<div style="background:{colour};margin:{margin};padding:4px 10px;border-radius:8px;margin-bottom:6px">'
        f'<span style="color:#777;font-size:11px">{name}</span>{"".join(blocks)}</div>'
    )


def _text(text: str) -> str:
    more = len(text) - _MOST
    return html.escape(printable(text if more <= 0 else f"{text[:_MOST]} … ({more:,} more characters)"))
