"""The nouns of tdlab: frozen records that all packages share, with one canonical JSON form.

A record never changes; a change makes a new record (``model_copy(update=...)``). Identity is by content:
`canonical_json` returns the same text for the same record on any machine, and `digest` hashes that text.
"""

from __future__ import annotations

from tdlab.records.base import CODE_TOOL, Domains, Json, Record, canonical_json, digest, heaviest, rng_for
from tdlab.records.blueprints import (
    Ask,
    Binding,
    Blueprint,
    Call,
    Constant,
    Failure,
    FromResult,
    FromTemplate,
    FromUser,
    Persona,
    Promise,
    SeedEntity,
    Step,
    StepKind,
)
from tdlab.records.clusters import BusinessCluster, Dependency, DependencyKind, Evidence
from tdlab.records.pool import Annotations, Service, Tool, ToolError
from tdlab.records.scripts import Beat, Purpose, Recipe, ScriptCall, Source, TaskPart, TaskScript
from tdlab.records.trajectories import Check, Execution, Message, Reason, Score, ToolCall, Trajectory, Verdict

__all__ = [
    "CODE_TOOL",
    "Annotations",
    "Ask",
    "Beat",
    "Binding",
    "Blueprint",
    "BusinessCluster",
    "Call",
    "Check",
    "Constant",
    "Dependency",
    "DependencyKind",
    "Domains",
    "Evidence",
    "Execution",
    "Failure",
    "FromResult",
    "FromTemplate",
    "FromUser",
    "Json",
    "Message",
    "Persona",
    "Promise",
    "Purpose",
    "Reason",
    "Recipe",
    "Record",
    "Score",
    "ScriptCall",
    "SeedEntity",
    "Service",
    "Source",
    "Step",
    "StepKind",
    "TaskPart",
    "TaskScript",
    "Tool",
    "ToolCall",
    "ToolError",
    "Trajectory",
    "Verdict",
    "canonical_json",
    "digest",
    "heaviest",
    "rng_for",
]
