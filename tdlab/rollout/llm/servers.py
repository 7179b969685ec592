"""The servers of a run: which one a call goes to, and what has been learned about each.

A call goes to the server with the fewest calls in flight, in the order of the addresses. A server that cannot be
reached, or fails three times in a row, is left out while another one answers; after a while, one call tries it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from tdlab.rollout.llm.facts import ServerFacts
from tdlab.rollout.llm.protocol import ChatRequest
from tdlab.rollout.llm.rate_limit import AdaptiveLimiter
from tdlab.rollout.llm.requests import schema_digest

__all__ = ["Server", "choose", "fitting"]

_FAILURES = 3  # in a row, other than a connection's, until a server is left out
_FIRST_PAUSE_S = 1.0
_MAX_PAUSE_S = 30.0
_MAX_BAD_SCHEMAS = 8  # schemas that a server rejects without taking any: it takes none


class Server:
    """One address: its limiter, its connections, and what it has been found to accept.

    Args:
        address: The base URL.
        concurrency: Most calls in flight.
    """

    def __init__(self, address: str, concurrency: int) -> None:
        self.address = address
        self.limiter = AdaptiveLimiter(concurrency)
        self.openai: Any = None  # an `openai.AsyncOpenAI`
        self.http: Any = None  # an `httpx2.AsyncClient`
        self.facts = ServerFacts()
        self.limit_name = "max_completion_tokens" if "api.openai.com" in address else "max_tokens"
        self.limits_refused: set[str] = set()
        self.without_seed: set[str] = set()
        self._without_schema: set[str] = set()
        self._bad_schemas: set[str] = set()
        self._took_schema: set[str] = set()
        self._failures = 0
        self._open_at = 0.0

    # -- JSON-schema mode

    def takes_schema(self, request: ChatRequest) -> bool:
        """Return whether to send the request's schema as ``response_format``."""
        if request.reply_schema is None or request.model in self._without_schema:
            return False
        return not self._bad_schemas or schema_digest(request) not in self._bad_schemas

    def took_schema(self, request: ChatRequest) -> None:
        """Note that the server answered a request with a schema."""
        self._took_schema.add(request.model)

    def rejects_schema(self, request: ChatRequest, *, all_of_them: bool) -> None:
        """Note that the server rejects the request's schema, or all schemas with this model."""
        self._bad_schemas.add(schema_digest(request))
        if all_of_them or (len(self._bad_schemas) >= _MAX_BAD_SCHEMAS and request.model not in self._took_schema):
            self._without_schema.add(request.model)

    # -- failures

    def answered(self) -> None:
        """Note that the server can be reached and works."""
        self._failures = 0
        self._open_at = 0.0

    def failed(self, *, connecting: bool) -> None:
        """Note that the server failed; leave it out for a while if it could not be reached, or failed repeatedly."""
        self._failures += 1
        if connecting or self._failures >= _FAILURES:
            pause = min(_MAX_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self._failures - 1, 10))
            self._open_at = _now() + pause

    @property
    def is_left_out(self) -> bool:
        """Whether calls avoid the server for now."""
        return self._open_at > 0.0 and _now() < self._open_at

    def claim(self) -> None:
        """If the server was left out and its pause is over, leave it out for the other calls until this one ends."""
        if self._open_at > 0.0:
            self._open_at = _now() + _MAX_PAUSE_S

    @property
    def pause_ends(self) -> float:
        """The loop's time at which the server is tried again."""
        return self._open_at


def choose(servers: Sequence[Server], avoid: Collection[Server] = ()) -> Server:
    """Choose the server for a call.

    Args:
        servers: The servers of the role, in order.
        avoid: Those that the call has failed on.

    Returns:
        The one with the fewest calls; one to avoid or left out only if there is no other.
    """
    if len(servers) == 1:
        return servers[0]
    usable = [server for server in servers if not server.is_left_out]
    if not usable:
        untried = [server for server in servers if server not in avoid]
        return min(untried or servers, key=lambda server: server.pause_ends)
    untried = [server for server in usable if server not in avoid]
    chosen = min(untried or usable, key=lambda server: (server.limiter.is_delayed, server.limiter.load))
    chosen.claim()
    return chosen


def fitting(servers: Iterable[Server], request: ChatRequest) -> tuple[list[Server], int]:
    """Return the servers on which a request fits into the model's context, and the largest known context."""
    fit, largest = [], 0
    for server in servers:
        context = server.facts.context_of(request.model)
        if context is None or request.size + request.max_tokens <= context:
            fit.append(server)
        largest = max(largest, context or 0)
    return fit, largest


def _now() -> float:
    return asyncio.get_running_loop().time()
