"""The index of benchmarks: word sequences, near-duplicates, tools and identifiers of their tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tdlab.contamination.words import Hashes, hashes_of, is_unspaced, words_of
from tdlab.records import Json, Record, Tool, Trajectory, canonical_json
from tdlab.tools import leaves, split_words
from tdlab.verify import SimilarSets

__all__ = [
    "MOST_CHARACTERS",
    "Benchmark",
    "ContaminationRules",
    "SequenceIndex",
    "TaskText",
    "definition_forms",
    "features_of_words",
    "identifiers_of",
    "is_too_long",
    "plain_name",
    "said",
    "said_whole",
]

_LONGEST_VALUE = 64
_VALUE = re.compile(r"[A-Za-z0-9#][\w.@#-]*\w")
# What has digits and is no identifier: dates, times, versions, names of formats, amounts, measures, placeholders.
_ORDINARY = re.compile(
    r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}.*|\d{1,2}:\d\d.*|v?\d+(?:\.\d+)+|[a-z]+[-_]?\d{1,2}|\d{1,3}(?:,\d{3})*(?:\.\d+)?"
    r"|(?:sha|utf|base|iso|rfc|int|uint|float)[-_]?\d+|(?:19|20)\d{6}|\d+(?:st|nd|rd|th|k|m|px|gb|mb|kg|km|usd|h|min|ms)"
    r"|\d*0000|0?12345\d*|abc[-_]?123\d*|(\d)\1+",
    re.IGNORECASE,
)
_FEWEST_DIGITS = 3
_SHORTEST_CODE = 6
_SHORTEST_DESCRIPTION = 8  # words from which on two tools of one description are the same


class ContaminationRules(Record):
    """What counts as overlap, and which kinds of overlap make a trajectory contaminated.

    Attributes:
        words: Words of a shared sequence; a character of a script without spaces is half a word.
        fewest_words: Words of a task from which on it counts if it occurs whole, though it is shorter than a sequence.
        similarity: Jaccard similarity of two texts from which on they are near-duplicates, in [0.3, 1].
        common: A sequence or identifier that more than this many distinct tasks have is boilerplate.
        common_share: The same as a share of the distinct tasks; the larger of the two holds.
        deciding: The kinds of overlap that make a trajectory contaminated.
    """

    words: int = Field(default=13, ge=4, le=100)
    fewest_words: int = Field(default=8, ge=4, le=100)
    similarity: float = Field(default=0.6, ge=0.3, le=1.0)
    common: int = Field(default=10, ge=1)
    common_share: float = Field(default=0.02, ge=0.0, le=1.0)
    deciding: tuple[str, ...] = ("sequence", "near_duplicate")

    def sequence_length(self, words: list[str]) -> int:
        """Return how many of these words make a sequence."""
        return self.words * 2 if is_unspaced(words) else self.words

    def shortest(self, words: list[str]) -> int:
        """Return how many of these words make a task that counts if it occurs whole."""
        fewest = min(self.fewest_words, self.words)
        return fewest * 2 if is_unspaced(words) else fewest


class TaskText(NamedTuple):
    """The text of a task: the task's name, its words as numbers, and how many of them make a sequence."""

    task: str
    numbers: Hashes
    length: int


@dataclass(frozen=True)
class SequenceIndex:
    """Windows of one length: sorted hashes, and for each the text and the position where it first occurs."""

    length: int
    hashes: Hashes
    texts: NDArray[np.int64]
    positions: NDArray[np.int64]

    def find(self, hashes: Hashes) -> NDArray[np.int64]:
        """Return for each hash its row in the index, or -1."""
        if not len(self.hashes):
            return np.full(len(hashes), -1, dtype=np.int64)
        rows = np.searchsorted(self.hashes, hashes).astype(np.int64)
        rows[rows == len(self.hashes)] = 0
        return np.where(self.hashes[rows] == hashes, rows, -1)


@dataclass
class Benchmark:
    """The tasks to compare with: add every task, then compare.

    Memory holds about 40 bytes for each word of the tasks' texts, and 1 KB for each text.

    Example:
        >>> from tdlab.records import Message, Trajectory
        >>> benchmark = Benchmark()
        >>> words = "Please reserve the small meeting room on the third floor for Monday at nine in the morning"
        >>> benchmark.add("b-1", Trajectory(id="b-1", messages=(Message(role="user", content=words),)), {})
        >>> benchmark.tasks
        1
    """

    rules: ContaminationRules = field(default_factory=ContaminationRules)
    tasks: int = 0
    cut: int = 0
    texts: list[TaskText] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    parts: list[tuple[str, frozenset[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._value_tasks: dict[str, int] = {}
        self._seen: set[bytes] = set()
        self._seen_parts: set[str] = set()
        self._every: set[str] = set()
        self._largest = 0
        self.similar = SimilarSets(threshold=max(0.1, self.rules.similarity - _ESTIMATE))

    def add(self, task: str, trajectory: Trajectory, tools: Mapping[str, Tool]) -> None:
        """Add a task.

        Args:
            task: The name of the task in reports.
            trajectory: What its user says, and the calls of a solution if there are any.
            tools: The definitions of its tools, by key.
        """
        self.tasks += 1
        self.cut += is_too_long(trajectory)
        messages = list(said(trajectory))
        for text in dict.fromkeys((said_whole(trajectory), *messages)):
            words = words_of(text).words
            features = features_of_words(words, whole=len(messages) == 1, rules=self.rules)
            joined = " ".join(words)
            if features and joined not in self._seen_parts:  # the same text in four files of BFCL is one text
                self._seen_parts.add(joined)
                self.similar.add(str(len(self.parts)), features)
                self.parts.append((task, features))
                self._every |= features
                self._largest = max(self._largest, len(features))
        self._add_text(task, words_of(said_whole(trajectory)).words)
        for key in trajectory.tools.values():
            self.names.setdefault(plain_name(key), task)
        for tool in tools.values():
            for form in definition_forms(tool):
                self.definitions.setdefault(form, task)
        for value in sorted(identifiers_of(trajectory)):
            self.values.setdefault(value, task)
            self._value_tasks[value] = self._value_tasks.get(value, 0) + 1

    def _add_text(self, task: str, words: list[str]) -> None:
        if len(words) < self.rules.shortest(words):
            return
        numbers = np.fromiter(
            (self.numbers.setdefault(word, len(self.numbers)) for word in words), dtype=np.uint64, count=len(words)
        )
        if numbers.tobytes() not in self._seen:
            self._seen.add(numbers.tobytes())
            self.texts.append(TaskText(task, numbers, min(self.rules.sequence_length(words), len(words))))

    def is_rare(self, value: str) -> bool:
        """Return whether few tasks have an identifier."""
        return self._value_tasks.get(value, 0) <= self.most_common

    @property
    def most_common(self) -> int:
        """The number of tasks above which what they share is boilerplate."""
        return max(self.rules.common, int(self.rules.common_share * self.tasks))

    def close_to(self, features: frozenset[str]) -> list[tuple[float, int]]:
        """Return the similarity and the number in ``parts`` of each text that is a near-duplicate."""
        # so much of a near-duplicate's features must be shared that most texts need no hashing
        wanted = self.rules.similarity * len(features)
        if wanted > self._largest or len(features & self._every) < wanted:
            return []
        numbers = [int(key) for key, _ in self.similar.similar(features)]
        exact = [(len(features & self.parts[n][1]) / len(features | self.parts[n][1]), n) for n in numbers]
        return [(similarity, number) for similarity, number in exact if similarity >= self.rules.similarity]

    @cached_property
    def sequences(self) -> tuple[SequenceIndex, ...]:
        """The indices of the texts' windows, by length. They are built on first use: add every task before."""
        lengths = sorted({text.length for text in self.texts}, reverse=True)
        return tuple(self._index(length) for length in lengths)

    def _index(self, length: int) -> SequenceIndex:
        hashes, texts, positions = [], [], []
        for number, text in enumerate(self.texts):
            if text.length == length:
                own, first = np.unique(hashes_of(text.numbers, length), return_index=True)
                hashes.append(own)
                texts.append(np.full(len(own), number, dtype=np.int64))
                positions.append(first.astype(np.int64))
        distinct, first, counts = np.unique(np.concatenate(hashes), return_index=True, return_counts=True)
        rare = counts <= self.most_common
        rows = first[rare]  # np.unique returns first occurrences: of the task that was added first
        return SequenceIndex(length, distinct[rare], np.concatenate(texts)[rows], np.concatenate(positions)[rows])


_ESTIMATE = 0.15  # MinHash estimates are looked up this far below the threshold, and then compared exactly


def said(trajectory: Trajectory) -> Iterator[str]:
    """Yield what the user says, message by message, without a simulated user's mark of the end (tau-bench).

    After `MOST_CHARACTERS` it ends; `is_too_long` tells.
    """
    left = MOST_CHARACTERS
    for message in trajectory.messages:
        if left > 0 and message.role == "user" and (text := _END.sub("", message.content[:left]).strip()):
            left -= len(message.content)
            yield text


def is_too_long(trajectory: Trajectory) -> bool:
    """Return whether the user says more than is compared."""
    return sum(len(m.content) for m in trajectory.messages if m.role == "user") > MOST_CHARACTERS


MOST_CHARACTERS = 4_000_000  # of what one user says that are compared: 200 MB of words would take 20 GB


_END = re.compile(r"###[A-Z-]{2,30}###")


def said_whole(trajectory: Trajectory) -> str:
    """Return all that the user says: a task may be one message, or stated over several turns."""
    return "\n".join(said(trajectory))


def features_of_words(words: list[str], *, whole: bool, rules: ContaminationRules) -> frozenset[str]:
    """Return the features by which texts are compared: words and pairs of words; none of a text of a few words.

    A text that is the whole of what a user says may be shorter than one of several messages.
    """
    fewest = rules.shortest(words) if whole else rules.sequence_length(words)
    return frozenset((*words, *(f"{one} {other}" for one, other in pairwise(words)))) if len(words) >= fewest else _NONE


_NONE: frozenset[str] = frozenset()


def plain_name(key: str) -> str:
    """Return the words of a tool's name, without its service."""
    return "_".join(split_words(key.rpartition("/")[2]))


def definition_forms(tool: Tool) -> Iterator[str]:
    """Yield what identifies a definition: its name with its parameters, if several, and its description."""
    parameters = sorted(tool.parameters)
    if len(parameters) > 1:
        yield canonical_json([plain_name(tool.name), parameters])
    words = words_of(tool.description).words
    if len(words) >= _SHORTEST_DESCRIPTION:
        yield " ".join(words)


def identifiers_of(trajectory: Trajectory) -> frozenset[str]:
    """Return the identifiers in a trajectory's calls and in what its user says: few texts share one by chance."""
    values: set[str] = set()
    for call in trajectory.calls():
        for _, leaf in leaves(call.arguments):
            values.update(_codes(leaf))
    for text in said(trajectory):
        for match in _VALUE.findall(text):
            values.update(_codes(match))
    return frozenset(values)


def _codes(leaf: Json) -> Iterator[str]:
    """Yield an argument if it is an identifier, in lower case."""
    text = str(leaf) if isinstance(leaf, int) and not isinstance(leaf, bool) else leaf
    if not isinstance(text, str) or not _SHORTEST_CODE <= len(text) <= _LONGEST_VALUE or _ORDINARY.fullmatch(text):
        return
    digits, letters = sum(map(str.isdecimal, text)), sum(map(str.isalpha, text))
    is_code = digits >= _FEWEST_DIGITS or (digits and letters and text.isupper())
    if _VALUE.fullmatch(text) and is_code and (letters or digits >= _SHORTEST_CODE):
        yield text.casefold()
