"""Graphs of a checkpoint in a precision: fp32, or a variant that is refused where it costs too much accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from export.accuracy import MAX_LOSS, Accuracy, accuracy
from export.folding import folded
from export.onnx_files import metadata_of, traced, write_models
from export.precision.half import halved
from export.precision.int8 import quantised
from export.runners import GraphRunner
from red.models.build import AnyNetwork
from red_align.datasets.protocol import Draws

Precision = Literal["fp32", "fp16", "int8"]


class Refused(Exception):
    """What was made must not be shipped; the message says by which figure."""


@dataclass(frozen=True)
class EvaluationResult:
    """The accuracy of a variant beside that of fp32."""

    fp32: Accuracy
    variant: Accuracy

    def require(self) -> None:
        """Accept the variant, or not.

        Raises:
            Refused: The variant's NME is more than MAX_LOSS points worse, or is none.
        """
        loss = self.variant.loss(self.fp32)
        if not loss <= MAX_LOSS:
            raise Refused(f"NME grows by {loss:.3f} points, the limit is {MAX_LOSS}")


def write_variant(
    network: AnyNetwork,
    plain: Path,
    folder: Path,
    precision: Precision,
    faces: Draws,
    calibration: NDArray[np.uint8] | None = None,
) -> EvaluationResult:
    """Write both graphs in fp16 or int8 to a folder and evaluate them on labelled faces, beside fp32's.

    The files are written whatever the result; the caller writes to a folder of its own and keeps what passes.

    Args:
        network: Of either kind.
        plain: Folder of the fp32 graphs.
        folder: Where to.
        precision: ``fp16`` or ``int8``.
        faces: What both are evaluated on.
        calibration: Crops uint8 [K, 128, 128, 3], which int8 needs.

    Returns:
        The accuracy of both.

    Raises:
        ValueError: int8 without crops to calibrate on.
    """
    write_graphs(network, plain, folder, precision, calibration)
    return EvaluationResult(accuracy(GraphRunner(plain), faces), accuracy(GraphRunner(folder), faces))


def write_graphs(
    network: AnyNetwork,
    plain: Path,
    folder: Path,
    precision: Precision,
    calibration: NDArray[np.uint8] | None = None,
) -> None:
    """As write_variant, without an evaluation.

    Raises:
        ValueError: int8 without crops to calibrate on.
    """
    if precision == "fp16":
        models = traced(halved(folded(network)), GraphRunner(plain).metadata["training_run"])
    elif calibration is not None:
        models = quantised(plain, calibration)
    else:
        raise ValueError("int8 needs crops to calibrate on")
    for model in models.values():
        onnx.helper.set_model_props(model, metadata_of(model) | {"precision": precision})
    write_models(models, folder)
