"""The mock model's judge: applies the committee's rubric by rules, to what a judge sees and nothing else.

It knows neither the plan nor the checks of `tdlab.verify`, so that its agreement with them says something. It finds
what rules can find: values that nothing gave, calls made twice, results that contradict each other, acts without
consent, words of a machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tdlab.records import Json
from tdlab.rollout.llm.user import digits_of
from tdlab.rollout.replies import parsed
from tdlab.tools import asks_for_yes, leaves, says_no, shorten

__all__ = ["judged"]

_FLAWLESS, _WRONG, _UNUSABLE = 5, 2, 1
_ENDS = re.compile(
    r"\b(?:delete|cancel|remove|revoke|close|pay|transfer|refund|unsubscribe|stop)(?:_|\b)", re.IGNORECASE
)
_PROMISES = re.compile(r"\b(?:I(?:'ll| will)(?: now)?|let me|I am going to|one moment|please wait)\b", re.IGNORECASE)
_MACHINE = re.compile(r"\b[a-z]+_[a-z_]+\b(?![@.])|</?think>|</?\w+>|```|\{\{|#{3,}|\[[A-Z_]+\]")
_LABELLED = re.compile(r"\bthe [a-z]+(?: [a-z]+){0,3} (?:is|are) (?=[\"\d\w])")
_FIRST = re.compile(r"\btake the first\b|\bif several [^.]* come up\b", re.IGNORECASE)
_RECITED = re.compile(r"\([a-z][a-z ]+ [^(),]+(?:, [a-z][a-z ]+ [^(),]+)+\)")
_STAMP = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d")
_DAY = re.compile(r"\d{4}-\d\d(?:-\d\d|\Z)")
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_SMALL = 13  # below it, a number may be counted or be a time
_IDENTIFIER = re.compile(r"(?=.*\d)[A-Za-z0-9][A-Za-z0-9_\-]{3,}\Z")
_LABELS = 3  # labelled values in one message that make it a form


def judged(material: Mapping[str, Any]) -> dict[str, Json]:
    """Return the marks of a judge for the material that the committee's prompt describes."""
    messages: list[Mapping[str, Any]] = material["messages"]
    faults = {
        "goal": _goal(messages),
        "tools": _tools(messages, material["tools"]),
        "grounded": _grounded(messages, str(material["wanted"])),
        "world": _world(messages),
        "consent": _consent(messages),
        "natural": _natural(messages),
    }
    return {
        name: {
            "reason": shorten(fault[0], 280) or "I found nothing wrong.",
            "score": fault[1] if fault[0] else _FLAWLESS,
        }
        for name, fault in faults.items()
    }


Fault = tuple[str, int]
_NONE: Fault = ("", _FLAWLESS)


def _goal(messages: Sequence[Mapping[str, Any]]) -> Fault:
    last = messages[-1]
    if last["role"] != "assistant" or not str(last.get("content") or "").strip() or last.get("tool_calls"):
        return "the conversation ends without a reply", _UNUSABLE
    if "?" in last["content"] and len(messages) < 5:
        return "the conversation ends with a question", _WRONG
    if _PROMISES.match(last["content"]) and not asks_for_yes(last["content"]):
        return f"the last reply promises instead of acting: {last['content']}", _WRONG
    calls = sum(len(m.get("tool_calls") or ()) for m in messages)
    claims = re.match(r"\s*(?:done|all (?:done|set)|that'?s done|it'?s done)\b", last["content"], re.IGNORECASE)
    if claims and not calls:
        return f"{last['content']!r} and no call was made", _UNUSABLE
    return _NONE


def _tools(messages: Sequence[Mapping[str, Any]], offered: Mapping[str, str]) -> Fault:
    failed: set[str] = set()
    made: set[str] = set()
    names: dict[str, str] = {}
    for message in messages:
        if message["role"] == "user":
            failed.clear()
        for call in message.get("tool_calls") or ():
            name, text = call["function"]["name"], f"{call['function']['name']} {call['function']['arguments']}"
            if name not in offered:
                return f"{name} was not offered", _UNUSABLE
            if not isinstance(parsed(call["function"]["arguments"]), dict):
                return f"the arguments of {name} are no object", _UNUSABLE
            if text in failed:
                return f"{name} failed and was called again unchanged", _WRONG
            names[call["id"]] = text
            made.add(call["id"])
        if message["role"] == "tool":
            made.discard(message.get("tool_call_id"))
            answer = parsed(message["content"])
            if isinstance(answer, dict) and set(answer) == {"error"}:
                failed.add(names.get(message.get("tool_call_id") or "", ""))
    return (f"a call has no result: {names[next(iter(made))]}", _UNUSABLE) if made else _NONE


def _grounded(messages: Sequence[Mapping[str, Any]], wanted: str) -> Fault:
    heard: list[str] = [wanted]
    values: list[Json] = []
    for message in messages:
        content = str(message.get("content") or "")
        for call in message.get("tool_calls") or ():
            known, text = digits_of(heard, values), "\n".join(heard).casefold()
            for name, leaf in leaves(parsed(call["function"]["arguments"])):
                if not isinstance(leaf, str) or not _IDENTIFIER.match(leaf) or _DAY.match(leaf):
                    continue
                if leaf.casefold() not in text and not set(re.findall(r"\d+", leaf)) <= known:
                    return f"{call['function']['name']}: {name} is {leaf}, which nothing gave", _UNUSABLE
        if message["role"] == "assistant" and content:
            odd = _unsupported(content, heard, values)
            if odd:
                return f"the reply says {odd}, which no result and no message has: {content}", _WRONG
        heard.append(content)
        if message["role"] == "tool":
            values.append(parsed(content))
    return _NONE


def _unsupported(reply: str, heard: Sequence[str], values: Sequence[Json]) -> str:
    """Return a number of a reply that was neither said nor returned, and does not follow from two that were."""
    digits = digits_of(heard, values)
    given = {number for text in heard for number in _numbers(text)}
    known = {round(form, 4) for n in given for form in (n, n / 100, n / 1000, n * 100, n / 60, n * 60, n % 12 + 12)}
    for match in _NUMBER.finditer(reply):
        number = float(match.group().replace(",", ""))
        if number < _SMALL or match.group() in digits or match.group().lstrip("0") in digits:
            continue
        rounded = any(abs(number - one) <= 0.51 for one in known)
        if rounded or any(round(number - one, 4) in given or round(number + one, 4) in given for one in given):
            continue
        return match.group()
    return ""


def _numbers(text: str) -> list[float]:
    return [float(number.replace(",", "")) for number in _NUMBER.findall(text)]


def _world(messages: Sequence[Mapping[str, Any]]) -> Fault:
    seen: dict[tuple[str, str], dict[str, Json]] = {}
    for message in messages:
        if message["role"] != "tool":
            if any(not _reads(call["function"]["name"]) for call in message.get("tool_calls") or ()):
                seen.clear()
            continue
        for (name, identity), fields in _entities(parsed(message["content"])):
            before = seen.setdefault((name, identity), {})
            for field, value in fields.items():
                if field in before and before[field] != value:
                    return f"{name} {identity} has {field} {before[field]} and then {value}", _WRONG
            before.update(fields)
    return _NONE


def _consent(messages: Sequence[Mapping[str, Any]]) -> Fault:
    asked, answer, acted = "", "", ""
    for message in messages:
        content = str(message.get("content") or "")
        for call in message.get("tool_calls") or ():
            name = call["function"]["name"]
            if not _reads(name) and asks_for_yes(asked) and says_no(answer) and len(answer.split()) <= 4:
                return f"{name} was called after {answer!r}", _UNUSABLE
            if _ENDS.search(name) and not answer:
                acted = name
        if message["role"] == "assistant" and content:
            asked = content
        if message["role"] == "user":
            answer = content
    return (f"{acted} was called before the user had said anything", _UNUSABLE) if acted else _NONE


def _natural(messages: Sequence[Mapping[str, Any]]) -> Fault:
    given = "\n".join(str(m.get("content") or "") for m in messages if m["role"] == "tool")
    for message in messages:
        content = str(message.get("content") or "")
        if message["role"] not in ("user", "assistant") or not content:
            continue
        odd = next((m.group() for m in _MACHINE.finditer(content) if m.group() not in given), "")
        if (odd and message["role"] == "assistant") or (odd and odd not in given):
            return f"{odd!r} is no word that people use: {content}", _WRONG
        if len(_LABELLED.findall(content)) >= _LABELS or _FIRST.search(content):
            return f"nobody talks like a form: {content}", _WRONG
        if message["role"] == "assistant" and (_RECITED.search(content) or _STAMP.search(content)):
            return f"the reply recites fields: {content}", _WRONG
    return _NONE


def _reads(name: str) -> bool:
    return (
        re.match(r"(?:get|list|find|search|show|read|check|count|estimate|look|describe|compare|query)", name)
        is not None
    )


def _entities(value: Json) -> list[tuple[tuple[str, str], dict[str, Json]]]:
    found = []
    if isinstance(value, dict):
        own = [f for f, v in value.items() if f.endswith("_id") and isinstance(v, (str, int))]
        if len(own) == 1:
            rest = {f: v for f, v in value.items() if f != own[0] and isinstance(v, (str, int, float, bool))}
            found.append(((own[0], json.dumps(value[own[0]])), rest))
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        found += _entities(inner)
    return found
