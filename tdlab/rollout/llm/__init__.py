"""The LLM teacher: user, assistant and others played by any OpenAI-compatible model, with care for people's money.

`Part` is one rollout; its agents (`tdlab.rollout.llm.agents`) ask a desk. `LiveDesk` asks a server through the one
client (`ChatClient`: journal, budget, flow control); `DryDesk` answers from the script, for estimates. The same replies
give the same trajectory, whatever the concurrency. `RehearsalServer` is the scripted teacher behind a real endpoint on
this machine, with switches for all that goes wrong.
"""

from __future__ import annotations

from tdlab.rollout.llm.budget import Budget, Price, Prices, Spending, Used
from tdlab.rollout.llm.client import REHEARSAL, ChatClient, RequestRefused, Traffic
from tdlab.rollout.llm.desk import DryDesk, LiveDesk, SpendingLine
from tdlab.rollout.llm.prompts import VERSIONS, prompt
from tdlab.rollout.llm.server import Misbehaviour, RehearsalServer, serve_rehearsal
from tdlab.rollout.llm.teacher import LlmEnvironment, LlmTeacher, Part
from tdlab.rollout.llm.wire import ChatReply, ChatRequest, WireCall, estimate_tokens

__all__ = [
    "REHEARSAL",
    "VERSIONS",
    "Budget",
    "ChatClient",
    "ChatReply",
    "ChatRequest",
    "DryDesk",
    "LiveDesk",
    "LlmEnvironment",
    "LlmTeacher",
    "Misbehaviour",
    "Part",
    "Price",
    "Prices",
    "RehearsalServer",
    "RequestRefused",
    "Spending",
    "SpendingLine",
    "Traffic",
    "Used",
    "WireCall",
    "estimate_tokens",
    "prompt",
    "serve_rehearsal",
]
