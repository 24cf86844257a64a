"""Batches what is waiting: calls that come while one runs are answered together by the next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

from red_align.errors import NotReady

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Collects items from any number of tasks and hands them to ``run`` in a thread, up to ``limit`` at once.

    There is no waiting for more: a lone item runs at once, and batches form by themselves under load.
    ``sizes`` counts batches by their size.
    """

    def __init__(self, run: Callable[[Sequence[Item]], Sequence[Answer]], limit: int, executor: Executor) -> None:
        self._run = run
        self._limit = limit
        self._executor = executor
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._closed = False
        self.sizes: dict[int, int] = {}

    async def submit(self, item: Item) -> Answer:
        """The answer to one item; raises what ``run`` raised, or NotReady after ``close``."""
        if self._closed:
            raise NotReady("the engine is closed")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._limit, len(self._waiting)))]
            batch = [(item, future) for item, future in batch if not future.cancelled()]
            if not batch:
                continue
            self.sizes[len(batch)] = self.sizes.get(len(batch), 0) + 1
            try:
                answers = await loop.run_in_executor(self._executor, self._run, [item for item, _ in batch])
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    async def close(self) -> None:
        """Refuse what waits and wait for the batch that runs."""
        self._closed = True
        while self._waiting:
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(NotReady("the engine is closed"))
        if self._worker is not None:
            await asyncio.gather(self._worker, return_exceptions=True)
