"""The variants of a model in its folder: the graphs themselves, others of another precision in folders below."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from red_align.engine.base import ModelInfo
from red_align.errors import ModelMismatch

Precision = Literal["fp32", "fp16", "int8"]


def variant_folder(folder: Path, precision: Precision | None) -> Path:
    """Where the graphs of a precision are looked for.

    Args:
        folder: Of a model.
        precision: Which; None for the graphs of the folder itself, of whatever precision they are.

    Returns:
        The folder below that bears the precision's name, where there is one, else the folder itself.
    """
    below = folder / precision if precision is not None else folder
    return below if below.is_dir() else folder


def require_precision(info: ModelInfo, precision: Precision | None, folder: Path) -> None:
    """Hold loaded graphs against the precision that was asked for.

    Args:
        info: Of the loaded graphs.
        precision: What was asked for; None for any.
        folder: The model's folder, for the error.

    Raises:
        ModelMismatch: They are of another precision.
    """
    if precision is not None and info.precision != precision:
        raise ModelMismatch(
            f"{folder} holds the model in {info.precision}, and no folder '{precision}' with it in {precision}: "
            f"`red-export graphs CHECKPOINT {folder / precision} --precision {precision} ...` writes one",
            precision=precision,
        )
