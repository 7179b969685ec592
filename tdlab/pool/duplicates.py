"""Near-duplicate tools, and services that are copies (forks) of one another under other names.

Two tools are compared only if they share a name or a description: first by digest, then, within a block of tools of one
name, by the overlap of their words with an inverted index over rare words (prefix filtering). The work therefore grows
almost linearly with the number of tools. A tool's name here is its words, without leading words that all tools of its
service share.

- ``exact``: same name, same description, same parameters with the same types, ignoring spaces and case;
- ``near``: same name, descriptions that share at least 60 % of their words (Jaccard), and parameters that share at
  least 60 % of their names where both schemas are known; or, where a description is missing, the same two or more
  parameters;
- ``renamed``: another name in another service, the same description (six words or more) and the same parameters.

Tools of two services are compared only if the services may be the same business: they share a telling word of their
names (a product, not *calendar server*), or the descriptions have twelve words or more. ``update_issue: Update an
issue`` in two issue trackers is therefore two tools.

Each group has one canonical tool, and every other member is similar to that one directly (no chains). The canonical
tool has the most trusted schema, then the most parameters, the longest description, the first key. A service is a
*fork* of another if at least 60 % of its tools have a counterpart there. Limits: translations, and tools that do the
same in other words, are not found.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from tdlab.errors import PoolError
from tdlab.pool.issues import PoolIssue, PoolView
from tdlab.pool.taxonomy import plain_words
from tdlab.records import Service, Tool, canonical_json
from tdlab.tools import split_words

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Duplicate", "duplicates_frame", "find_duplicates", "find_forks", "merge_duplicates"]

_LEAST_OVERLAP = 0.6
_FORK_SHARE = 0.6
_FEWEST_WORDS = 6  # "Get an issue" describes tools of many services
_TELLING_WORDS = 12
_WORD = re.compile(r"\w+")
_COLUMNS = [
    "group", "key", "canonical", "kind", "similarity", "reason", "service", "fork_of", "schema_quality", "trust",
]  # fmt: skip


class Duplicate(NamedTuple):
    """A tool, the canonical tool of its group (the tool itself for that one), and their similarity in [0, 1]."""

    key: str
    canonical: str
    kind: Literal["canonical", "exact", "near", "renamed"]
    similarity: float
    reason: str


class _Profile(NamedTuple):
    """The properties that tools are compared by."""

    key: str
    service: str
    telling_words: frozenset[str]
    name: tuple[str, ...]
    text: str
    words: frozenset[str]
    parameters: frozenset[str]
    types: str
    known: bool
    order: tuple[float, int, int, str]


def find_duplicates(pool: PoolView) -> list[Duplicate]:
    """Return every tool that has a duplicate, in groups ordered by canonical key, the canonical tool first."""
    telling_words = _telling_words(pool)
    profiles = [
        _profile(tool, words, telling_words[service.name], pool)
        for service in pool.services
        for tool, words in _distinct_names(service)
    ]
    profiles.sort(key=lambda profile: profile.order)
    leader: dict[str, Duplicate] = {}
    blocks: dict[tuple[str, ...], list[_Profile]] = {}
    for profile in profiles:
        blocks.setdefault(profile.name, []).append(profile)
    for name in sorted(blocks):
        if len(blocks[name]) > 1:
            leader.update(_same_name(blocks[name]))
    same_text: dict[tuple[str, frozenset[str]], list[_Profile]] = {}
    for profile in profiles:
        if profile.parameters and len(profile.words) >= _FEWEST_WORDS and profile.key not in leader:
            same_text.setdefault((profile.text, profile.parameters), []).append(profile)
    for first, *others in same_text.values():
        for other in others:
            if other.service != first.service and other.name != first.name and _may_be_same_business(first, other):
                leader[other.key] = Duplicate(
                    other.key, first.key, "renamed", 1.0, "another name, the same description and parameters"
                )
    groups: dict[str, list[Duplicate]] = {}
    for duplicate in leader.values():
        canonical = duplicate.canonical
        while canonical in leader:  # the canonical tool of a name may itself be a renamed one
            canonical = leader[canonical].canonical
        groups.setdefault(canonical, []).append(duplicate._replace(canonical=canonical))
    result = []
    for canonical in sorted(groups):
        result.append(Duplicate(canonical, canonical, "canonical", 1.0, "this tool is kept"))
        result.extend(sorted(groups[canonical], key=lambda duplicate: duplicate.key))
    return result


def find_forks(pool: PoolView, duplicates: Sequence[Duplicate]) -> dict[str, str]:
    """Return each service that is a copy, with the service that it copies.

    Of two copies, the larger one counts as the original, then the one with more trusted schemas.
    """
    group_of = {duplicate.key: duplicate.canonical for duplicate in duplicates}
    alike = {duplicate.key: duplicate.similarity for duplicate in duplicates}

    def rank(service: Service) -> tuple[int, float, str]:
        return (-len(service.tools), -sum(pool.quality(tool.key).trust for tool in service.tools), service.name)

    homes: dict[str, list[str]] = {}
    forks: dict[str, str] = {}
    for service in sorted(pool.services, key=rank):
        groups = {group_of[tool.key] for tool in service.tools if tool.key in group_of}
        shared = Counter(home for group in sorted(groups) for home in homes.get(group, ()))
        home = min(shared, key=lambda name: (-shared[name], name), default=None)
        if home is not None and shared[home] >= _FORK_SHARE * len(service.tools):
            only_tool = service.tools[0]
            # One shared tool proves little: it must be very similar and have a description that says something.
            if shared[home] > 1 or (
                alike[only_tool.key] >= 0.8 and len(set(_WORD.findall(only_tool.description.lower()))) >= _FEWEST_WORDS
            ):
                forks[service.name] = home
                continue
        for group in groups:
            homes.setdefault(group, []).append(service.name)
    return forks


def duplicates_frame(pool: PoolView) -> pd.DataFrame:
    """Return one row for each tool that has a duplicate.

    Columns: group (a number), key, canonical (a key), kind, similarity in [0, 1], reason, service, fork_of (the service
    that its service is a copy of, or missing), schema_quality, trust.
    """
    import pandas as pd

    duplicates = find_duplicates(pool)
    forks = find_forks(pool, duplicates)
    numbers: dict[str, int] = {}
    rows = []
    for duplicate in duplicates:
        tool = pool.tool(duplicate.key)
        rows.append(
            {
                "group": numbers.setdefault(duplicate.canonical, len(numbers)),
                **duplicate._asdict(),
                "service": tool.service,
                "fork_of": forks.get(tool.service),
                "schema_quality": pool.service(tool.service).schema_quality,
                "trust": pool.quality(duplicate.key).trust,
            }
        )
    return pd.DataFrame(rows, columns=_COLUMNS)


def merge_duplicates(
    pool: PoolView, *, level: Literal["fork", "tool"] = "fork"
) -> tuple[list[Service], tuple[PoolIssue, ...]]:
    """Return the services without their duplicates, and the pool's issues with a ``duplicate`` for each removed tool.

    Such an issue names the tool that was kept instead.
    """
    if level not in ("fork", "tool"):
        raise PoolError(f"level={level!r}", expected="'fork' or 'tool'", do="pass level='fork' or level='tool'")
    duplicates = find_duplicates(pool)
    kept_instead = {d.key: (d.canonical, d.reason) for d in duplicates if d.kind != "canonical"}
    if level == "fork":
        kept_instead = _within_forks(pool, duplicates)
    services = []
    duplicate_issues: list[PoolIssue] = []
    for service in pool.services:
        tools = tuple(tool for tool in service.tools if tool.key not in kept_instead)
        duplicate_issues.extend(
            PoolIssue(
                service=service.name, tool=tool.name, severity="error", code="duplicate",
                found=f"merged into {kept_instead[tool.key][0]}: {kept_instead[tool.key][1]}",
            )
            for tool in service.tools
            if tool.key in kept_instead
        )  # fmt: skip
        if tools:
            services.append(service.model_copy(update={"tools": tools}) if len(tools) < len(service.tools) else service)
    removed = {(issue.service, issue.tool) for issue in duplicate_issues}
    issues = [i for i in pool.issues if i.severity == "error" or (i.service, i.tool) not in removed]
    return services, (*issues, *duplicate_issues)


def _within_forks(pool: PoolView, duplicates: Sequence[Duplicate]) -> dict[str, tuple[str, str]]:
    group_of = {duplicate.key: duplicate.canonical for duplicate in duplicates}
    kept_instead = {}
    for fork, home in find_forks(pool, duplicates).items():
        counterparts = {group_of[t.key]: t.key for t in reversed(pool.service(home).tools) if t.key in group_of}
        for tool in pool.service(fork).tools:
            counterpart = counterparts.get(group_of.get(tool.key, ""))
            if counterpart is not None:
                kept_instead[tool.key] = (counterpart, f"its service is a copy of {home}")
    return kept_instead


# ------------------------------------------------------------------------------------------------------------ comparing


def _same_name(block: list[_Profile]) -> dict[str, Duplicate]:
    """Return the duplicates among tools of one name; ``block`` is in order of preference."""
    duplicates: dict[str, Duplicate] = {}
    exact: dict[tuple[str, str], list[_Profile]] = {}
    distinct: list[_Profile] = []
    for profile in block:
        content = (profile.text, profile.types)
        if not profile.text and not profile.parameters:
            continue
        same = next((other for other in exact.get(content, ()) if _may_be_same_business(other, profile)), None)
        if same is not None:
            duplicates[profile.key] = Duplicate(
                profile.key, same.key, "exact", 1.0, "the same name, description and parameters"
            )
        else:
            exact.setdefault(content, []).append(profile)
            distinct.append(profile)
    frequency = Counter(word for profile in distinct for word in profile.words)
    index: dict[str, list[_Profile]] = {}
    for profile in distinct:
        keys = _index_keys(profile, frequency)
        candidates = {other.key: other for index_key in keys for other in index.get(index_key, ())}
        best: tuple[float, _Profile, str] | None = None
        for other in sorted(candidates.values(), key=lambda other: other.order):
            similarity, reason = _similarity(other, profile)
            if similarity and (best is None or similarity > best[0]):
                best = (similarity, other, reason)
        if best is None:
            for index_key in keys:
                index.setdefault(index_key, []).append(profile)
            continue
        duplicates[profile.key] = Duplicate(profile.key, best[1].key, "near", round(best[0], 3), best[2])
    return {
        key: duplicate._replace(canonical=duplicates[duplicate.canonical].canonical)
        if duplicate.canonical in duplicates
        else duplicate
        for key, duplicate in duplicates.items()
    }


def _index_keys(profile: _Profile, frequency: Counter[str]) -> list[str]:
    """Return enough of a description's rarest words that two that overlap enough share one; and the parameters."""
    by_frequency = sorted(profile.words, key=lambda word: (frequency[word], word))
    keys = by_frequency[: len(by_frequency) - math.ceil(_LEAST_OVERLAP * len(by_frequency)) + 1]
    if len(profile.parameters) > 1:
        keys.append(" ".join(("parameters:", *sorted(profile.parameters))))
    return keys


def _similarity(first: _Profile, second: _Profile) -> tuple[float, str]:
    """Return how similar two tools of one name are (0.0 if they are not duplicates), and why."""
    if not _may_be_same_business(first, second):
        return 0.0, ""
    both_known = first.known and second.known
    shared_parameters = _overlap(first.parameters, second.parameters) if both_known else 1.0
    if first.words and second.words:
        shared_words = _overlap(first.words, second.words)
        if shared_words < _LEAST_OVERLAP or shared_parameters < _LEAST_OVERLAP:
            return 0.0, ""
        compared = f"{shared_parameters:.0%} of the parameters" if both_known else "one schema is unknown"
        return min(shared_words, shared_parameters), f"the same name, {shared_words:.0%} of the words, {compared}"
    if both_known and len(first.parameters) > 1 and first.parameters == second.parameters:
        return _LEAST_OVERLAP, "the same name and parameters, one without a description"
    return 0.0, ""


def _may_be_same_business(first: _Profile, second: _Profile) -> bool:
    """Return whether two tools may belong to one business: same service, a shared telling word, or long texts."""
    if first.service == second.service or first.telling_words & second.telling_words:
        return True
    return min(len(first.words), len(second.words)) >= _TELLING_WORDS


def _telling_words(pool: PoolView) -> dict[str, frozenset[str]]:
    """Return the words of each service's name and title that few other services have: a product, a company."""
    words = {
        service.name: {
            *plain_words(service.name.rpartition("/")[2].partition("[")[0]),
            *plain_words(service.title),
        }
        for service in pool.services
    }
    service_counts = Counter(word for own in words.values() for word in own)
    rare_enough = max(3, len(words) // 40)
    return {
        name: frozenset(w for w in own if service_counts[w] <= rare_enough and len(w) > 1)
        for name, own in words.items()
    }


def _overlap(first: frozenset[str], second: frozenset[str]) -> float:
    union = len(first | second)
    return len(first & second) / union if union else 1.0


def _distinct_names(service: Service) -> list[tuple[Tool, tuple[str, ...]]]:
    """Return each tool with the words of its name, without leading words that all tools of the service share."""
    names = [split_words(tool.name) for tool in service.tools]
    common = 0
    if len(names) > 2:
        while all(len(words) > common + 1 for words in names) and len({words[common] for words in names}) == 1:
            common += 1
    return [(tool, words[common:] or (tool.name,)) for tool, words in zip(service.tools, names, strict=True)]


def _profile(tool: Tool, name: tuple[str, ...], telling_words: frozenset[str], pool: PoolView) -> _Profile:
    words = _WORD.findall(tool.description.lower())
    quality = pool.quality(tool.key)
    types = {" ".join(split_words(n)) or n: s.get("type") for n, s in tool.parameters.items()}
    parameters = frozenset(types)
    return _Profile(
        key=tool.key,
        service=tool.service,
        telling_words=telling_words,
        name=name,
        text=" ".join(words),
        words=frozenset(words),
        parameters=parameters,
        types=canonical_json(types),
        known=quality.usable,
        order=(-quality.trust, -len(parameters), -len(words), tool.key),
    )
