"""Execute orders in threads, for rollouts that wait for a language model: one thread per call in flight.

Offspring come in the sequence of the orders, so that decisions on them do not depend on timing. A rollout that could
not be played, because the budget is spent or a server is gone, is left out, and `stopped` says why. It is no offspring;
it is played when the run is resumed.
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
from tdlab.tasks import keep_worlds

__all__ = ["ThreadPool"]

_ORDERS_PER_THREAD = 4  # orders begun per thread, so that no thread is idle while the first order is slow
_GRACE_S = 10.0  # time for calls in flight to end when they are no longer needed
_TICK_S = 0.5
_WORLDS = 256  # kept by all threads together
_FEWEST_WORLDS = 6  # kept by a thread: those of a task through several services, and of the next drafts
_SPARE = 8  # begin one extra order per this many wanted, since some offspring will be rejected


class ThreadPool:
    """A context manager that executes orders in threads.

    Args:
        producer: Executes one order.
        count: Number of threads.
        backend: Sends the calls of the rollouts to the language models.
        on_wait: Called twice a second while the next offspring is not ready.
    """

    def __init__(
        self, producer: Producer, count: int, backend: LiveBackend, *, on_wait: Callable[[], None] | None = None
    ) -> None:
        self.stopped: TeacherError | RolloutError | None = None
        self._on_wait = on_wait
        self._producer = producer
        self._count = count
        self._backend = backend
        self._pool = ThreadPoolExecutor(
            count, thread_name_prefix="tdlab-rollout", initializer=keep_worlds,
            initargs=(max(_FEWEST_WORLDS, _WORLDS // count),),
        )  # fmt: skip
        self._futures: deque[Future[Offspring]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._backend.close("the run ends here")
        for future in self._futures:
            future.cancel()
        wait(self._futures, timeout=_GRACE_S)
        self._backend.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _produce(self, order: Order) -> Offspring:
        before = self._backend.sent_here
        offspring = self._producer.produce(order)
        return offspring._replace(replayed=self._backend.sent_here == before)

    def produce(self, orders: Sequence[Order], *, wanted: Callable[[], int] | None = None) -> Iterator[Offspring]:
        """Execute a batch of orders.

        Args:
            orders: The orders.
            wanted: How many more offspring can be used; few more orders than that are begun.

        Yields:
            Offspring, in the sequence of the orders, without those that `stopped` prevented.
        """
        remaining_orders = iter(orders)
        futures: deque[Future[Offspring]] = deque()
        self._futures = futures
        while True:
            in_flight = _ORDERS_PER_THREAD * self._count
            if wanted is not None:
                in_flight = min(in_flight, wanted() + wanted() // _SPARE + 1)
            if self.stopped is None:
                for order in islice(remaining_orders, max(in_flight - len(futures), 0)):
                    futures.append(self._pool.submit(self._produce, order))
            if not futures:
                return
            while self._on_wait is not None and not wait([futures[0]], timeout=_TICK_S).done:
                self._on_wait()
            try:
                offspring = futures[0].result()
            except (TeacherError, RolloutError) as error:
                self.stopped = self.stopped or error
                futures.popleft()
                continue
            futures.popleft()
            yield offspring
