"""Carrying orders out, in this process or in several, with the same result in the same sequence.

An order is whatever the producer at hand takes: of an offspring here, of a whole run in an ablation.

Worker processes are spawned, are handed the producer once, and leave when their parent is gone, however it went. Orders
are idempotent: what a worker had when it died is given to another. There is one pipe a worker and nothing that workers
share, so that one that dies, at whatever moment, leaves no lock behind; the executors of the standard library can hang
there.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from tdlab._gc import rare_collection
from tdlab.errors import WorkerError

__all__ = ["ProcessPool", "SupportsProduce"]

_log = logging.getLogger(__name__)
_TRIES = 3  # deaths in a row, with nothing finished in between, that are borne
_PIECES = 4  # pieces that a worker's share of a batch is cut into, to even out their times
Order = TypeVar("Order")
Result = TypeVar("Result")
_Ordered = TypeVar("_Ordered", contravariant=True)
_Result = TypeVar("_Result", covariant=True)
_Piece = tuple[int, int]  # the number of the batch, and of the piece in it
_GONE = (EOFError, OSError)  # what a pipe raises whose other end has died


class SupportsProduce(Protocol[_Ordered, _Result]):
    """What carries orders out: it can be pickled, and what it makes of an order depends on the order alone."""

    def produce(self, order: _Ordered, /) -> _Result:
        """Carry out an order."""


class _Worker:
    """A process and the pipe to it. It is idle, or at work on ``piece``, or starting (``ready`` is not set)."""

    def __init__(self) -> None:
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        self.pipe: Connection = ours
        self.piece: _Piece | None = None
        self.ready = False
        with theirs, _interrupts_held_back():
            self.process = SpawnProcess(target=_work, args=(theirs,), daemon=True)
            self.process.start()
        _log.info("worker process %s started", self.process.pid)

    def end(self) -> None:
        """Stop it now; what it was at work on is not missed, since orders can be carried out again."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


class ProcessPool(Generic[Order, Result]):
    """A context manager that carries orders out. ``count`` 1 works in this process; more spawn processes.

    ``name`` is what a batch of orders is called in errors. Orders are handed out in pieces of a batch; ``singly`` hands
    them out one by one, for orders that take long.
    """

    def __init__(
        self, producer: SupportsProduce[Order, Result], count: int, *, name: str = "generation", singly: bool = False
    ) -> None:
        self._producer = producer
        self._count = count
        self._name = name
        self._singly = singly
        self._workers: list[_Worker] = []
        self._batch = 0
        self._packed = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._workers:
            self._workers.pop().end()

    def produce(self, orders: Sequence[Order], *, wanted: Callable[[], int] | None = None) -> Iterator[Result]:
        """What is made, in the sequence of the orders. WorkerError when workers keep dying on them.

        ``wanted``, how many more can be used, is of no interest here: what is made for nothing costs little.
        """
        if self._count <= 1 or len(orders) < 2:
            for order in orders:
                yield self._producer.produce(order)
            return
        self._batch += 1
        size = 1 if self._singly else max(1, -(-len(orders) // (self._count * _PIECES)))
        pieces = [orders[n : n + size] for n in range(0, len(orders), size)]
        waiting = list(range(len(pieces)))
        done: dict[int, list[Result]] = {}
        deaths = told = 0
        while told < len(pieces):
            while len(self._workers) < self._count:
                self._workers.append(_Worker())
            for worker in self._spoken(pieces, waiting):
                try:
                    finished = self._read(worker)
                except _GONE:
                    self._replace(worker, waiting)
                    deaths += 1
                    if deaths >= _TRIES:
                        raise WorkerError(
                            f"worker processes died {deaths} times on one {self._name}",
                            expected="workers that live to the end of a batch",
                            do="look for what kills them (memory?), or run with --workers 1",
                        ) from None
                    continue
                if finished is not None:
                    (batch, number), made = finished
                    deaths = 0
                    if batch == self._batch:
                        done[number] = made
            while told in done:
                yield from done.pop(told)
                told += 1

    def _spoken(self, pieces: Sequence[Sequence[Order]], waiting: list[int]) -> list[_Worker]:
        """Give work to who is idle, then wait; the workers that have said something, or whose pipe has ended."""
        for worker in self._workers:
            if worker.ready and worker.piece is None and waiting:
                worker.piece = (self._batch, waiting.pop(0))
                with suppress(*_GONE):  # it has died: reading from it will tell
                    worker.pipe.send((worker.piece, pieces[worker.piece[1]]))
        speaking = connection.wait([worker.pipe for worker in self._workers])
        return [worker for worker in self._workers if worker.pipe in speaking]

    def _read(self, worker: _Worker) -> tuple[_Piece, list[Result]] | None:
        """What a worker has finished; None for one that says it is ready. One of `_GONE` where it has died."""
        said: tuple[_Piece, list[Result]] | BaseException | None = worker.pipe.recv()
        if said is None:
            self._packed = self._packed or pickle.dumps(self._producer)
            worker.pipe.send_bytes(self._packed)
            worker.ready = True
            return None
        if isinstance(said, BaseException):
            raise said
        worker.piece = None
        return said

    def _replace(self, worker: _Worker, waiting: list[int]) -> None:
        """LlmRollout with a dead worker; what it was at work on goes to the front of what waits."""
        if worker.piece is not None and worker.piece[0] == self._batch:
            waiting.insert(0, worker.piece[1])
        self._workers.remove(worker)
        worker.end()
        _log.warning("worker process %s died with exit code %s", worker.process.pid, worker.process.exitcode)


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


def _work(pipe: Connection) -> None:
    """A worker's life: it ignores Ctrl-C (its parent decides) and ends with its parent, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def leave_with_parent() -> None:
            connection.wait([parent.sentinel])
            os._exit(1)

        threading.Thread(target=leave_with_parent, daemon=True).start()
    with rare_collection(), suppress(*_GONE):  # the parent has closed the pipe, or is gone
        pipe.send(None)
        producer: SupportsProduce[Any, Any] = pickle.loads(pipe.recv_bytes())  # noqa: S301  # made by our own parent
        while True:
            piece, orders = pipe.recv()
            try:
                answer: object = (piece, [producer.produce(order) for order in orders])
            except Exception as error:  # noqa: BLE001  # it is raised in the parent
                answer = _portable(error)
            pipe.send(answer)


def _portable(error: Exception) -> Exception:
    """The error, or where it cannot be sent, one that says what it was."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # made on the line itself
    except Exception:  # noqa: BLE001  # a stranger's exception may fail in any way
        return WorkerError(f"a worker failed: {type(error).__name__}: {error}", do="run with --workers 1 to see where")
    return error
