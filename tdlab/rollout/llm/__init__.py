"""The LLM teacher: user, assistant and others played by any OpenAI-compatible model, with care for people's money.

`LlmRollout` is one rollout; its agents (`tdlab.rollout.llm.agents`) ask a backend. `LiveBackend` asks a server through
the one client (`ChatClient`: journal, budget, flow control); `DryRunBackend` answers from the script, for estimates.
The same replies give the same trajectory, whatever the concurrency. `MockServer` is the scripted teacher behind a real
endpoint on this machine, with switches for all that goes wrong.
"""

from __future__ import annotations

from tdlab.rollout.llm.backends import DryRunBackend, LiveBackend, SpendingLine
from tdlab.rollout.llm.budget import Budget, Price, Prices, Spending, Used
from tdlab.rollout.llm.client import MOCK_MODEL, ChatClient, RequestRefused, Traffic
from tdlab.rollout.llm.mock_server import Misbehaviour, MockServer, serve_mock
from tdlab.rollout.llm.prompts import VERSIONS, prompt
from tdlab.rollout.llm.protocol import ChatReply, ChatRequest, RequestedCall, estimate_tokens
from tdlab.rollout.llm.teacher import LlmEnvironment, LlmRollout, LlmTeacher

__all__ = [
    "MOCK_MODEL",
    "VERSIONS",
    "Budget",
    "ChatClient",
    "ChatReply",
    "ChatRequest",
    "DryRunBackend",
    "LiveBackend",
    "LlmEnvironment",
    "LlmRollout",
    "LlmTeacher",
    "Misbehaviour",
    "MockServer",
    "Price",
    "Prices",
    "RequestRefused",
    "RequestedCall",
    "Spending",
    "SpendingLine",
    "Traffic",
    "Used",
    "estimate_tokens",
    "prompt",
    "serve_mock",
]
