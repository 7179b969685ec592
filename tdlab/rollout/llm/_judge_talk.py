"""A recorded conversation as the mock model's judge reads it: its turns, its calls with their answers, its words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from tdlab.records import Json
from tdlab.rollout.replies import parsed
from tdlab.tools import asks, asks_for_yes, leaves

__all__ = ["Act", "Talk", "asks_yes", "is_plain", "numbers", "objects", "reads", "rows", "sentences", "stems", "texts"]

_MONTHS = "January February March April May June July August September October November December".split()
_STATED = re.compile(r"It is \w+, (\d{1,2}) (\w+) (\d{4}), (\d\d:\d\d) UTC")
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_LETTERS = 5  # of a word that tell it apart
_READS = re.compile(
    r"(?:get|list|find|search|show|read|check(?!_(?:in|out))|count|estimate|look|describe|compare|query|quote)"
)
_COMMON = frozenset(
    "about again also been before both could does done from have here into just know like made make more much need"
    " only other over please said same should some such take tell than that their them then there they this what when"
    " where which while will with would your yours very still want wants were these those after everything".split()
)
_PLEASANT = re.compile(
    r"\b(?:i'm |i am )?(?:glad|happy|pleased) (?:i|to|that) (?:could |can |have )?help(?:ed)?\b|\byou(?:'re| are)? "
    r"(?:very |most |so )*welcome\b|\bmy pleasure\b|\bany ?time\b|\b(?:no problem|not at all|goodbye|bye|take care"
    r"|noted"
    r"|good|fine|perfect|great|brilliant|lovely|wonderful|sure|ok(?:ay)?|all right|right|thanks?(?: you| a lot| again"
    r"| so much)*|helpful|enjoy|cheers)\b|\b(?:have|enjoy) (?:a|the|your) (?:\w+ )?(?:day|evening|weekend)\b"
    r"|\b(?:is there )?anything else\b|\bwhat else can i do\b|\b(?:and |then |so )*(?:we're|we are) all done\b"
    r"|\bfor (?:you|that|your \w+|saying that|looking|everything)\b|\bthat's (?:all|it|everything)\b|\bglad\b"
)
_LEFT = 3  # words beside the pleasantries


class Act(NamedTuple):
    """A call with its answer: where it was made and answered, and whether it failed."""

    name: str
    arguments: dict[str, Json]
    at: int
    answered: int
    answer: Json
    failed: bool

    @property
    def reads(self) -> bool:
        """Whether its name says that it changes nothing."""
        return reads(self.name)

    @property
    def wrote(self) -> bool:
        """Whether it has changed something."""
        return not self.reads and not self.failed and self.answered >= 0


class Talk:
    """What a judge sees, taken apart once."""

    def __init__(self, material: Mapping[str, Any]) -> None:
        self.messages: Sequence[Mapping[str, Any]] = material["messages"]
        self.wanted = str(material["wanted"])
        self.rules = [str(rule) for rule in material["rules"]]
        self.tools: Mapping[str, Any] = material["tools"]

    @cached_property
    def now(self) -> str:
        """The moment that the system message states; empty if it states none."""
        stated = _STATED.search(self.said(0)) if self.messages else None
        if stated is None:
            return ""
        day, month, year, clock = stated.groups()
        return f"{year}-{_MONTHS.index(month) + 1:02d}-{int(day):02d}T{clock}:00Z"

    @cached_property
    def acts(self) -> list[Act]:
        """Every call with its answer, in the order in which they were made."""
        answers = {
            message.get("tool_call_id"): (n, parsed(self.said(n)))
            for n, message in enumerate(self.messages)
            if message["role"] == "tool"
        }
        made = []
        for n, message in enumerate(self.messages):
            for call in message.get("tool_calls") or ():
                answered, answer = answers.get(call["id"], (-1, None))
                arguments = parsed(call["function"]["arguments"])
                failed = isinstance(answer, dict) and set(answer) == {"error"}
                given = arguments if isinstance(arguments, dict) else {}
                made.append(Act(call["function"]["name"], given, n, answered, answer, failed))
        return made

    def said(self, n: int) -> str:
        """Return what a message says."""
        return str(self.messages[n].get("content") or "")

    def role(self, n: int) -> str:
        """Return who a message is from; empty outside the conversation."""
        return str(self.messages[n]["role"]) if 0 <= n < len(self.messages) else ""

    def turns(self, role: str) -> list[int]:
        """Return where somebody says something."""
        return [n for n in range(len(self.messages)) if self.role(n) == role and self.said(n).strip()]

    def spoken(self, end: int, start: int = 0, *, by: str = "") -> str:
        """Return what the user and the assistant, or one of them, say in a part of the conversation."""
        roles = (by,) if by else ("user", "assistant")
        return "\n".join(self.said(n) for n in range(start, end) if self.role(n) in roles)

    def before(self, n: int, role: str) -> int:
        """Return where somebody last said something before a message; -1 if never."""
        return next((k for k in reversed(range(n)) if self.role(k) == role and self.said(k).strip()), -1)

    def acted(self, start: int, end: int) -> list[Act]:
        """Return the calls made in a part of the conversation."""
        return [act for act in self.acts if start <= act.at < end]

    def reports(self) -> Iterator[tuple[int, Act]]:
        """Yield where the assistant tells what its last call gave, with that call."""
        by = {act.answered: act for act in self.acts}
        for n in self.turns("assistant"):
            if n - 1 in by and not self.messages[n].get("tool_calls"):
                yield n, by[n - 1]

    def plain_reports(self) -> Iterator[tuple[int, Act]]:
        """Yield the reports that ask for nothing."""
        yield from ((n, act) for n, act in self.reports() if "?" not in self.said(n) and not asks(self.said(n)))


def reads(name: str) -> bool:
    """Return whether a tool's name says that it changes nothing."""
    return _READS.match(name) is not None


def asks_yes(text: str) -> bool:
    """Return whether a text asks for permission, also in the words of a check at the end."""
    return asks_for_yes(text) or re.search(r"\bis (?:that|this|it) what you want\?", text, re.IGNORECASE) is not None


def numbers(text: str) -> list[float]:
    """Return the numbers in a text."""
    return [float(number.replace(",", "")) for number in _NUMBER.findall(text)]


def stems(text: str, least: int = 4) -> set[str]:
    """Return the beginnings of the words of a text that mean something."""
    found = re.findall(rf"[^\W\d_]{{{least},}}", text.casefold())
    return {word[:_LETTERS] for word in found if word not in _COMMON}


def sentences(text: str) -> list[str]:
    """Return the sentences of a text."""
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+", text) if part.strip()]


def is_plain(text: str) -> bool:
    """Return whether a message is made of thanks and good wishes only."""
    return len(re.findall(r"[a-z']{2,}|\d", _PLEASANT.sub(" ", text.casefold()))) <= _LEFT and "?" not in re.sub(
        r"(?:anything else|what else can i do for you)\?", "", text.casefold()
    )


def objects(value: Json) -> Iterator[dict[str, Json]]:
    """Yield every object in a value."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(inner)


def rows(value: Json) -> Iterator[list[dict[str, Json]]]:
    """Yield every list of objects in a value."""
    for record in objects(value):
        for inner in record.values():
            if isinstance(inner, list) and inner and all(isinstance(row, dict) for row in inner):
                yield [row for row in inner if isinstance(row, dict)]


def texts(value: Json) -> list[str]:
    """Return the texts in a value."""
    return [leaf for _, leaf in leaves(value) if isinstance(leaf, str)]
