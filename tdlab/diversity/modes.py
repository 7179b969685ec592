"""The reasoning mode of a trajectory: a string over a fixed alphabet that is independent of tools, in three variants.

The letters, and when each is written:

========================  =========================================================================================
read search write         a call, by the effect of its tool (`tdlab.tools`: from annotations, verb or schema)
delete compute code
parallel-2 parallel-3     an assistant message with that many calls (four and more are one letter); the effects of the
parallel-4+               calls follow, each once, in the order of the alphabet, since a batch has no order
error                     a tool result that is an error
recover                   a later successful result of a tool whose last result was an error
ask confirm refuse reply  an assistant message without calls, by its text (`utterance`)
========================  =========================================================================================

A letter that repeats its predecessor is not written. User, system and empty assistant messages write nothing, and
neither does text beside calls. The paper does not publish its alphabet or its rules; these are ours. `MODE_VERSION`
changes with the rules of this module; the rules on tools have their own `tdlab.tools.NAMING_VERSION`. Not covered: the
rules on text know English only; in other languages they recognise the question mark.
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

MODE_VERSION = "3"
"""Changes whenever a change of the rules of this module could change the signature of a trajectory."""

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
"""All letters, in the order in which the effects of a batch are written."""

START, END = "^", "$"
"""The marks before and after a signature in its trigrams."""

Trigram = tuple[str, str, str]

_LETTERS = len(ALPHABET)
POSSIBLE_TRIGRAMS = _LETTERS * (_LETTERS - 1) ** 2 + 2 * _LETTERS * (_LETTERS - 1) + _LETTERS + 1
"""The number of possible trigrams (3,376) when repeats are collapsed: abc, ^ab, ab$, ^a$ and the empty one."""

_ORDER = {letter: place for place, letter in enumerate(ALPHABET)}


def effect_of(name: str, tool: Tool | None) -> str:
    """Return the letter of a tool, from its definition or, without one, from the last part of its ``name``."""
    if tool is not None:
        return nature(tool).effect
    return nature_of_name(name.rpartition("/")[2]).effect


def signature(trajectory: Trajectory, tools: Mapping[str, Tool]) -> tuple[str, ...]:
    """Return the signature of a trajectory: its letters with repeats collapsed; variant (b) of H_mode, the headline.

    Args:
        trajectory: The trajectory.
        tools: Definitions of tools by key; without one, the name of a tool gives its letter.

    Returns:
        Letters of `ALPHABET`.

    Example:
        >>> from tdlab.records import Message, ToolCall, Trajectory
        >>> call = Message(role="assistant", tool_calls=(ToolCall(id="1", name="search_rooms"),))
        >>> signature(Trajectory(id="t", messages=(call, Message(role="assistant", content="Done."))), {})
        ('search', 'reply')
    """
    return signature_of(played(trajectory, tools), trajectory)


def signature_of(calls: list[PlayedCall], trajectory: Trajectory) -> tuple[str, ...]:
    """Compute `signature` from calls that are already paired with their results."""
    by_message: dict[int, list[PlayedCall]] = {}
    by_answer: dict[int, PlayedCall] = {}
    for call in calls:
        by_message.setdefault(call.message, []).append(call)
        if call.answered_at is not None:
            by_answer[call.answered_at] = call
    letters: list[str] = []
    failed_tools: set[str] = set()
    for index, message in enumerate(trajectory.messages):
        batch = by_message.get(index)
        answered_call = by_answer.get(index)
        if batch:
            letters.extend(_batch_letters(batch))
        elif message.role == "assistant" and spoken(message.content).strip():
            letters.append(utterance(message.content))
        elif answered_call is not None and answered_call.failed:
            letters.append("error")
            failed_tools.add(answered_call.key)
        elif answered_call is not None and answered_call.key in failed_tools:
            letters.append("recover")
            failed_tools.remove(answered_call.key)
    return tuple(letter for letter, _ in groupby(letters))


def _batch_letters(batch: list[PlayedCall]) -> list[str]:
    """Return the letters of an assistant message with calls."""
    effects = sorted({effect_of(call.key, call.tool) for call in batch}, key=_ORDER.__getitem__)
    if len(batch) == 1:
        return effects
    return [f"parallel-{len(batch)}" if len(batch) < 4 else "parallel-4+", *effects]


def tool_sequence(trajectory: Trajectory) -> tuple[str, ...]:
    """Return the keys of the called tools in order, with repeats collapsed; variant (a) of H_mode, as in the paper.

    Almost every real sequence is unique, so that its entropy over N trajectories is close to log2 N and says little.

    Args:
        trajectory: The trajectory.

    Returns:
        Keys of tools.

    Example:
        >>> from tdlab.records import Message, ToolCall, Trajectory
        >>> call = Message(role="assistant", tool_calls=(ToolCall(id="1", name="search"),))
        >>> tool_sequence(Trajectory(id="t", messages=(call, call), tools={"search": "inn/search"}))
        ('inn/search',)
    """
    keys = (trajectory.key_of(call) for call in trajectory.calls())
    return tuple(key for key, _ in groupby(keys))


def trigrams(letters: tuple[str, ...]) -> tuple[Trigram, ...]:
    """Return the trigrams of a signature between its marks ^ and $; variant (c) of H_mode, for steering.

    N does not limit the entropy of trigrams as it limits that of whole signatures.

    Args:
        letters: A signature.

    Returns:
        One trigram per letter, in order, repeats included; ``(^, $, "")`` for an empty signature.

    Example:
        >>> trigrams(("read", "reply"))
        (('^', 'read', 'reply'), ('read', 'reply', '$'))
    """
    marked = (START, *letters, END)
    if len(marked) < 3:
        return ((START, END, ""),)
    return tuple(zip(marked, marked[1:], marked[2:], strict=False))


# ---------------------------------------------------------------------------------------------- what a message does

_MOST_CHARACTERS = 600
"""Characters read at each end of a message: a question in the middle of a long report is not meant for the user."""

_OPENING = 3
"""Sentences in which a refusal counts; a later "I can't" is a side remark."""


def _any_of(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


_SENTENCE = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])[\s\"'\u201d\u2019)*_}\]]*(?:\s|$)|\n+")
# "Is there anything else I can help with?" closes a reply and asks for nothing.
_COURTESY = _any_of(
    r"\b(?:any|some)thing else\b",
    r"\b(?:other|further|more|additional) (?:questions?|help|assistance|concerns?|requests?)\b",
    r"\bhow (?:can|may|could) i (?:help|assist|be of)\b",
    r"\b(?:what else|feel free to|reach out)\b",
    r"\bhave an? \w+ (?:\w+ )?day\b",
)
# A courtesy counts all the same if it makes an offer or a request: "Would you like me to book anything else?"
_OFFER = _any_of(
    r"\b(?:would you (?:like|prefer)|do you want|shall i|should i)\b",
    r"\b(?:can|could|would) you (?:please )?(?:tell|give|provide|share|confirm)\b",
)
_REFUSES = _any_of(
    r"\b(?:i|we)(?: am| are|['\u2019]m|['\u2019]re)? (?:\w+ )?"
    r"(?:can ?not(?! only)|can['\u2019]t|unable to|not able to)\b",
    r"\b(?:i|we) won['\u2019]t be able to\b",
)
# These refuse whatever the condition: "None of my tools can do that until Monday."
_REFUSES_FLATLY = _any_of(
    r"\b(?:i|we) (?:\w+ )?(?:do not|don['\u2019]t) have "
    r"(?:access to|(?:a|any|the) (?:\w+ )?(?:tools?|functions?|way|means|ability))\b",
    r"\bnone of (?:my|the|these) (?:\w+ )?(?:tools?|functions?)\b",
    r"\bno (?:tool|function) (?:\w+ )?(?:can|that|to|for)\b",
    r"\b(?:i|we) (?:must|have to|need to) (?:decline|refuse)\b",
    r"\bgive[ _]up(?![a-z])",
)
# Recordings of reasoning models keep their thoughts in the content of messages.
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_QUOTED = re.compile(r'"([^"\n]*)"|\u201c([^\u201d\n]*)\u201d')
# "I can't look it up without the order id" asks for the id; it does not refuse.
_CONDITION = _any_of(r"\b(?:without|until|unless|before|after|once|if)\b")
# "I can change the date, but I can't change the name" does a part of the request.
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
# "Please confirm your address and tell me the date" asks for more than a yes, so that `_ASKS` comes first.
_CHECKS = _any_of(r"\b(?:please|kindly|can you|could you)(?: \w+)? confirm\b|^\W*confirm\b")
_ASKS = _any_of(
    r"\b(?:could|can|would|will) you (?:please |kindly |also )?"
    r"(?:tell|give|provide|share|specify|let|send|clarify|name|choose|pick)\b",
    r"\bplease (?:also )?"
    r"(?:provide|share|tell|specify|send|give|let me know|choose|select|clarify|name|enter|supply)\b",
    r"\bplease (?:double-)?check your\b",
    r"\b(?:i|we)(?:['\u2019]ll| will)?(?: also| just| still| only)? need (?:to know\b|(?!to\b))",
    r"\bonce (?:i|we) know\b",
    r"\blet me know (?:which|what|when|your)\b",
)
_QUESTION_MARKS = "?\uff1f\u061f"


def utterance(text: str) -> Literal["ask", "confirm", "refuse", "reply"]:
    """Classify an assistant's text by the first rule that one of its sentences meets (our rules, for English).

    *refuse*: one of the first three sentences refuses, either flatly ("none of my tools", "I have to decline", "give
    up") or without a condition ("I can't", but not "I can't without the id") and completely (not "I can do this, but I
    can't do that"). For the other rules, courtesies ("Is there anything else ...?", "How can I help ...?") are ignored.
    *confirm*: asks for a yes ("Shall I go ahead", "Would you like me to", "is that correct"), or asks to confirm
    something ("please confirm:") and nothing else. *ask*: a question, or a request for information ("please provide",
    "I need the order id"). *reply*: everything else.

    Ignored are ``<think>`` blocks, which are not said, and quoted phrases, which are the words of others. Of a JSON
    object only the texts are read, of a long text the first and the last 600 characters.

    Args:
        text: Content of an assistant message.

    Returns:
        The letter of the message.

    Example:
        >>> utterance("Shall I book it?"), utterance("Which day?"), utterance("I can't do that.")
        ('confirm', 'ask', 'refuse')
    """
    text = _json_texts(spoken(text))
    if len(text) > 2 * _MOST_CHARACTERS:
        text = text[:_MOST_CHARACTERS] + "\n" + text[-_MOST_CHARACTERS:]
    pieces = _SENTENCE.split(_QUOTED.sub(_drop_phrase, text))
    sentences = [stripped for piece in pieces if (stripped := piece.strip())]
    if any(_refuses(sentence) for sentence in sentences[:_OPENING]):
        return "refuse"
    relevant = [sentence for sentence in sentences if not _COURTESY.search(sentence) or _OFFER.search(sentence)]
    if any(_WANTS_A_YES.search(sentence) for sentence in relevant):
        return "confirm"
    if any(_ASKS.search(sentence) for sentence in relevant):
        return "ask"
    if any(_CHECKS.search(sentence) for sentence in relevant):
        return "confirm"
    return "ask" if any(_is_question(sentence) for sentence in relevant) else "reply"


def spoken(text: str) -> str:
    """Return a text without ``<think>`` blocks.

    A block that is never closed ends with the text; a block that is never opened begins with it.
    """
    unopened = text.find("</think>")
    if unopened >= 0 and text.find("<think>", 0, unopened) < 0:
        text = text[unopened + len("</think>") :]
    return _THOUGHT.sub("", text).strip() if "<think>" in text else text


def _json_texts(text: str) -> str:
    """Return the texts of a message that is a JSON object, one per line; any other message unchanged."""
    if not text.startswith("{"):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text.replace("\\n", "\n").replace('"', "\n")
    return "\n".join(text_part for text_part in scalars(value) if isinstance(text_part, str))


def _drop_phrase(quoted: re.Match[str]) -> str:
    """Keep a quoted word (reply "yes"), drop a quoted phrase."""
    inner = quoted.group(1) or quoted.group(2) or ""
    return quoted.group() if not any(character.isspace() for character in inner) else ""


def _refuses(sentence: str) -> bool:
    if _REFUSES_FLATLY.search(sentence):
        return True
    match = _REFUSES.search(sentence)
    return match is not None and not _CONDITION.search(sentence) and not _ABLE.search(sentence, 0, match.start())


def _is_question(sentence: str) -> bool:
    for character in reversed(sentence):
        if character in _QUESTION_MARKS:
            return True
        if character.isalnum():
            return False
    return False
