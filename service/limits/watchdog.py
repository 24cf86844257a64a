"""A timeout for many short waits: one timer for all of them instead of one for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self


class Watchdog:
    """Interrupts a wait that takes too long, and raises an error instead.

    ``asyncio.timeout`` puts a timer into the loop's heap for each wait and takes it out again, which for messages of
    a fast stream is much work for timers that never fire. Here a wait that ends in time only notes when it began: the
    one timer, when it fires, checks whether the wait of that moment is too long, and if not it is set anew for the
    moment when it would be.

    Use it as ``with Watchdog(error) as watchdog:`` around a loop, and ``with watchdog.wait(seconds):`` around each
    await in it. One wait at a time; the task may change from wait to wait.

    Args:
        error: Makes what a wait raises that took too long.
    """

    def __init__(self, error: Callable[[], Exception]) -> None:
        self._error = error
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[Any] | None = None
        self._deadline = 0.0
        self._cancelling = 0
        self._expired = False
        self._waiting = _Wait(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def wait(self, seconds: float) -> _Wait:
        """A block that must end within ``seconds`` from now."""
        self._deadline = self._loop.time() + seconds
        return self._waiting

    def _begin(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "only a task can wait"
        self._task, self._cancelling, self._expired = task, task.cancelling(), False
        if self._timer is not None and self._timer.when() > self._deadline:
            self._stop()
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._check)

    def _end(self, raised: BaseException | None) -> None:
        task, self._task = self._task, None
        if not self._expired or task is None:
            return
        # As in asyncio.timeout: the cancellation was ours unless somebody else asked for one as well.
        ours = task.uncancel() <= self._cancelling
        if ours and isinstance(raised, asyncio.CancelledError):
            raise self._error() from None

    def _check(self) -> None:
        self._timer = None
        if self._task is None:
            return  # Nobody waits now: the next wait sets the timer.
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._check)
        else:
            self._expired = True
            self._task.cancel()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Wait:
    """One wait of a watchdog; the same object for all of them."""

    __slots__ = ("_watchdog",)

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog

    def __enter__(self) -> None:
        self._watchdog._begin()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._watchdog._end(error)
