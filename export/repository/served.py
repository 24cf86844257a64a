"""A Triton server as a runner of the contract: parity of what is served, whatever the backend and the precision."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferInput, InferRequestedOutput, aio
from tritonclient.utils import np_to_triton_dtype

from export.runners import Answer, Array
from red_align import contract
from red_align.schemes import SCHEMES

_TIMEOUT_S = 60.0
_OUTPUTS = [InferRequestedOutput(name) for name in contract.ACQUIRE_OUTPUTS]
T = TypeVar("T")


class ServedRunner:
    """The models ``red`` and ``red_acquire`` of a running server; the server keeps the streams' memory.

    Rows of one call are requests at one time, so that the server may batch them. Use as a context manager; raises
    InferenceServerException for what the server refuses.
    """

    def __init__(self, url: str) -> None:
        self._loop = asyncio.Runner()
        self._client = self._run(_connect(url))
        config = self._run(self._client.get_model_config(contract.STEP_GRAPH)).config
        parameters = {name: value.string_value for name, value in config.parameters.items()}
        self.scheme = SCHEMES[parameters["scheme"]]
        self.mean: Array = np.array(parameters["mean_shape"].split(","), np.float32)
        self.memory_size = int(parameters["memory"])
        self.backend: str = config.backend
        self._names: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._run(self._close())
        self._loop.close()

    def acquire(self, crops: NDArray[np.uint8], prior: Array, resume: Array) -> Answer:
        """See export.runners.Runner."""
        rows = zip(crops, prior, resume, strict=True)
        return self._run(_all([self._infer(contract.ACQUIRE_GRAPH, *row) for row in rows]))

    def step(
        self, streams: Sequence[int], crops: NDArray[np.uint8], prior: Array, start: NDArray[np.bool_], resume: Array
    ) -> Answer:
        """See export.runners.Runner."""
        return self._run(self._step(streams, crops, prior, start, resume))

    async def _step(
        self, streams: Sequence[int], crops: NDArray[np.uint8], prior: Array, start: NDArray[np.bool_], resume: Array
    ) -> Answer:
        calls = []
        for i, stream in enumerate(streams):
            if start[i]:
                await self._end(stream)
                self._names[stream] = secrets.token_hex(16)
            flags = {"sequence_id": self._names[stream], "sequence_start": bool(start[i])}
            calls.append(self._infer(contract.STEP_GRAPH, crops[i], prior[i], resume[i], **flags))
        return await _all(calls)

    async def _end(self, stream: int) -> None:
        """END is a whole request."""
        if name := self._names.pop(stream, None):
            blank = np.zeros((contract.CROP_SIZE, contract.CROP_SIZE, 3), np.uint8)
            fresh = np.zeros(self.memory_size, np.float32)
            await self._infer(contract.STEP_GRAPH, blank, self.mean, fresh, sequence_id=name, sequence_end=True)

    async def _infer(
        self, model: str, crop: NDArray[np.uint8], prior: Array, resume: Array, **flags: Any
    ) -> tuple[Array, ...]:
        inputs = []
        for name, value in ((contract.CROP, crop), (contract.PRIOR, prior), (contract.RESUME, resume)):
            tensor = InferInput(name, [1, *value.shape], np_to_triton_dtype(value.dtype))
            tensor.set_data_from_numpy(np.ascontiguousarray(value[None]))
            inputs.append(tensor)
        answer = await self._client.infer(model, inputs, outputs=_OUTPUTS, client_timeout=_TIMEOUT_S, **flags)
        return tuple(answer.as_numpy(name)[0] for name in contract.ACQUIRE_OUTPUTS)

    async def _close(self) -> None:
        for stream in list(self._names):
            await self._end(stream)
        await self._client.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run(work)


async def _connect(url: str) -> Any:
    # Made inside the loop that it is used in.
    return aio.InferenceServerClient(url)


async def _all(calls: list[Coroutine[Any, Any, tuple[Array, ...]]]) -> Answer:
    rows = await asyncio.gather(*calls)
    return Answer(*(np.stack(part) for part in zip(*rows, strict=True)))
