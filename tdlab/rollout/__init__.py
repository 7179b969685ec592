"""Rollouts: playing blueprints out (paper: innovation 2, the execution).

Four agents with narrow views: the *user* knows its brief, the *assistant* the tools and the conversation, the
*environment* the state of the world, and the *inspector* the blueprint. `play` brings them together; a `Teacher` writes
the words of the first two. `ScriptedTeacher` is offline and seeded; `SimulatedEnvironment` is driven by any schema,
`LiveEnvironment` calls a real MCP server, and `CodingEnvironment` adds the code tool to either.
"""

from __future__ import annotations

from tdlab.rollout.coding import CODE_EXECUTOR, CodeRunner, CodingEnvironment, recorded_output
from tdlab.rollout.engine import Inspector, Rollout, play
from tdlab.rollout.environments import Environment, ToolResult
from tdlab.rollout.live import LiveEnvironment
from tdlab.rollout.scripted import ScriptedTeacher
from tdlab.rollout.simulated import SimulatedEnvironment
from tdlab.rollout.views import AssistantTurn, AssistantView, Request, Teacher, UserBrief, UserTurn, UserView, brief_of

__all__ = [
    "CODE_EXECUTOR",
    "AssistantTurn",
    "AssistantView",
    "CodeRunner",
    "CodingEnvironment",
    "Environment",
    "Inspector",
    "LiveEnvironment",
    "Request",
    "Rollout",
    "ScriptedTeacher",
    "SimulatedEnvironment",
    "Teacher",
    "ToolResult",
    "UserBrief",
    "UserTurn",
    "UserView",
    "brief_of",
    "play",
    "recorded_output",
]
