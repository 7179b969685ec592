"""Conversations as one text, rendered by a chat template: the turns are cut at the template's own marks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tdlab.formats._roles import role_named
from tdlab.records import Json

__all__ = ["is_rendered", "rendered_messages"]

_CHATML = re.compile(r"<\|im_start\|>(\w+)")
_LLAMA = re.compile(r"<\|start_header_id\|>(\w+)<\|end_header_id\|>")
_HARMONY = re.compile(
    r"<\|start\|>((?:functions\.)?[\w./-]+)(.*?<\|message\|>.*?)(?:<\|(?:end|call|return)\|>|(?=<\|start\|>)|\Z)",
    re.DOTALL,
)
_GLM = re.compile(
    r"<\|(system|user|assistant|observation)\|>(.*?)(?=<\|(?:system|user|assistant|observation)\|>|<\|endoftext\|>|\Z)",
    re.DOTALL,
)
_DEEPSEEK = re.compile(
    r"<｜(User|Assistant)｜>(.*?)(?=<｜(?:User|Assistant)｜>|<｜tool▁outputs▁begin｜>|<｜tool▁output▁begin｜>|\Z)"
    r"|<｜tool▁output▁begin｜>(.*?)(?:<｜tool▁output▁end｜>|(?=<｜tool▁output▁begin｜>)|\Z)(?:<｜tool▁outputs▁end｜>)?([^<]*)",
    re.DOTALL,
)
_GEMMA = re.compile(r"<start_of_turn>(\w+)\n")
_GLAIVE = re.compile(
    r"^(USER|ASSISTANT|FUNCTION RESPONSE|SYSTEM): ?(.*?)(?=^(?:USER|ASSISTANT|FUNCTION RESPONSE|SYSTEM): ?|\Z)",
    re.DOTALL | re.MULTILINE,
)
_MISTRAL = re.compile(r"\[(/?)(INST|SYSTEM_PROMPT|TOOL_RESULTS|AVAILABLE_TOOLS)\]")
_MISTRAL_ROLES = {"INST": "user", "SYSTEM_PROMPT": "system", "TOOL_RESULTS": "tool", "AVAILABLE_TOOLS": ""}
_BOS = re.compile(r"\A\s*(?:<s>|<\|begin_of_text\|>|<｜begin▁of▁sentence｜>|<bos>|\[gMASK\]<sop>)")


def _headed(pattern: re.Pattern[str]) -> Callable[[str], list[Json]]:
    def split(text: str) -> list[Json]:
        return [
            {"role": role, "content": content.strip()} for role, content in pattern.findall(text) if content.strip()
        ]

    return split


def _opened(head: re.Pattern[str], opening: str, *ends: str) -> Callable[[str], list[Json]]:
    """Return what cuts a text at heads: a turn ends at one of the ends, at the next head's mark or with the text."""

    def split(text: str) -> list[Json]:
        messages: list[Json] = []
        position = 0
        while (match := head.search(text, position)) is not None:
            start = match.end()
            stop = position = text.find(opening, start) % (len(text) + 1)  # -1, not found, is the text's end
            for end in ends:
                found = text.find(end, start, stop)
                if found >= 0:
                    stop, position = found, found + len(end)
            content = text[start:stop].strip()
            if content:
                messages.append({"role": match.group(1), "content": content})
        return messages

    return split


def _harmony(text: str) -> list[Json]:
    messages: list[Json] = []
    channels: list[str] = []

    def close() -> None:
        if channels:  # the channels of one turn are one message
            messages.append({"role": "assistant", "content": "".join(channels)})
            channels.clear()

    for role, body in _HARMONY.findall(text):
        spoken = body.rpartition("<|message|>")[2]
        if role_named(role) == "assistant":
            channels.append(f"<|start|>assistant{body}<|end|>")
            continue
        close()
        if role_named(role) is not None:
            messages.append({"role": role, "content": spoken})
        else:
            messages.append({"role": "tool", "name": role.removeprefix("functions."), "content": spoken})
    close()
    return messages


def _deepseek(text: str) -> list[Json]:
    messages: list[Json] = []
    before = text[: match.start()] if (match := re.search(r"<｜(?:User|Assistant)｜>", text)) else ""
    if before.strip():
        messages.append({"role": "system", "content": before.strip()})
    for role, body, result, after in _DEEPSEEK.findall(text):
        if role:
            content = body.replace("<｜end▁of▁sentence｜>", "").strip()
            if content:
                messages.append({"role": role, "content": content})
            continue
        messages.append({"role": "tool", "content": result})
        if after.strip():
            messages.append({"role": "assistant", "content": after.replace("<｜end▁of▁sentence｜>", "").strip()})
    return messages


def _mistral(text: str) -> list[Json]:
    """Cut at the brackets' marks: what stands between two blocks is the assistant's."""
    messages: list[Json] = []
    role, start = "assistant", 0
    marks = [(mark.start(), mark.end(), mark.group(1), mark.group(2)) for mark in _MISTRAL.finditer(text)]
    for begin, end, closes, name in [*marks, (len(text), len(text), "", "INST")]:
        content = text[start:begin].replace("</s>", "").strip()
        if content and role:
            messages.append({"role": role, "content": content})
        role, start = "assistant" if closes else _MISTRAL_ROLES[name], end
    return messages


def _glaive(text: str) -> list[Json]:
    names = {"FUNCTION RESPONSE": "tool", "USER": "user", "ASSISTANT": "assistant", "SYSTEM": "system"}
    return [
        {"role": names[role], "content": content.replace("<|endoftext|>", "").strip()}
        for role, content in _GLAIVE.findall(text)
    ]


_TEMPLATES: tuple[tuple[tuple[str, ...], Callable[[str], list[Any]]], ...] = (
    (("<|im_start|>",), _opened(_CHATML, "<|im_start|>", "<|im_end|>")),
    (("<|start_header_id|>",), _opened(_LLAMA, "<|start_header_id|>", "<|eot_id|>", "<|eom_id|>")),
    (("<|start|>", "<|message|>"), _harmony),
    (("<｜User｜>",), _deepseek),
    (("<start_of_turn>",), _opened(_GEMMA, "<start_of_turn>", "<end_of_turn>")),
    (("[INST]",), _mistral),
    (("<|user|>",), _headed(_GLM)),
    (("USER: ", "\nASSISTANT: "), _glaive),
)
"""The marks that a text of each template holds, all of them, and how it is cut."""


def _splitter(text: str) -> Callable[[str], list[Any]] | None:
    return next((split for marks, split in _TEMPLATES if all(mark in text for mark in marks)), None)


def is_rendered(text: Json) -> bool:
    """Return whether a text holds the turns of a conversation, rendered by a template that is known."""
    return isinstance(text, str) and _splitter(text) is not None


def rendered_messages(text: str) -> list[Json]:
    """Return the messages of a rendered conversation; none for any other text."""
    text = _BOS.sub("", text)
    split = _splitter(text)
    return [] if split is None else split(text)
