"""Rollouts: playing blueprints out (paper: innovation 2, the execution).

Four agents with narrow views: the *user* knows its brief, the *assistant* the tools and the conversation, the
*environment* the state of the world, and the *inspector* the blueprint. `play` brings them together; a `Teacher` writes
the words of the first two. `ScriptedTeacher` is offline and seeded; `SimulatedEnvironment` is driven by any schema,
`LiveEnvironment` calls a real MCP server, and `CodingEnvironment` adds the code tool to either.
"""

from __future__ import annotations

from tdlab.rollout.code_environment import CODE_EXECUTOR, CodeRunner, CodingEnvironment, recorded_output
from tdlab.rollout.engine import Inspector, Rollout, play
from tdlab.rollout.environments import Environment, ToolResult, sha256_of
from tdlab.rollout.live import LiveEnvironment
from tdlab.rollout.llm import (
    MOCK_MODEL,
    LiveBackend,
    Misbehaviour,
    MockServer,
    Prices,
    Spending,
    SpendingLine,
    serve_mock,
)
from tdlab.rollout.llm.agents import ModelBackend
from tdlab.rollout.llm.backends import DryRunBackend
from tdlab.rollout.llm.budget import PRICE_TABLE
from tdlab.rollout.llm.teacher import LlmRollout
from tdlab.rollout.replies import parsed
from tdlab.rollout.scripted import ScriptedTeacher
from tdlab.rollout.simulated import SimulatedEnvironment
from tdlab.rollout.views import (
    AssistantTurn,
    AssistantView,
    Request,
    Teacher,
    UserBrief,
    UserTurn,
    UserView,
    brief_of,
    offered_names,
)

__all__ = [
    "CODE_EXECUTOR",
    "MOCK_MODEL",
    "PRICE_TABLE",
    "AssistantTurn",
    "AssistantView",
    "CodeRunner",
    "CodingEnvironment",
    "DryRunBackend",
    "Environment",
    "Inspector",
    "LiveBackend",
    "LiveEnvironment",
    "LlmRollout",
    "Misbehaviour",
    "MockServer",
    "ModelBackend",
    "Prices",
    "Request",
    "Rollout",
    "ScriptedTeacher",
    "SimulatedEnvironment",
    "Spending",
    "SpendingLine",
    "Teacher",
    "ToolResult",
    "UserBrief",
    "UserTurn",
    "UserView",
    "brief_of",
    "offered_names",
    "parsed",
    "play",
    "recorded_output",
    "serve_mock",
    "sha256_of",
]
