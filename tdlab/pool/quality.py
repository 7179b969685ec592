"""How far a tool's schema can be trusted: one grade a tool, a number to weigh by, and the reasons.

=============  =====  ==================================================================================================
grade          trust  meaning
=============  =====  ==================================================================================================
``described``  1.0    typed parameters, at least half of them described (in the schema or as ``name:`` in the text)
``typed``      0.9    typed parameters, most without a word about them
``empty``      0.7    a schema that declares no parameter, from a source that gives schemas: it takes none
``recovered``  0.6    no schema, but the tool's docstring declares the parameters
``names``      0.4    names of parameters off a web page; their types are not known
``missing``    0.1    no schema: what the tool takes is not known
=============  =====  ==================================================================================================

Each doubt takes a share off: no description 0.3, contradictory types 0.1, doubtful parameters 0.3. The grades follow
from the tool, its service and the cleaning issues; the numbers are ours, an order more than a measurement.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from tdlab.records import Record, Service, Tool

__all__ = ["GRADES", "Grade", "ToolQuality", "grade_tool"]

Grade = Literal["described", "typed", "empty", "recovered", "names", "missing"]

GRADES: Mapping[Grade, float] = {
    "described": 1.0,
    "typed": 0.9,
    "empty": 0.7,
    "recovered": 0.6,
    "names": 0.4,
    "missing": 0.1,
}
"""The trust of each grade before doubts, best first."""

_DOUBTS = {"no_description": 0.3, "type_contradicted": 0.1, "doubtful_parameter": 0.3}


class ToolQuality(Record):
    """A tool's grade, its ``trust`` in (0, 1], and the issue codes that lowered it."""

    grade: Grade
    trust: float
    reasons: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether the schema says something about what the tool takes: every grade but ``missing``."""
        return self.grade != "missing"


def grade_tool(tool: Tool, service: Service, codes: Collection[str] = ()) -> ToolQuality:
    """The quality of ``tool``; ``codes`` are those of the pool's issues about it."""
    grade = _grade(tool, service, codes)
    reasons = [code for code in _DOUBTS if code in codes and code != "no_description"]
    if not tool.description.strip():
        reasons.append("no_description")
    trust = GRADES[grade]
    for reason in reasons:
        trust *= 1 - _DOUBTS[reason]
    return ToolQuality(grade=grade, trust=round(trust, 3), reasons=tuple(sorted(reasons)))


def _grade(tool: Tool, service: Service, codes: Collection[str]) -> Grade:
    if not tool.parameters:
        if any(word in tool.input_schema for word in ("$ref", "allOf", "anyOf", "oneOf", "patternProperties", "if")):
            return "typed"
        stand_in = service.schema_quality in ("none", "scraped") or "no_schema" in codes
        return "missing" if stand_in else "empty"
    if "described_parameters" in codes:
        return "recovered"
    if "types_unknown" in codes or service.schema_quality == "scraped":
        return "names"
    described = sum(
        bool(schema.get("description") or schema.get("enum") or schema.get("$ref"))
        or f"{name}:" in tool.description
        or f"{name} (" in tool.description
        for name, schema in tool.parameters.items()
    )
    return "described" if 2 * described >= len(tool.parameters) else "typed"
