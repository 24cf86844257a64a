"""Triton's Python backend: the exported graph under its contract, memory kept here by correlation id.

The backend has no implicit state, so this keeps it, as Triton does for the onnxruntime and tensorrt backends:
zeros before a sequence's first request, gone with END or when idle for too long. Runs in the server's own
environment (``model.py`` of a model in the repository); imports nothing of the project.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """See Triton's Python backend for the three methods."""

    def initialize(self, args: dict[str, str]) -> None:
        self.config = json.loads(args["model_config"])
        batching = self.config.get("sequence_batching")
        self.stateful = batching is not None
        self.idle_s = int(batching["max_sequence_idle_microseconds"]) / 1e6 if batching else 0.0
        self.memory = int(self.config["parameters"]["memory"]["string_value"])
        self.outputs = [output["name"] for output in self.config["output"]]
        self.inputs = [entry["name"] for entry in self.config["input"]]
        options = ort.SessionOptions()
        options.intra_op_num_threads = int(self._parameter("intra_op_thread_count", "1"))
        file = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self.session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.kept: dict[Any, tuple[np.ndarray, float]] = {}
        self.delay_s = float(self._parameter("delay_s", "0"))

    def _parameter(self, name: str, usual: str) -> str:
        return str(self.config["parameters"].get(name, {"string_value": usual})["string_value"])

    def execute(self, requests: list[Any]) -> list[Any]:
        time.sleep(self.delay_s)
        rows = [
            {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
            for request in requests
        ]
        tensors = {name: np.concatenate([row[name] for row in rows]) for name in self.inputs}
        if self.stateful:
            self._forget()
            tensors["start"] = np.array([[float(_starts(request))] for request in requests], np.float32)
            tensors["state"] = np.concatenate([self._state(request) for request in requests])
        outputs = dict(zip(self._wanted(), self.session.run(self._wanted(), tensors), strict=True))
        return [self._answer(request, outputs, row) for row, request in enumerate(requests)]

    def _wanted(self) -> list[str]:
        return [*self.outputs, "next_state"] if self.stateful else self.outputs

    def _state(self, request: Any) -> np.ndarray:
        fresh = (np.zeros((1, self.memory), np.float32), 0.0)
        return fresh[0] if _starts(request) else self.kept.get(request.correlation_id(), fresh)[0]

    def _forget(self) -> None:
        """The server does not report sequences that expired."""
        limit = time.monotonic() - self.idle_s
        for name in [name for name, (_, used) in self.kept.items() if used < limit]:
            del self.kept[name]

    def _answer(self, request: Any, outputs: dict[str, np.ndarray], row: int) -> Any:
        if self.stateful:
            if request.flags() & pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END:
                self.kept.pop(request.correlation_id(), None)
            else:
                self.kept[request.correlation_id()] = (outputs["next_state"][row : row + 1], time.monotonic())
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, outputs[name][row : row + 1]) for name in self.outputs]
        )


def _starts(request: Any) -> bool:
    return bool(request.flags() & pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START)
