"""Rollouts: playing blueprints (paper: innovation 2, the execution).

Four agents have narrow views. The *user* knows its brief, the *assistant* the tools and the conversation, the
*environment* the state of the world, and the *inspector* the blueprint. `play` runs them together; a `Teacher` writes
what user and assistant say. `ScriptedTeacher` is offline and seeded. `SimulatedEnvironment` executes the worlds of
services that have a pack (`WorldEnvironment`) and improvises what other schemas may return, `LiveEnvironment` calls a
real MCP server, and `CodingEnvironment` adds the code tool to another environment.

Example:
    >>> from tdlab import ToolPool
    >>> from tdlab.blueprints import plan
    >>> from tdlab.clusters import mine
    >>> pool = ToolPool.bundled()
    >>> blueprint = plan(mine(pool).clusters[0], pool.tools, seed=1)
    >>> rollout = play(
    ...     blueprint,
    ...     pool.tools,
    ...     ScriptedTeacher(blueprint, pool.tools),
    ...     SimulatedEnvironment(blueprint, pool.tools),
    ... )
    >>> rollout.stopped, rollout.trajectory.messages[0].role
    ('', 'user')
"""

from __future__ import annotations

from tdlab.rollout.code_environment import CODE_EXECUTOR, CodeRunner, CodingEnvironment, recorded_output
from tdlab.rollout.engine import Inspector, Rollout, play
from tdlab.rollout.environments import (
    ENVIRONMENTS,
    Environment,
    EnvironmentFactory,
    ToolResult,
    failures_of,
    receipt,
    sha256_of,
)
from tdlab.rollout.live import LiveEnvironment
from tdlab.rollout.llm import (
    MOCK_MODEL,
    LiveBackend,
    Misbehaviour,
    MockServer,
    Prices,
    Probe,
    Spending,
    SpendingLine,
    agreement,
    probe,
    serve_mock,
)
from tdlab.rollout.llm.author import (
    MOST_TOKENS,
    AuthoredPack,
    AuthorEstimate,
    WrittenPack,
    author_of,
    estimate_pack,
    pack_in_place,
    write_pack,
    written_pack,
)
from tdlab.rollout.llm.backends import DryRunBackend
from tdlab.rollout.llm.budget import PRICE_TABLE
from tdlab.rollout.llm.session import ModelBackend
from tdlab.rollout.llm.teacher import LlmRollout
from tdlab.rollout.replies import parsed
from tdlab.rollout.scripted import ScriptedTeacher
from tdlab.rollout.views import (
    TEACHERS,
    AssistantTurn,
    AssistantView,
    Request,
    Teacher,
    TeacherFactory,
    UserBrief,
    UserTurn,
    UserView,
    brief_of,
    goal_steps,
    offered_names,
    setting_of,
)
from tdlab.rollout.worlds import SimulatedEnvironment, WorldEnvironment

__all__ = [
    "CODE_EXECUTOR",
    "ENVIRONMENTS",
    "MOCK_MODEL",
    "MOST_TOKENS",
    "PRICE_TABLE",
    "TEACHERS",
    "AssistantTurn",
    "AssistantView",
    "AuthorEstimate",
    "AuthoredPack",
    "CodeRunner",
    "CodingEnvironment",
    "DryRunBackend",
    "Environment",
    "EnvironmentFactory",
    "Inspector",
    "LiveBackend",
    "LiveEnvironment",
    "LlmRollout",
    "Misbehaviour",
    "MockServer",
    "ModelBackend",
    "Prices",
    "Probe",
    "Request",
    "Rollout",
    "ScriptedTeacher",
    "SimulatedEnvironment",
    "Spending",
    "SpendingLine",
    "Teacher",
    "TeacherFactory",
    "ToolResult",
    "UserBrief",
    "UserTurn",
    "UserView",
    "WorldEnvironment",
    "WrittenPack",
    "agreement",
    "author_of",
    "brief_of",
    "estimate_pack",
    "failures_of",
    "goal_steps",
    "offered_names",
    "pack_in_place",
    "parsed",
    "play",
    "probe",
    "receipt",
    "recorded_output",
    "serve_mock",
    "setting_of",
    "sha256_of",
    "write_pack",
    "written_pack",
]
