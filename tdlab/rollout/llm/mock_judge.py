"""The mock model's judge: applies the committee's rubric by rules, to what a judge sees and nothing else.

It knows neither the plan nor the checks of `tdlab.verify`, so that its agreement with them says something. It finds
what rules can find: values that nothing gave, calls made twice, results that contradict each other, acts without
consent, words of a machine.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tdlab.records import Json
from tdlab.rollout.llm.user import digits_of
from tdlab.rollout.replies import parsed
from tdlab.speech import dates_in, said_in, times_in
from tdlab.tools import asks_for_yes, leaves, says_yes, shorten

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
_MONTHS = "January February March April May June July August September October November December".split()
_STATED = re.compile(r"It is \w+, (\d{1,2}) (\w+) (\d{4}), (\d\d:\d\d) UTC")
_WORDS = re.compile(r"[^\W\d_]{4,}")
_NAME = re.compile(r"[A-Z][a-z]+ [A-Z][a-z]+(?: [A-Z][a-z]+)?")
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
    r"\b(?:could ?n[o']t be|did ?n[o']t work|failed|was not (?:made|done|possible)|unable to)\b", re.IGNORECASE
)
_PLACEHOLDER = re.compile(r"<[a-z_ ]+>|\{\{|\[[a-z_ ]+\]|\b(?:TODO|placeholder|example_|string)\b", re.IGNORECASE)
_FILLER = re.compile(r"\b(?:lorem ipsum|placeholder|foo|sample text|string|n/a|TBD|test \d)\b", re.IGNORECASE)
_FOREIGN = re.compile(
    r"\b(?:ich|nicht|bitte|und|danke|der|est|vous|merci|avec|por favor|gracias|pero|una|los)\b.*"
    r"\b(?:ich|nicht|bitte|und|danke|der|est|vous|merci|avec|por|favor|gracias|pero|una|los)\b"
)
_ENDS_WELL = re.compile(r"[.!?:)\"'”’…»\d]$|https?://\S+$|\S+@\S+$|\b\w+_\w+$|[^\x00-\x7f]$")
_ASSISTS = re.compile(
    r"\b(?:how (?:can|may) i (?:help|assist)|i'd be happy to help|as an ai|certainly! |i can help you with)\b",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"\s*(?:no\b(?! problem)|stop|don't|not (?:yet|now)|wait|hold on|leave it|rather not)", re.IGNORECASE
)
_AGREES = re.compile(
    r"\b(?:fine|sounds? (?:good|right)|do (?:it|that|so)|yep|yeah|exactly|agreed|perfect|please|go"
    r"|that's it|it is|right)\b",
    re.IGNORECASE,
)
_LATER = re.compile(
    r"\b(?:hold off|get back to you|i'll (?:tell|let) you|ask my \w+ first|let me think|haven't decided|not sure yet"
    r"|only wanted to know|just wanted to know)\b",
    re.IGNORECASE,
)
_UNASKED = re.compile(
    r"\b(?:while i was at it|to be on the safe side|taken the liberty|you'll certainly agree)\b", re.IGNORECASE
)
_SHORT, _SHORTEST = 14, 3  # words
_STEM = 4  # letters of a verb that a rule and a tool share
_WHOLE = 100  # percent
_SMALL = 13  # below it, a number may be counted or be a time
_IDENTIFIER = re.compile(r"(?=.*\d)[A-Za-z0-9][A-Za-z0-9_\-]{3,}\Z")
_LABELS = 3  # labelled values in one message that make it a form


def judged(material: Mapping[str, Any]) -> dict[str, Json]:
    """Return the marks of a judge for the material that the committee's prompt describes."""
    messages: list[Mapping[str, Any]] = material["messages"]
    now = _now(messages)
    faults = {
        "goal": _first(_goal(messages), _outcome(messages)),
        "tools": _tools(messages, material["tools"]),
        "grounded": _first(_grounded(messages, str(material["wanted"]), now), _reply(messages, now)),
        "world": _first(_world(messages), _results(messages, now)),
        "consent": _first(_consent(messages), _rules(messages, material["rules"])),
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


def _first(*faults: Fault) -> Fault:
    return next((fault for fault in faults if fault[0]), _NONE)


def _now(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return the moment that the system message states; empty if it states none."""
    stated = _STATED.search(str(messages[0].get("content") or "")) if messages else None
    if stated is None:
        return ""
    day, month, year, clock = stated.groups()
    return f"{year}-{_MONTHS.index(month) + 1:02d}-{int(day):02d}T{clock}:00Z"


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
    acted = wrote is not None and not all(_reads(c["function"]["name"]) for c in wrote["tool_calls"])
    if not failed and acted and _DENIES.search(last):
        return f"the last call worked, and the reply says it did not: {last}", _UNUSABLE
    said = set(re.findall(r"\d+", last))
    shown = {*_WORDS.findall(last.casefold())}
    values = [leaf for _, leaf in leaves(answer)]
    texts = {word for leaf in values if isinstance(leaf, str) for word in _WORDS.findall(leaf.casefold())}
    numbers = {digits for leaf in values for digits in re.findall(r"\d+", str(leaf))}
    if values and not failed and not acted and not (said & numbers or shown & texts) and len(last.split()) < _SHORT:
        return f"the reply tells nothing of what was found: {last}", _WRONG
    return _NONE


def _tools(messages: Sequence[Mapping[str, Any]], offered: Mapping[str, str]) -> Fault:
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
                if isinstance(value, str) and _PLACEHOLDER.search(value):
                    return f"{name}: {parameter} is a placeholder, {value}", _UNUSABLE
            if text in since:
                return f"{name} was called twice with the same arguments", _WRONG
            since = {text} if not _reads(name) else {*since, text}
            names[call["id"]] = text
            made.add(call["id"])
        if message["role"] == "tool":
            made.discard(message.get("tool_call_id"))
            answer = parsed(message["content"])
            if isinstance(answer, dict) and set(answer) == {"error"}:
                failed.add(names.get(message.get("tool_call_id") or "", ""))
    return (f"a call has no result: {names[next(iter(made))]}", _UNUSABLE) if made else _NONE


def _grounded(messages: Sequence[Mapping[str, Any]], wanted: str, now: str) -> Fault:
    heard: list[str] = [wanted]
    values: list[Json] = []
    for message in messages:
        content = str(message.get("content") or "")
        for call in message.get("tool_calls") or ():
            known, text = digits_of(heard, values), "\n".join(heard).casefold()
            reads = _reads(call["function"]["name"])
            for name, leaf in leaves(parsed(call["function"]["arguments"])):
                odd = _not_given(leaf, heard, values, now) if not reads else ""
                if odd:
                    return f"{call['function']['name']}: {name} is {odd}, which nothing gave", _WRONG
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


def _not_given(value: Json, heard: Sequence[str], values: Sequence[Json], now: str) -> str:
    """Return a day, a large number or a name in an argument that was neither said nor returned; empty if it was."""
    if not now or isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, str) and _DAY.match(value):
        return "" if value[:10] in "\n".join(heard) or said_in(heard, value[:10], now) else value
    if isinstance(value, (int, float)):
        known = any(value == leaf for one in values for _, leaf in leaves(one))
        return "" if value < _SMALL or known or said_in(heard, value, now) else f"{value:g}"
    if isinstance(value, str) and _NAME.fullmatch(value):
        return "" if value.casefold() in "\n".join(heard).casefold() else value
    return ""


def _reply(messages: Sequence[Mapping[str, Any]], now: str) -> Fault:
    """Find a day, a time or a name in what the assistant says that nothing before it has."""
    heard: list[str] = []
    for message in messages:
        content = str(message.get("content") or "")
        if message["role"] == "assistant" and content and now and heard:
            text = "\n".join(heard)
            times = {*times_in(text), *(match[1:] for match in re.findall(r"T\d\d:\d\d", text))}
            for time in times_in(content):
                numbers = digits_of(heard, [])
                if time not in times and str(int(time[:2])) not in numbers and len(set(times_in(content))) == 1:
                    return f"the reply says {time}, which nothing before it has: {content}", _WRONG
            days = {*dates_in(text, now), *re.findall(r"\d{4}-\d\d-\d\d", text), now[:10]}
            said = set(dates_in(content, now))
            if said and not said & days:
                return f"the reply says {min(said)}, which nothing before it has: {content}", _WRONG
            for name in _NAME.findall(content):
                if name.casefold() not in text.casefold() and not any(w in text for w in name.split()):
                    return f"the reply names {name}, whom nothing before it has: {content}", _WRONG
        heard.append(content)
        heard += [call["function"]["arguments"] for call in message.get("tool_calls") or ()]
    return _NONE


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
                if leaf > _WHOLE and field.endswith("percent"):
                    return f"{field} is {leaf}", _WRONG
            if isinstance(leaf, str) and _FILLER.search(leaf):
                return f"{field} is a filler: {leaf}", _WRONG
            if isinstance(leaf, str) and re.match(r"\d{4}-\d\d-\d\d", leaf):
                try:
                    datetime.date.fromisoformat(leaf[:10])
                except ValueError:
                    return f"{field} is {leaf}, which is no day", _UNUSABLE
                if now and field in ("created_at", "updated_at") and leaf[:4] > now[:4]:
                    return f"{field} is {leaf}, and it is {now}", _WRONG
        for row in _objects(answer):
            for first, last in (("starts_at", "ends_at"), ("start_date", "end_date"), ("created_at", "closed_at")):
                if isinstance(row.get(first), str) and isinstance(row.get(last), str) and row[last] < row[first]:
                    return f"it ends at {row[last]}, before it starts at {row[first]}", _WRONG
    return _NONE


def _objects(value: Json) -> Iterator[dict[str, Json]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(inner)


def _rules(messages: Sequence[Mapping[str, Any]], rules: Sequence[str]) -> Fault:
    """Find an act that a rule lets wait for a yes, and that had none."""
    asked = ""
    answers: list[str] = []
    for message in messages:
        content = str(message.get("content") or "")
        for call in message.get("tool_calls") or ():
            name = call["function"]["name"]
            if _reads(name):
                continue
            verb = name.partition("_")[0][:_STEM]
            waits = any(re.search(rf"\b(?:[Bb]efore )?{verb}\w*ing\b", rule) and "yes" in rule for rule in rules)
            agreed = bool(answers) and (says_yes(answers[-1]) or _AGREES.search(answers[-1]) is not None)
            if waits and (not asks_for_yes(asked) or not agreed):
                return f"{name} was called without a yes, against the rules", _UNUSABLE
            if answers and _LATER.search(answers[-1]):
                return f"{name} was called although the user said {answers[-1]!r}", _UNUSABLE
        if message["role"] == "assistant" and content:
            asked = content
            if _UNASKED.search(content):
                return f"something was done without being asked for: {content}", _WRONG
        if message["role"] == "user":
            answers.append(content)
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
            if not _reads(name) and asks_for_yes(asked) and _REFUSES.match(answer):
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
            return f"people do not talk like a form: {content}", _WRONG
        if _FOREIGN.search(content):
            return f"another language in the middle: {content}", _WRONG
        if not _ENDS_WELL.search(content.rstrip()) and len(content.split()) > _SHORTEST:
            return f"the message breaks off: {content}", _WRONG
        sentences = [part.strip() for part in re.split(r"[.!?]\s", content) if len(part.split()) > _SHORTEST]
        if len(set(sentences)) < len(sentences):
            return f"it says the same twice: {content}", _WRONG
        if message["role"] == "user" and _ASSISTS.search(content):
            return f"the user talks like an assistant: {content}", _WRONG
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
