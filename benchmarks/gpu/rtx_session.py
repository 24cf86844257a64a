"""A plan of TensorRT for RTX on this host's GPU, called as a session of ONNX Runtime is.

Needs ``tensorrt-rtx-cu12`` and ``cuda-bindings``, and a driver. Written without a GPU at hand: what is tested of it is
that its plans are built, and that it says why it cannot run.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.repository.rtx_plans import CAPABILITIES, NotBuilt, build_plan


class NoGpu(RuntimeError):
    """This host has no GPU that TensorRT for RTX could use; the message says what is missing."""


def capability() -> str:
    """Compute capability of the first GPU.

    Raises:
        NoGpu: The driver names none, or one that plans are not built for.
    """
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split()
    except (OSError, subprocess.SubprocessError) as error:
        raise NoGpu(f"nvidia-smi finds no GPU: {error}") from error
    if not said or said[0] not in CAPABILITIES:
        raise NoGpu(f"compute capability {' '.join(said) or 'unknown'} is none of {', '.join(CAPABILITIES)}")
    return said[0]


class RtxSession:
    """A graph as a plan for batches up to ``max_batch``.

    Args:
        graph: Its ONNX file.
        max_batch: Largest batch.

    Raises:
        NoGpu: There is no GPU, no driver, or a package is missing.
        NotBuilt: TensorRT refused the graph.
    """

    def __init__(self, graph: Path, max_batch: int) -> None:
        wanted = capability()
        try:
            import tensorrt_rtx_bindings as trt
            from cuda.bindings import runtime as cuda
        except ImportError as error:
            raise NoGpu(f"{error}: pip install tensorrt-rtx-cu12 'cuda-bindings>=12,<13'") from error
        self._cuda = cuda
        self._stream = self._call(cuda.cudaStreamCreate())  # before a plan is built for nothing
        self._memory: dict[str, tuple[int, int]] = {}
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
        self._engine = self._runtime.deserialize_cuda_engine(build_plan(graph, max_batch, wanted).plan)
        if self._engine is None:
            raise NotBuilt(f"{graph.name}: its plan does not load")
        self._context = self._engine.create_execution_context()
        self._types = {
            name: np.dtype(trt.nptype(self._engine.get_tensor_dtype(name)))
            for name in (self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors))
        }

    def run(self, output_names: list[str], input_feed: dict[str, Any]) -> Sequence[NDArray[Any]]:
        """One call, copies to the GPU and back included; see export.runners.Session."""
        cuda, kind = self._cuda, self._cuda.cudaMemcpyKind
        for name, value in input_feed.items():
            given = np.ascontiguousarray(value, self._types[name])
            self._context.set_input_shape(name, given.shape)
            place = self._place(name, given.nbytes)
            copy = (place, given.ctypes.data, given.nbytes, kind.cudaMemcpyHostToDevice, self._stream)
            self._call(cuda.cudaMemcpyAsync(*copy))
        answers: dict[str, NDArray[Any]] = {}
        for name in self._types:
            if name not in input_feed:
                answers[name] = np.empty(tuple(self._context.get_tensor_shape(name)), self._types[name])
                self._place(name, answers[name].nbytes)
        if not self._context.execute_async_v3(int(self._stream)):
            raise RuntimeError("TensorRT did not run the plan")
        for name, answer in answers.items():
            copy = (answer.ctypes.data, self._memory[name][0], answer.nbytes, kind.cudaMemcpyDeviceToHost, self._stream)
            self._call(cuda.cudaMemcpyAsync(*copy))
        self._call(cuda.cudaStreamSynchronize(self._stream))
        return [answers[name] for name in output_names]

    def _place(self, name: str, size: int) -> int:
        """Memory on the GPU for a tensor, which grows and is kept."""
        place, held = self._memory.get(name, (0, 0))
        if held < size:
            if held:
                self._call(self._cuda.cudaFree(place))
            place = int(self._call(self._cuda.cudaMalloc(size)))
            self._memory[name] = place, size
        self._context.set_tensor_address(name, place)
        return place

    def _call(self, result: tuple[Any, ...]) -> Any:
        """What a call of CUDA gave, without its status."""
        status, *rest = result
        if int(status) != 0:
            raise NoGpu(f"CUDA: {status.name}")
        return rest[0] if rest else None
