"""Measures of refusals: how often, where, how near to what the tools can do, and whether a tool could have served."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tdlab.quality._conversation import Conversation, Text
from tdlab.quality._outcome import Outcome
from tdlab.records import Tool
from tdlab.tools import keyword_form, nature_of_name, shorten, split_words

__all__ = ["conversations_with_refusal", "refusals_last", "refusals_near_miss", "wrong_refusals"]

_WORD = re.compile(r"[a-z][a-z'-]{2,}")
_EVERY_WORD = re.compile(r"[a-z][a-z'-]*")
_NEAR = 3  # words between a verb and its noun
_BEFORE_NOUNS = frozenset(
    "a an the my is of this that these those its our your their his her any all some each every other another already"
    " still are was were been being not which one two".split()
)
_STOP = frozenset(
    "the and for you your can could would please that this with from what when how now need want like also have has had"
    " are was were will just about into out all any some get got let see one two more then than there here them they"
    " our its it's i'm i'd i'll not don't does did who whom which whose his her him she he but too very really much"
    " thanks thank hello hey okay good great thing something someone anyone help able way sure know tell make made take"
    " give put use using do be an of to in on at by or if is my me we us so up no yes".split()
)
_LACKS = re.compile(
    r"none of (?:my|the|these) tools|no tool\b|\bno way (?:to|of|for)\b|outside (?:of )?what"
    r"|(?:don't|do not) have (?:a|any|the) (?:\w+ )?(?:tool|way|function|means|access)"
    r"|(?:isn't|is not|aren't|are not) (?:something|able)|not possible (?:from here|with)"
    r"|(?:can't|cannot|not able to|unable to)\b"
)
_REASON = re.compile(
    r"\b(?:because|since|policy|policies|allowed|permitted|must|only|unless|until|already|eligible|expired|past|rules?"
    r"|hours?|days?|limit|required?|requires|without|before|after|fee|approval|authori[sz]ed|permission|set when|once"
    r"|no longer|isn't any|full|nothing|not (?:found|available)|doesn't exist|unfortunately|depends|goes through"
    r"|accounts?)\b"
)


def conversations_with_refusal(conversation: Conversation) -> Outcome:
    """Of the conversations, those with a reply that refuses."""
    return Outcome([_quoted(reply) for reply, _ in conversation.refusals][:1], 1)


def refusals_last(conversation: Conversation) -> Outcome:
    """Of the refusals, those after which no tool is called any more."""
    last_call = max((call.message for call in conversation.calls), default=-1)
    refusals = conversation.refusals
    return Outcome([_quoted(reply) for reply, _ in refusals if reply.place > last_call], len(refusals))


def refusals_near_miss(conversation: Conversation) -> Outcome | None:
    """Of the refusals, those of a wish that shares content words with an offered tool.

    The wish is near if it has the head noun or two words of an offered tool's name, or one word of the name and three
    of the description, or if a tool was called for it. A refusal of a wish from another business is none.
    """
    if not conversation.offered:
        return None
    near = [
        (reply, wish, tool)
        for reply, wish in conversation.refusals
        if wish is not None and (tool := _tried(conversation, reply, wish) or _near(conversation, wish)) is not None
    ]
    hits = [f"{shorten(wish.text, 60)} ({tool})" for _, wish, tool in near]
    return Outcome(hits, sum(wish is not None for _, wish in conversation.refusals))


def _tried(conversation: Conversation, reply: Text, wish: Text) -> str | None:
    """Return the tool that was called for a wish before it was refused."""
    return next((c.call.name for c in conversation.calls if wish.place < c.message < reply.place), None)


def _near(conversation: Conversation, wish: Text) -> str | None:
    words = _content(wish.plain[-600:])
    for key, tool in conversation.offered.items():
        name = key.rpartition("/")[2]
        if keyword_form(nature_of_name(name).entity.rpartition("_")[2]) in words:
            return name
        shared = {keyword_form(word) for word in split_words(name)} & words
        if len(shared) >= 2 or (shared and tool is not None and len(_described(tool) & words) >= 3):
            return name
    return None


def wrong_refusals(conversation: Conversation) -> Outcome | None:
    """Of the refusals, those of a wish that an offered tool serves, by the words of the wish and of the tool's name.

    Only refusals count that say that a tool or a way is lacking and give no other reason, that come before any call for
    the wish, and whose wish has the verb and all nouns of a tool's name.
    """
    if not conversation.offered:
        return None
    hits = []
    for reply, wish in conversation.refusals:
        if wish is None or any(wish.place < call.message < reply.place for call in conversation.calls):
            continue
        if not _LACKS.search(reply.plain) or _REASON.search(reply.plain):
            continue
        words = [keyword_form(word) for word in _EVERY_WORD.findall(wish.plain[-600:])]
        for key in conversation.offered:
            name = key.rpartition("/")[2]
            if _asks_for(words, name):
                hits.append(f"{shorten(wish.text, 60)} ({name})")
                break
    return Outcome(hits, len(conversation.refusals))


def _asks_for(words: list[str], name: str) -> bool:
    """Return whether a wish has a tool's verb, as a verb, and soon after it all nouns of the tool's name.

    "Cancel my booking" asks for ``cancel_booking``; "an open ticket" and "a ticket that is open" don't for
    ``open_ticket``.
    """
    meaning = nature_of_name(name)
    nouns = {keyword_form(noun) for noun in meaning.entity.split("_")} - {""}
    if not meaning.verb or not nouns:
        return False
    verb = keyword_form(meaning.verb)
    for place, word in enumerate(words):
        is_verb = word == verb and (place == 0 or words[place - 1] not in _BEFORE_NOUNS)
        if is_verb and nouns <= set(words[place + 1 : place + 2 + _NEAR + len(nouns)]):
            return True
    return False


def _described(tool: Tool) -> set[str]:
    return _content(tool.description[:300].casefold())


def _content(text: str) -> set[str]:
    return {keyword_form(word) for word in _words(text)} - _STOP


def _words(text: str) -> Iterator[str]:
    return (word for word in _WORD.findall(text) if word not in _STOP)


def _quoted(reply: Text) -> str:
    return shorten(" ".join(reply.text.split()), 90)
