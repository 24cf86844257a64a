"""Batches what is waiting: requests that come while a batch runs are answered together by the next one."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from red_align.errors import NotReady

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """One thread that drains a queue into batches.

    There is no waiting for more: a lone item runs at once, and batches form by themselves under load. While fewer than
    ``at_once`` batches run, ``answer`` runs its own in the caller's thread, which saves waking another one.

    Args:
        run: Answers a batch, in its order; called in several threads where ``at_once`` is more than 1.
        limit: Most items of a batch.
        at_once: Most batches that run side by side.
        name: Of the thread.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Answer]],
        limit: int,
        at_once: int = 1,
        name: str = "engine",
    ) -> None:
        self._run, self._limit, self._at_once = run, limit, at_once
        self._queue: SimpleQueue[tuple[Item, Future[Answer]] | None] = SimpleQueue()
        self._closed = False
        self._turns = threading.BoundedSemaphore(at_once)  # one is held while a batch runs
        self._waiting = False  # the thread has taken an item and waits for its turn
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()
        # A network call that Python's end cuts off would abort the process.
        atexit.register(self.close)

    def submit(self, item: Item) -> Future[Answer]:
        """The answer to one item; it raises what ``run`` raised, or NotReady after ``close``."""
        future: Future[Answer] = Future()
        if self._closed:
            future.set_exception(NotReady("the engine is closed"))
        else:
            self._queue.put((item, future))
        return future

    def answer(self, items: Sequence[Item]) -> Sequence[Answer]:
        """The answers to some items that belong together; waits for them, and raises as ``submit``'s future does."""
        if 0 < len(items) <= self._limit and self._turns.acquire(blocking=False):
            try:
                # Others came first: then these join their batch.
                if not (self._closed or self._waiting) and self._queue.empty():
                    return self._run(items)
            finally:
                self._turns.release()
        return [future.result() for future in [self.submit(item) for item in items]]

    def close(self) -> None:
        """Refuse what waits and wait for the batch that runs; safe to call twice."""
        self._closed = True
        atexit.unregister(self.close)
        self._queue.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()
        for _ in range(self._at_once):  # batches in callers' threads
            self._turns.acquire()
        self._turns.release(self._at_once)

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            self._waiting = True
            with self._turns:
                self._waiting = False
                self._work_off(self._drain(first))
        while True:  # What came between the last batch and the end.
            try:
                left = self._queue.get_nowait()
            except Empty:
                return
            if left is not None:
                _refuse([left])

    def _work_off(self, batch: Sequence[tuple[Item, Future[Answer]]]) -> None:
        if self._closed:
            _refuse(batch)
            return
        running = [(item, future) for item, future in batch if future.set_running_or_notify_cancel()]
        try:
            answers = self._run([item for item, _ in running])
        except Exception as error:
            for _, future in running:
                future.set_exception(error)
            return
        for (_, future), answer in zip(running, answers, strict=True):
            future.set_result(answer)

    def _drain(self, first: tuple[Item, Future[Answer]]) -> list[tuple[Item, Future[Answer]]]:
        batch = [first]
        while len(batch) < self._limit:
            try:
                more = self._queue.get_nowait()
            except Empty:
                break
            if more is None:
                self._queue.put(None)
                break
            batch.append(more)
        return batch


def _refuse(batch: Sequence[tuple[object, Future[Answer]]]) -> None:
    for _, future in batch:
        if future.set_running_or_notify_cancel():
            future.set_exception(NotReady("the engine is closed"))
