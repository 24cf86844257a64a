"""Is the confidence what it says: a probability; and does it separate a face from what is none?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.metrics import calibration_error
from evaluation.negatives import Crop, background, half_shifted
from evaluation.stills import EvaluationResult
from red_align.contract import CONFIDENT_ERROR
from red_align.datasets.labelled_faces import LabelledFace
from red_align.datasets.protocol import auroc
from red_align.engine.base import Engine, StepRequest
from red_align.tracking.rules import face_score


@dataclass(frozen=True)
class ConfidenceFigures:
    """Mean confidence and share of right points, calibration error, and AUROC of the face score."""

    said: float
    right: float
    calibration_error: float
    auroc_background: float
    auroc_half_shifted: float


def evaluate_confidence(engine: Engine, faces: Sequence[LabelledFace], result: EvaluationResult) -> ConfidenceFigures:
    """Figures of the crops that were evaluated, and of two crops without a whole face for each picture."""
    right = result.errors < CONFIDENT_ERROR
    scores = result.confidence.mean(1)
    rng = np.random.default_rng(0)

    def negative(cut: Callable[[LabelledFace, np.random.Generator], Crop]) -> float:
        prior = engine.info.scheme.mean_shape.astype(np.float32)
        found = [engine.submit(StepRequest(cut(face, rng), prior)).result() for face in faces]
        return auroc(scores, np.array([face_score(f.confidence) for f in found]))

    return ConfidenceFigures(
        float(result.confidence.mean()),
        float(right.mean()),
        calibration_error(result.confidence, right),
        negative(background),
        negative(half_shifted),
    )
