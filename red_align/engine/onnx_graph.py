"""One graph of the tensor contract under ONNX Runtime, checked when it is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from red_align import contract
from red_align.engine.base import ModelInfo
from red_align.errors import ModelMismatch
from red_align.schemes import SCHEMES


class OnnxGraph:
    """A graph file; ``run`` takes and gives arrays by tensor name."""

    def __init__(self, path: Path, inputs: tuple[str, ...], outputs: tuple[str, ...], threads: int) -> None:
        if not path.is_file():
            raise ModelMismatch(f"no model file {path}")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads would take the cores from decoding and detection between two steps.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has no public base class of its load errors.
            raise ModelMismatch(f"{path.name} does not load: {error}") from error
        self.path = path
        self._outputs = list(outputs)
        self.info = self._read_info()
        self._check(inputs, outputs)

    def run(self, tensors: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
        """All outputs of one call."""
        values = self._session.run(self._outputs, tensors)
        return dict(zip(self._outputs, (np.asarray(v, np.float32) for v in values), strict=True))

    def _read_info(self) -> ModelInfo:
        values = self._session.get_modelmeta().custom_metadata_map
        try:
            version = int(values["contract_version"])
            scheme = SCHEMES[values["scheme"]]
            info = ModelInfo(
                values["preset"], values["training_run"], version, scheme, int(values["memory"]), "embedded"
            )
        except (KeyError, ValueError) as error:
            raise ModelMismatch(f"{self.path.name}: metadata missing or wrong: {error}") from error
        if version != contract.CONTRACT_VERSION:
            raise ModelMismatch(
                f"{self.path.name} keeps contract version {version}, this service {contract.CONTRACT_VERSION}"
            )
        return info

    def _check(self, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        """Hold names, types and shapes against the contract; the error names the tensor."""
        points, memory, size = self.info.scheme.num_points, self.info.memory_size, contract.CROP_SIZE
        wanted: dict[str, tuple[str, list[int]]] = {
            contract.CROP: ("tensor(uint8)", [size, size, 3]),
            contract.PRIOR: ("tensor(float)", [2 * points]),
            contract.START: ("tensor(float)", [1]),
            contract.RESUME: ("tensor(float)", [memory]),
            contract.STATE: ("tensor(float)", [memory]),
            contract.NEXT_STATE: ("tensor(float)", [memory]),
            contract.MEMORY: ("tensor(float)", [memory]),
            contract.LANDMARKS: ("tensor(float)", [2 * points]),
            contract.CONFIDENCE: ("tensor(float)", [points]),
        }
        for kind, names, found in (
            ("input", inputs, self._session.get_inputs()),
            ("output", outputs, self._session.get_outputs()),
        ):
            have = {node.name: (node.type, list(node.shape[1:])) for node in found}
            for name in names:
                if name not in have:
                    raise ModelMismatch(f"{self.path.name} has no {kind} '{name}'")
                if have[name] != wanted[name]:
                    raise ModelMismatch(f"{self.path.name}: {kind} '{name}' is {have[name]}, must be {wanted[name]}")
            extra = set(have) - set(names)
            if extra:
                raise ModelMismatch(f"{self.path.name} has {kind}s that the contract lacks: {sorted(extra)}")
