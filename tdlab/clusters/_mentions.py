"""Mentions: tools that a description names, and which of the two comes first according to the words around the name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tdlab.config import MentionWeights
from tdlab.records import Tool
from tdlab.tools import split_words

__all__ = ["Mention", "mentions_in"]


class Mention(NamedTuple):
    """A statement in prose that one tool feeds or precedes another.

    ``parameter`` is the parameter of the target whose description says so; empty for the description of the tool.
    ``weight`` in [0, 1] says how explicit the statement is, and ``detail`` quotes it.
    """

    parameter: str
    weight: float
    detail: str


# Fixed: words of order in English, and the 60 characters before and 40 after a name in which they are looked for.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[_\-.][A-Za-z0-9]+)*")
_EARLIER = re.compile(
    r"\b(first|after|following|from|returned by|obtained|obtain|retrieved|via|requires?|must call|call|using|"
    r"provided by|given by|outputs? of|results? of|prior|previous|previously|created (?:by|with|in)|"
    r"found (?:by|with)|see|find)\b",
    re.IGNORECASE,
)
_LATER = re.compile(
    r"\b(before (?:calling|using|you|any|running)?|then (?:use|call|run|pass)|"
    r"pass(?:ed)? (?:it |this |them )?(?:to|into)|next|followed by|needed (?:by|for|in)|"
    r"required (?:by|for|in)|used? (?:by|in|with)|input (?:to|for)|"
    r"for use (?:by|in|with))\b",
    re.IGNORECASE,
)
_OTHERWISE = re.compile(
    r"\b(instead|alternative|rather than|unlike|differs?|not the same|similar to|same as|deprecated|replaced|don't|"
    r"do not|never)\b",
    re.IGNORECASE,
)


def mentions_in(tools: Sequence[Tool], weights: MentionWeights) -> dict[int, dict[int, Mention]]:
    """Return the most explicit mention of each source for each target, as target -> source -> mention.

    Targets and sources are indices into ``tools``. A text mentions a tool if it contains the whole name, and the name
    has several words, an inner capital letter, quotes around it or a parenthesis after it.
    """
    names = {tool.name.lower(): i for i, tool in enumerate(tools)}
    mentions: dict[int, dict[int, Mention]] = {}
    for i, tool in enumerate(tools):
        texts = [("", tool.description)]
        texts += [
            (name, text)
            for name, schema in tool.parameters.items()
            if isinstance(text := schema.get("description"), str)
        ]
        for parameter, text in texts:
            for match in _NAME.finditer(text[:6000]):
                other = names.get(match.group().lower().rstrip(".-"))
                if other is None or other == i or not _is_name(text, match):
                    continue
                source, target, mention = _judge(i, other, parameter, text, match, weights)
                known = mentions.setdefault(target, {}).get(source)
                if mention.weight > 0 and (known is None or known.weight < mention.weight):
                    mentions[target][source] = mention
    return {target: dict(sorted(sources.items())) for target, sources in mentions.items() if sources}


def _is_name(text: str, match: re.Match[str]) -> bool:
    """Return whether a match is a tool's name and not the same word in prose: ``search`` is also English."""
    if (len(split_words(match.group())) > 1 and any(c in match.group() for c in "_-")) or any(
        c.isupper() for c in match.group()[1:]
    ):
        return True
    before, after = text[max(0, match.start() - 1) : match.start()], text[match.end() : match.end() + 1]
    return (before in ("`", "'", '"') and after in ("`", "'", '"')) or after == "("


def _judge(
    speaker: int, named: int, parameter: str, text: str, match: re.Match[str], weights: MentionWeights
) -> tuple[int, int, Mention]:
    """Return source, target and mention; a weight of 0 for a tool that is named as an alternative."""
    before, after = text[max(0, match.start() - 60) : match.start()], text[match.end() : match.end() + 40]
    before = re.split(r"[.;!?]\s", before)[-1]
    after = re.split(r"[.;!?](?:\s|$)", after)[0]
    detail = " ".join(f"{before}{match.group()}{after}".split())
    if _OTHERWISE.search(before) or _OTHERWISE.search(after):
        return named, speaker, Mention(parameter, 0.0, detail)
    if parameter:
        return named, speaker, Mention(parameter, weights.parameter, detail)
    if _LATER.search(before):
        return speaker, named, Mention("", weights.later, detail)
    if _EARLIER.search(before) or re.search(r"\b(first|before|beforehand|prior)\b", after, re.IGNORECASE):
        return named, speaker, Mention("", weights.earlier, detail)
    return named, speaker, Mention("", weights.named, detail)
