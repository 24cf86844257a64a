"""Calls of one Triton server over one gRPC channel, and what their failures mean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput, model_config_pb2
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from red_align import contract
from red_align.engine.base import Array
from red_align.errors import Overloaded, RedAlignError

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


CallHeaders = Callable[[str], AbstractContextManager[Mapping[str, str]]]
"""Around each call, by the model's name: gives the headers that go with it, such as those of a trace."""


def no_headers(model: str) -> AbstractContextManager[Mapping[str, str]]:
    """Calls go without headers."""
    return nullcontext({})


class TritonCalls:
    """One server, called from one event loop; holds no state of any sequence.

    A call whose deadline passed goes on unheard: it is not cancelled, since cancelled sequence requests have crashed
    servers. The client is the synchronous one with callbacks: grpc's asyncio cannot serve two event loops of one
    process, and the gateway has one of its own.

    Args:
        url: gRPC address, host:port.
        deadline_s: Seconds for one answer.
        call_headers: See CallHeaders.
    """

    def __init__(self, url: str, deadline_s: float, call_headers: CallHeaders = no_headers) -> None:
        self.url = url
        self._client = InferenceServerClient(url, channel_args=_CHANNEL)
        self._deadline_s, self._call_headers = deadline_s, call_headers
        self._under_way: set[asyncio.Future[Any]] = set()

    async def config(self, name: str) -> model_config_pb2.ModelConfig:
        """The server's configuration of a model that is ready; raises Lost where there is none."""
        try:
            answer = await asyncio.to_thread(self._config, name)
        except InferenceServerException as error:
            raise Lost(f"{self.url}: {_reason(error)}") from error
        if answer is None:
            raise Lost(f"{self.url}: model {name} is not ready")
        return answer

    def _config(self, name: str) -> model_config_pb2.ModelConfig | None:
        if not self._client.is_model_ready(name, client_timeout=self._deadline_s):
            return None
        answer = self._client.get_model_config(name, client_timeout=self._deadline_s)
        config: model_config_pb2.ModelConfig = answer.config
        return config

    async def infer(
        self, model: str, tensors: dict[str, NDArray[Any]], *, wait_s: float | None = None, **sequence: Any
    ) -> dict[str, Array]:
        """One row through a model: tensors without the batch axis in and out.

        ``sequence`` takes sequence_id, sequence_start and sequence_end. ``wait_s`` is how long the server may
        let the request wait for a slot. Raises Lost, or Overloaded when there is none.
        """
        inputs = [_input(name, value[None]) for name, value in tensors.items()]
        outputs = [InferRequestedOutput(name) for name in _OUTPUTS]
        timeout = None if wait_s is None else int(wait_s * 1e6)
        try:
            with self._call_headers(model) as headers:
                answer = await self._in_time(
                    model, inputs, outputs=outputs, timeout=timeout, headers=dict(headers), **sequence
                )
        except InferenceServerException as error:
            raise _meaning(error, self.url, starts=wait_s is not None) from error
        return {name: np.array(answer.as_numpy(name)[0], np.float32) for name in _OUTPUTS}

    async def _in_time(self, model: str, inputs: list[InferInput], **values: Any) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def answered(result: Any, error: InferenceServerException | None) -> None:  # in a thread of gRPC
            loop.call_soon_threadsafe(_settle, future, result, error)

        self._under_way.add(future)
        future.add_done_callback(self._over)
        self._client.async_infer(model, inputs, answered, **values)
        done, _ = await asyncio.wait({future}, timeout=self._deadline_s)
        if not done:
            raise Lost(f"{self.url}: no answer within {self._deadline_s:g} s")
        return future.result()

    def _over(self, future: asyncio.Future[Any]) -> None:
        self._under_way.discard(future)
        if not future.cancelled():
            future.exception()  # Heard or not, it is no news any more.

    async def close(self) -> None:
        """Close the channel; calls that nobody hears any more get a moment to end."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=1.0)
        await asyncio.to_thread(self._client.close)


def _settle(future: asyncio.Future[Any], result: Any, error: InferenceServerException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _input(name: str, value: NDArray[Any]) -> InferInput:
    tensor = InferInput(name, list(value.shape), np_to_triton_dtype(value.dtype))
    tensor.set_data_from_numpy(value)
    return tensor


def _meaning(error: InferenceServerException, url: str, starts: bool) -> Lost | RedAlignError:
    if starts and any(word in _reason(error).lower() for word in _FULL):
        return Overloaded(
            f"the inference server admits no further sequence: {_reason(error)}", limit="triton_sequences"
        )
    return Lost(f"{url}: {_reason(error)}")


def _reason(error: InferenceServerException) -> str:
    return f"{error.status() or 'error'}: {error.message()}"
