"""Chats in other layouts: ShareGPT, Hermes and Qwen tags, Toucan in both of its forms, and TRL's columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from tdlab.formats._json import list_of, object_of, text_of
from tdlab.formats._literal import loads_leniently
from tdlab.formats._tags import call_parts, has_tags, say_tagged, tagged_tools
from tdlab.formats.base import ConversationBuilder, Format, Item, Recording, Unreadable, tool_definition
from tdlab.formats.messages import is_chat, is_message_list, read_messages
from tdlab.formats.openai import listed_tools
from tdlab.records import Json, Tool, Trajectory

__all__ = ["HERMES", "SHAREGPT", "TOUCAN", "TRL"]

_SPEAKERS = {
    "system": "system",
    "developer": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "tool_response": "tool",
    "function_response": "tool",
    "ipython": "tool",
    "function_call": "call",
    "tool_call": "call",
}
"""The speakers of ShareGPT, LLaMA-Factory, ms-swift and Toucan, and their roles."""

Turn = tuple[str, str]


def _turns(raw: Json) -> list[Turn]:
    """Return (role, text) for a list of ``{from, value}`` or ``{role, content}``.

    Raises:
        Unreadable: An entry cannot be read; the text names it.
    """
    if not isinstance(raw, list) or not raw:
        raise Unreadable("has no messages")
    turns = []
    for index, message in enumerate(raw):
        speaker = message.get("from", message.get("role")) if isinstance(message, dict) else None
        if not isinstance(speaker, str) or speaker.lower() not in _SPEAKERS:
            raise Unreadable(f"message {index} is from {str(speaker)[:40]!r}")
        turns.append((_SPEAKERS[speaker.lower()], text_of(message.get("value", message.get("content")))))
    return turns


def _build(turns: Iterable[Turn]) -> ConversationBuilder:
    """Return a conversation from turns; calls that follow each other without a result between are one message."""
    builder = ConversationBuilder()
    pending: list[tuple[str | None, str, Json]] = []
    for index, (role, text) in enumerate(turns):
        if role == "call":
            try:
                calls = call_parts(loads_leniently(text))
            except ValueError as error:
                raise Unreadable(f"message {index}, a call, {error}") from None
            if not calls:
                raise Unreadable(f"message {index} is a call that names no tool")
            pending += calls
            continue
        if pending:
            builder.call("", pending)
            pending = []
        say_tagged(builder, role, text)
    if pending:
        builder.call("", pending)
    return builder


def _identity(value: dict[str, Any], fallback: str) -> str:
    recorded_id = value.get("id", value.get("uuid"))
    return str(recorded_id) if isinstance(recorded_id, (str, int)) and str(recorded_id) else fallback


def _recording(builder: ConversationBuilder, definitions: Iterable[Json], identity: str, name: str) -> Recording:
    """Return the recording; tools are named ``service__name`` as in OpenAI's shape, and a bare name has no service."""
    tools, names, _, _ = listed_tools(list(definitions), None, builder)
    return Recording(Trajectory(id=identity, messages=tuple(builder.messages), tools=names), tools, name)


# ----------------------------------------------------------------------------------------------- ShareGPT and Hermes


def _conversation(value: Json) -> Json:
    """Return the list of messages of a ShareGPT object; None where there is none."""
    if not isinstance(value, dict):
        return None
    for key in ("conversations", "conversation"):
        messages = value.get(key)
        if isinstance(messages, list):
            return messages
    return None


def _unpack_sharegpt(value: Json) -> Iterator[Item] | None:
    if _conversation(value) is not None:
        return iter([Item("", value)])
    if is_chat(value) and not is_message_list(value):
        return iter([Item("", {"conversations": value})])
    return None


def _read_sharegpt(item: Item, fallback: str) -> Recording:
    return _read_chat(item.value, _conversation(item.value), fallback, SHAREGPT.name)


def _unpack_hermes(value: Json) -> Iterator[Item] | None:
    messages = _conversation(value)
    if messages is None and isinstance(value, dict):
        messages = value.get("messages")
    if messages is None and is_chat(value):
        messages = value
    if not isinstance(messages, list) or not has_tags(_plain_turns(messages)):
        return None
    return iter([Item("", {**(value if isinstance(value, dict) else {}), "conversations": messages})])


def _plain_turns(messages: list[Json]) -> Iterator[Turn]:
    """Yield roles and texts of a list of any content; nothing if calls stand beside the texts."""
    for message in messages:
        if not isinstance(message, dict) or message.get("tool_calls"):
            return
    for message in messages:
        speaker, text = message.get("from", message.get("role")), message.get("value", message.get("content"))
        if isinstance(speaker, str) and isinstance(text, str):
            yield _SPEAKERS.get(speaker.lower(), ""), text


def _read_hermes(item: Item, fallback: str) -> Recording:
    return _read_chat(item.value, _conversation(item.value), fallback, HERMES.name)


def _read_chat(value: dict[str, Any], messages: Json, fallback: str, name: str) -> Recording:
    turns = _turns(messages)
    if isinstance(value.get("system"), str) and value["system"] and turns[0][0] != "system":
        turns.insert(0, ("system", value["system"]))
    listed = list_of(value.get("tools"))
    tagged = [tool for role, text in turns if role == "system" for tool in tagged_tools(text)]
    return _recording(_build(turns), listed or tagged, _identity(value, fallback), name)


# ------------------------------------------------------------------------------------------------------------- Toucan

_TOUCAN_KEYS = {"subset_name", "target_tools", "question_quality_assessment", "response_quality_assessment"}


def _unpack_toucan(value: Json) -> Iterator[Item] | None:
    if not isinstance(value, dict):
        return None
    raw = value.get("messages")
    messages = list_of(raw)
    if not messages or not isinstance(messages[0], dict):
        return None
    roles = [message.get("role") for message in messages if isinstance(message, dict)]
    if isinstance(raw, str) or "tool_call" in roles or "tool_response" in roles or _TOUCAN_KEYS & set(value):
        return iter([Item("", {**value, "messages": messages})])
    return None


def _read_toucan(item: Item, fallback: str) -> Recording:
    """Read rows as published (``function_call``, role ``function``) or as made for training (``tool_call`` roles).

    A tool's visible name is the server's slug, a hyphen and its own name. The row's metadata names the servers. Where
    it has none, the service is the leading part, up to a hyphen, that the names of one row's tools share.
    """
    value = item.value
    turns = []
    for index, message in enumerate(value["messages"]):
        role = message.get("role") if isinstance(message, dict) else None
        if role == "assistant" and isinstance(message.get("function_call"), dict):
            text = text_of(message.get("content"))
            if text:
                turns.append(("beside", text))
            turns.append(("calls", message["function_call"]))
        elif isinstance(role, str) and role in _SPEAKERS:
            text = text_of(message.get("content"))
            turns.append((_SPEAKERS[role], text or text_of(message.get("reasoning_content"))))
        else:
            raise Unreadable(f"message {index} has the role {str(role)[:40]!r}")
    builder = _build_toucan(turns)
    servers = object_of(value.get("metadata")).get("mcp_servers")
    definitions = [tool for raw in list_of(value.get("tools")) if (tool := tool_definition(raw, "")) is not None]
    slugs = dict(_servers(servers))
    visible = [*(tool.name for tool in definitions), *builder.names]
    prefixes = {} if slugs else _shared_prefixes(visible)
    tools: dict[str, Tool] = {}
    names: dict[str, str] = {}
    for bare in definitions:
        service, name = _split(bare.name, slugs, prefixes)
        tool = bare.model_copy(update={"service": service, "name": name})
        names[bare.name] = tool.key
        tools.setdefault(tool.key, tool)
    for called in builder.names:
        names.setdefault(called, "/".join(_split(called, slugs, prefixes)))
    trajectory = Trajectory(id=_identity(value, fallback), messages=tuple(builder.messages), tools=names)
    return Recording(trajectory, tools, TOUCAN.name)


def _build_toucan(turns: list[tuple[str, Any]]) -> ConversationBuilder:
    builder = ConversationBuilder()
    text = ""
    calls: list[tuple[str | None, str, Json]] = []

    def flush() -> None:
        nonlocal text, calls
        if calls:
            builder.call(text, calls)
        elif text:
            builder.say("assistant", text)
        text, calls = "", []

    for index, (role, content) in enumerate(turns):
        if role in ("call", "calls"):
            try:
                new_calls = call_parts(loads_leniently(content) if role == "call" else content)
            except ValueError as error:
                raise Unreadable(f"call {index} {error}") from None
            if not new_calls:
                raise Unreadable(f"call {index} names no tool")
            calls += new_calls
            continue
        flush()
        if role == "beside":
            text = content
        elif role == "tool":
            builder.result(None, content)
        elif role == "assistant":
            builder.say("assistant", content)
        else:
            builder.say("system" if role == "system" else "user", content)
    flush()
    return builder


def _servers(raw: Json) -> Iterator[tuple[str, str]]:
    for server in raw if isinstance(raw, list) else []:
        name = server.get("server_name") if isinstance(server, dict) else None
        if isinstance(name, str) and name:
            yield name.lower().replace(" ", "-"), name


def _split(visible: str, slugs: dict[str, str], prefixes: dict[str, str]) -> tuple[str, str]:
    """Return the service and name of a tool from its visible name."""
    for slug in sorted(slugs, key=len, reverse=True):
        if visible.startswith(slug + "-") and len(visible) > len(slug) + 1:
            return slugs[slug], visible[len(slug) + 1 :]
    if len(slugs) == 1:
        return next(iter(slugs.values())), visible
    prefix = prefixes.get(visible, "")
    return (prefix, visible[len(prefix) + 1 :]) if prefix else ("", visible)


def _shared_prefixes(names: list[str]) -> dict[str, str]:
    """Return each visible name's prefix, up to a hyphen, that it shares with the names of the same first word."""
    groups: dict[str, list[list[str]]] = {}
    for name in dict.fromkeys(names):
        parts = name.split("-")
        if len(parts) > 1 and all(parts):
            groups.setdefault(parts[0], []).append(parts)
    prefixes: dict[str, str] = {}
    for group in groups.values():
        most = min(len(parts) for parts in group) - 1
        shared = 0
        while shared < most and len({parts[shared] for parts in group}) == 1:
            shared += 1
        for parts in group:
            prefixes["-".join(parts)] = "-".join(parts[: max(1, shared)])
    return prefixes


# ---------------------------------------------------------------------------------------------------------------- TRL

_TURN = re.compile(r"<\|im_start\|>(\w+)\n?(.*?)(?:<\|im_end\|>|(?=<\|im_start\|>)|\Z)", re.DOTALL)


def _unpack_trl(value: Json) -> Iterator[Item] | None:
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("messages"), list):
        return None
    answer = value.get("completion", value.get("chosen"))
    if isinstance(value.get("prompt", answer), (str, list)) and isinstance(answer, (str, list)):
        return iter([Item("", value)])
    if is_message_list(value.get("prompt")):
        return iter([Item("", value)])
    if isinstance(value.get("text"), str) and "<|im_start|>" in value["text"]:
        return iter([Item("", value)])
    return None


def _read_trl(item: Item, fallback: str) -> Recording:
    """Read prompt and completion (or the chosen answer), conversational or plain, and whole ChatML texts.

    A plain prompt is the user's text and a plain completion the assistant's, unless they contain ChatML turns.
    """
    value = item.value
    if "text" in value and "prompt" not in value and "chosen" not in value:
        return _read_chatml(value, value["text"], fallback)
    prompt, answer = value.get("prompt", []), value.get("completion", value.get("chosen", []))
    both = "".join(part for part in (prompt, answer) if isinstance(part, str))
    if "<|im_start|>" in both and isinstance(prompt, str) and isinstance(answer, str):
        return _read_chatml(value, both, fallback)
    messages = [*_as_messages(prompt, "user"), *_as_messages(answer, "assistant")]
    if has_tags(_plain_turns(messages)):
        return _read_chat(value, messages, fallback, TRL.name)
    return _recording(read_messages(messages), list_of(value.get("tools")), _identity(value, fallback), TRL.name)


def _read_chatml(value: dict[str, Any], text: str, fallback: str) -> Recording:
    messages = [{"role": role, "content": content} for role, content in _TURN.findall(text) if content.strip()]
    return _read_chat(value, messages, fallback, TRL.name)


def _as_messages(content: Json, role: str) -> list[Json]:
    if isinstance(content, str):
        return [{"role": role, "content": content}] if content else []
    return content if isinstance(content, list) else []


HERMES = Format("hermes", _unpack_hermes, _read_hermes)
SHAREGPT = Format("sharegpt", _unpack_sharegpt, _read_sharegpt)
TOUCAN = Format("toucan", _unpack_toucan, _read_toucan)
TRL = Format("trl", _unpack_trl, _read_trl)
