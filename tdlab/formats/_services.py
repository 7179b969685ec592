"""Which service a tool belongs to, where only its visible name says so.

``service__tool`` and ``mcp__service__tool`` say it alone. Other separators (``.``, ``/``, ``-``, ``_``) say it only
where the names of a whole file agree: most begin with a part that several tools share and that is no verb, so that
``get_user`` and ``get_order`` have no service ``get``. Where they do not agree, the service is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tdlab.tools import nature_of_name

__all__ = ["services_in_names"]

_SEPARATORS = (".", "/", ":", "-", "_")
_LEAST_SHARE = {"_": 0.8}
"""The least share of a file's names that must begin with a shared part. Underscores stand inside plain names too."""
_LEAST = 0.5
_WORD = re.compile(r"[._\-/:]+|(?<=[a-z])(?=[A-Z])")


def services_in_names(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return (service, name) for each visible name that has a service by what the names of a whole file share.

    Args:
        names: All visible names of a file that have no service so far.

    Returns:
        An entry for each name whose service is known.
    """
    visible = sorted(set(names))
    if len(visible) < 2:
        return {}
    for separator in _SEPARATORS:
        groups: dict[str, list[list[str]]] = {}
        for name in visible:
            parts = name.split(separator)
            if len(parts) > 1 and all(parts):
                groups.setdefault(parts[0], []).append(parts)
        shared = {first: members for first, members in groups.items() if len(members) > 1 and not _is_verb(first)}
        covered = sum(len(members) for members in shared.values())
        if covered < max(2, _LEAST_SHARE.get(separator, _LEAST) * len(visible)):
            continue
        services: dict[str, tuple[str, str]] = {}
        for first, members in groups.items():
            if (
                first not in shared
                and _is_verb(first)
                and not all(_is_verb(_first_word(parts[1])) for parts in members)
            ):
                continue
            count = _shared_parts(members) if separator == "-" else 1
            for parts in members:
                services[separator.join(parts)] = separator.join(parts[:count]), separator.join(parts[count:])
        return services
    return {}


def _shared_parts(members: list[list[str]]) -> int:
    """Return how many leading parts are the service: those that all members share, and one at least."""
    most = min(len(parts) for parts in members) - 1
    count = 1
    while count < most and len({parts[count] for parts in members}) == 1 and not _is_verb(members[0][count]):
        count += 1
    return count


def _first_word(name: str) -> str:
    return next((word for word in _WORD.split(name) if word), name)


def _is_verb(word: str) -> bool:
    """Return whether a part is a verb as tools' names begin with, such as ``get``; a service is named by nouns."""
    lower = word.lower()
    return nature_of_name(lower).verb == lower
