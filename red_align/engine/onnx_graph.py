"""One graph of the tensor contract under ONNX Runtime, checked when it is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from red_align import contract
from red_align.engine.base import ModelInfo
from red_align.engine.onnx_session import nodes_by_provider, open_session
from red_align.engine.providers import CPU, Chosen
from red_align.errors import ModelMismatch
from red_align.schemes import SCHEMES


class OnnxGraph:
    """A graph file; ``run`` takes and gives arrays by tensor name.

    Args:
        path: Its file.
        inputs: Names that it must have, and no others.
        outputs: Likewise.
        threads: Threads of one call on the CPU.
        providers: Who runs it, the preferred one first.

    Raises:
        ModelMismatch: The file is missing, does not load or does not keep the tensor contract.
        ProviderUnavailable: A provider cannot be used.
    """

    def __init__(
        self,
        path: Path,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        threads: int,
        providers: Sequence[Chosen] = (Chosen(CPU),),
    ) -> None:
        self._session = open_session(path, threads, providers)
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
                values["preset"],
                values["training_run"],
                version,
                scheme,
                int(values["memory"]),
                "embedded",
                values.get("precision", "fp32"),
                tuple(nodes_by_provider(self._session)),
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
