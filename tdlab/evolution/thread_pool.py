"""Carrying orders out in threads, for rollouts that wait for a language model: one thread for a call in flight.

Offspring come in the sequence of the orders, so what is decided on them does not depend on who was quicker. A rollout
that could not be played because the budget is spent or a server is gone is left out, and `stopped` tells why: it is
no offspring, and is played when the run goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import islice
from types import TracebackType
from typing import Self

from tdlab.errors import RolloutError, TeacherError
from tdlab.evolution.producer import Offspring, Order, Producer
from tdlab.rollout import LiveBackend

__all__ = ["ThreadPool"]

_AHEAD = 4  # orders taken up at once, as a multiple of the threads: nobody idles while the first is slow
_GRACE_S = 10.0  # that calls in flight have to come home when nobody needs them any more
_TICK_S = 0.5
_SPARE = 8  # one order more than is wanted for so many, since some will be rejected


class ThreadPool:
    """A context manager that carries orders out in ``count`` threads. ``backend`` is what their agents ask.

    ``on_wait`` is called twice a second while the next offspring is waited for.
    """

    def __init__(
        self, producer: Producer, count: int, backend: LiveBackend, *, on_wait: Callable[[], None] | None = None
    ) -> None:
        self.stopped: TeacherError | RolloutError | None = None
        self._on_wait = on_wait
        self._producer = producer
        self._count = count
        self._backend = backend
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="tdlab-rollout")
        self._waiting: deque[Future[Offspring]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._backend.close("the run ends here")
        for future in self._waiting:
            future.cancel()
        wait(self._waiting, timeout=_GRACE_S)
        self._backend.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def produce(self, orders: Sequence[Order], *, wanted: Callable[[], int] | None = None) -> Iterator[Offspring]:
        """Offspring in the sequence of the orders; no more are begun than could be ``wanted`` still."""
        left = iter(orders)
        waiting: deque[Future[Offspring]] = deque()
        self._waiting = waiting
        while True:
            most = _AHEAD * self._count
            if wanted is not None:
                most = min(most, wanted() + wanted() // _SPARE + 1)
            if self.stopped is None:
                for order in islice(left, max(most - len(waiting), 0)):
                    waiting.append(self._pool.submit(self._producer.produce, order))
            if not waiting:
                return
            while self._on_wait is not None and not wait([waiting[0]], timeout=_TICK_S).done:
                self._on_wait()
            try:
                offspring = waiting[0].result()
            except (TeacherError, RolloutError) as error:
                self.stopped = self.stopped or error
                waiting.popleft()
                continue
            waiting.popleft()
            yield offspring
