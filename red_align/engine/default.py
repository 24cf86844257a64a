"""The engine of those who name none, and the engine by the words that people choose it with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from red_align.engine.onnx_engine import OnnxEngine
from red_align.engine.providers import CPU, parse_providers
from red_align.engine.variants import Precision

WEIGHTS = Path(str(resources.files("red_align"))) / "weights"
PRESET = "edge"


def shipped_models() -> tuple[str, ...]:
    """Names of the models that come with the package, the default one first."""
    names = sorted(path.parent.name for path in WEIGHTS.glob("*/red.onnx"))
    return (PRESET, *(name for name in names if name != PRESET))


def model_folder(model: str | os.PathLike[str] | None = None) -> Path:
    """Folder of red.onnx and red_acquire.onnx.

    Args:
        model: Name of a model that comes with the package, or a folder; None for the default one.

    Returns:
        The folder, which need not be there.
    """
    name = PRESET if model is None else model
    return WEIGHTS / str(name) if name in shipped_models() else Path(name)


@cache
def default_engine() -> OnnxEngine:
    """The weights that come with the package on ONNX Runtime, one thread; one engine for the whole process."""
    return OnnxEngine(WEIGHTS / PRESET)


def load_engine(
    providers: str | Sequence[str] = CPU,
    *,
    precision: Precision | None = None,
    threads: int = 1,
    model: str | os.PathLike[str] | None = None,
) -> OnnxEngine:
    """An engine to give to ``track``, ``align`` or ``Tracker``, for those who choose where the network runs.

    Trackers may share it; who loaded it closes it.

    Args:
        providers: Execution providers of ONNX Runtime, the preferred one first: ``cpu``, ``cuda``, ``tensorrt``,
            ``openvino``, ``coreml``, ``directml``, as a sequence or separated by commas; ``cuda:1`` and
            ``openvino:GPU`` name a device too. What those before it do not take runs on ``cpu`` where that is named,
            else it is an error.
        precision: ``fp32``, ``fp16`` or ``int8``, where the model's folder has it; None for what the folder holds.
        threads: Threads of one network call on the CPU.
        model: Name of a model that comes with the package (``shipped_models()``), or the folder of red.onnx and
            red_acquire.onnx of another one; by default ``edge``.

    Returns:
        A loaded engine; its ``info`` says what really runs.

    Raises:
        ConfigurationError: A provider's name is unknown.
        ProviderUnavailable: A provider is missing or does not start; the message says what to install.
        ModelMismatch: The folder holds no such graphs, or they keep another tensor contract.

    Example:
        >>> import red_align
        >>> engine = red_align.load_engine("cpu", threads=2)
        >>> engine.info.providers, engine.info.precision
        (('cpu',), 'fp32')
        >>> clip = red_align.align("clip.mp4", engine=engine)
        >>> engine.close()
    """
    return OnnxEngine(model_folder(model), threads=threads, providers=parse_providers(providers), precision=precision)
