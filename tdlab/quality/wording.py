"""Measures of words: copied labels and descriptions, dumped fields, "take the first", placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tdlab.quality._conversation import Conversation, Text, key_leaves, text_form
from tdlab.quality._outcome import Outcome
from tdlab.records import CODE_TOOL, Tool
from tdlab.tools import cached_per_tool, shorten, split_words

__all__ = [
    "descriptions_quoted",
    "placeholder_text",
    "replies_dumping_parameters",
    "take_the_first",
    "values_behind_label",
]

# -------------------------------------------------------------------------------------------------- behind the label

_OPENING = " \t\n\"'`*#$\u20ac\u00a3([{<\u201c\u2018\u201e_"
_LINK = re.compile(r"(?:\b(?:is|are|was|will be|should be|must be|of|as|equals|being)|[:=]|->|\u2192|-|\u2013)$")
_SEPARATOR = re.compile(r"[\s_\-*\"'`]+")
_TAIL = 60  # characters before a value in which its label is looked for


def values_behind_label(conversation: Conversation) -> Outcome:
    """Of the argument values that stand in a user's message, those right behind their parameter's own words.

    "The order id is 17" and "order id: 17" count, "order 17" does not: a person says what a thing is, not what the
    parameter is called. Each value of a parameter counts once.
    """
    seen: set[tuple[str, str]] = set()
    hits: list[str] = []
    n = 0
    for call in conversation.calls:
        before = [user for user in conversation.users if user.place < call.message]
        for key, value in key_leaves(call.call.arguments):
            form = "" if isinstance(value, bool) else text_form(value)
            if not form or len(form) > 200 or (key, form) in seen:
                continue
            seen.add((key, form))
            places = [(user, start) for user in before for start in _whole(user.plain, form)]
            if not places:
                continue
            n += 1
            labels = _labels(key)
            for user, start in places:
                if _stands_behind(user.plain[max(0, start - _TAIL) : start], labels):
                    end = start + len(form)
                    hits.append(f"{key}: ...{user.plain[max(0, start - 40) : end]}")
                    break
    return Outcome(hits, n)


def _labels(key: str) -> tuple[str, ...]:
    words = split_words(key)
    if not words:
        return ()
    full = " ".join(words)
    singular = full.removesuffix("s")
    return tuple(dict.fromkeys((full, singular, f"{full}s")))


def _whole(text: str, form: str) -> Iterator[int]:
    """Yield where a value stands in a text as a whole: not inside of a word, number, date or address."""
    start = text.find(form)
    while start >= 0:
        end = start + len(form)
        before, after = text[start - 1 : start], text[end : end + 1]
        inside = (before.isalnum() and form[0].isalnum()) or (after.isalnum() and form[-1].isalnum())
        number = form[0].isdigit() and (before in ("-", ".", "/", ":") and text[start - 2 : start - 1].isalnum())
        longer = form[-1].isdigit() and after in ("-", "/", ":", ".", ",") and text[end + 1 : end + 2].isdigit()
        if not (inside or number or longer):
            yield start
        start = text.find(form, start + 1)


def _stands_behind(tail: str, labels: tuple[str, ...]) -> bool:
    tail = tail.rstrip(_OPENING)
    for _ in range(2):
        shorter = _LINK.sub("", tail).rstrip(_OPENING)
        if shorter == tail:
            break
        tail = shorter
    words = _SEPARATOR.sub(" ", tail)
    return any(words.endswith(label) and not words[: -len(label)][-1:].isalnum() for label in labels)


# -------------------------------------------------------------------------------------------------- quoted descriptions

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_RUN = 5


def descriptions_quoted(conversation: Conversation) -> Outcome | None:
    """Of the user messages, those with five words in a row of a description of an offered tool or its parameters."""
    known = [tool for tool in conversation.offered.values() if tool is not None]
    runs = [(tool, grams) for tool in known if (grams := _described(tool))]
    if not runs:
        return None
    hits = []
    for user in conversation.users:
        words = _WORD.findall(user.plain)
        if len(words) < _RUN:
            continue
        said = {" ".join(words[start : start + _RUN]) for start in range(len(words) - _RUN + 1)}
        quoted = next((run for tool, grams in runs if not grams.isdisjoint(said) for run in sorted(said & grams)), None)
        if quoted is not None:
            hits.append(quoted)
    return Outcome(hits, len(conversation.users))


@cached_per_tool
def _described(tool: Tool) -> frozenset[str]:
    texts = [tool.description, *_descriptions(tool.input_schema)]
    runs: set[str] = set()
    for text in texts:
        words = _WORD.findall(text.replace("\u2019", "'").casefold())
        runs.update(" ".join(words[start : start + _RUN]) for start in range(len(words) - _RUN + 1))
    return frozenset(runs)


def _descriptions(schema: object, depth: int = 0) -> Iterator[str]:
    if isinstance(schema, dict) and depth < 12:
        text = schema.get("description")
        if isinstance(text, str):
            yield text
        for inner in schema.values():
            yield from _descriptions(inner, depth + 1)
    elif isinstance(schema, list) and depth < 12:
        for inner in schema:
            yield from _descriptions(inner, depth + 1)


# -------------------------------------------------------------------------------------------------- dumped parameters

_DUMPED = 3
_GAP = re.compile(
    r"[\s:=*\"'`(\[_\u201c\u2018#$\u20ac\u00a3]*(?:(?:is|are|of|to)\b[\s:=*\"'`(\[\u201c#$\u20ac\u00a3]*)?"
)


def replies_dumping_parameters(conversation: Conversation) -> Outcome:
    """Of the conversations, those with a reply that recites three or more parameters or result fields.

    A pair is the field's own words and then its value ("status confirmed", "Reservation ID: 4OG6T3"), in any layout. A
    field counts once, so that a list of five reservations is no dump.
    """
    values: dict[str, set[str]] = {}
    hits: list[str] = []
    waiting = iter([*conversation.calls, None])
    call = next(waiting)
    for reply in conversation.replies:
        turn_ends = next((user.place for user in conversation.users if user.place > reply.place), None)
        limit = next((user.place for user in conversation.users if turn_ends and user.place > turn_ends), None)
        while call is not None and (limit is None or call.message < limit):
            _collect(call.call.arguments, values)
            if call.succeeded and (call.answered_at or 0) < reply.place:
                _collect(call.value, values)
            call = next(waiting)
        pairs = _pairs(reply, values)
        if len(pairs) >= _DUMPED:
            hits.append("; ".join(pairs[:4]))
    return Outcome(hits[:1], 1)


def _collect(value: object, values: dict[str, set[str]]) -> None:
    for key, leaf in key_leaves(value):
        form = text_form(leaf)
        if form and len(form) <= 200 and (words := split_words(key)):
            values.setdefault(" ".join(words), set()).add(form)


def _pairs(reply: Text, values: dict[str, set[str]]) -> list[str]:
    text = reply.plain.replace("_", " ")
    pairs: dict[str, str] = {}
    for label, forms in values.items():
        start = text.find(label)
        while start >= 0:
            end = start + len(label)
            if not text[start - 1 : start].isalnum() and not text[end : end + 1].isalnum():
                gap = _GAP.match(text, end)
                place = gap.end() if gap else end
                for form in forms:
                    plain = form.replace("_", " ")
                    after = place + len(plain)
                    if place > end and text.startswith(plain, place) and not text[after : after + 1].isalnum():
                        pairs.setdefault(label, f"{label} {form}")
            start = text.find(label, end)
    return list(pairs.values())


# -------------------------------------------------------------------------------------------------- take the first

_TAKES_FIRST = re.compile(
    r"\b(?:take|pick|choose|use|select|grab|go with|book)\s+(?:just\s+|simply\s+)?the\s+(?:very\s+)?first"
    r"(?:\s+(?:one|result|match|hit|entry|item|thing))?"
    r"(?=\s*(?:[.,;!?)]|$|that\b|you\b|which\b|in the list|on the list|of them|listed|available|found))"
    r"|\bwhichever (?:one )?(?:comes|is|you find|appears|shows up) first\b"
    r"|\b(?:take|pick|choose|use|select|book)\s+any(?: one)?(?: of (?:them|these|those))?(?=\s*(?:[.,;!?)]|$))"
    r"|\b(?:any of them|any one of them) (?:will do|is fine|works|is ok|is okay|would do)\b"
    r"|\bthe first (?:one )?(?:that comes up|you find|that you find|that comes along)\b"
)


def take_the_first(conversation: Conversation) -> Outcome:
    """Of the user messages, those that ask for the first of whatever comes up, instead of saying what matters."""
    hits = [found[0] for user in conversation.users if (found := _TAKES_FIRST.search(user.plain))]
    return Outcome(hits, len(conversation.users))


# -------------------------------------------------------------------------------------------------- placeholders

_PLACEHOLDER = re.compile(
    r"\blorem ipsum\b|\bfoo\s?bar\b|\b(?:example|sample|dummy|placeholder)_(?:value|text|string|id|name)\b(?!\"\s*:)"
    r"|\byour_[a-z_]+_here\b|\b(?:TODO|TBD|FIXME)\b|\[(?:insert|your|enter|Insert|Your|Enter) [A-Za-z ]{2,30}\]"
    r"|\{\{\s*\w+\s*\}\}|(?:^|(?<=[\s\"'(]))\{[a-z][a-z0-9_]{1,30}\}(?=[\s\"'.,;:!?)]|$)"
    r"|<(?:insert|your|enter)[ _][a-z _]{2,30}>|<[a-z]+(?:_[a-z]+)+>"
)
_SIGNS = (
    "lorem ipsum", "foobar", "foo bar", "example_", "sample_", "dummy_", "placeholder_", "_here", "TODO", "TBD",
    "FIXME", "[insert", "[your", "[enter", "[Insert", "[Your", "[Enter",
)  # fmt: skip


def placeholder_text(conversation: Conversation) -> Outcome:
    """Of the conversations, those in which a message, an argument or a result holds a placeholder."""
    for text, is_said in _texts(conversation):
        signs = any(sign in text for sign in _SIGNS) or (is_said and ("}" in text or ">" in text))
        if signs and (found := _PLACEHOLDER.search(text)):
            return Outcome([shorten(text[max(0, found.start() - 30) : found.end() + 30], 90)], 1)
    return Outcome([], 1)


def _texts(conversation: Conversation) -> Iterator[tuple[str, bool]]:
    """Yield what was said or passed as an argument, and what was returned; programs are left out."""
    for text in (*conversation.users, *conversation.replies):
        yield text.text, True
    for call in conversation.calls:
        if call.key != CODE_TOOL and call.nature.effect != "code":
            yield from ((leaf, True) for _, leaf in key_leaves(call.call.arguments) if isinstance(leaf, str))
            if call.text is not None and len(call.text) < 20_000:
                yield call.text, False
