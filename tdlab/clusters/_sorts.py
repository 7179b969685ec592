"""Sorts of one noun in a service: webhooks of a repository and of an organisation, alerts of two scanners.

A webhook's identifier is no use to a tool for webhooks of another sort. The sort of a thing stands in the names of the
tools before its noun, or after "to" or "of" (``add_note_to_problem``). Not every word there is a sort: a list of open
issues is a list of issues. So a word counts that at least two tools have there, or one that creates such a thing, and
not only in lists.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from tdlab.records import Tool
from tdlab.tools import ENTITY_NOISE, Returns, brand_words, is_one_word, singular, split_words

__all__ = ["SortsOfThings"]

_JOINING = frozenset("to of for from in on at by with and or".split())
"""Words before another thing."""
_PLAIN = _JOINING | frozenset("new another other more my own a an the".split())
"""Words that say no sort."""


class SortsOfThings:
    """The words that tell the sorts of each noun apart in the names of a service's tools.

    Args:
        returned: The outputs of the service's tools.
        operations: The operation of each tool.
    """

    def __init__(self, returned: Returns, operations: Sequence[str]) -> None:
        plain = ENTITY_NOISE | brand_words(returned.tools) | _PLAIN
        self._beside = [_beside_nouns(tool, returned, plain) for tool in returned.tools]
        users: dict[tuple[str, str], list[str]] = {}
        makers: dict[str, list[frozenset[str]]] = {}
        for nouns, operation in zip(self._beside, operations, strict=True):
            for noun, beside in nouns.items():
                for word in beside:
                    users.setdefault((noun, word), []).append(operation)
                if operation == "create":
                    makers.setdefault(noun, []).append(beside)
        self._sorting: dict[str, set[str]] = {}
        for (noun, word), found in users.items():
            if "create" in found or (len(found) > 1 and any(operation != "list" for operation in found)):
                self._sorting.setdefault(noun, set()).add(word)
        self._makers = makers

    def differ(self, source: int, target: int, noun: str) -> bool:
        """Return whether two tools, given by their indices, are about a noun of different sorts."""
        if noun not in self._beside[source] or noun not in self._beside[target]:
            return False
        one, other = self._sort(source, noun), self._sort(target, noun)
        if one and other:
            return not (_within(one, other) or _within(other, one))
        makers = self._makers.get(noun, ())
        return one != other and frozenset() in makers and any(_within(one | other, made) for made in makers)

    def _sort(self, tool: int, noun: str) -> frozenset[str]:
        sorting = self._sorting.get(noun, ())
        return frozenset(
            word for word in self._beside[tool][noun] if any(is_one_word(word, other) for other in sorting)
        )


def _beside_nouns(tool: Tool, returned: Returns, plain: Set[str]) -> dict[str, frozenset[str]]:
    """Return for each noun of a tool's name the words that may say its sort."""
    words = [singular(word) for word in split_words(tool.name)]
    verb = returned.nature(tool).verb
    asked = {slot.entity for slot in returned.slots(tool) if slot.kind == "id"}
    found: dict[str, frozenset[str]] = {}
    start = 0
    for position, noun in enumerate(words):
        if noun in _JOINING:
            start = position + 1
            continue
        beside = [word for word in words[start:position] if word != verb]
        if words[position + 1 : position + 2] in (["to"], ["of"]) and noun not in asked:
            beside += words[position + 2 :]  # add_user_to_group(user_id) makes no user of another sort
        found[noun] = frozenset(word for word in beside if word not in plain and word != noun)
    return found


def _within(part: frozenset[str], whole: frozenset[str]) -> bool:
    """Return whether each word of one set is in the other, as it is or in a shorter or longer form."""
    return all(any(is_one_word(word, other) for other in whole) for word in part)
