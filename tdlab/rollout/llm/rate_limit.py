"""The rate limit: how many calls may be in flight, adapted to the server's answers.

A 429 or a time-out lowers the limit; without one it grows by one per round trip. A ``Retry-After`` delays every call,
not only the one that received it. Backoff is exponential with jitter.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

__all__ = ["AdaptiveLimiter", "Dismissed", "backoff", "retry_after"]

_DECREASE = 0.7
_DECREASE_EVERY_S = 0.5  # calls in flight together get their 429 together: lower the limit once for all of them
_FIRST_BACKOFF_S = 0.25
_MAX_BACKOFF_S = 20.0


def backoff(tries: int) -> float:
    """Draw the seconds to wait after ``tries`` failures: uniform below a bound that doubles each time."""
    return random.uniform(0.2, 1.0) * min(_MAX_BACKOFF_S, _FIRST_BACKOFF_S * 2.0 ** min(tries, 16))


def retry_after(headers: dict[str, str], *, now: float) -> float | None:
    """Return the seconds that a ``Retry-After`` asks to wait; None without one. ``now`` is Unix time."""
    milliseconds = headers.get("retry-after-ms")
    text = headers.get("retry-after")
    try:
        seconds = float(milliseconds) / 1000.0 if milliseconds is not None else float(text or "")
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text or "").timestamp() - now
        except (TypeError, ValueError):
            return None
    return max(seconds, 0.0) if seconds == seconds else None


class Dismissed(Exception):
    """A call that waited for its turn shall go to another server."""


class AdaptiveLimiter:
    """Admit at most ``limit`` calls at once, first come, first served; an async context manager around each call.

    For one event loop. ``limit`` starts at ``most`` and stays between 1 and ``most``.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self.active = 0
        self.peak = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._delays = True
        self._open_at = 0.0
        self._decreased_at = float("-inf")

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if self._queue or self.active >= int(self.limit) or loop.time() < self._open_at:
            turn: asyncio.Future[None] = loop.create_future()
            self._queue.append(turn)
            if loop.time() < self._open_at:
                loop.call_at(self._open_at, self._admit)
            try:
                await turn
            except Dismissed:
                raise
            except BaseException:
                if turn.done() and not turn.cancelled():
                    self._leave()
                raise
        else:
            self.active += 1
        self.peak = max(self.peak, self.active)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def succeeded(self) -> None:
        """Raise the limit a little, after a call that succeeded."""
        if self.limit < self.most:
            self.limit = min(float(self.most), self.limit + 1.0 / self.limit)

    @property
    def load(self) -> int:
        """The number of calls that are in flight or wait for their turn."""
        return self.active + len(self._queue)

    @property
    def is_delayed(self) -> bool:
        """Whether all calls wait because the server asked for it."""
        return self._open_at > 0.0 and asyncio.get_running_loop().time() < self._open_at

    def shrink(self) -> None:
        """Lower the limit, after a time-out: a server with fewer calls answers each sooner."""
        now = asyncio.get_running_loop().time()
        if now - self._decreased_at >= _DECREASE_EVERY_S:
            self._decreased_at = now
            self.limit = max(1.0, self.limit * _DECREASE)

    def throttled(self, wait_s: float) -> None:
        """Lower the limit and delay all calls by ``wait_s`` seconds, after a 429."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self.shrink()
        if self._delays and now + wait_s > self._open_at:
            self._open_at = now + wait_s
            loop.call_at(self._open_at, self._admit)

    def dismiss(self) -> None:
        """Raise `Dismissed` in all calls that wait for their turn."""
        for turn in self._queue:
            if not turn.done():
                turn.set_exception(Dismissed())
        self._queue.clear()

    def open(self) -> None:
        """End all delays that the server asked for, and allow no further ones."""
        self._delays = False
        self._open_at = 0.0
        self._admit()

    def _leave(self) -> None:
        self.active -= 1
        self._admit()

    def _admit(self) -> None:
        if not self._queue or asyncio.get_running_loop().time() < self._open_at:
            return
        while self._queue and self.active < int(self.limit):
            turn = self._queue.popleft()
            if not turn.done():
                self.active += 1
                turn.set_result(None)
