"""Execute orders in this process or in several, with the same results in the same sequence.

An order is whatever the producer takes: for one offspring in a run, for a whole run in an ablation.

Worker processes are spawned, receive the producer once, and end when their parent ends, however it ended. Orders are
idempotent: those of a worker that died are given to another. Each worker has its own pipe and workers share nothing, so
that a worker that dies at any moment leaves no lock behind. The executors of the standard library can hang in that
case.
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
_MOST_DEATHS = 3  # give up after this many deaths in a row without a result in between
_PIECES_PER_WORKER = 4  # pieces of a worker's share of a batch, so that workers finish at about the same time
Order = TypeVar("Order")
Result = TypeVar("Result")
_Ordered = TypeVar("_Ordered", contravariant=True)
_Result = TypeVar("_Result", covariant=True)
_Piece = tuple[int, int]  # number of the batch, and number of the piece in it
_PIPE_ERRORS = (EOFError, OSError)  # raised by a pipe whose other end has died


class SupportsProduce(Protocol[_Ordered, _Result]):
    """A producer of results: it can be pickled, and its result depends on the order only."""

    def produce(self, order: _Ordered, /) -> _Result:
        """Execute an order."""


class _Worker:
    """A process and the pipe to it. It works on ``piece``, is idle (None), or is starting (``ready`` is False)."""

    def __init__(self) -> None:
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        self.pipe: Connection = ours
        self.piece: _Piece | None = None
        self.ready = False
        with theirs, _interrupts_blocked():
            self.process = SpawnProcess(target=_run_worker, args=(theirs,), daemon=True)
            self.process.start()
        _log.info("worker process %s started", self.process.pid)

    def end(self) -> None:
        """Stop it now. Nothing is lost, since its orders can be executed again."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


class ProcessPool(Generic[Order, Result]):
    """A context manager that executes orders in worker processes.

    Args:
        producer: Executes one order.
        count: Number of processes; 1 works in this process.
        name: What a batch of orders is called in errors.
        singly: Hand out orders one by one instead of in pieces of a batch, for orders that take long.
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
        self._pickled_producer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._workers:
            self._workers.pop().end()

    def produce(self, orders: Sequence[Order], *, wanted: Callable[[], int] | None = None) -> Iterator[Result]:
        """Execute a batch of orders.

        Args:
            orders: The orders.
            wanted: How many more results can be used; ignored, since unused results cost little here.

        Yields:
            The results, in the sequence of the orders.

        Raises:
            WorkerError: Workers keep dying on the orders.
        """
        if self._count <= 1 or len(orders) < 2:
            for order in orders:
                yield self._producer.produce(order)
            return
        self._batch += 1
        size = 1 if self._singly else max(1, -(-len(orders) // (self._count * _PIECES_PER_WORKER)))
        pieces = [orders[n : n + size] for n in range(0, len(orders), size)]
        waiting = list(range(len(pieces)))
        done: dict[int, list[Result]] = {}
        deaths = yielded = 0
        while yielded < len(pieces):
            while len(self._workers) < self._count:
                self._workers.append(_Worker())
            for worker in self._answering_workers(pieces, waiting):
                try:
                    answer = self._read(worker)
                except _PIPE_ERRORS:
                    self._replace(worker, waiting)
                    deaths += 1
                    if deaths >= _MOST_DEATHS:
                        raise WorkerError(
                            f"worker processes died {deaths} times on one {self._name}",
                            expected="workers that finish the batch",
                            do="free memory, or run with --workers 1",
                        ) from None
                    continue
                if answer is not None:
                    (batch, number), results = answer
                    deaths = 0
                    if batch == self._batch:
                        done[number] = results
            while yielded in done:
                yield from done.pop(yielded)
                yielded += 1

    def _answering_workers(self, pieces: Sequence[Sequence[Order]], waiting: list[int]) -> list[_Worker]:
        """Give work to idle workers, then wait; return those that have answered or whose pipe has ended."""
        for worker in self._workers:
            if worker.ready and worker.piece is None and waiting:
                worker.piece = (self._batch, waiting.pop(0))
                with suppress(*_PIPE_ERRORS):  # it has died; reading from it will raise the error
                    worker.pipe.send((worker.piece, pieces[worker.piece[1]]))
        speaking = connection.wait([worker.pipe for worker in self._workers])
        return [worker for worker in self._workers if worker.pipe in speaking]

    def _read(self, worker: _Worker) -> tuple[_Piece, list[Result]] | None:
        """Return a finished piece, or None from a worker that is ready; raise one of `_PIPE_ERRORS` if it has died."""
        message: tuple[_Piece, list[Result]] | BaseException | None = worker.pipe.recv()
        if message is None:
            self._pickled_producer = self._pickled_producer or pickle.dumps(self._producer)
            worker.pipe.send_bytes(self._pickled_producer)
            worker.ready = True
            return None
        if isinstance(message, BaseException):
            raise message
        worker.piece = None
        return message

    def _replace(self, worker: _Worker, waiting: list[int]) -> None:
        """Remove a dead worker, and put its piece at the front of the queue."""
        if worker.piece is not None and worker.piece[0] == self._batch:
            waiting.insert(0, worker.piece[1])
        self._workers.remove(worker)
        worker.end()
        _log.warning("worker process %s died with exit code %s", worker.process.pid, worker.process.exitcode)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Delay Ctrl-C until the block ends. Processes spawned within it never receive it, since they inherit the mask.

    Without this, a worker that is still starting would end with a traceback.
    """
    resource_tracker.ensure_running()  # starting it inside the block would lift the mask
    previous_mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous_mask)


def _run_worker(pipe: Connection) -> None:
    """Work until the parent ends, however it ends; ignore Ctrl-C, which the parent handles."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def leave_with_parent() -> None:
            connection.wait([parent.sentinel])
            os._exit(1)

        threading.Thread(target=leave_with_parent, daemon=True).start()
    with rare_collection(), suppress(*_PIPE_ERRORS):  # the parent has closed the pipe, or is gone
        pipe.send(None)
        producer: SupportsProduce[Any, Any] = pickle.loads(pipe.recv_bytes())  # noqa: S301  # made by our own parent
        while True:
            piece, orders = pipe.recv()
            try:
                answer: object = (piece, [producer.produce(order) for order in orders])
            except Exception as error:  # noqa: BLE001  # the parent raises it
                answer = _portable(error)
            pipe.send(answer)


def _portable(error: Exception) -> Exception:
    """Return the error, or one that describes it if it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # made on the line itself
    except Exception:  # noqa: BLE001  # an exception from elsewhere may fail to pickle in any way
        return WorkerError(
            f"a worker failed: {type(error).__name__}: {error}",
            do="run again with --workers 1 to see the traceback",
        )
    return error
