"""Desks: who answers the agents' requests. `LiveDesk` asks a server, `DryDesk` the rehearsal inside this process.

Agents are plain synchronous code in threads; the client lives in an event loop of its own thread, so a desk works in a
script, in a notebook's running loop and from any thread.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import CancelledError
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Self

import anyio.from_thread

from tdlab.config import TeacherConfig
from tdlab.errors import TeacherError
from tdlab.records import Json
from tdlab.rollout.llm.client import ChatClient, Traffic
from tdlab.rollout.llm.rehearsal import Responder
from tdlab.rollout.llm.wire import ChatReply, ChatRequest, reply_from_body
from tdlab.store import ReplyJournal

__all__ = ["DryDesk", "LiveDesk"]


class LiveDesk:
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
            raise TeacherError("the desk is not open", expected="a call inside `with LiveDesk(...)`", do="use with")
        try:
            return portal.call(partial(self.client.ask, request, attempt=attempt))
        except CancelledError:
            raise TeacherError("the call was cancelled") from None

    def close(self, why: str) -> None:
        """No further calls; those in flight come home. Every further `ask` is TeacherError with ``why``."""
        self.client.close(why)

    @property
    def traffic(self) -> Traffic:
        """What went over the wire so far."""
        return self.client.traffic


class DryDesk:
    """Answers from the rehearsal without a server, and keeps count: for estimates and previews."""

    def __init__(self, config: TeacherConfig) -> None:
        self.config = config
        self._responder = Responder()
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
