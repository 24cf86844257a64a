"""Calls of one Triton server over one gRPC channel, and what their failures mean."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import numpy as np
from numpy.typing import NDArray
from opentelemetry.trace import SpanKind
from tritonclient.grpc import InferInput, InferRequestedOutput, aio, model_config_pb2
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from red_align import contract
from red_align.engine.base import Array
from red_align.errors import Overloaded, RedAlignError
from service.observability.tracing import outgoing_headers, tracer

_OUTPUTS = (contract.LANDMARKS, contract.CONFIDENCE, contract.MEMORY)
_MESSAGE_BYTES = 64 * 1024 * 1024
_CHANNEL = [
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    # A server that comes back shall be found at once, not after gRPC's default of up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),
]
_FULL = ("timeout of the corresponding sequence has been expired", "request timeout expired", "exceeds maximum queue")
"""What a server says (status UNAVAILABLE) that admits no further sequence in time."""


class Lost(Exception):
    """The sequence, or the server with it, is gone, or did not answer in time: begin again with what was kept."""


class TritonCalls:
    """One server; holds no state of any sequence. A call whose deadline passed goes on unheard.

    It is not cancelled: cancelled sequence requests have crashed servers.
    """

    def __init__(self, url: str, deadline_s: float) -> None:
        self.url = url
        self._client = aio.InferenceServerClient(url, channel_args=_CHANNEL)
        self._deadline_s = deadline_s
        self._under_way: set[asyncio.Task[Any]] = set()

    async def config(self, name: str) -> model_config_pb2.ModelConfig:
        """The server's configuration of a model that is ready; raises Lost where there is none."""
        try:
            if not await self._client.is_model_ready(name, client_timeout=self._deadline_s):
                raise Lost(f"{self.url}: model {name} is not ready")
            answer = await self._client.get_model_config(name, client_timeout=self._deadline_s)
        except InferenceServerException as error:
            raise Lost(f"{self.url}: {_told(error)}") from error
        config: model_config_pb2.ModelConfig = answer.config
        return config

    async def infer(
        self, model: str, tensors: dict[str, NDArray[Any]], *, wait_s: float | None = None, **sequence: Any
    ) -> dict[str, Array]:
        """One row through a model: tensors without the batch axis in and out.

        ``sequence`` takes sequence_id, sequence_start and sequence_end. ``wait_s`` is how long the server may
        let the request wait for a place. Raises Lost, or Overloaded when there is no place.
        """
        inputs = [_input(name, value[None]) for name, value in tensors.items()]
        outputs = [InferRequestedOutput(name) for name in _OUTPUTS]
        timeout = None if wait_s is None else int(wait_s * 1e6)
        try:
            with tracer.start_as_current_span(f"triton {model}", kind=SpanKind.CLIENT):
                headers = outgoing_headers()
                call = self._client.infer(model, inputs, outputs=outputs, timeout=timeout, headers=headers, **sequence)
                answer = await self._in_time(call)
        except InferenceServerException as error:
            raise _meaning(error, self.url, starts=wait_s is not None) from error
        return {name: np.array(answer.as_numpy(name)[0], np.float32) for name in _OUTPUTS}

    async def _in_time(self, call: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.ensure_future(call)
        self._under_way.add(task)
        task.add_done_callback(self._over)
        done, _ = await asyncio.wait({task}, timeout=self._deadline_s)
        if not done:
            raise Lost(f"{self.url}: no answer within {self._deadline_s:g} s")
        return task.result()

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # Heard or not, it is no news any more.

    async def close(self) -> None:
        """Close the channel; calls that nobody hears any more get a moment to end."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=1.0)
        await self._client.close()


def _input(name: str, value: NDArray[Any]) -> InferInput:
    tensor = InferInput(name, list(value.shape), np_to_triton_dtype(value.dtype))
    tensor.set_data_from_numpy(value)
    return tensor


def _meaning(error: InferenceServerException, url: str, starts: bool) -> Lost | RedAlignError:
    if starts and any(word in _told(error).lower() for word in _FULL):
        return Overloaded(f"the inference server admits no further sequence: {_told(error)}", limit="triton_sequences")
    return Lost(f"{url}: {_told(error)}")


def _told(error: InferenceServerException) -> str:
    return f"{error.status() or 'error'}: {error.message()}"
