"""Measure the quality of a set: every measure over every trajectory, read once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from tdlab.quality import choices, contradictions, refusals, wording
from tdlab.quality._conversation import Conversation
from tdlab.quality._outcome import Outcome
from tdlab.quality.report import Measure, QualityExample, QualityReport, clustered_interval
from tdlab.quality.utterances import chao1_interval, masked_words, opener, self_bleu, values_of
from tdlab.records import Tool, Trajectory, rng_for
from tdlab.tools import printable

__all__ = ["FAULTS", "MEASURES", "faults_of", "measure_quality"]

_SAMPLE = 300  # user messages for the self-BLEU, at most
_GROUP = 100  # self-BLEU grows with the number of texts: it is taken in groups of this size, so that sets compare
_REPLICATES = 400
_EXAMPLES = 3


class _Definition(NamedTuple):
    title: str
    unit: str
    find: Callable[[Conversation], Outcome | None]


_DEFINITIONS: dict[str, _Definition] = {
    "values_behind_label": _Definition(
        "values behind their label", "values said by users", wording.values_behind_label
    ),
    "descriptions_quoted": _Definition("descriptions quoted", "user messages", wording.descriptions_quoted),
    "replies_dumping_parameters": _Definition(
        "replies that dump fields", "conversations", wording.replies_dumping_parameters
    ),
    "take_the_first": _Definition("take the first", "user messages", wording.take_the_first),
    "placeholder_text": _Definition("placeholder text", "conversations", wording.placeholder_text),
    "first_item_picks": _Definition("first-item picks", "picks from lists", choices.first_item_picks),
    "contradictory_worlds": _Definition(
        "contradictory worlds", "conversations with results", contradictions.contradictory_worlds
    ),
    "results_without_information": _Definition(
        "results without information", "results", choices.results_without_information
    ),
    "guessed_results": _Definition("guessed results", "receipts", choices.guessed_results),
    "created_and_destroyed": _Definition(
        "created and destroyed", "conversations with calls", choices.created_and_destroyed
    ),
    "requests_sharing_no_service": _Definition(
        "requests sharing no service", "successive requests", choices.requests_sharing_no_service
    ),
    "idle_calls": _Definition("idle calls", "reading calls", choices.idle_calls),
    "two_roles_one_entity": _Definition("two roles, one entity", "calls with two roles", choices.two_roles_one_entity),
    "conversations_with_error": _Definition(
        "conversations with an error", "conversations", choices.conversations_with_error
    ),
    "conversations_with_handled_error": _Definition(
        "... that is handled", "conversations", choices.conversations_with_handled_error
    ),
    "identical_retries": _Definition("identical retries", "errors", choices.identical_retries),
    "conversations_with_refusal": _Definition(
        "conversations with a refusal", "conversations", refusals.conversations_with_refusal
    ),
    "refusals_last": _Definition("refusals that come last", "refusals", refusals.refusals_last),
    "refusals_near_miss": _Definition("refusals that are near misses", "refusals", refusals.refusals_near_miss),
    "wrong_refusals": _Definition("wrong refusals", "refusals", refusals.wrong_refusals),
}


MEASURES = (*_DEFINITIONS, "self_bleu", "distinct_openers")
"""The names of all measures, in the order of the table."""


FAULTS = (
    "replies_dumping_parameters", "take_the_first", "contradictory_worlds", "idle_calls", "two_roles_one_entity",
    "identical_retries", "wrong_refusals",
)  # fmt: skip
"""The measures of what no conversation should have; the others are shares of what is good in measure."""


def faults_of(trajectory: Trajectory, tools: Mapping[str, Tool]) -> tuple[str, ...]:
    """Return which of the faults one conversation has.

    Args:
        trajectory: The trajectory.
        tools: Definitions of its tools by key.

    Returns:
        Names out of `FAULTS`, in that order.

    Example:
        >>> from tdlab.formats import read_trajectories
        >>> dataset = read_trajectories("runs/first/dataset.jsonl")
        >>> faults_of(dataset.trajectories[0], dataset.tools)
        ()
    """
    conversation = Conversation(trajectory, tools)
    outcomes = ((name, _DEFINITIONS[name].find(conversation)) for name in FAULTS)
    return tuple(name for name, outcome in outcomes if outcome is not None and outcome.hits)


def measure_quality(
    trajectories: Iterable[Trajectory], tools: Mapping[str, Tool] | None = None, *, seed: int = 0
) -> QualityReport:
    """Measure whether conversations are worth training on, on any dataset.

    Only the conversations and the definitions of their tools are read, no blueprints, so that sets of any origin
    compare. Each trajectory is read once; memory holds counts and at most 300 messages.

    Args:
        trajectories: The trajectories, such as those of `read_trajectories` or of a `TrajectoryStream`.
        tools: Definitions of tools by key. Without them, what needs descriptions is not known.
        seed: Seed of the sample of messages for the self-BLEU and of its interval.

    Returns:
        Each measure with its N, a 95 % interval and examples. A measure that cannot be determined has the value None.

    Example:
        >>> from tdlab.formats import read_trajectories
        >>> dataset = read_trajectories("runs/first/dataset.jsonl")
        >>> report = measure_quality(dataset.trajectories, dataset.tools)
        >>> report.trajectories, report.measures["created_and_destroyed"].unit
        (12, 'conversations with calls')
    """
    definitions = tools or {}
    tallies = {name: _Tally() for name in _DEFINITIONS}
    kinds: Counter[str] = Counter()
    wordings = _Wordings(seed)
    count = 0
    for trajectory in trajectories:
        count += 1
        conversation = Conversation(trajectory, definitions)
        for name, definition in _DEFINITIONS.items():
            tallies[name].add(trajectory.id, definition.find(conversation))
        if tallies["contradictory_worlds"].last:
            kinds.update({kind for kind, _ in contradictions.contradictions_of(conversation)})
        wordings.add(conversation)
    measures = {name: tallies[name].measure(definition) for name, definition in _DEFINITIONS.items()}
    return QualityReport(
        trajectories=count,
        measures=measures | wordings.measures(),
        contradictions={kind: kinds[kind] for kind in contradictions.KINDS if kinds[kind]},
        sampled_messages=len(wordings.sample),
    )


class _Tally:
    """The counts of one measure, by trajectory, and its first examples."""

    def __init__(self) -> None:
        self._pairs: list[tuple[int, int]] = []
        self._examples: list[QualityExample] = []
        self.last = False  # whether it was found in the last trajectory

    def add(self, trajectory: str, outcome: Outcome | None) -> None:
        self.last = outcome is not None and bool(outcome.hits)
        if outcome is None or not outcome.n:
            return
        self._pairs.append((len(outcome.hits), outcome.n))
        if outcome.hits and len(self._examples) < _EXAMPLES:
            self._examples.append(QualityExample(trajectory=trajectory, text=printable(outcome.hits[0], most=160)))

    def measure(self, definition: _Definition) -> Measure:
        total = sum(n for _, n in self._pairs)
        if not total:
            return Measure(title=definition.title, unit=definition.unit)
        count = sum(hits for hits, _ in self._pairs)
        low, high = clustered_interval(self._pairs)
        return Measure(
            title=definition.title,
            unit=definition.unit,
            value=count / total,
            low=low,
            high=high,
            count=count,
            n=total,
            trajectories=len(self._pairs),
            examples=tuple(self._examples),
        )


class _Wordings:
    """A sample of masked user messages, and all openers."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._rng = rng_for("tdlab.quality", "messages", seed)
        self.sample: list[list[str]] = []
        self._messages = 0
        self._conversations = 0
        self._openers: Counter[tuple[str, ...]] = Counter()
        self._example: dict[tuple[str, ...], str] = {}

    def add(self, conversation: Conversation) -> None:
        values: list[str] | None = None
        self._conversations += bool(conversation.users)
        for index, user in enumerate(conversation.users):
            self._messages += 1
            place = len(self.sample) if len(self.sample) < _SAMPLE else self._rng.randrange(self._messages)
            if place >= _SAMPLE and index:
                continue  # neither sampled nor an opener: not masked
            values = values_of(conversation) if values is None else values
            words = masked_words(user.text, values)
            if index == 0 and words:
                self._openers[opener(words)] += 1
                self._example.setdefault(opener(words), conversation.id)
            if place == len(self.sample) < _SAMPLE:
                self.sample.append(words)
            elif place < _SAMPLE:
                self.sample[place] = words

    def measures(self) -> dict[str, Measure]:
        """Return self-BLEU and the share of distinct openers."""
        order = list(range(len(self.sample)))
        self._rng.shuffle(order)
        groups = [order[start : start + _GROUP] for start in range(0, len(order), _GROUP)]
        if len(groups) > 1 and len(groups[-1]) < _GROUP:
            groups.pop()
        scores = [score for group in groups for score in self_bleu([self.sample[index] for index in group])]
        bleu = Measure(title="user self-BLEU-4, masked", kind="value", unit="user messages, in hundreds")
        if scores:
            rng = rng_for("tdlab.quality", "self-BLEU", self._seed)
            means = sorted(sum(rng.choices(scores, k=len(scores))) / len(scores) for _ in range(_REPLICATES))
            bleu = bleu.model_copy(
                update={
                    "value": sum(scores) / len(scores),
                    "low": means[int(0.025 * _REPLICATES)],
                    "high": means[int(0.975 * _REPLICATES) - 1],
                    "n": len(scores),
                    "trajectories": self._conversations,
                }
            )
        openers = Measure(title="distinct openers", unit="first user messages")
        if self._openers:
            total = self._openers.total()
            low, high = chao1_interval(list(self._openers.values()))
            common = self._openers.most_common(_EXAMPLES)
            openers = openers.model_copy(
                update={
                    "value": len(self._openers) / total,
                    "low": low,
                    "high": high,
                    "count": len(self._openers),
                    "n": total,
                    "trajectories": total,
                    "examples": tuple(
                        QualityExample(
                            trajectory=self._example[words],
                            text=printable(f"{' '.join(words)} ({times} times)", most=160),
                        )
                        for words, times in common
                        if times > 1
                    ),
                }
            )
        return {"self_bleu": bleu, "distinct_openers": openers}
