"""The LLM teacher: user, assistant and other roles played by any OpenAI-compatible model.

`LlmRollout` plays one rollout; its agents (`tdlab.rollout.llm.session`) send requests to a backend. `LiveBackend` calls
a server through `ChatClient`, which handles the journal of replies, the budget, retries and the rate limit.
`DryRunBackend` answers from the script, for estimates. The same replies give the same trajectory at any concurrency.
`MockServer` serves the scripted teacher from a real endpoint on this machine and can inject faults.

Example:
    >>> from tdlab.config import TeacherConfig
    >>> with MockServer() as server:
    ...     with LiveBackend(TeacherConfig(model=MOCK_MODEL, base_url=server.base_url)) as backend:
    ...         backend.traffic.failures
    {}
"""

from __future__ import annotations

from tdlab.rollout.llm.author import (
    AuthoredPack,
    AuthorEstimate,
    WrittenPack,
    author_of,
    estimate_pack,
    pack_in_place,
    write_pack,
    written_pack,
)
from tdlab.rollout.llm.backends import DryRunBackend, LiveBackend, SpendingLine
from tdlab.rollout.llm.budget import Budget, Price, Prices, Spending, Used
from tdlab.rollout.llm.client import ChatClient, RequestRefused, Traffic
from tdlab.rollout.llm.committee import CRITERIA, Judgement, agreement
from tdlab.rollout.llm.environment import LlmEnvironment
from tdlab.rollout.llm.mock_server import Misbehaviour, MockServer, serve_mock
from tdlab.rollout.llm.probe import Probe, probe
from tdlab.rollout.llm.prompts import VERSIONS, example_turns, prompt
from tdlab.rollout.llm.protocol import ChatReply, ChatRequest, RequestedCall, estimate_tokens
from tdlab.rollout.llm.requests import MOCK_MODEL
from tdlab.rollout.llm.teacher import LlmRollout, LlmTeacher

__all__ = [
    "CRITERIA",
    "MOCK_MODEL",
    "VERSIONS",
    "AuthorEstimate",
    "AuthoredPack",
    "Budget",
    "ChatClient",
    "ChatReply",
    "ChatRequest",
    "DryRunBackend",
    "Judgement",
    "LiveBackend",
    "LlmEnvironment",
    "LlmRollout",
    "LlmTeacher",
    "Misbehaviour",
    "MockServer",
    "Price",
    "Prices",
    "Probe",
    "RequestRefused",
    "RequestedCall",
    "Spending",
    "SpendingLine",
    "Traffic",
    "Used",
    "WrittenPack",
    "agreement",
    "author_of",
    "estimate_pack",
    "estimate_tokens",
    "example_turns",
    "pack_in_place",
    "probe",
    "prompt",
    "serve_mock",
    "write_pack",
    "written_pack",
]
