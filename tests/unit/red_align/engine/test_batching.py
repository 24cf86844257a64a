"""Batches: what waits is answered together, and nobody's fault is another's."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from red_align.engine.batching import Batcher
from red_align.errors import NotReady


class Gated:
    """A batch's work that waits until the test lets it go on, and keeps the batches it saw."""

    def __init__(self) -> None:
        self.gate, self.entered = threading.Semaphore(0), threading.Semaphore(0)
        self.batches: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.entered.release()
        assert self.gate.acquire(timeout=10)
        self.batches.append(list(items))
        if 13 in items:
            raise ValueError("thirteen")
        return [2 * item for item in items]


def test_what_comes_while_a_batch_runs_is_the_next_batch() -> None:
    work = Gated()
    batcher = Batcher(work, 4)
    futures = [batcher.submit(0)]
    assert work.entered.acquire(timeout=10)
    futures += [batcher.submit(i) for i in range(1, 8)]
    for _ in range(8):
        work.gate.release()
    assert [future.result(10) for future in futures] == [2 * i for i in range(8)]
    assert work.batches == [[0], [1, 2, 3, 4], [5, 6, 7]]
    batcher.close()


def test_a_failing_batch_fails_its_callers_and_no_others() -> None:
    work = Gated()
    batcher = Batcher(work, 1)
    futures = [batcher.submit(i) for i in (1, 13, 5)]
    for _ in futures:
        work.gate.release()
    assert futures[0].result(10) == 2
    with pytest.raises(ValueError, match="thirteen"):
        futures[1].result(10)
    assert futures[2].result(10) == 10
    batcher.close()


def test_a_cancelled_item_is_left_out_of_its_batch() -> None:
    work = Gated()
    batcher = Batcher(work, 4)
    first = batcher.submit(0)
    assert work.entered.acquire(timeout=10)
    futures = [batcher.submit(i) for i in (1, 2, 3)]
    assert futures[1].cancel()
    for _ in range(2):
        work.gate.release()
    assert (first.result(10), futures[0].result(10), futures[2].result(10)) == (0, 2, 6)
    assert work.batches == [[0], [1, 3]]
    batcher.close()


def test_closing_ends_the_running_batch_and_refuses_what_waits() -> None:
    work = Gated()
    batcher = Batcher(work, 1)
    running = batcher.submit(1)
    assert work.entered.acquire(timeout=10)
    waiting = batcher.submit(2)
    closing = threading.Thread(target=batcher.close)
    closing.start()
    work.gate.release()
    closing.join(10)
    assert running.result(10) == 2
    for future in (waiting, batcher.submit(3)):
        with pytest.raises(NotReady):
            future.result(10)


def test_an_idle_batcher_answers_in_the_callers_thread() -> None:
    threads: list[threading.Thread] = []

    def work(items: Sequence[int]) -> list[int]:
        threads.append(threading.current_thread())
        return [2 * item for item in items]

    batcher = Batcher(work, 2)
    assert batcher.answer([1, 2]) == [2, 4]
    assert threads == [threading.current_thread()]
    assert batcher.answer([1, 2, 3]) == [2, 4, 6]  # more than a batch
    assert threading.current_thread() not in threads[1:]
    batcher.close()


def test_what_belongs_together_joins_the_batch_that_waits_behind_another() -> None:
    work = Gated()
    batcher = Batcher(work, 4)
    first = threading.Thread(target=batcher.answer, args=([0],))  # runs in this thread
    first.start()
    assert work.entered.acquire(timeout=10)
    waiting = batcher.submit(1)
    answers: list[int] = []
    together = threading.Thread(target=lambda: answers.extend(batcher.answer([2, 3])))
    together.start()
    while batcher._queue.qsize() < 2:  # the first one was taken and waits for its turn
        assert together.is_alive()
    for _ in range(2):
        work.gate.release()
    assert waiting.result(10) == 2
    together.join(10)
    assert answers == [4, 6]
    assert work.batches == [[0], [1, 2, 3]]
    batcher.close()


def test_closing_waits_for_a_batch_in_a_callers_thread_and_refuses_later_ones() -> None:
    work = Gated()
    batcher = Batcher(work, 4)
    answers: list[int] = []
    caller = threading.Thread(target=lambda: answers.extend(batcher.answer([1])))
    caller.start()
    assert work.entered.acquire(timeout=10)
    closing = threading.Thread(target=batcher.close)
    closing.start()
    closing.join(0.2)
    assert closing.is_alive()
    work.gate.release()
    closing.join(10)
    caller.join(10)
    assert answers == [2]
    with pytest.raises(NotReady):
        batcher.answer([2])


def test_a_failing_batch_in_a_callers_thread_leaves_the_batcher_at_work() -> None:
    work = Gated()
    work.gate.release(2)
    batcher = Batcher(work, 4)
    with pytest.raises(ValueError, match="thirteen"):
        batcher.answer([13])
    assert batcher.answer([5]) == [10]
    batcher.close()
