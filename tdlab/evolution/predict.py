"""Predict what playing a blueprint will give, from its plan alone: the mode and the complexity of the trajectory.

A blueprint fixes the topology of its trajectory, so that the letters of its reasoning mode and most of its CAC are
known once it is planned. This makes steering cheap: the controller sends the state of the set with an order, several
drafts are bred, and only the one with the most merit is played and verified. With the scripted teacher and the
simulated environment the predicted mode is exact; a language model may deviate. The gauges always use measured values.
The formulas are ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from tdlab.diversity import ALPHABET, scalars, utterance
from tdlab.records import Blueprint, Constant, FromResult, FromTemplate, FromUser, Step, TaskScript, Tool
from tdlab.tools import nature

__all__ = ["Prediction", "predict"]

_PLACE = {letter: place for place, letter in enumerate(ALPHABET)}


class Prediction(NamedTuple):
    """The expected signature (letters of the mode) and CAC of a blueprint's trajectory."""

    signature: tuple[str, ...]
    cac: float


def predict(blueprint: Blueprint, tools: Mapping[str, Tool]) -> Prediction:
    """Predict mode and CAC of the trajectory of a blueprint.

    Args:
        blueprint: The plan.
        tools: Definitions of all tools that it calls, by key.

    Returns:
        The expected signature and CAC.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     candidate = next(run.store.accepted())
        ...     tools = {tool.key: tool for tool in run.store.tools()}
        >>> list(predict(candidate.blueprint, tools).signature) == candidate.features["signature"]
        True
    """
    if blueprint.script is not None:
        return Prediction(_signature_of_script(blueprint.script, tools), _cac_of_steps(blueprint, tools))
    letters: list[str] = []
    turn = blueprint.steps[0].turn if blueprint.steps else 0
    for step in blueprint.steps:
        if step.turn != turn:
            letters.append("reply")
            turn = step.turn
        letters.extend(_letters(step, tools))
    if not blueprint.steps or blueprint.steps[-1].kind != "refuse":
        letters.append("reply")
    return Prediction(tuple(letter for letter, _ in groupby(letters)), _cac_of_steps(blueprint, tools))


def _cac_of_steps(blueprint: Blueprint, tools: Mapping[str, Tool]) -> float:
    terms: list[float] = []
    called: set[str] = set()
    failed: set[str] = set()
    service = ""
    for step in blueprint.steps:
        if step.failure is not None and step.failure.recovery == "report":  # a call that fails counts only as overcome
            failed.update(call.tool for call in step.calls)
            continue
        for call in step.calls:
            tool = tools[call.tool]
            terms.append(float(tool.key in failed))
            failed.discard(tool.key)
            values = [b.value for b in call.arguments.values() if isinstance(b, (FromUser, Constant))]
            observed = sum(isinstance(b, FromResult) for b in call.arguments.values())
            texts = sum(isinstance(b, FromTemplate) for b in call.arguments.values())
            leaves = observed + texts + sum(1 for value in values for _ in scalars(value))
            terms += [1.0, math.log2(1 + leaves), float(observed)]
            terms.append(float(tool.key not in called))
            called.add(tool.key)
            if step.kind != "code":  # the code tool belongs to no service
                terms.append(float(service not in ("", tool.service)))
                service = tool.service
        terms.append(float(step.failure is not None))
    return math.fsum(terms)


def _signature_of_script(script: TaskScript, tools: Mapping[str, Tool]) -> tuple[str, ...]:
    """Return the signature of a script: its words are known already."""
    letters: list[str] = []
    failed: set[str] = set()
    for beat in script.beats:
        if beat.speaker == "assistant":
            letters.append(utterance(beat.text))
        if beat.calls:
            letters.extend(_batch_letters([tools[call.tool] for call in beat.calls]))
        for call in beat.calls:
            if call.meets:
                letters.append("error")
                failed.add(call.tool)
            elif call.tool in failed:
                letters.append("recover")
                failed.remove(call.tool)
    return tuple(letter for letter, _ in groupby(letters))


def _batch_letters(called: Sequence[Tool]) -> list[str]:
    """Return the letters of calls that are made at once."""
    effects = sorted({nature(tool).effect for tool in called}, key=_PLACE.__getitem__)
    batch = len(called)
    return [*([f"parallel-{batch}" if batch < 4 else "parallel-4+"] if batch > 1 else []), *effects]


def _letters(step: Step, tools: Mapping[str, Tool]) -> list[str]:
    """Return the letters that a step adds to the signature."""
    if step.kind in ("ask", "confirm", "refuse", "code"):
        return [step.kind]
    letters = _batch_letters([tools[call.tool] for call in step.calls])
    return [*letters, "error", *letters, "recover"] if step.failure is not None else letters
