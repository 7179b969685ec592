"""Typed records of the decisions of a run: gauges, generations, and the lineage of each offspring.

Gauges go by name, so a run may have others than tdlab's own. The JSON in the run directory is flatter than these
records, and its layout is fixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from tdlab.records import Json, Record

__all__ = ["DraftRecord", "GaugeRecord", "GenerationRecord", "Lineage"]

_STEER = "steer_"


class GaugeRecord(Record):
    """The gauges at one moment, by name.

    Attributes:
        values: The lower of the gauge's values over the window and over the whole dataset.
        strengths: How strongly the gauge steers, in [0, 1].
        whole: Its value over the whole dataset.
        window: Its value over the sliding window.
    """

    values: dict[str, float] = Field(default_factory=dict)
    strengths: dict[str, float] = Field(default_factory=dict)
    whole: dict[str, float] = Field(default_factory=dict)
    window: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _nested(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "values" in data:
            return data
        inner = {name: data[name] for name in ("whole", "window") if name in data}
        flat = {name: value for name, value in data.items() if name not in inner}
        return {
            "values": {name: value for name, value in flat.items() if not name.startswith(_STEER)},
            "strengths": {name[len(_STEER) :]: value for name, value in flat.items() if name.startswith(_STEER)},
            **inner,
        }

    @model_serializer
    def _flat(self) -> dict[str, Json]:
        steers = {_STEER + name: strength for name, strength in self.strengths.items()}
        return {**self.values, **steers, "whole": self.whole, "window": self.window}


class GenerationRecord(Record):
    """The result of one generation, and the settings that its orders were drawn with.

    Attributes:
        strategy: The strategy of the run.
        tried: The number of its offspring.
        accepted: The number of accepted offspring.
        rejected: Name of a check -> the number of offspring that it was the first to reject.
        before: The gauges when its orders were drawn.
        operators: Name of a mutation -> its weight in the draw.
        drafts: The number of drafts bred for each order.
        after: The gauges at its end.
        total: The number of trajectories in the dataset at its end.
        partial: Whether it was cut short; it is then repeated when the run is resumed.
    """

    strategy: str = ""
    tried: int = 0
    accepted: int = 0
    rejected: dict[str, int] = Field(default_factory=dict)
    before: GaugeRecord = GaugeRecord()
    operators: dict[str, float] = Field(default_factory=dict)
    drafts: int = 1
    after: GaugeRecord = GaugeRecord()
    total: int = 0
    partial: bool = False

    @model_serializer(mode="wrap")
    def _without_partial(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Json]:
        return {name: value for name, value in serialize(self).items() if name != "partial" or value}


class DraftRecord(Record):
    """One draft of an offspring.

    Attributes:
        base: The id of the blueprint that it started from; None for a new plan.
        ordered: The mutations drawn for it.
        partner: The id of the cluster that a bridge leads to.
        merit: Its expected contribution to the dataset; None if that was not computed or it could not be bred.
    """

    base: str | None = None
    ordered: tuple[str, ...] = ()
    partner: str | None = None
    merit: float | None = None


class Lineage(Record):
    """The origin of an offspring, and the numbers behind the decision about it.

    Attributes:
        seed: The seed of its random draws.
        cluster: The id of the cluster that it was planned over.
        aim: The domain that steering drew; None if it drew none.
        aim_share: The probability of that draw.
        fresh: Whether it is an earlier plan with new values.
        drafts: The drafts that were bred, in order.
        chosen: The index of the draft that was played.
        applied: The mutations of that draft that were applied.
        refused: Mutation -> why it does not apply.
        gain: Gauge -> its change through the offspring, times N + 1; None if that was not computed.
        weighed: The sum of the gains, each times the strength of its gauge.
        steer: Gauge -> that strength.
        bar: The least value of ``weighed`` to be accepted; None without a minimum.
        spent: The cost of language models for it, one entry per role.
        duplicate_of: The id of the trajectory that it nearly repeats.
        faults: The faults of its conversation (`tdlab.quality.FAULTS`).
    """

    seed: int = 0
    cluster: str = ""
    aim: str | None = None
    aim_share: float | None = None
    fresh: bool = False
    drafts: tuple[DraftRecord, ...] = ()
    chosen: int = 0
    applied: tuple[str, ...] = ()
    refused: dict[str, str] = Field(default_factory=dict)
    gain: dict[str, float] | None = None
    weighed: float | None = None
    steer: dict[str, float] | None = None
    bar: float | None = None
    spent: tuple[dict[str, Json], ...] = ()
    duplicate_of: str | None = None
    faults: tuple[str, ...] = ()

    @property
    def draft(self) -> DraftRecord:
        """The draft that was played; an empty one if there was none."""
        return self.drafts[self.chosen] if self.chosen < len(self.drafts) else DraftRecord()

    @model_validator(mode="before")
    @classmethod
    def _nested(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "weighed" in data or not data.get("gain"):
            return data
        gain = dict(data["gain"])
        return {**data, "weighed": gain.pop("weighed", None), "gain": gain}

    @model_serializer(mode="wrap")
    def _flat(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Json]:
        fields = {name: value for name, value in serialize(self).items() if name not in ("spent", "faults") or value}
        weighed = fields.pop("weighed")
        if self.gain is not None:
            fields["gain"] = {**self.gain, "weighed": weighed}
        return fields
