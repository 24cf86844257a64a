"""The Triton engine: the server keeps the memory of sequences, and this side can begin them again anywhere."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from red_align import contract
from red_align.engine.base import Array, ModelInfo, StepResult
from red_align.engine.triton_calls import Lost, TritonCalls
from red_align.engine.triton_config import model_info, sequence_slots
from red_align.errors import NotReady, Overloaded, RedAlignError, SequenceUnknown

log = logging.getLogger(__name__)
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
    ) -> None:
        self._servers = [TritonCalls(url, deadline_s) for url in urls]
        self._recover_s, self._admission_s = recover_s, admission_s
        self._max_sequences = max_sequences
        self._clock = clock
        self._info: ModelInfo | None = None
        self._kept: dict[str, _Kept] = {}
        self._ends: set[asyncio.Task[None]] = set()
        self._next_server = 0
        self._closed = False

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

    async def start(self) -> None:
        """Wait for a server, however long, and hold its models against the contract (ModelMismatch)."""
        told = ""
        while self._info is None:
            for server in self._servers:
                try:
                    step, acquire = (
                        await server.config(contract.STEP_GRAPH),
                        await server.config(contract.ACQUIRE_GRAPH),
                    )
                except Lost as error:
                    if str(error) != told:
                        log.warning("waiting for the inference server: %s", error)
                    told = str(error)
                    continue
                self._info = model_info(step, acquire)
                if (places := sequence_slots(step)) < self._max_sequences:
                    log.warning(
                        "the server admits %d sequences, RED_MAX_SEQUENCES allows %d here alone: "
                        "the last ones will wait RED_TRITON_ADMISSION_S and be refused",
                        *(places, self._max_sequences),
                    )
                return
            await asyncio.sleep(RETRY_S)

    async def acquire(self, crop: NDArray[np.uint8], prior: Array, resume: Array | None = None) -> StepResult:
        """See Engine.acquire; tried again elsewhere, or later, while a server is gone."""
        tensors = self._tensors(crop, prior, self._memory(resume))

        async def call(server: int) -> dict[str, Array]:
            return await self._servers[server].infer(contract.ACQUIRE_GRAPH, tensors)

        out, _ = await self._survive(call, self._turn())
        return _result(out, False)

    async def step(
        self, sequence: str, crop: NDArray[np.uint8], prior: Array, *, start: bool = False, resume: Array | None = None
    ) -> StepResult:
        """See Engine.step. Raises Overloaded when there is no place for a sequence that starts, here or there."""
        if start:
            if sequence not in self._kept and len(self._kept) >= self._max_sequences:
                raise Overloaded(f"{self._max_sequences} sequences are in use", limit="max_sequences")
            self._kept[sequence] = _Kept(self._memory(resume), self._turn())
        kept = self._kept.get(sequence)
        if kept is None:
            raise SequenceUnknown(f"sequence {sequence} was not started, or has ended")
        tensors = self._tensors(crop, prior, kept.memory)

        async def call(server: int) -> dict[str, Array]:
            return await self._step_on(server, kept, tensors)

        try:
            out, lost = await self._survive(call, kept.server)
        except BaseException:
            if start:
                await self.end(sequence)
            raise
        kept.memory = out[contract.MEMORY]
        return _result(out, lost and not start)

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

    async def end(self, sequence: str) -> None:
        """See Engine.end. The server is told in the background; where it does not hear, its idle limit acts."""
        kept = self._kept.pop(sequence, None)
        if kept is None or not kept.name or self._closed:
            return
        task = asyncio.create_task(self._tell_end(kept))
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)

    async def close(self) -> None:
        """See Engine.close: end what is under way, then the channels."""
        for sequence in list(self._kept):
            await self.end(sequence)
        self._closed = True
        if self._ends:
            await asyncio.wait(set(self._ends), timeout=2.0)
        for server in self._servers:
            await server.close()

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

    async def _tell_end(self, kept: _Kept) -> None:
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


def _new_name() -> str:
    """Random, and new at every beginning: never derived from a stream or a user."""
    return secrets.token_hex(16)
