"""The Triton engine: the server keeps the memory of sequences, and this side can begin them again anywhere."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from red_align import contract
from red_align.engine.base import Array, ModelInfo, StepRequest, StepResult, run_submitted
from red_align.engine.triton_calls import CallHeaders, Lost, TritonCalls, no_headers
from red_align.engine.triton_config import model_info, sequence_slots
from red_align.errors import NotReady, Overloaded, RedAlignError, SequenceUnknown

log = logging.getLogger(__name__)
T = TypeVar("T")
RETRY_S = 0.1
"""Pause before a lost sequence, or a server that is down, is tried again."""


@dataclass(slots=True)
class _Kept:
    """A sequence: the memory of its last answer, and its server and name over there, which holds if ``begun``."""

    memory: Array
    server: int
    name: str = ""
    begun: bool = False


class TritonEngine:
    """Implements red_align.engine.base.Engine over one server, or several that serve the same model.

    A sequence whose server restarted, forgot it or does not answer is begun again, under a new random name, with
    the last memory, at the very frame at which it broke; that frame's result says ``resumed``.

    All calls run on an event loop in a thread of this engine's own; nothing else touches its state.

    Args:
        urls: gRPC addresses, host:port.
        deadline_s: Seconds for one answer of a server.
        recover_s: Seconds for which a request waits while its server is gone.
        admission_s: Seconds for which a new sequence waits for a slot of a full server.
        max_sequences: Most sequences at once.
        clock: Seconds that grow.
        call_headers: See red_align.engine.triton_calls.CallHeaders; called in the submitter's context.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        deadline_s: float = 5.0,
        recover_s: float = 20.0,
        admission_s: float = 0.5,
        max_sequences: int = 1024,
        clock: Callable[[], float] = time.monotonic,
        call_headers: CallHeaders = no_headers,
    ) -> None:
        self._servers = [TritonCalls(url, deadline_s, call_headers) for url in urls]
        self._recover_s, self._admission_s = recover_s, admission_s
        self._max_sequences = max_sequences
        self._clock = clock
        self._info: ModelInfo | None = None
        self._kept: dict[str, _Kept] = {}
        self._ends: set[asyncio.Task[None]] = set()
        self._next_server = 0
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="triton", daemon=True)
        self._thread.start()

    @property
    def info(self) -> ModelInfo:
        """The model that the server serves; NotReady until one was reached."""
        if self._info is None:
            raise NotReady("the inference server has not been reached yet")
        return self._info

    @property
    def sequences(self) -> int:
        """Sequences that are under way."""
        return len(self._kept)

    def start(self) -> None:
        """See Engine.start: wait for a server, and hold its models against the contract."""
        self._submit(self._reach()).result()

    def submit(self, request: StepRequest) -> Future[StepResult]:
        """See Engine.submit; tried again elsewhere, or later, while a server is gone."""
        return self._submit(self._step(request) if request.sequence else self._acquire(request))

    def run(self, requests: Sequence[StepRequest]) -> list[StepResult | RedAlignError]:
        """See Engine.run."""
        return run_submitted(self, requests)

    def end(self, sequence: str) -> None:
        """See Engine.end. The server learns of it in the background; where it does not hear, its idle limit acts."""
        kept = self._kept.pop(sequence, None)
        if kept is not None and not self._closed:
            self._loop.call_soon_threadsafe(self._end_there, kept)

    def close(self) -> None:
        """See Engine.close: end what is under way, then the channels; safe to call twice."""
        if self._closed:
            return
        ended = self._submit(self._close())
        self._closed = True  # From here on what is under way is given up.
        ended.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run on the loop, with the caller's context variables."""
        future: Future[T] = Future()
        context = copy_context()

        def begin() -> None:
            task = self._loop.create_task(work, context=context)
            task.add_done_callback(lambda done: _hand_over(done, future))

        if self._closed:
            work.close()
            future.set_exception(NotReady("the engine is closed"))
        else:
            self._loop.call_soon_threadsafe(begin)
        return future

    async def _reach(self) -> None:
        said = ""
        while not self._closed:
            for server in self._servers:
                try:
                    step = await server.config(contract.STEP_GRAPH)
                    acquire = await server.config(contract.ACQUIRE_GRAPH)
                except Lost as error:
                    if str(error) != said:
                        log.warning("waiting for the inference server: %s", error)
                    said = str(error)
                    continue
                self._info = model_info(step, acquire)
                if (slots := sequence_slots(step)) < self._max_sequences:
                    log.warning(
                        "the server admits %d sequences, RED_MAX_SEQUENCES allows %d here alone: "
                        "the last ones will wait RED_TRITON_ADMISSION_S and be refused",
                        *(slots, self._max_sequences),
                    )
                return
            await asyncio.sleep(RETRY_S)
        raise NotReady("the engine is closed")

    async def _acquire(self, request: StepRequest) -> StepResult:
        tensors = self._tensors(request.crop, request.prior, self._memory(request.memory))

        async def call(server: int) -> dict[str, Array]:
            return await self._servers[server].infer(contract.ACQUIRE_GRAPH, tensors)

        out, _ = await self._survive(call, self._turn())
        return _result(out, False)

    async def _step(self, request: StepRequest) -> StepResult:
        kept = self._kept.get(request.sequence)
        starts = request.start or kept is None
        if starts:
            kept = self._begin(request)
        assert kept is not None
        tensors = self._tensors(request.crop, request.prior, kept.memory)

        async def call(server: int) -> dict[str, Array]:
            return await self._step_on(server, kept, tensors)

        try:
            out, lost = await self._survive(call, kept.server)
        except BaseException:
            if starts:
                self._forget(request.sequence)
            raise
        kept.memory = out[contract.MEMORY]
        return _result(out, (lost or starts) and not request.start)

    def _begin(self, request: StepRequest) -> _Kept:
        """A sequence that begins, begins anew, or was lost here and goes on with the request's memory."""
        if not request.start and request.memory is None:
            raise SequenceUnknown(f"sequence {request.sequence} was not started, or has ended")
        self._forget(request.sequence)
        if len(self._kept) >= self._max_sequences:
            raise Overloaded(f"{self._max_sequences} sequences are in use", limit="max_sequences")
        kept = self._kept[request.sequence] = _Kept(self._memory(request.memory), self._turn())
        return kept

    async def _step_on(self, server: int, kept: _Kept, tensors: dict[str, NDArray[Any]]) -> dict[str, Array]:
        """One try: goes on with the sequence where it is, or begins it anew on this server."""
        first = not kept.begun
        if first:
            kept.server, kept.name = server, _new_name()
        kept.begun = False  # Without an answer nobody knows what the server did.
        out = await self._servers[kept.server].infer(
            contract.STEP_GRAPH,
            tensors,
            wait_s=self._admission_s if first else None,
            sequence_id=kept.name,
            sequence_start=first,
        )
        kept.begun = True
        return out

    def _forget(self, sequence: str) -> None:
        if (kept := self._kept.pop(sequence, None)) is not None:
            self._end_there(kept)

    def _end_there(self, kept: _Kept) -> None:
        """Tell the server, in the background."""
        if not kept.name:
            return
        task = self._loop.create_task(self._send_end(kept))
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)

    async def _close(self) -> None:
        for sequence in list(self._kept):
            self._forget(sequence)
        if self._ends:
            await asyncio.wait(set(self._ends), timeout=2.0)
        for server in self._servers:
            await server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:  # Requests that waited to survive.
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _survive(
        self, call: Callable[[int], Awaitable[dict[str, Array]]], server: int
    ) -> tuple[dict[str, Array], bool]:
        """The call's answer, and whether it took more than one try; each goes to the next server."""
        until = self._clock() + self._recover_s
        lost = False
        while True:
            try:
                if self._closed:
                    raise NotReady("the engine is closed")
                return await call(server), lost
            except (Lost, Overloaded) as error:
                if isinstance(error, Overloaded) and not lost:
                    raise
                if self._clock() >= until:
                    raise error if isinstance(error, RedAlignError) else NotReady(str(error)) from error
                if not lost:
                    log.warning("lost, trying again: %s", error)
            lost = True
            server = (server + 1) % len(self._servers)
            await asyncio.sleep(RETRY_S)

    async def _send_end(self, kept: _Kept) -> None:
        """END is a whole request, its answer is dropped."""
        blank = np.zeros((contract.CROP_SIZE, contract.CROP_SIZE, 3), np.uint8)
        tensors = self._tensors(blank, self.info.scheme.mean_shape.astype(np.float32), self._memory(None))
        try:
            await self._servers[kept.server].infer(
                contract.STEP_GRAPH, tensors, sequence_id=kept.name, sequence_end=True
            )
        except (Lost, RedAlignError) as error:
            log.info("the end of a sequence was not heard: %s", error)

    def _turn(self) -> int:
        """Servers take turns in new sequences."""
        self._next_server = (self._next_server + 1) % len(self._servers)
        return self._next_server

    def _memory(self, given: Array | None) -> Array:
        return np.zeros(self.info.memory_size, np.float32) if given is None else np.asarray(given, np.float32)

    @staticmethod
    def _tensors(crop: NDArray[np.uint8], prior: Array, resume: Array) -> dict[str, NDArray[Any]]:
        return {
            contract.CROP: np.ascontiguousarray(crop),
            contract.PRIOR: np.asarray(prior, np.float32).reshape(-1),
            contract.RESUME: resume,
        }


def _result(out: dict[str, Array], resumed: bool) -> StepResult:
    return StepResult(out[contract.LANDMARKS].reshape(-1, 2), out[contract.CONFIDENCE], out[contract.MEMORY], resumed)


def _hand_over(task: asyncio.Task[T], future: Future[T]) -> None:
    """The task's ending as the future's."""
    if task.cancelled():
        future.set_exception(NotReady("the engine is closed"))
    elif (error := task.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())


def _new_name() -> str:
    """Random, and new at every beginning: never derived from a stream or a user."""
    return secrets.token_hex(16)
