"""The committee: several judges mark a conversation by a rubric; their agreement is reported and their reasons kept.

Each judge is a model, or the same model with another seed. A judge accepts a conversation whose every mark is at least
`PASSING`; the committee accepts it if most judges do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from tdlab.formats import openai_message
from tdlab.records import Json, Score, Tool, Trajectory
from tdlab.rollout.llm.session import MAX_LINE, OBJECT, AgentSession, one_line
from tdlab.tools import shorten

__all__ = ["CRITERIA", "PASSING", "Judgement", "agreement", "judge"]

CRITERIA = ("goal", "tools", "grounded", "world", "consent", "natural")
"""The rubric: a real goal, the right tools, grounded values, a consistent world, consent, natural speech."""
PASSING = 3
"""The lowest mark of a conversation that a judge accepts; marks go from 1 to 5."""

_MOST_REASONS = 3  # of an objection
_MAX_REASON = 200  # characters of each
_SCHEMA: dict[str, Json] = {
    **OBJECT,
    "properties": {
        criterion: {
            **OBJECT,
            "properties": {
                "reason": {"type": "string", "maxLength": MAX_LINE},
                "score": {"type": "integer", "minimum": 1, "maximum": 5},
            },
            "required": ["reason", "score"],
        }
        for criterion in CRITERIA
    },
    "required": list(CRITERIA),
}


class Judgement(NamedTuple):
    """What a committee found: the marks of its judges, and its objection (empty if it accepts)."""

    scores: tuple[Score, ...]
    objection: str


def judge(
    session: AgentSession, trajectory: Trajectory, intent: str, tools: Mapping[str, Tool], policy: Sequence[str]
) -> Judgement:
    """Let the committee judge a trajectory.

    Args:
        session: Sends the requests.
        trajectory: The conversation.
        intent: What the user wanted.
        tools: Every tool that was offered, by key.
        policy: The rules that the assistant had.

    Returns:
        The judgement.

    Raises:
        RolloutStopped: A judge gives no usable reply.
    """
    called = {call.name for call in trajectory.calls()}
    material = {
        "wanted": intent,
        "rules": list(policy),
        "tools": {
            name: {
                "description": tools[key].description,
                "parameters": tools[key].parameters,
                "required": list(tools[key].required),
            }
            if name in called
            else tools[key].description
            for name, key in trajectory.tools.items()
            if key in tools
        },
        "messages": [openai_message(m.model_copy(update={"reasoning": ""})) for m in trajectory.messages],
    }
    scores: list[Score] = []
    votes: list[bool] = []
    for number, model in enumerate(session.config.judges):
        name = f"{model or session.config.model_of('committee')}#{number}"
        # It comes last in the request, so that a server with a prompt cache reads the conversation once.
        seat = {**material, "your_seat": f"{number + 1} of {len(session.config.judges)}"}
        marks = session.structured("committee", seat, _SCHEMA, _points_at_something, model=model)
        scores += [
            Score(judge=name, criterion=c, score=marks[c]["score"], reason=one_line(marks[c]["reason"]))
            for c in CRITERIA
        ]
        votes.append(all(marks[criterion]["score"] >= PASSING for criterion in CRITERIA))
    if 2 * sum(votes) > len(votes):
        return Judgement(tuple(scores), "")
    worst = sorted((s for s in scores if s.score < PASSING), key=lambda s: (s.score, CRITERIA.index(s.criterion)))
    reasons = dict.fromkeys(f"{score.criterion}: {shorten(one_line(score.reason), _MAX_REASON)}" for score in worst)
    return Judgement(tuple(scores), "; ".join(list(reasons)[:_MOST_REASONS]) or "no reason given")


def _points_at_something(marks: Mapping[str, Json]) -> str:
    for criterion in CRITERIA:
        if marks[criterion]["score"] < PASSING and not marks[criterion]["reason"].strip():
            return f"the low score for {criterion} has no reason"
    return ""


def agreement(scores: Sequence[Score]) -> float | None:
    """Return the share of pairs of judges that come to the same verdict on a conversation.

    Args:
        scores: The marks that one conversation got.

    Returns:
        A share from 0 to 1; None with fewer than two judges.

    Example:
        >>> from tdlab.records import Score
        >>> marks = [Score(judge=name, criterion="goal", score=mark) for name, mark in (("a", 5), ("b", 4), ("c", 1))]
        >>> round(agreement(marks), 2)
        0.33
    """
    lowest: dict[str, int] = {}
    for score in scores:
        lowest[score.judge] = min(lowest.get(score.judge, score.score), score.score)
    pairs = list(combinations([mark >= PASSING for mark in lowest.values()], 2))
    return sum(one == other for one, other in pairs) / len(pairs) if pairs else None
