"""Carrying orders out, in this process or in several, with the same result in the same sequence.

Worker processes are spawned, hold the studio, and leave when their parent is gone. Orders are idempotent: when a
worker dies, the unfinished ones are given to new workers.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import TracebackType
from typing import Self

from tdlab.errors import WorkerError
from tdlab.evolution.studio import Offspring, Order, Studio

__all__ = ["Workers"]

_TRIES = 3
_PIECES = 4  # pieces that a worker's share of a batch is cut into, to even out their times


class Workers:
    """A context manager that carries orders out. ``count`` 1 works in this process; more spawn processes."""

    def __init__(self, studio: Studio, count: int) -> None:
        self._studio = studio
        self._count = count
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop(wait=kind is None)

    def produce(self, orders: Sequence[Order]) -> Iterator[Offspring]:
        """Offspring in the sequence of the orders. WorkerError when workers keep dying on the same orders."""
        if self._count <= 1 or len(orders) < 2:
            for order in orders:
                yield self._studio.produce(order)
            return
        size = max(1, -(-len(orders) // (self._count * _PIECES)))
        pieces = [orders[n : n + size] for n in range(0, len(orders), size)]
        done: dict[int, list[Offspring]] = {}
        for _ in range(_TRIES):
            missing = [n for n in range(len(pieces)) if n not in done]
            pool = self._workers()
            try:
                with _interrupts_held_back():
                    futures = {n: pool.submit(_produce, pieces[n]) for n in missing}
                for n in missing:
                    done[n] = futures[n].result()
            except BrokenProcessPool:
                self._drop(wait=False)
                continue
            break
        if len(done) < len(pieces):
            raise WorkerError(
                f"worker processes died {_TRIES} times on generation {orders[0].generation}",
                expected="workers that live to the end of a batch",
                do="look for what kills them (memory?), or run with --workers 1",
            )
        for n in range(len(pieces)):
            yield from done[n]

    def _workers(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._count,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(pickle.dumps(self._studio),),
            )
        return self._pool

    def _drop(self, *, wait: bool) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=wait, cancel_futures=True)
            self._pool = None


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C waits until the block ends. Processes that are spawned within it never hear of it: they inherit the mask.

    Without this a worker that is still starting would die of it with a traceback.
    """
    resource_tracker.ensure_running()  # it would lift the mask when it is started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_studio: Studio | None = None


def _begin(studio: bytes) -> None:
    """Set a worker up: it ignores Ctrl-C (its parent decides) and ends with its parent, however that ends."""
    global _studio
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def leave_with_parent() -> None:
            multiprocessing.connection.wait([parent.sentinel])
            os._exit(1)

        threading.Thread(target=leave_with_parent, daemon=True).start()
    _studio = pickle.loads(studio)  # noqa: S301  # made by our own parent


def _produce(orders: Sequence[Order]) -> list[Offspring]:
    if _studio is None:
        raise WorkerError("a worker got orders before it was set up", do="this is a fault of tdlab; please report it")
    return [_studio.produce(order) for order in orders]
