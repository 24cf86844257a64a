"""The engine of those who name none."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

from red_align.engine.onnx_engine import OnnxEngine

WEIGHTS = Path(str(resources.files("red_align"))) / "weights"
PRESET = "edge"


@cache
def default_engine() -> OnnxEngine:
    """The weights that come with the package on ONNX Runtime, one thread; one engine for the whole process."""
    return OnnxEngine(WEIGHTS / PRESET)
