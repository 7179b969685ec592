"""Model backends answer the agents' requests: `LiveBackend` asks a server, `DryRunBackend` the mock in this process.

Agents are plain synchronous code in threads; the client lives in an event loop of its own thread, so a backend works in
a script, in a notebook's running loop and from any thread.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Self

import anyio.from_thread

from tdlab.config import TeacherConfig
from tdlab.errors import TeacherError
from tdlab.records import Json
from tdlab.rollout.llm.client import ChatClient, Traffic
from tdlab.rollout.llm.mock_model import MockModel
from tdlab.rollout.llm.protocol import ChatReply, ChatRequest, reply_from_body
from tdlab.store import ReplyJournal

__all__ = ["DryRunBackend", "LiveBackend", "SpendingLine"]


class LiveBackend:
    """A context manager over a `ChatClient`; entering it sees whether the server is there.

    Leaving it by an exception cancels the calls in flight.
    """

    def __init__(
        self,
        config: TeacherConfig,
        *,
        journal: ReplyJournal | None = None,
        owner: str = "",
        api_key: str | None = None,
        check: bool = True,
    ) -> None:
        self.client = ChatClient(config, journal=journal, owner=owner, api_key=api_key)
        self._check = check
        self._stack = ExitStack()
        self._portal: anyio.from_thread.BlockingPortal | None = None
        self._asked: set[Future[ChatReply]] = set()

    def __enter__(self) -> Self:
        try:
            self._portal = self._stack.enter_context(anyio.from_thread.start_blocking_portal())
            self._stack.enter_context(self._portal.wrap_async_context_manager(self.client))
            if self._check:
                self._portal.call(self.client.check)
        except BaseException:
            self._portal = None
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._portal = None
        self._stack.__exit__(kind, error, trace)

    def ask(self, request: ChatRequest, *, attempt: int = 0) -> ChatReply:
        """The reply to a request, from any thread; see `ChatClient.ask`."""
        portal = self._portal
        if portal is None:
            raise TeacherError(
                "the backend is not open", expected="a call inside `with LiveBackend(...)`", do="use with"
            )
        asked = portal.start_task_soon(partial(self.client.ask, request, attempt=attempt))
        self._asked.add(asked)
        try:
            return asked.result()
        except CancelledError:
            raise TeacherError("the call was cancelled") from None
        finally:
            self._asked.discard(asked)

    def close(self, why: str) -> None:
        """No further calls; those in flight come home. Every further `ask` is TeacherError with ``why``."""
        if self._portal is not None:
            self._portal.call(self.client.close, why)

    def cancel(self) -> None:
        """Give up the calls in flight."""
        for asked in list(self._asked):
            asked.cancel()

    @property
    def traffic(self) -> Traffic:
        """What went over the wire so far."""
        return self.client.traffic


class DryRunBackend:
    """Answers from the rehearsal without a server, and keeps count: for estimates and previews."""

    def __init__(self, config: TeacherConfig) -> None:
        self.config = config
        self._responder = MockModel()
        self._guard = threading.Lock()

    def ask(self, request: ChatRequest, *, attempt: int = 0) -> ChatReply:
        """The rehearsal's reply."""
        body: dict[str, Json] = {
            "model": request.model,
            "messages": list(request.messages),
            "tools": list(request.tools) or None,
            "tdlab_script": request.script,
        }
        with self._guard:
            content = json.dumps(self._responder.respond(body)).encode()
        return reply_from_body(content, request)._replace(input_tokens=request.size)


class SpendingLine:
    """The live line of a run: what is accepted and rejected, what it costs, how fast it goes, what fails."""

    def __init__(self, backend: LiveBackend, *, target: int) -> None:
        self._desk = backend
        self._target = target
        self._seen: deque[tuple[float, int, int]] = deque(maxlen=64)

    def line(self, accepted: int, rejected: int) -> str:
        """The line now; call it whenever an offspring has been decided on."""
        budget, traffic, now = self._desk.client.budget, self._desk.traffic, time.monotonic()
        self._seen.append((now, traffic.answered, accepted))
        first, calls, before = self._seen[0]
        seconds = max(now - first, 1e-9)
        money = budget.spent.money(budget.prices)
        parts = [f"{rejected} rejected"]
        if accepted > before:
            left = (self._target - accepted) * seconds / (accepted - before)
            parts.append(f"{left / 60:.0f} min left" if left >= 90 else f"{left:.0f} s left")
        parts.append(f"{_short(budget.spent.tokens)} tokens")
        parts.append(f"{money:.2f} {budget.prices.currency}" if money is not None else "price unknown")
        if traffic.answered > calls:
            parts.append(f"{(traffic.answered - calls) / seconds:.0f} calls/s")
        if traffic.replayed:
            parts.append(f"{traffic.replayed} from the journal")
        if traffic.failures:
            parts.append("errors " + ", ".join(f"{kind}: {n}" for kind, n in sorted(traffic.failures.items())))
        return ", ".join(parts)


def _short(number: int) -> str:
    return f"{number / 1e6:.1f}M" if number >= 1e6 else f"{number / 1e3:.0f}k" if number >= 1e4 else str(number)
