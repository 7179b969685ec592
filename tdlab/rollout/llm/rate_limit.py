"""Flow control: how many calls may be in flight, learnt from what the server says.

The limit is cut when the server asks for less (429) and grows by one a round trip while it does not; a ``Retry-After``
holds back every call, not only the one that was told. Back-off is exponential with full jitter.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

__all__ = ["AdaptiveLimiter", "backoff", "retry_after"]

_CUT = 0.7
_CUT_EVERY_S = 0.5  # calls that were in flight together are told together: one cut for all of them
_FIRST_S = 0.25
_LONGEST_S = 20.0
_LONGEST_WAIT_S = 120.0  # of what a server may ask for


def backoff(tries: int) -> float:
    """Seconds to wait after ``tries`` failures: uniform up to a bound that doubles each time."""
    return random.uniform(0.2, 1.0) * min(_LONGEST_S, _FIRST_S * 2.0 ** min(tries, 16))


def retry_after(headers: dict[str, str], *, now: float) -> float | None:
    """Seconds that the server asks to wait, at most two minutes; None where it does not say. ``now`` is Unix time."""
    milliseconds = headers.get("retry-after-ms")
    text = headers.get("retry-after")
    try:
        seconds = float(milliseconds) / 1000.0 if milliseconds is not None else float(text or "")
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text or "").timestamp() - now
        except (TypeError, ValueError):
            return None
    return min(max(seconds, 0.0), _LONGEST_WAIT_S) if seconds == seconds else None


class AdaptiveLimiter:
    """An async context manager that admits at most ``limit`` calls at once, in the order in which they came.

    For one event loop. ``limit`` begins at ``most`` and stays between 1 and it.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self.active = 0
        self.peak = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._held = True
        self._open_at = 0.0
        self._cut_at = float("-inf")

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if self._queue or self.active >= int(self.limit) or loop.time() < self._open_at:
            turn: asyncio.Future[None] = loop.create_future()
            self._queue.append(turn)
            if loop.time() < self._open_at:
                loop.call_at(self._open_at, self._admit)
            try:
                await turn
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
        """A call went well: a little more may be in flight."""
        if self.limit < self.most:
            self.limit = min(float(self.most), self.limit + 1.0 / self.limit)

    def throttled(self, wait_s: float) -> None:
        """The server asked for less: cut the limit and hold back all calls for ``wait_s``."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now - self._cut_at >= _CUT_EVERY_S:
            self._cut_at = now
            self.limit = max(1.0, self.limit * _CUT)
        if self._held and now + wait_s > self._open_at:
            self._open_at = now + wait_s
            loop.call_at(self._open_at, self._admit)

    def open(self) -> None:
        """Hold nobody back for a server's sake from now on."""
        self._held = False
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
