"""A complete Triton model repository from the two exported graphs."""

from __future__ import annotations

from pathlib import Path

import onnx

from export.onnx_files import metadata_of
from export.repository import plans
from export.repository.triton_config import FILE_OF_BACKEND, ServeOptions, acquire_config, config_text, step_config
from red_align import contract

VERSION = "1"


def write_repository(graphs: Path, repository: Path, options: ServeOptions) -> list[Path]:
    """Write ``red`` and ``red_acquire`` with their configurations.

    The repository's ONNX files hold their weights themselves, so that each model can be copied alone. For TensorRT they
    are the source of the plans, which only the machine that serves them can build: by the script ``build_plans.sh``
    that is then written too.

    Args:
        graphs: Folder of red.onnx, red_acquire.onnx and their weights.
        repository: Where to; made where it is missing.
        options: How Triton shall serve.

    Returns:
        The files that were written.
    """
    written = []
    metadata: dict[str, str] = {}
    for name, make in ((contract.STEP_GRAPH, step_config), (contract.ACQUIRE_GRAPH, acquire_config)):
        model = onnx.load(graphs / f"{name}.onnx")
        metadata = metadata_of(model)
        folder = repository / name
        (folder / VERSION).mkdir(parents=True, exist_ok=True)
        text = folder / "config.pbtxt"
        text.write_text(config_text(make(metadata, options)))
        served = folder / VERSION / FILE_OF_BACKEND["onnxruntime"]
        file = folder / plans.SOURCE if options.backend == "tensorrt" else served
        file.write_bytes(model.SerializeToString())
        written += [text, file]
    if options.backend == "tensorrt":
        written.append(repository / plans.SCRIPT)
        written[-1].write_text(plans.script(metadata, options.max_batch))
    return written
