"""The fixed, versioned list of business domains, and the domains that one service's label or words indicate.

The taxonomy is ours (the paper does not publish its own): a JSON file of domains, each with keywords and with the
labels that public collections use for it. A service with a known label belongs to that label's domain. Otherwise the
keywords in its name, title, description and tool names decide; a keyword weighs more the fewer domains share it
(inverse document frequency). The result depends on the service and the file alone; `tdlab.pool.domains` learns from a
whole pool. Limits: keywords are English, so a service described in another script is classified by its Latin-script
names or not at all; tool descriptions are not read.

A label stands for one domain (``labels``), for a choice between several (``broad_labels``: the words decide between
them) or for none (``silent_labels``: "Others", or a technical category without a business meaning).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Self

from pydantic import ValidationError

from tdlab.errors import PoolError
from tdlab.records import Domains, Record, Service
from tdlab.tools import keyword_form

__all__ = ["LEAST_EVIDENCE", "Domain", "Taxonomy", "name_words", "plain_words", "text_words"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+[a-z]*")
_NOISE = re.compile(r"model[\W_]*context[\W_]*protocol|mcp|(?<![a-z])servers?(?![a-z])", re.IGNORECASE)
"""Words about MCP itself rather than the business: removed from all texts except tool names."""


_NAME_WEIGHT = 3.0
_TITLE_WEIGHT = 3.0
_TOOL_WEIGHT = 1.0
_TEXT_WEIGHT = 1.0
_MOST_COUNTED = 3.0
LEAST_EVIDENCE = 1.0
"""Keyword evidence below which a service's words do not decide its domain."""

_KEPT_SHARE = 0.5
_MOST_DOMAINS = 3


class Domain(Record):
    """One business domain.

    ``keywords`` are lower-case singular words or phrases; ``labels`` are the names that other collections use for it.
    """

    id: str
    title: str
    description: str = ""
    keywords: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


class _Broad(Record):
    domains: tuple[str, ...]
    labels: tuple[str, ...]


class Taxonomy:
    """A versioned list of domains; `unknown` is the domain of services without evidence and is not in the list.

    Make one with `bundled` or `from_file`.

    Example:
        >>> taxonomy = Taxonomy.bundled()
        >>> taxonomy.label("WEATHER"), len(taxonomy)
        ('weather-environment', 36)
    """

    __slots__ = ("_broad", "_by_id", "_by_label", "_idf", "_keywords", "_silent", "domains", "unknown", "version")

    def __init__(
        self,
        domains: Sequence[Domain],
        *,
        unknown: Domain,
        version: str,
        broad: Mapping[str, Sequence[str]] = MappingProxyType({}),
        silent: Iterable[str] = (),
    ) -> None:
        self.version = version
        self.domains = tuple(domains)
        self.unknown = unknown
        self._by_id = {domain.id: domain for domain in self.domains}
        if len(self._by_id) != len(self.domains) or unknown.id in self._by_id:
            raise PoolError(
                "two domains of the taxonomy have the same id",
                expected="a different id for each domain",
                do="rename one of them in the taxonomy file",
            )
        self._by_label: dict[str, str] = {}
        for domain in self.domains:
            for label in (domain.id, domain.title, *domain.labels):
                self._by_label.setdefault(_plain(label), domain.id)
        self._silent = frozenset(_plain(label) for label in silent)
        self._broad = {_plain(label): tuple(dict.fromkeys(ids)) for label, ids in broad.items()}
        for plain, ids in self._broad.items():
            if len(ids) < 2 or set(ids) - set(self._by_id) or plain in self._by_label or plain in self._silent:
                raise PoolError(
                    f"the broad label {plain!r} stands for {list(ids)}",
                    expected="two or more domains of the taxonomy, and no other meaning",
                    do="correct its entry in broad_labels of the taxonomy file",
                )
        self._keywords: dict[tuple[str, ...], list[str]] = {}
        for domain in self.domains:
            for keyword in domain.keywords:
                self._keywords.setdefault(tuple(text_words(keyword)), []).append(domain.id)
        count = len(self.domains)
        self._idf = {
            words: math.log(1 + count / len(ids)) / math.log(1 + count) for words, ids in self._keywords.items()
        }

    @classmethod
    def bundled(cls) -> Self:
        """Return the taxonomy that ships with tdlab."""
        from tdlab.pool.files.data import data_file

        return cls.from_text(data_file("taxonomy.json").read_text(encoding="utf-8"), source="the bundled taxonomy")

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a taxonomy from a JSON file.

        Raises:
            PoolError: The file cannot be read, or is not a valid taxonomy.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PoolError(
                f"{path}: cannot be read as UTF-8 text ({error})", expected="a taxonomy file", do="check the path"
            ) from None
        return cls.from_text(text, source=str(path))

    @classmethod
    def from_text(cls, text: str, *, source: str) -> Self:
        """Read a taxonomy from JSON text with ``version``, ``unknown`` and ``domains``; errors name ``source``.

        Raises:
            PoolError: The text is not a valid taxonomy.
        """
        try:
            content = json.loads(text)
            return cls(
                [Domain.model_validate(entry) for entry in content["domains"]],
                unknown=Domain.model_validate(content["unknown"]),
                version=str(content["version"]),
                broad={
                    label: entry.domains
                    for entry in map(_Broad.model_validate, content.get("broad_labels", []))
                    for label in entry.labels
                },
                silent=[str(label) for label in content.get("silent_labels", [])],
            )
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise PoolError(
                f"{source}: is not a taxonomy ({type(error).__name__}: {error})",
                expected="a JSON object with version, unknown and domains",
                do="compare it with data/taxonomy.json in the source of tdlab",
            ) from None

    def __contains__(self, domain_id: object) -> bool:
        """Return whether a domain has that id; the id of `unknown` counts."""
        return domain_id in self._by_id or domain_id == self.unknown.id

    def __len__(self) -> int:
        """Return the number of domains, without `unknown`."""
        return len(self.domains)

    def __iter__(self) -> Iterator[Domain]:
        """Iterate over the domains in the order of the file, without `unknown`."""
        return iter(self.domains)

    def __repr__(self) -> str:
        return f"<Taxonomy version {self.version}: {len(self.domains)} domains>"

    @property
    def ids(self) -> tuple[str, ...]:
        """The domain ids in the order of the file, without `unknown`."""
        return tuple(self._by_id)

    def __getitem__(self, domain_id: str) -> Domain:
        """Return the domain of that id.

        Raises:
            PoolError: There is none; the message lists the ids.
        """
        if domain_id == self.unknown.id:
            return self.unknown
        try:
            return self._by_id[domain_id]
        except KeyError:
            raise PoolError(
                f"no domain has the id {domain_id!r}",
                expected="one of " + ", ".join(self._by_id),
                do="pass one of these ids",
            ) from None

    def label(self, text: str) -> str | None:
        """Return the id of the domain that a label stands for, or None; case and punctuation are ignored."""
        return self._by_label.get(_plain(text))

    def choices(self, text: str) -> tuple[str, ...]:
        """Return the ids of the domains that a label allows: one, several, or none for a label without a meaning."""
        plain = _plain(text)
        return (self._by_label[plain],) if plain in self._by_label else self._broad.get(plain, ())

    def is_silent(self, text: str) -> bool:
        """Return whether a label is known to have no business meaning ("Others", "uncategorized")."""
        return _plain(text) in self._silent

    def classify(self, service: Service, *, labels: Iterable[str] = ()) -> Domains:
        """Return the domains of ``service``, by its own label or else by its words.

        Args:
            service: The service to classify; its category is its first label.
            labels: Further labels, tried in order.

        Returns:
            Weights that sum to 1. Words give up to three domains, each with at least half the evidence of the best;
            ``{unknown: 1.0}`` where there is too little evidence.
        """
        allowed: tuple[str, ...] = ()
        for label in (service.category, *labels):
            allowed = () if label is None else self.choices(label)
            if len(allowed) == 1:
                return {allowed[0]: 1.0}
            if allowed:
                break
        scores = self.evidence(service)
        if allowed:
            scores = {domain: scores.get(domain, 0.0) for domain in allowed}
            if max(scores.values()) < LEAST_EVIDENCE:
                scores = dict.fromkeys(allowed, LEAST_EVIDENCE)
        best = max(scores.values(), default=0.0)
        if best < LEAST_EVIDENCE:
            return {self.unknown.id: 1.0}
        ranked = sorted(scores, key=lambda domain: (-scores[domain], domain))[:_MOST_DOMAINS]
        kept = [domain for domain in ranked if scores[domain] >= _KEPT_SHARE * best]
        total = sum(scores[domain] for domain in kept)
        weights = {domain: round(scores[domain] / total, 6) for domain in kept}
        weights[kept[0]] = round(1.0 - sum(weights[domain] for domain in kept[1:]), 6)
        return weights

    def evidence(self, service: Service) -> Mapping[str, float]:
        """Return the evidence for each domain: a keyword's rarity times its weighted count.

        The count of each keyword is capped, so that no single one dominates.
        """
        counts: dict[tuple[str, ...], float] = {}
        sources = [
            (_NAME_WEIGHT, _NOISE.sub(" ", service.name)),
            (_TITLE_WEIGHT, _NOISE.sub(" ", service.title)),
            (_TEXT_WEIGHT, _NOISE.sub(" ", service.description)),
        ]
        weighted = [(weight, text_words(text)) for weight, text in sources]
        weighted.extend((_TOOL_WEIGHT, name_words(tool.name)) for tool in service.tools)
        for weight, words in weighted:
            phrases: set[tuple[str, ...]] = {(word,) for word in words}
            phrases.update(pairwise(words))
            for phrase in phrases:
                if phrase in self._keywords:
                    counts[phrase] = counts.get(phrase, 0.0) + weight
        scores: dict[str, float] = {}
        for phrase in sorted(counts):
            gain = self._idf[phrase] * min(counts[phrase], _MOST_COUNTED) * len(phrase)
            for domain in self._keywords[phrase]:
                scores[domain] = scores.get(domain, 0.0) + gain
        return scores


def _plain(label: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", label.lower().replace("&", " and ")))


def plain_words(text: str) -> list[str]:
    """Return the lower-case singular words of a text, without words about MCP itself."""
    return text_words(_NOISE.sub(" ", text))


@lru_cache(maxsize=65536)
def name_words(name: str) -> list[str]:
    """Return the lower-case singular words of a tool's name; the list is cached, so do not change it."""
    return text_words(name)


def text_words(text: str) -> list[str]:
    """Return lower-case singular words: ``getUserIDs_v2`` gives get, user, id, v, 2."""
    return [keyword_form(word) for word in _WORD.findall(text)]
