"""Compare one trajectory with the tasks of benchmarks."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from tdlab.contamination.benchmark import (
    MOST_CHARACTERS,
    Benchmark,
    SequenceIndex,
    definition_forms,
    features_of_words,
    identifiers_of,
    is_too_long,
    plain_name,
    said,
    said_whole,
)
from tdlab.contamination.words import Hashes, Words, hashes_of, words_of
from tdlab.records import Record, Tool, Trajectory
from tdlab.tools import printable

__all__ = ["KINDS", "Match", "Overlap", "find_overlap"]

KINDS = ("sequence", "near_duplicate", "values", "definitions", "names")
"""The kinds of overlap, the strongest first."""

_MOST_EVIDENCE = 160
_SHOWN = 5
_MESSAGES = 200  # messages of one trajectory that are compared as wholes


class Match(Record):
    """What a trajectory shares with a benchmark.

    Attributes:
        kind: One of `KINDS`.
        task: The task of the benchmark that shares most.
        score: In (0, 1]. Of a sequence, the share of the task's sequences; of a near-duplicate, the Jaccard similarity;
            else, the share of what the trajectory has of that kind.
        size: Words of the longest shared sequence, or the number of things shared.
        evidence: What is shared, shortened.
    """

    kind: str
    task: str
    score: float
    size: int
    evidence: str


class Overlap(Record):
    """All that a trajectory shares with benchmarks: at most one match of each kind, the strongest first.

    ``unread`` says what of it was not compared, if anything.
    """

    trajectory: str
    contaminated: bool
    matches: tuple[Match, ...] = ()
    unread: str = ""

    @property
    def strongest(self) -> Match | None:
        """The strongest match, if there is one."""
        return self.matches[0] if self.matches else None


def find_overlap(trajectory: Trajectory, tools: Mapping[str, Tool], benchmark: Benchmark) -> Overlap:
    """Compare a trajectory with every task of a benchmark.

    Args:
        trajectory: The trajectory.
        tools: The definitions of its tools, by key.
        benchmark: The tasks, all added.

    Returns:
        What they share.

    Example:
        >>> from tdlab.records import Message, Trajectory
        >>> words = "Please reserve the small meeting room on the third floor for Monday at nine in the morning"
        >>> task = Trajectory(id="b-1", messages=(Message(role="user", content=words),))
        >>> benchmark = Benchmark()
        >>> benchmark.add("b-1", task, {})
        >>> find_overlap(task, {}, benchmark).strongest.kind
        'sequence'
    """
    words = words_of(said_whole(trajectory))
    unread = f"what follows {MOST_CHARACTERS:,} characters was not compared" if is_too_long(trajectory) else ""
    found = (
        _shared_sequence(words, benchmark),
        _near_duplicate(trajectory, benchmark),
        _shared_values(trajectory, benchmark),
        _shared_definitions(trajectory, tools, benchmark),
        _shared_names(trajectory, benchmark),
    )
    matches = tuple(match for match in found if match is not None)
    contaminated = any(match.kind in benchmark.rules.deciding for match in matches)
    return Overlap(trajectory=trajectory.id, contaminated=contaminated, matches=matches, unread=unread)


def _shared_sequence(words: Words, benchmark: Benchmark) -> Match | None:
    """Return the longest run of words that the trajectory shares with one task."""
    unknown = len(benchmark.numbers)
    numbers = np.fromiter(
        (benchmark.numbers.get(word, unknown) for word in words.words), dtype=np.uint64, count=len(words.words)
    )
    best: tuple[int, int, int, int] | None = None  # words, minus the text, the position here, windows
    for index in benchmark.sequences:
        for text, position, length, windows in _runs(numbers, index, benchmark):
            candidate = (length, -text, position, windows)
            if best is None or candidate[:2] > best[:2]:
                best = candidate
    if best is None:
        return None
    length, text, position = best[0], -best[1], best[2]
    task = benchmark.texts[text]
    every = len(task.numbers) - task.length + 1
    return Match(
        kind="sequence",
        task=task.task,
        score=min(1.0, best[3] / every),
        size=length,
        evidence=printable(words.excerpt(position, length), most=_MOST_EVIDENCE),
    )


def _runs(numbers: Hashes, index: SequenceIndex, benchmark: Benchmark) -> Iterator[tuple[int, int, int, int]]:
    """Yield each run of windows that one text of the index has: the text, where it begins, its words, its windows."""
    rows = index.find(hashes_of(numbers, index.length))
    hits = np.flatnonzero(rows >= 0)
    start = previous = run_text = -1
    for hit in hits.tolist():
        row = rows[hit]
        text, position = int(index.texts[row]), int(index.positions[row])
        window = benchmark.texts[text].numbers[position : position + index.length]
        if not np.array_equal(window, numbers[hit : hit + index.length]):
            continue  # two windows of one hash
        if hit != previous + 1 or text != run_text:
            if start >= 0:
                yield run_text, start, previous - start + index.length, previous - start + 1
            start, run_text = hit, text
        previous = hit
    if start >= 0:
        yield run_text, start, previous - start + index.length, previous - start + 1


def _near_duplicate(trajectory: Trajectory, benchmark: Benchmark) -> Match | None:
    """Return the task whose text is most like one message of the user, or like all of them.

    A message like those of many tasks is small talk, such as a good-bye.
    """
    messages = [message[:_MOST_CHARACTERS] for message in itertools.islice(said(trajectory), _MESSAGES)]
    best: tuple[float, int, int, str] | None = None
    for text in dict.fromkeys(("\n".join(messages)[:_MOST_CHARACTERS], *messages)):
        words = words_of(text).words
        features = features_of_words(words, whole=len(messages) == 1, rules=benchmark.rules)
        close = benchmark.close_to(features) if features else []
        if len({benchmark.parts[number][0] for _, number in close}) > benchmark.most_common:
            continue
        for similarity, number in close:
            if best is None or (similarity, -number) > best[:2]:
                best = (similarity, -number, len(words), text)
    if best is None:
        return None
    return Match(
        kind="near_duplicate",
        task=benchmark.parts[-best[1]][0],
        score=best[0],
        size=best[2],
        evidence=printable(best[3], most=_MOST_EVIDENCE),
    )


_MOST_CHARACTERS = 200_000  # of one text that is compared as a whole


def _shared_values(trajectory: Trajectory, benchmark: Benchmark) -> Match | None:
    own = identifiers_of(trajectory)
    shared = sorted(value for value in own if value in benchmark.values and benchmark.is_rare(value))
    return _match("values", shared, len(own), Counter(benchmark.values[value] for value in shared))


def _shared_definitions(trajectory: Trajectory, tools: Mapping[str, Tool], benchmark: Benchmark) -> Match | None:
    offered = [tools[key] for key in dict.fromkeys(trajectory.tools.values()) if key in tools]
    hits = {
        tool.name: next((benchmark.definitions[f] for f in definition_forms(tool) if f in benchmark.definitions), None)
        for tool in offered
    }
    tasks = Counter(task for task in hits.values() if task is not None)
    return _match("definitions", sorted(name for name, task in hits.items() if task is not None), len(hits), tasks)


def _shared_names(trajectory: Trajectory, benchmark: Benchmark) -> Match | None:
    own = {plain_name(key) for key in trajectory.tools.values()} - {""}
    shared = sorted(own & benchmark.names.keys())
    return _match("names", shared, len(own), Counter(benchmark.names[name] for name in shared))


def _match(kind: str, shared: list[str], every: int, tasks: Counter[str]) -> Match | None:
    if not shared:
        return None
    task = min(tasks, key=lambda name: (-tasks[name], name))
    more = f" and {len(shared) - _SHOWN} more" if len(shared) > _SHOWN else ""
    evidence = printable(", ".join(shared[:_SHOWN]), most=_MOST_EVIDENCE) + more
    return Match(kind=kind, task=task, score=len(shared) / every, size=len(shared), evidence=evidence)
