"""What a blueprint will add to the set, told before it is played: its mode, its complexity and the gain of both.

A blueprint fixes the topology of its trajectory, so the letters of its reasoning mode and most of its CAC are known as
soon as it is planned. That is what makes steering cheap: the controller sends a `SetState` along with an order, several
drafts are bred, and only the one with the most merit is played and verified. With the scripted teacher and the
simulated environment the forecast of the mode is what is then measured; a real model may do otherwise, and what counts
towards the gauges is always what was measured. The formulas are ours.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from typing import NamedTuple

from tdlab.diversity import ALPHABET, ONE, Tally, counted_masses, scalars, trigrams
from tdlab.records import Blueprint, Constant, FromResult, FromTemplate, FromUser, Step, Tool
from tdlab.tools import nature

__all__ = ["Prediction", "SetState", "predict"]

_PLACE = {letter: place for place, letter in enumerate(ALPHABET)}


class Prediction(NamedTuple):
    """What playing a blueprint should give: the letters of its mode, and its CAC."""

    signature: tuple[str, ...]
    cac: float


def predict(blueprint: Blueprint, tools: Mapping[str, Tool]) -> Prediction:
    """The mode and CAC to expect of ``blueprint``; ``tools`` holds every tool that it calls."""
    letters: list[str] = []
    terms: list[float] = []
    called: set[str] = set()
    turn = blueprint.steps[0].turn if blueprint.steps else 0
    service = ""
    for step in blueprint.steps:
        if step.turn != turn:
            letters.append("reply")
            turn = step.turn
        letters.extend(_letters(step, tools))
        for call in step.calls:
            tool = tools[call.tool]
            values = [b.value for b in call.arguments.values() if isinstance(b, (FromUser, Constant))]
            observed = sum(isinstance(b, FromResult) for b in call.arguments.values())
            texts = sum(isinstance(b, FromTemplate) for b in call.arguments.values())
            leaves = observed + texts + sum(1 for value in values for _ in scalars(value))
            terms += [1.0, math.log2(1 + leaves), float(observed)]
            terms.append(float(tool.key not in called))
            called.add(tool.key)
            if step.kind != "code":  # the code tool is no business's
                terms.append(float(service not in ("", tool.service)))
                service = tool.service
        terms.append(float(step.failure is not None))
    if not blueprint.steps or blueprint.steps[-1].kind != "refuse":
        letters.append("reply")
    return Prediction(tuple(letter for letter, _ in groupby(letters)), math.fsum(terms))


def _letters(step: Step, tools: Mapping[str, Tool]) -> list[str]:
    if step.kind in ("ask", "confirm", "refuse", "code"):
        return [step.kind]
    effects = sorted({nature(tools[call.tool]).effect for call in step.calls}, key=_PLACE.__getitem__)
    batch = len(step.calls)
    letters = [*([f"parallel-{batch}" if batch < 4 else "parallel-4+"] if batch > 1 else []), *effects]
    return [*letters, "error", *letters, "recover"] if step.failure is not None else letters


class SetState(NamedTuple):
    """Where the set stands, as far as merit needs it.

    ``trigrams`` and ``signatures`` count those of the whole set; nothing is added to them any more. ``steer_mode`` and
    ``steer_cac`` are strengths in [0, 1]; ``cac_scale`` is the CAC that weighs as much as one bit.
    """

    trigrams: Tally
    signatures: Tally
    mean_cac: float
    steer_mode: float
    steer_cac: float
    cac_scale: float

    def merit(self, expected: Prediction) -> float:
        """The marginal gain to expect, weighed: of steering and of headline H_mode, and CAC less the mean.

        Both entropies count (N + 1) times their change. Trigrams alone would not mind a mode that is there already.
        """
        complexity = (expected.cac - self.mean_cac) / self.cac_scale
        mode = self.mode_gain(expected.signature) + self.signature_gain(expected.signature)
        return self.steer_mode * mode + self.steer_cac * complexity

    def mode_gain(self, signature: tuple[str, ...]) -> float:
        """(N + 1) times the change of the trigram entropy in bits, as `tdlab.diversity.Gain` has it; 0 for no set."""
        return self._gain(self.trigrams, Counter(trigrams(signature)))

    def signature_gain(self, signature: tuple[str, ...]) -> float:
        """(N + 1) times the change of the entropy of whole modes in bits; 0 for no set."""
        return self._gain(self.signatures, {signature: 1})

    def _gain(self, tally: Tally, counts: Mapping[tuple[str, ...], int]) -> float:
        return (self.signatures.total / ONE + 1) * tally.gain(counted_masses(counts)) if tally.total else 0.0
