"""Blocking calls of one request, in worker threads: the event loop carries bytes and answers only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


class ThreadCalls:
    """Calls one after another in threads of an executor, with the caller's context variables (log ids, trace).

    A call whose task is cancelled goes on in its thread: whoever closes what it works on awaits ``settled`` first.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._running: asyncio.Future[Any] | None = None

    async def __call__(self, work: Callable[[], T]) -> T:
        """The work's answer."""
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._executor, copy_context().run, work)
        self._running = future
        return await asyncio.shield(future)

    async def settled(self) -> None:
        """Wait for a call that is still under way; its answer is not wanted any more."""
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)
