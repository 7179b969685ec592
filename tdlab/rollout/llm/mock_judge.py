"""The mock model's judge: applies the committee's rubric by rules, to what a judge sees and nothing else.

It knows neither the plan nor the checks of `tdlab.verify`, so that its agreement with them says something. It finds
what rules can find: values that nothing gave, calls made twice, results that contradict each other, acts without
consent, words of a machine. Here are the verdict and the rules that go through the messages one by one; `_judge_talk`
takes a conversation apart for those of `_judge_calls`, `_judge_values` and `_judge_words`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tdlab.records import Json
from tdlab.rollout.llm._judge_calls import CALLS, WORLD
from tdlab.rollout.llm._judge_talk import Talk, objects, reads
from tdlab.rollout.llm._judge_values import GROUNDED
from tdlab.rollout.llm._judge_words import CONSENT, GOAL, NATURAL
from tdlab.rollout.replies import parsed
from tdlab.tools import asks_for_yes, leaves, shorten

__all__ = ["judged"]

_FLAWLESS, _WRONG, _UNUSABLE = 5, 2, 1
_ENDS = re.compile(
    r"\b(?:delete|cancel|remove|revoke|close|pay|transfer|refund|unsubscribe|stop)(?:_|\b)", re.IGNORECASE
)
_PROMISES = re.compile(r"\b(?:I(?:'ll| will)(?: now)?|let me|I am going to|one moment|please wait)\b", re.IGNORECASE)
_MACHINE = re.compile(r"(?<!@)\b[a-z]+_[a-z_]+\b(?![@.])|</?think>|</?\w+>|```|\{\{|#{3,}|\[[A-Z_]+\]")
_LABELLED = re.compile(r"\bthe [a-z]+(?: [a-z]+){0,3} (?:is|are) (?=[\"\d\w])")
_FIRST = re.compile(r"\btake the first\b|\bif several [^.]* come up\b", re.IGNORECASE)
_RECITED = re.compile(r"\([a-z][a-z ]+ [^(),]+(?:, [a-z][a-z ]+ [^(),]+){2,}\)")
_STAMP = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d")
_WORDS = re.compile(r"[^\W\d_]{4,}")
_OFFERS = re.compile(
    r"\b(?:shall i|should i|would you like|do you want|if you|anything else|who should)\b", re.IGNORECASE
)
_SUCCEEDED = re.compile(
    r"\b(?:done|booked|sent|set|created|added|moved|cancelled|all good|it's in|is in)\b", re.IGNORECASE
)
_FAILED = re.compile(
    r"\b(?:no|not|can't|cannot|couldn't|didn't|wasn't|isn't|already|only|too|unless|until|but)\b|n't\b"
)
_DENIES = re.compile(
    r"\b(?:could ?n[o']t be|did ?n[o']t work|was not (?:made|done|possible)|unable to)\b", re.IGNORECASE
)
_PLACEHOLDER = re.compile(r"<[a-z_ ]+>|\{\{|\[[a-z_ ]+\]|\b(?:TODO|placeholder|example_|string)\b", re.IGNORECASE)
_FILLER = re.compile(r"\b(?:lorem ipsum|placeholder|sample text|test \d)\b|^(?:string|foo|n/a|tbd)$", re.IGNORECASE)
_FOREIGN = re.compile(
    r"\b(?:ich|nicht|bitte|und|danke|der|est|vous|merci|avec|por favor|gracias|pero|una|los)\b.*"
    r"\b(?:ich|nicht|bitte|und|danke|der|est|vous|merci|avec|por|favor|gracias|pero|una|los)\b"
)
_ENDS_WELL = re.compile(r"[.!?:)\"'”’…»}\d]$|https?://\S+$|\S+@\S+$|\b\w+_\w+$|\b\w*\d\w*$|[^\x00-\x7f]$")
_ASSISTS = re.compile(
    r"\b(?:how (?:can|may) i (?:help|assist)|i'd be happy to help|as an ai|certainly! |i can help you with)\b",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"\s*(?:no\b(?! problem)|stop|don't|not (?:yet|now)|wait|hold on|leave it|rather not)", re.IGNORECASE
)
_CORRECTS = re.compile(
    r"[.!:?] [^.!?]*\b(?:please|put that in)\b(?! do(?:n't| not))", re.IGNORECASE
)  # a wish after a no
_SHORTEST = 3  # words
_SHARE = re.compile(r"percent$|(?:pass|open|click|bounce|success|delivery|occupancy)_rate$")
_WHOLE = 100  # percent
_LABELS = 3  # labelled values in one message that make it a form


def judged(material: Mapping[str, Any]) -> dict[str, Json]:
    """Return the marks of a judge for the material that the committee's prompt describes."""
    messages: list[Mapping[str, Any]] = material["messages"]
    talk = Talk(material)
    faults = {
        "goal": _first(_goal(messages), _outcome(messages), _found(GOAL, talk)),
        "tools": _first(
            _tools(messages, material["tools"], talk.spoken(len(messages), by="user")), _found(CALLS, talk)
        ),
        "grounded": _found(GROUNDED, talk),
        "world": _first(_results(messages, talk.now), _found(WORLD, talk)),
        "consent": _first(_consent(messages), _found(CONSENT, talk)),
        "natural": _first(_natural(messages), _found(NATURAL, talk)),
    }
    return {
        name: {
            "reason": shorten(fault[0], 280) or "I found nothing wrong.",
            "score": fault[1] if fault[0] else _FLAWLESS,
        }
        for name, fault in faults.items()
    }


def _found(rules: Sequence[Callable[[Talk], Iterator[str]]], talk: Talk) -> Fault:
    return next(((reason, _WRONG) for rule in rules for reason in rule(talk)), _NONE)


Fault = tuple[str, int]
_NONE: Fault = ("", _FLAWLESS)


def _first(*faults: Fault) -> Fault:
    return next((fault for fault in faults if fault[0]), _NONE)


def _goal(messages: Sequence[Mapping[str, Any]]) -> Fault:
    last = messages[-1]
    if last["role"] != "assistant" or not str(last.get("content") or "").strip() or last.get("tool_calls"):
        return "the conversation ends without a reply", _UNUSABLE
    if last["content"].rstrip().endswith("?") and not _OFFERS.search(last["content"]):
        return f"the conversation ends with a question: {last['content']}", _WRONG
    if not any(_WORDS.findall(str(m.get("content") or "")) for m in messages if m["role"] == "user"):
        return "the user says nothing", _UNUSABLE
    if _PROMISES.match(last["content"]) and not asks_for_yes(last["content"]):
        return f"the last reply promises instead of acting: {last['content']}", _WRONG
    calls = sum(len(m.get("tool_calls") or ()) for m in messages)
    claims = re.match(r"\s*(?:done|all (?:done|set)|that'?s done|it'?s done)\b", last["content"], re.IGNORECASE)
    if claims and not calls:
        return f"{last['content']!r} and no call was made", _UNUSABLE
    return _NONE


def _outcome(messages: Sequence[Mapping[str, Any]]) -> Fault:
    """Hold what the last reply says of an outcome against the last result before it."""
    last = str(messages[-1].get("content") or "")
    before = next((m for m in reversed(messages[:-1]) if m["role"] != "system"), None)
    if before is None or before["role"] != "tool":
        return _NONE
    answer = parsed(before["content"])
    failed = isinstance(answer, dict) and set(answer) == {"error"}
    if failed and _SUCCEEDED.search(last) and not _FAILED.search(last):
        return f"the last call failed, and the reply says it worked: {last}", _UNUSABLE
    wrote = next((m for m in reversed(messages[:-1]) if m.get("tool_calls")), None)
    acted = wrote is not None and not all(reads(c["function"]["name"]) for c in wrote["tool_calls"])
    if not failed and acted and _DENIES.search(last):
        return f"the last call worked, and the reply says it did not: {last}", _UNUSABLE
    return _NONE


def _tools(messages: Sequence[Mapping[str, Any]], offered: Mapping[str, Any], said: str) -> Fault:
    failed: set[str] = set()
    made: set[str] = set()
    since: set[str] = set()
    names: dict[str, str] = {}
    for message in messages:
        if message["role"] == "user":
            failed.clear()
            since.clear()
        for call in message.get("tool_calls") or ():
            name, text = call["function"]["name"], f"{call['function']['name']} {call['function']['arguments']}"
            if name not in offered:
                return f"{name} was not offered", _UNUSABLE
            if not isinstance(parsed(call["function"]["arguments"]), dict):
                return f"the arguments of {name} are no object", _UNUSABLE
            if text in failed:
                return f"{name} failed and was called again unchanged", _WRONG
            definition = offered[name]
            properties = definition.get("parameters", {}) if isinstance(definition, Mapping) else {}
            for parameter, value in parsed(call["function"]["arguments"]).items():
                if properties and parameter not in properties:
                    return f"{name} has no parameter {parameter}", _WRONG
                odd = _PLACEHOLDER.search(value) if isinstance(value, str) else None
                if odd and odd[0] not in said:
                    return f"{name}: {parameter} is a placeholder, {value}", _UNUSABLE
            if text in since:
                return f"{name} was called twice with the same arguments", _WRONG
            since = {text} if not reads(name) else {*since, text}
            names[call["id"]] = text
            made.add(call["id"])
        if message["role"] == "tool":
            made.discard(message.get("tool_call_id"))
            answer = parsed(message["content"])
            if isinstance(answer, dict) and set(answer) == {"error"}:
                failed.add(names.get(message.get("tool_call_id") or "", ""))
    return (f"a call has no result: {names[next(iter(made))]}", _UNUSABLE) if made else _NONE


def _results(messages: Sequence[Mapping[str, Any]], now: str) -> Fault:
    """Find results that cannot be: another value than the call gave, days that are none, shares beyond everything."""
    calls: dict[str, Mapping[str, Any]] = {}
    for message in messages:
        for call in message.get("tool_calls") or ():
            calls[call["id"]] = call["function"]
        if message["role"] != "tool":
            continue
        answer = parsed(message["content"])
        call = calls.get(message.get("tool_call_id") or "", {"name": "", "arguments": "{}"})
        given = parsed(call["arguments"])
        if isinstance(answer, dict) and isinstance(given, dict):
            for field, value in given.items():
                shown = answer.get(field)
                if field in answer and not isinstance(value, (dict, list)) and shown != value and shown is not None:
                    return f"{call['name']} got {field} {value} and returned {shown}", _WRONG
        for field, leaf in leaves(answer):
            if isinstance(leaf, (int, float)) and not isinstance(leaf, bool):
                if leaf < 0 and re.search(r"count|total|amount|quantity|left|seats|minutes|price", field):
                    return f"{field} is {leaf}", _WRONG
                if leaf > _WHOLE and _SHARE.search(field):
                    return f"{field} is {leaf}", _WRONG
            if isinstance(leaf, str) and _FILLER.search(leaf) and not (isinstance(answer, dict) and "error" in answer):
                return f"{field} is a filler: {leaf}", _WRONG
            if isinstance(leaf, str) and re.match(r"\d{4}-\d\d-\d\d", leaf):
                try:
                    datetime.date.fromisoformat(leaf[:10])
                except ValueError:
                    return f"{field} is {leaf}, which is no day", _UNUSABLE
                if now and field in ("created_at", "updated_at") and leaf[:4] > now[:4]:
                    return f"{field} is {leaf}, and it is {now}", _WRONG
        for row in objects(answer):
            for first, last in (("starts_at", "ends_at"), ("start_date", "end_date"), ("created_at", "closed_at")):
                if isinstance(row.get(first), str) and isinstance(row.get(last), str) and row[last] < row[first]:
                    return f"it ends at {row[last]}, before it starts at {row[first]}", _WRONG
    return _NONE


def _consent(messages: Sequence[Mapping[str, Any]]) -> Fault:
    asked, answer, acted = "", "", ""
    for message in messages:
        content = str(message.get("content") or "")
        for call in message.get("tool_calls") or ():
            name = call["function"]["name"]
            if not reads(name) and asks_for_yes(asked) and _REFUSES.match(answer) and not _CORRECTS.search(answer):
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
    given += "\n".join(call["function"]["arguments"] for m in messages for call in m.get("tool_calls") or ())
    for message in messages:
        content = str(message.get("content") or "")
        if message["role"] not in ("user", "assistant") or not content:
            continue
        odd = next((m.group() for m in _MACHINE.finditer(content) if m.group() not in given), "")
        if (odd and message["role"] == "assistant") or (odd and odd not in given):
            return f"{odd!r} is no word that people use: {content}", _WRONG
        if len(_LABELLED.findall(content)) >= _LABELS or _FIRST.search(content):
            return f"people do not talk like a form: {content}", _WRONG
        if _FOREIGN.search(content):
            return f"another language in the middle: {content}", _WRONG
        if (
            message["role"] == "assistant"
            and not _ENDS_WELL.search(content.rstrip())
            and len(content.split()) > _SHORTEST
        ):
            return f"the message breaks off: {content}", _WRONG
        sentences = [part.strip() for part in re.split(r"[.!?]\s", content) if len(part.split()) > _SHORTEST]
        if len(set(sentences)) < len(sentences) and "\n" not in content:
            return f"it says the same twice: {content}", _WRONG
        if message["role"] == "user" and _ASSISTS.search(content):
            return f"the user talks like an assistant: {content}", _WRONG
        if message["role"] == "assistant" and (_RECITED.search(content) or _STAMP.search(content)):
            return f"the reply recites fields: {content}", _WRONG
    return _NONE
