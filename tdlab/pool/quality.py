"""How far a tool's schema can be trusted: a grade, a number to use as a weight, and the reasons.

=============  =====  ==================================================================================================
grade          trust  meaning
=============  =====  ==================================================================================================
``described``  1.0    typed parameters, at least half of them described (in the schema, or as ``name:`` in the text)
``typed``      0.9    typed parameters, most of them not described
``empty``      0.7    a schema without parameters, from a source that has schemas: the tool takes none
``recovered``  0.6    no schema, but the tool's docstring declares the parameters
``names``      0.4    only names of parameters, scraped from a web page; their types are unknown
``missing``    0.1    no schema: the parameters are unknown
=============  =====  ==================================================================================================

Each doubt multiplies the trust: 0.7 without a description, 0.9 with contradictory types, 0.7 with doubtful parameters.
The grades follow from the tool, its service and the issues found in cleaning. The numbers are ours: they express an
order rather than a measurement.
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
"""The trust of each grade before doubts, best grade first."""

_DOUBTS = {"no_description": 0.3, "type_contradicted": 0.1, "doubtful_parameter": 0.3}


class ToolQuality(Record):
    """A tool's grade, its ``trust`` in (0, 1], and the codes of the doubts that lowered it.

    Example:
        >>> quality = ToolPool.bundled().quality("basalt_outfitters/get_product")
        >>> quality.grade, quality.trust, quality.usable
        ('described', 1.0, True)
    """

    grade: Grade
    trust: float
    reasons: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether the schema tells anything about the parameters: true for every grade but ``missing``."""
        return self.grade != "missing"


def grade_tool(tool: Tool, service: Service, codes: Collection[str] = ()) -> ToolQuality:
    """Return the quality of ``tool``; ``codes`` are those of the pool's issues about it."""
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
        has_no_schema = service.schema_quality in ("none", "scraped") or "no_schema" in codes
        return "missing" if has_no_schema else "empty"
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
