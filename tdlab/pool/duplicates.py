"""Tools that are the same or nearly so, and services that are copies of one another under other names.

Two tools are compared where they share a name or a description, never all with all: first by digests, then, inside one
block, by the overlap of their words with an inverted index over rare words (prefix filtering), so that the work grows
nearly with the number of tools. A name is its words, without those that all tools of its service begin with.

- ``exact``: same name, same description, same parameters with the same types, spaces and letter case apart;
- ``near``: same name, descriptions that share at least 60 % of their words (Jaccard), parameters that share at least
  60 % of their names where both schemas are known; or no description to compare, and the same two or more parameters;
- ``renamed``: another name in another service, the same description (six words or more) and the same parameters.

Tools of two services are compared only where they may be of one business: the services share a telling word of their
names (a product's, not *calendar server*), or the descriptions have twelve words or more. ``update_issue: Update an
issue`` of two trackers is two tools.

Each group has one canonical tool, to which every other is that similar itself (no chains): the one with the most
trusted schema, then most parameters, longest description, first key. A service is a *fork* of another where at least
60 % of its tools have their like in that one. What is *not* covered: translations, and tools that do the same in other
words.
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

__all__ = ["Duplicate", "duplicates_frame", "find_duplicates", "find_forks", "fold"]

_LEAST_OVERLAP = 0.6
_FORK_SHARE = 0.6
_FEWEST_WORDS = 6
_TELLING_WORDS = 12
_WORD = re.compile(r"\w+")
_COLUMNS = [
    "group", "key", "canonical", "kind", "similarity", "reason", "service", "fork_of", "schema_quality", "trust",
]  # fmt: skip


class Duplicate(NamedTuple):
    """A tool, the canonical tool of its group (itself for that one), and how alike the two are."""

    key: str
    canonical: str
    kind: Literal["canonical", "exact", "near", "renamed"]
    similarity: float
    reason: str


class _Profile(NamedTuple):
    """What a tool is compared by."""

    key: str
    service: str
    marks: frozenset[str]
    name: tuple[str, ...]
    text: str
    words: frozenset[str]
    parameters: frozenset[str]
    types: str
    known: bool
    order: tuple[float, int, int, str]


def find_duplicates(pool: PoolView) -> list[Duplicate]:
    """Every tool that has a like, group after group by the canonical key, the canonical one first."""
    marks = _marks(pool)
    profiles = [
        _profile(tool, words, marks[service.name], pool) for service in pool.services for tool, words in _named(service)
    ]
    profiles.sort(key=lambda profile: profile.order)
    leader: dict[str, Duplicate] = {}
    blocks: dict[tuple[str, ...], list[_Profile]] = {}
    for profile in profiles:
        blocks.setdefault(profile.name, []).append(profile)
    for name in sorted(blocks):
        if len(blocks[name]) > 1:
            leader.update(_same_name(blocks[name]))
    told: dict[tuple[str, frozenset[str]], list[_Profile]] = {}
    for profile in profiles:
        if profile.parameters and len(profile.words) >= _FEWEST_WORDS and profile.key not in leader:
            told.setdefault((profile.text, profile.parameters), []).append(profile)
    for first, *others in told.values():
        for other in others:
            if other.service != first.service and other.name != first.name and _may_be_one(first, other):
                leader[other.key] = Duplicate(
                    other.key, first.key, "renamed", 1.0, "another name, the same description and parameters"
                )
    groups: dict[str, list[Duplicate]] = {}
    for duplicate in leader.values():
        canonical = duplicate.canonical
        while canonical in leader:  # a canonical tool of one name that is itself a renamed one
            canonical = leader[canonical].canonical
        groups.setdefault(canonical, []).append(duplicate._replace(canonical=canonical))
    result = []
    for canonical in sorted(groups):
        result.append(Duplicate(canonical, canonical, "canonical", 1.0, "the one that is kept"))
        result.extend(sorted(groups[canonical], key=lambda duplicate: duplicate.key))
    return result


def find_forks(pool: PoolView, duplicates: Sequence[Duplicate]) -> dict[str, str]:
    """Services that are copies, each with the one it is a copy of; larger and more trusted services stand first."""
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
            alone = service.tools[0]
            if shared[home] > 1 or (
                alike[alone.key] >= 0.8 and len(set(_WORD.findall(alone.description.lower()))) >= _FEWEST_WORDS
            ):
                forks[service.name] = home
                continue
        for group in groups:
            homes.setdefault(group, []).append(service.name)
    return forks


def duplicates_frame(pool: PoolView) -> pd.DataFrame:
    """One row a tool that has a like.

    Columns: group (a number), key, canonical (a key), kind, similarity in [0, 1], reason,
    service, fork_of (the service that its service is a copy of, or missing), schema_quality, trust.
    """
    import pandas as pd

    found = find_duplicates(pool)
    forks = find_forks(pool, found)
    numbers: dict[str, int] = {}
    rows = []
    for duplicate in found:
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


def fold(pool: PoolView, *, level: Literal["fork", "tool"] = "fork") -> tuple[list[Service], tuple[PoolIssue, ...]]:
    """The services without duplicates, and the pool's issues with one ``duplicate`` for each folded tool.

    It names the tool that stands for the folded one.
    """
    if level not in ("fork", "tool"):
        raise PoolError(f"level={level!r}", expected="'fork' or 'tool'", do="pass one of the two")
    found = find_duplicates(pool)
    into = {d.key: (d.canonical, d.reason) for d in found if d.kind != "canonical"}
    if level == "fork":
        into = _within_forks(pool, found)
    kept = []
    folded: list[PoolIssue] = []
    for service in pool.services:
        tools = tuple(tool for tool in service.tools if tool.key not in into)
        folded.extend(
            PoolIssue(
                service=service.name, tool=tool.name, severity="error", code="duplicate",
                found=f"folded into {into[tool.key][0]}: {into[tool.key][1]}",
            )
            for tool in service.tools
            if tool.key in into
        )  # fmt: skip
        if tools:
            kept.append(service.model_copy(update={"tools": tools}) if len(tools) < len(service.tools) else service)
    gone = {(issue.service, issue.tool) for issue in folded}
    issues = [i for i in pool.issues if i.severity == "error" or (i.service, i.tool) not in gone]
    return kept, (*issues, *folded)


def _within_forks(pool: PoolView, found: Sequence[Duplicate]) -> dict[str, tuple[str, str]]:
    group_of = {duplicate.key: duplicate.canonical for duplicate in found}
    into = {}
    for fork, home in find_forks(pool, found).items():
        there = {group_of[t.key]: t.key for t in reversed(pool.service(home).tools) if t.key in group_of}
        for tool in pool.service(fork).tools:
            twin = there.get(group_of.get(tool.key, ""))
            if twin is not None:
                into[tool.key] = (twin, f"its service is a copy of {home}")
    return into


# ------------------------------------------------------------------------------------------------------------ comparing


def _same_name(block: list[_Profile]) -> dict[str, Duplicate]:
    """The duplicates among tools of one name; ``block`` is in the order of preference."""
    found: dict[str, Duplicate] = {}
    exact: dict[tuple[str, str], list[_Profile]] = {}
    firsts: list[_Profile] = []
    for profile in block:
        mark = (profile.text, profile.types)
        if not profile.text and not profile.parameters:
            continue
        same = next((other for other in exact.get(mark, ()) if _may_be_one(other, profile)), None)
        if same is not None:
            found[profile.key] = Duplicate(
                profile.key, same.key, "exact", 1.0, "the same name, description and parameters"
            )
        else:
            exact.setdefault(mark, []).append(profile)
            firsts.append(profile)
    rare = Counter(word for profile in firsts for word in profile.words)
    leaders: dict[str, list[_Profile]] = {}
    for profile in firsts:
        heads = _heads(profile, rare)
        candidates = {other.key: other for head in heads for other in leaders.get(head, ())}
        best: tuple[float, _Profile, str] | None = None
        for other in sorted(candidates.values(), key=lambda other: other.order):
            alike, reason = _alike(other, profile)
            if alike and (best is None or alike > best[0]):
                best = (alike, other, reason)
        if best is None:
            for head in heads:
                leaders.setdefault(head, []).append(profile)
            continue
        found[profile.key] = Duplicate(profile.key, best[1].key, "near", round(best[0], 3), best[2])
    return {
        key: duplicate._replace(canonical=found[duplicate.canonical].canonical)
        if duplicate.canonical in found
        else duplicate
        for key, duplicate in found.items()
    }


def _heads(profile: _Profile, rare: Counter[str]) -> list[str]:
    """The rarest words of a description, so many that two that overlap enough share one; and its parameters."""
    ordered = sorted(profile.words, key=lambda word: (rare[word], word))
    heads = ordered[: len(ordered) - math.ceil(_LEAST_OVERLAP * len(ordered)) + 1]
    if len(profile.parameters) > 1:
        heads.append(" ".join(("parameters:", *sorted(profile.parameters))))
    return heads


def _alike(first: _Profile, second: _Profile) -> tuple[float, str]:
    """How alike two tools of one name are, 0 where they are not, and why."""
    if not _may_be_one(first, second):
        return 0.0, ""
    both = first.known and second.known
    shared = _overlap(first.parameters, second.parameters) if both else 1.0
    if first.words and second.words:
        told = _overlap(first.words, second.words)
        if told < _LEAST_OVERLAP or shared < _LEAST_OVERLAP:
            return 0.0, ""
        compared = f"{shared:.0%} of the parameters" if both else "one schema is not known"
        return min(told, shared), f"the same name, {told:.0%} of the words, {compared}"
    if both and len(first.parameters) > 1 and first.parameters == second.parameters:
        return _LEAST_OVERLAP, "the same name and parameters, one without a description"
    return 0.0, ""


def _may_be_one(first: _Profile, second: _Profile) -> bool:
    """Whether two tools may be of one business: the same service, a telling word in both names, or much prose."""
    if first.service == second.service or first.marks & second.marks:
        return True
    return min(len(first.words), len(second.words)) >= _TELLING_WORDS


def _marks(pool: PoolView) -> dict[str, frozenset[str]]:
    """The words of each service's name and title that few other services have: a product, a company."""
    words = {
        service.name: {
            *plain_words(service.name.rpartition("/")[2].partition("[")[0]),
            *plain_words(service.title),
        }
        for service in pool.services
    }
    spread = Counter(word for found in words.values() for word in found)
    most = max(3, len(words) // 40)
    return {name: frozenset(w for w in found if spread[w] <= most and len(w) > 1) for name, found in words.items()}


def _overlap(first: frozenset[str], second: frozenset[str]) -> float:
    union = len(first | second)
    return len(first & second) / union if union else 1.0


def _named(service: Service) -> list[tuple[Tool, tuple[str, ...]]]:
    """Each tool with the words of its name, without those that all tools of the service begin with."""
    names = [split_words(tool.name) for tool in service.tools]
    common = 0
    if len(names) > 2:
        while all(len(words) > common + 1 for words in names) and len({words[common] for words in names}) == 1:
            common += 1
    return [(tool, words[common:] or (tool.name,)) for tool, words in zip(service.tools, names, strict=True)]


def _profile(tool: Tool, name: tuple[str, ...], marks: frozenset[str], pool: PoolView) -> _Profile:
    words = _WORD.findall(tool.description.lower())
    quality = pool.quality(tool.key)
    types = {" ".join(split_words(n)) or n: s.get("type") for n, s in tool.parameters.items()}
    parameters = frozenset(types)
    return _Profile(
        key=tool.key,
        service=tool.service,
        marks=marks,
        name=name,
        text=" ".join(words),
        words=frozenset(words),
        parameters=parameters,
        types=canonical_json(types),
        known=quality.usable,
        order=(-quality.trust, -len(parameters), -len(words), tool.key),
    )
