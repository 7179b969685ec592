"""What is stored of each decision: the gauges, a generation's record, the lineage of an offspring.

Gauges go by name, so that a run may have others than tdlab's own. The JSON that the run directory holds is flatter than
the records and stays as it is.
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
        values: The lower of the gauge's value over the window and over the whole dataset.
        strengths: How strongly it steers, in [0, 1].
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
    """What became of one generation, and what its orders were drawn with.

    Attributes:
        strategy: The strategy of the run.
        tried: How many offspring it has.
        accepted: How many of them were accepted.
        rejected: Name of a check -> how many it rejected first.
        before: The gauges when its orders were drawn.
        operators: Name of a mutation -> its weight in the draw.
        drafts: How many drafts were bred for each order.
        after: The gauges at its end.
        total: How many trajectories the dataset held then.
        partial: Whether it was cut short, to be done again when the run is resumed.
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
    def _without_partial(self, plain: SerializerFunctionWrapHandler) -> dict[str, Json]:
        return {name: value for name, value in plain(self).items() if name != "partial" or value}


class DraftRecord(Record):
    """One draft of an offspring.

    Attributes:
        base: The id of the blueprint that it began from; None for a new plan.
        ordered: The mutations that were drawn for it.
        partner: The id of the cluster that a bridge leads to.
        merit: What it was expected to add to the dataset; None where that was not asked or it could not be bred.
    """

    base: str | None = None
    ordered: tuple[str, ...] = ()
    partner: str | None = None
    merit: float | None = None


class Lineage(Record):
    """How an offspring came about, and the numbers that decided about it.

    Attributes:
        seed: What its draws come from.
        cluster: The id of the cluster that it was planned over.
        aim: The domain that steering drew; None where it drew none.
        aim_share: The probability with which it did.
        fresh: Whether it is an earlier plan with new values.
        drafts: The drafts that were bred, in order.
        chosen: The place of the draft that was played.
        applied: The mutations of that draft that were applied.
        refused: Mutation -> why it does not apply.
        gain: Gauge -> what the offspring would change, times N + 1; None where that was not asked.
        weighed: The gains, each times the strength of its gauge.
        steer: Gauge -> that strength.
        bar: What ``weighed`` had to reach; None without a minimum.
        spent: What language models used for it, a row a role.
        duplicate_of: The id of the trajectory that it nearly repeats.
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

    @property
    def draft(self) -> DraftRecord:
        """The draft that was played; an empty one where there was none."""
        return self.drafts[self.chosen] if self.chosen < len(self.drafts) else DraftRecord()

    @model_validator(mode="before")
    @classmethod
    def _nested(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "weighed" in data or not data.get("gain"):
            return data
        gain = dict(data["gain"])
        return {**data, "weighed": gain.pop("weighed", None), "gain": gain}

    @model_serializer(mode="wrap")
    def _flat(self, plain: SerializerFunctionWrapHandler) -> dict[str, Json]:
        written = {name: value for name, value in plain(self).items() if name != "spent" or value}
        weighed = written.pop("weighed")
        if self.gain is not None:
            written["gain"] = {**self.gain, "weighed": weighed}
        return written
