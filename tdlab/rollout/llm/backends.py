"""Model backends answer the agents' requests: `LiveBackend` calls a server, `DryRunBackend` the mock model in process.

Agents are synchronous code in threads, and the client runs in an event loop in a thread of its own. So a backend works
in a script, in a notebook's running loop and from any thread.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
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
    """Call a server through a `ChatClient`; a context manager, usable from any thread.

    Leaving it with an exception cancels the calls in flight.

    Args:
        config: The server's address, the models, the limits on concurrency, retries, time and spending.
        journal: Where replies are saved and looked up; None to save nothing.
        owner: The run's name in the journal; what that run has already paid counts against the budget.
        api_key: The API key; ``OPENAI_API_KEY`` by default.
        check: Whether to check that the server can be reached and accepts the key: on entry, or, where the journal has
            replies, before the first call that they do not answer.

    Raises:
        ConfigError: If the address, the key, the price table or the budget is invalid.
        TeacherError: On entry, if ``check`` fails and no reply is saved.

    Example:
        >>> from tdlab.config import TeacherConfig
        >>> LiveBackend(TeacherConfig(model="m", base_url="http://127.0.0.1:9/v1")).__enter__()
        Traceback (most recent call last):
        tdlab.errors.TeacherError: http://127.0.0.1:9/v1: cannot be reached: ...
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
        self._pending: set[Future[ChatReply]] = set()
        self._sent_by: Counter[int] = Counter()

    def __enter__(self) -> Self:
        try:
            self._portal = self._stack.enter_context(anyio.from_thread.start_blocking_portal())
            self._stack.enter_context(self._portal.wrap_async_context_manager(self.client))
            if self._check:
                self._portal.call(self.client.check_when_needed)
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
        """Return the reply to a request; see `ChatClient.ask`."""
        portal = self._portal
        if portal is None:
            raise TeacherError("the backend is not open", do="call it inside `with LiveBackend(...) as backend:`")
        thread = threading.get_ident()

        def on_send() -> None:
            self._sent_by[thread] += 1

        pending = portal.start_task_soon(partial(self.client.ask, request, attempt=attempt, on_send=on_send))
        self._pending.add(pending)
        try:
            return pending.result()
        except CancelledError:
            raise TeacherError("the call was cancelled") from None
        finally:
            self._pending.discard(pending)

    @property
    def sent_here(self) -> int:
        """The number of requests of this thread that no saved reply answered."""
        return self._sent_by[threading.get_ident()]

    def close(self, why: str) -> None:
        """Finish the calls in flight; every later `ask` raises TeacherError with the message ``why``."""
        if self._portal is not None:
            self._portal.call(self.client.close, why)

    def cancel(self) -> None:
        """Cancel the calls in flight."""
        for pending in list(self._pending):
            pending.cancel()

    @property
    def traffic(self) -> Traffic:
        """The number of calls, replayed replies and failures so far."""
        return self.client.traffic


class DryRunBackend:
    """Answer from the mock model in this process: no server, no cost. For estimates and previews.

    Args:
        config: The teacher's settings; every role needs the model ``mock``, so that its requests carry the script.

    Example:
        >>> from tdlab.config import TeacherConfig
        >>> DryRunBackend(TeacherConfig(model=MOCK_MODEL)).config.model
        'mock'
    """

    def __init__(self, config: TeacherConfig) -> None:
        self.config = config
        self._model = MockModel()
        self._guard = threading.Lock()

    def ask(self, request: ChatRequest, *, attempt: int = 0) -> ChatReply:
        """Return the mock model's reply."""
        body: dict[str, Json] = {
            "model": request.model,
            "messages": list(request.messages),
            "tools": list(request.tools) or None,
            "tdlab_script": request.script,
        }
        with self._guard:
            content = json.dumps(self._model.respond(body)).encode()
        return reply_from_body(content, request)._replace(input_tokens=request.size)


class SpendingLine:
    """The status line of a run with an LLM teacher: rejections, time left, tokens, cost, speed and failures.

    Args:
        backend: The open backend of the run.
        target: How many accepted trajectories the run makes.
    """

    def __init__(self, backend: LiveBackend, *, target: int) -> None:
        self._backend = backend
        self._target = target
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=64)

    def line(self, accepted: int, rejected: int) -> str:
        """Return the line; call it after each decision on an offspring, since speeds are averages over the last 64."""
        budget, traffic, now = self._backend.client.budget, self._backend.traffic, time.monotonic()
        self._samples.append((now, traffic.answered, accepted))
        first, calls, before = self._samples[0]
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
