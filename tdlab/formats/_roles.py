"""Who speaks: one table of the names that formats give to the roles of a conversation."""

from __future__ import annotations

from typing import Any, Literal

from tdlab.records import Json

__all__ = ["Role", "role_named", "role_of", "unwrapped"]

Role = Literal["system", "user", "assistant", "tool", "call", "thought"]
"""The meaning of a role. A ``call`` is a message that is nothing but calls, a ``thought`` one that was not said."""

_NAMES: dict[Role, str] = {
    "system": "system developer instructions systemmessage systemmessagechunk developermessage",
    "user": "user human customer humanmessage humanmessagechunk user_message",
    "assistant": "assistant ai gpt model chatgpt bing bard bot agent aimessage aimessagechunk agent_message",
    "tool": "tool function observation tool_response function_response ipython tool_result tool_results toolresult"
    " tool_output tool_outputs toolmessage functionmessage toolmessagechunk environment function_call_output"
    " code_output",
    "call": "function_call tool_call tool_calls function_calls",
    "thought": "reasoning thinking thought",
}
_ROLES: dict[str, Role] = {name: role for role, names in _NAMES.items() for name in names.split()}


def role_named(name: Json) -> Role | None:
    """Return the meaning of a role's name in any format; None for a name that is not known."""
    return _ROLES.get(name.strip().lower()) if isinstance(name, str) else None


def role_of(message: Json) -> Role | None:
    """Return the role of a message: of its ``role``, ``from`` (ShareGPT), ``author`` (ChatGPT) or ``type`` (LangChain).

    ``type`` counts only where there is none of the others, since it has other meanings in other formats.
    """
    if not isinstance(message, dict):
        return None
    name = message.get("role")
    if isinstance(name, str):
        role = _ROLES.get(name)
        return role if role is not None else role_named(name)
    for key in ("role", "from", "author", "speaker"):
        name = message.get(key)
        if isinstance(name, dict):
            name = name.get("role")
        if name is not None:
            return role_named(name)
    return role_named(message.get("type"))


def unwrapped(message: Json) -> Json:
    """Return a message as chat APIs have it.

    LangChain's dumps wrap it in ``kwargs`` of a constructor or in ``data`` of a type, AutoGen makes it an event.
    """
    if not isinstance(message, dict) or ("type" not in message and "lc" not in message):
        return message
    inner: Any = message.get("kwargs")
    if message.get("lc") is not None and isinstance(inner, dict):
        path = message.get("id")
        name = path[-1] if isinstance(path, list) and path else None
        return {**inner, "type": name if role_named(name) else inner.get("type")}
    if isinstance(message.get("type"), str) and message["type"] in _AUTOGEN:
        return _from_autogen(message)
    inner = message.get("data")
    if isinstance(inner, dict) and "role" not in message and role_named(message.get("type")) is not None:
        return {**inner, "type": message["type"]}
    return message


_AUTOGEN: dict[Any, tuple[str, str]] = {
    "ToolCallRequestEvent": ("assistant", "tool_call"),
    "ToolCallExecutionEvent": ("tool", "tool_result"),
    "ThoughtEvent": ("thought", ""),
    "TextMessage": ("", ""),
}
"""AutoGen's events: the role and, where the content is a list of calls or results, the type of its parts."""


def _from_autogen(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event of AutoGen as a message; a text is the user's if its source is named so."""
    role, kind = _AUTOGEN[event["type"]]
    content = event.get("content")
    if kind and isinstance(content, list):
        content = [{**part, "type": kind} if isinstance(part, dict) else part for part in content]
    source = event.get("source")
    return {"role": role or ("user" if source in ("user", "human") else "assistant"), "content": content}
