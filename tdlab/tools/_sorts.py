"""Sorts of things of one noun in a service: invoice items and subscription items, comments on bills and on projects.

The last noun of a name alone would make them one entity, and the identifier of one would be taken for the other's.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Set

from tdlab.records import Tool
from tdlab.tools.names import nature, referenced_entity, split_words
from tdlab.tools.nouns import is_one_word, singular
from tdlab.tools.parameters import entity_words

__all__ = ["Sorts", "is_aspect"]

# Fixed by definition, as a vocabulary.
_ASPECTS = frozenset(
    "setting field schema statistic stat attribute csv avatar image screenshot thumbnail icon preference permission"
    " capability ability limit quota usage metric analytics example sample".split()
)


def is_aspect(tool: Tool, handles: Container[str] = ()) -> bool:
    """Return whether a tool shows an aspect of a thing (its settings, its statistics), and not which things there are.

    Args:
        tool: The tool.
        handles: The nouns that have identifiers of their own in its service; they are no aspects.

    Example:
        >>> from tdlab.records import Tool
        >>> [is_aspect(Tool(service="s", name=name, input_schema={})) for name in ("get_user_avatar", "list_users")]
        [True, False]
    """
    words = split_words(tool.name)
    last = singular(words[-1]) if words else ""
    return len(words) > 2 and last in _ASPECTS and last not in handles


class Sorts:
    """The pairs of nouns in the names of a service's tools: the sort (or owner) of a thing, and the thing.

    Args:
        tools: All tools of the service.

    Example:
        >>> from tdlab.records import Tool
        >>> names = ("get_invoice_item", "get_subscription_item", "list_invoice_items")
        >>> tools = [Tool(service="s", name=name, input_schema={}) for name in names]
        >>> [Sorts(tools).is_other("subscription_item_id", tool) for tool in tools]
        [True, False, True]
    """

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._pairs = {pair for tool in tools for pair in itertools.pairwise(entity_words(tool))}

    def is_other(self, name: str, tool: Tool) -> bool:
        """Return whether an identifier is of a sort that other tools are about, and not this one."""
        sort = (referenced_entity(name) or "").split("_")[-2:]
        if len(sort) < 2 or sort[0] in nature(tool).entity.split("_"):
            return False
        return any(pair[0] == sort[0] and is_one_word(pair[1], sort[1]) for pair in self._pairs)

    def is_another_owner(self, entity: str, tool: Tool, focus: str, identified: Set[str]) -> bool:
        """Return whether a tool about something of one owner is not about that of ``entity``: a comment on an expense.

        ``identified`` has the entities that the tool's parameters identify.
        """
        own = {*nature(tool).entity.split("_"), *identified}
        owners = {owner for owner, noun in self._pairs if noun == focus}
        return entity in owners and entity not in own and bool(owners & own)
