"""Results that templates write into texts: in a user's or a tool's message, or between the steps of a ReAct text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tdlab.formats._literal import loads_leniently
from tdlab.formats._parts import RawResult
from tdlab.records import Json

__all__ = ["Segment", "named_result", "segments_of", "written_results"]

_MARKED = re.compile(
    r"<(?:tool_response>(?P<hermes>.*?)(?:</tool_response>|\Z)"
    r"|TOOL_RESPONSE>(?P<nemotron>.*?)(?:</TOOL_RESPONSE>|\Z)"
    r"|[|｜]tool[▁_]output[▁_]begin[|｜]>(?P<deepseek>.*?)(?:<[|｜]tool[▁_]output[▁_]end[|｜]>|\Z)"
    r"|function_results>(?P<claude>.*?)(?:</function_results>|\Z)"
    r"|\|observation\|>(?P<glm>.*?)(?:<\|(?:assistant|user)\|>|\Z))",
    re.DOTALL,
)
_OPEN, _CLOSE = "<tool_response>", "</tool_response>"
_MISTRAL = re.compile(r"\[TOOL_RESULTS\](?P<mistral>.*?)(?:\[/TOOL_RESULTS\]|\Z)", re.DOTALL)
_WRAPPER = re.compile(r"<[|｜]tool[▁_]outputs[▁_](?:begin|end)[|｜]>|</?tool_responses>")
_OBSERVATION = re.compile(r"\A\s*Observation[ \t]*:[ \t]*(.*)\Z", re.DOTALL | re.IGNORECASE)
_RESULT_KEYS = {"name", "content", "tool_call_id", "call_id", "id"}
_STEP = re.compile(
    r"^[ \t]*Observation[ \t]*:[ \t]*(.*?)(?=^[ \t]*(?:Thought|Action|Final Answer|Observation)[ \t]*:|\Z)",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
_ACTION = re.compile(r"^[ \t]*Action[ \t]*:", re.MULTILINE | re.IGNORECASE)


def written_results(text: str) -> tuple[list[RawResult], str]:
    """Return the results in a message's text, and the text around them."""
    if "Observation" in text[:200] or "observation" in text[:200]:
        observation = _OBSERVATION.match(text)
        if observation is not None:
            return [RawResult(None, observation.group(1).strip())], ""
    if text.startswith(_OPEN) and text.endswith(_CLOSE) and text.count(_OPEN) == 1:  # as most files have it
        return [named_result(text[len(_OPEN) : -len(_CLOSE)].strip())], ""
    if 0 <= text.find("</tool_response>") < text.find("<tool_response>"):
        text = "<tool_response>" + text  # LLaMA-Factory joins parallel results by a closing and an opening tag
    marked = _MISTRAL if "[TOOL_RESULTS]" in text else _MARKED if "<" in text else None
    matches = [] if marked is None else list(marked.finditer(text))
    if not matches:
        return [], text
    results = [named_result((match[match.lastgroup or ""] or "").strip()) for match in matches]
    pieces = [
        text[start:end]
        for start, end in zip([0, *(m.end() for m in matches)], [*(m.start() for m in matches), len(text)], strict=True)
    ]
    rest = "".join(pieces).strip()
    return results, _WRAPPER.sub("", rest).strip() if rest else ""


def named_result(body: str) -> RawResult:
    """Return a result that may be wrapped with the tool's name: ``{"name": ..., "content": ...}``."""
    if (body.startswith("{") and '"content"' in body) or body.startswith("{'"):
        try:
            value: Json = loads_leniently(body)
        except ValueError:
            return RawResult(None, body)
        if isinstance(value, dict) and "content" in value and set(value) <= _RESULT_KEYS and len(value) > 1:
            name, call_id = value.get("name"), value.get("tool_call_id", value.get("call_id", value.get("id")))
            return RawResult(
                call_id if isinstance(call_id, str) else None,
                value["content"],
                name=name if isinstance(name, str) else None,
            )
    return RawResult(None, body)


class Segment(NamedTuple):
    """A part of an assistant's text: a step, or a result between two steps.

    Attributes:
        text: Its text.
        is_result: Whether it is a result.
        is_answered: Whether a result follows in the same text.
        is_part: Whether the text has several segments.
    """

    text: str
    is_result: bool = False
    is_answered: bool = False
    is_part: bool = False


def segments_of(text: str) -> Iterator[Segment]:
    """Yield the steps and observations of a ReAct transcript that is one text; any other text is one segment."""
    if "bservation" not in text or _ACTION.search(text) is None:
        yield Segment(text)
        return
    steps = list(_STEP.finditer(text))
    if not steps or not _ACTION.search(text[: steps[0].start()]):
        yield Segment(text)
        return
    start = 0
    for step in steps:
        before = text[start : step.start()].strip()
        if before:
            yield Segment(before, is_answered=True, is_part=True)
        yield Segment(step.group(1).strip(), is_result=True, is_part=True)
        start = step.end()
    if text[start:].strip():
        yield Segment(text[start:].strip(), is_part=True)
