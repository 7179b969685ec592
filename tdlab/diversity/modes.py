"""The reasoning mode of a trajectory: its string over a fixed, tool-agnostic alphabet, in three variants.

The alphabet, and when a letter is written:

========================  =========================================================================================
read search write         a call, by the effect of its tool (`tdlab.tools.names`: annotations, else verb, else schema)
delete compute code
parallel-2 parallel-3     an assistant message with that many calls (four and more are one letter), before the effects
parallel-4+               of those calls, each effect once, in the order of the alphabet: a batch has no order
error                     a tool result that is an error
recover                   a later successful result of a tool whose last result was an error
ask confirm refuse reply  an assistant message without calls, by its text (`utterance`)
========================  =========================================================================================

A letter that repeats the one before it is not written again. User, system and empty assistant messages write nothing,
and neither does text that accompanies calls. The alphabet is the design's; the rules are ours, since the paper's
mapping is not published; `MODE_VERSION` changes whenever a rule here does (the rules on tools have their own,
`tdlab.tools.names.NAMING_VERSION`). Not covered: the rules on text know English, and elsewhere only the question mark.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import groupby
from typing import Literal

from tdlab.diversity._calls import PlayedCall, played
from tdlab.diversity.complexity import scalars
from tdlab.records import Tool, Trajectory
from tdlab.tools import nature, nature_of_name

__all__ = [
    "ALPHABET",
    "END",
    "MODE_VERSION",
    "POSSIBLE_TRIGRAMS",
    "START",
    "Trigram",
    "effect_of",
    "signature",
    "signature_of",
    "spoken",
    "tool_sequence",
    "trigrams",
    "utterance",
]

MODE_VERSION = "2"
"""Changes whenever the signature of some trajectory could change by a rule of this module."""

ALPHABET = (
    "read",
    "search",
    "write",
    "delete",
    "compute",
    "code",
    "parallel-2",
    "parallel-3",
    "parallel-4+",
    "ask",
    "confirm",
    "refuse",
    "error",
    "recover",
    "reply",
)
"""Every letter, in the order in which a batch lists its effects."""

START, END = "^", "$"
"""The marks that stand before and after a signature in its trigrams."""

Trigram = tuple[str, str, str]

_A = len(ALPHABET)
POSSIBLE_TRIGRAMS = _A * (_A - 1) ** 2 + 2 * _A * (_A - 1) + _A + 1
"""How many trigrams a signature could have, repeats being collapsed: abc, ^ab, ab$, ^a$ and the empty one. 3,376."""

_ORDER = {letter: place for place, letter in enumerate(ALPHABET)}


def effect_of(name: str, tool: Tool | None) -> str:
    """The letter of a tool: from its definition, or, where there is none, from the last part of its ``name``."""
    if tool is not None:
        return nature(tool).effect
    return nature_of_name(name.rpartition("/")[2]).effect


def signature(trajectory: Trajectory, tools: Mapping[str, Tool]) -> tuple[str, ...]:
    """Variant (b), the headline: the trajectory's letters, repeats collapsed. ``tools`` maps keys to definitions."""
    return signature_of(played(trajectory, tools), trajectory)


def signature_of(calls: list[PlayedCall], trajectory: Trajectory) -> tuple[str, ...]:
    """`signature` for calls that are already paired with their results."""
    by_message: dict[int, list[PlayedCall]] = {}
    by_answer: dict[int, PlayedCall] = {}
    for call in calls:
        by_message.setdefault(call.message, []).append(call)
        if call.answered_at is not None:
            by_answer[call.answered_at] = call
    letters: list[str] = []
    broken: set[str] = set()
    for index, message in enumerate(trajectory.messages):
        batch = by_message.get(index)
        answered = by_answer.get(index)
        if batch:
            letters.extend(_batch(batch))
        elif message.role == "assistant" and spoken(message.content).strip():
            letters.append(utterance(message.content))
        elif answered is not None and answered.failed:
            letters.append("error")
            broken.add(answered.key)
        elif answered is not None and answered.key in broken:
            letters.append("recover")
            broken.remove(answered.key)
    return tuple(letter for letter, _ in groupby(letters))


def _batch(batch: list[PlayedCall]) -> list[str]:
    effects = sorted({effect_of(call.key, call.tool) for call in batch}, key=_ORDER.__getitem__)
    if len(batch) == 1:
        return effects
    return [f"parallel-{len(batch)}" if len(batch) < 4 else "parallel-4+", *effects]


def tool_sequence(trajectory: Trajectory) -> tuple[str, ...]:
    """Variant (a), comparable with the paper: the keys of the tools called, in order, repeats collapsed.

    Nearly every real sequence is unique, so over N trajectories its entropy sits near log2 N and says little.
    """
    names = (trajectory.tools.get(call.name, call.name) for call in trajectory.calls())
    return tuple(name for name, _ in groupby(names))


def trigrams(letters: tuple[str, ...]) -> tuple[Trigram, ...]:
    """Variant (c), for steering: every three letters in a row of ^ signature $, in order, repeats kept.

    There are as many as letters; the empty signature has the one trigram ``(^, $, "")``.
    """
    marked = (START, *letters, END)
    if len(marked) < 3:
        return ((START, END, ""),)
    return tuple(zip(marked, marked[1:], marked[2:], strict=False))


# ---------------------------------------------------------------------------------------------- what a message does

_MOST_TEXT = 600
"""Characters read at either end of a message: a question in the middle of a long report is not put to the user."""

_OPENING = 3
"""A refusal stands in the first sentences; what "I can't" says later in a message is a side note."""


def _any_of(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


_SENTENCE = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])[\s\"'\u201d\u2019)*_}\]]*(?:\s|$)|\n+")
_COURTESY = _any_of(
    r"\b(?:any|some)thing else\b",
    r"\b(?:other|further|more|additional) (?:questions?|help|assistance|concerns?|requests?)\b",
    r"\bhow (?:can|may|could) i (?:help|assist|be of)\b",
    r"\b(?:what else|feel free to|reach out)\b",
    r"\bhave an? \w+ (?:\w+ )?day\b",
)
_OFFER = _any_of(
    r"\b(?:would you (?:like|prefer)|do you want|shall i|should i)\b",
    r"\b(?:can|could|would) you (?:please )?(?:tell|give|provide|share|confirm)\b",
)
_DECLINES = _any_of(
    r"\b(?:i|we)(?: am| are|['\u2019]m|['\u2019]re)? (?:\w+ )?"
    r"(?:can ?not(?! only)|can['\u2019]t|unable to|not able to)\b",
    r"\b(?:i|we) won['\u2019]t be able to\b",
)
_DECLINES_FLATLY = _any_of(
    r"\b(?:i|we) (?:\w+ )?(?:do not|don['\u2019]t) have "
    r"(?:access to|(?:a|any|the) (?:\w+ )?(?:tools?|functions?|way|means|ability))\b",
    r"\bnone of (?:my|the|these) (?:\w+ )?(?:tools?|functions?)\b",
    r"\bno (?:tool|function) (?:\w+ )?(?:can|that|to|for)\b",
    r"\b(?:i|we) (?:must|have to|need to) (?:decline|refuse)\b",
    r"\bgive[ _]up(?![a-z])",
)
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_QUOTED = re.compile(r'"([^"\n]*)"|\u201c([^\u201d\n]*)\u201d')
_CONDITION = _any_of(r"\b(?:without|until|unless|before|after|once|if)\b")
_ABLE = _any_of(r"\b(?:i|we) can (?!not\b)")
_WANTS_A_YES = _any_of(
    r"\bshall (?:i|we)\b",
    r"\b(?:should|may) (?:i|we) (?:now )?"
    r"(?:go|proceed|continue|do|make|book|cancel|send|submit|place|delete|remove|update|create)\b",
    r"\b(?:would you like|do you want) me to\b",
    r"\bwould you like to (?:proceed|go ahead|continue)\b",
    r"\bdo you (?:confirm|approve|agree)\b",
    r"\bconfirm (?:that |if )?"
    r"(?:you(?:['\u2019]d)? (?:would )?(?:like|want|wish|approve|agree)|to (?:proceed|continue))\b",
    r"\breply (?:with )?\W{0,3}yes\b",
    r"\b(?:yes/no|yes or no|y/n)\b",
    r"\bis (?:that|this|it) (?:all )?(?:correct|right|ok|okay|fine|alright)\b",
    r"\b(?:ok|okay|fine|alright|ready) (?:for me )?(?:to|if i) (?:go ahead|proceed|continue)\b",
)
_CHECKS = _any_of(r"\b(?:please|kindly|can you|could you)(?: \w+)? confirm\b|^\W*confirm\b")
_ASKS = _any_of(
    r"\b(?:could|can|would|will) you (?:please |kindly |also )?"
    r"(?:tell|give|provide|share|specify|let|send|clarify|name|choose|pick)\b",
    r"\bplease (?:also )?"
    r"(?:provide|share|tell|specify|send|give|let me know|choose|select|clarify|name|enter|supply)\b",
    r"\bplease (?:double-)?check your\b",
    r"\b(?:i|we)(?:['\u2019]ll| will)?(?: also)? need (?:to know\b|(?!to\b))",
    r"\blet me know (?:which|what|when|your)\b",
)
_QUESTION_MARKS = "?\uff1f\u061f"


def utterance(text: str) -> Literal["ask", "confirm", "refuse", "reply"]:
    """What an assistant's text does, by the first rule that holds for one of its sentences.

    *refuse*: one of the first three sentences declines, flatly ("none of my tools", "I have to decline", "give up") or
    without a condition ("I can't", but not "I can't without the id") and in full (not "I can do this, but I can't do
    that"). Then courtesies ("Is there anything else ...?", "How can I help ...?") are set aside. *confirm*: it wants a
    yes ("Shall I go ahead", "Would you like me to", "confirm that you want", "is that correct"), or wants something
    confirmed ("please confirm:") and asks for nothing else. *ask*: a question, or a request for information ("please
    provide", "I need the order id"). *reply*: everything else. What stands in ``<think>`` tags is not said; quoted
    phrases are someone else's words and are not read; of a JSON object the texts are; of a long text the first and the
    last 600 characters.
    """
    text = _unwrapped(spoken(text))
    if len(text) > 2 * _MOST_TEXT:
        text = text[:_MOST_TEXT] + "\n" + text[-_MOST_TEXT:]
    sentences = [s for part in _SENTENCE.split(_QUOTED.sub(_kept, text)) if (s := part.strip())]
    if any(_declines(sentence) for sentence in sentences[:_OPENING]):
        return "refuse"
    said = [sentence for sentence in sentences if not _COURTESY.search(sentence) or _OFFER.search(sentence)]
    if any(_WANTS_A_YES.search(sentence) for sentence in said):
        return "confirm"
    if any(_ASKS.search(sentence) for sentence in said):
        return "ask"
    if any(_CHECKS.search(sentence) for sentence in said):
        return "confirm"
    return "ask" if any(_is_question(sentence) for sentence in said) else "reply"


def spoken(text: str) -> str:
    """What a message says: its text without ``<think>`` blocks.

    A block that is never closed goes on to the end, one that is never opened began before the text.
    """
    unopened = text.find("</think>")
    if unopened >= 0 and text.find("<think>", 0, unopened) < 0:
        text = text[unopened + len("</think>") :]
    return _THOUGHT.sub("", text).strip() if "<think>" in text else text


def _unwrapped(text: str) -> str:
    """The texts in a message that is one JSON object, one a line; any other message as it is."""
    if not text.startswith("{"):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text.replace("\\n", "\n").replace('"', "\n")
    return "\n".join(part for part in scalars(value) if isinstance(part, str))


def _kept(quoted: re.Match[str]) -> str:
    """A quoted word stays (reply "yes"), a quoted phrase goes."""
    inner = quoted.group(1) or quoted.group(2) or ""
    return quoted.group() if not any(character.isspace() for character in inner) else ""


def _declines(sentence: str) -> bool:
    if _DECLINES_FLATLY.search(sentence):
        return True
    found = _DECLINES.search(sentence)
    return found is not None and not _CONDITION.search(sentence) and not _ABLE.search(sentence, 0, found.start())


def _is_question(sentence: str) -> bool:
    for character in reversed(sentence):
        if character in _QUESTION_MARKS:
            return True
        if character.isalnum():
            return False
    return False
