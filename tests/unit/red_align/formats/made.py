"""Results that are made by hand, for tests of formats."""

from __future__ import annotations

import numpy as np

from red_align.errors import BadFrame
from red_align.features.values import Expression
from red_align.frames import Face, FrameResult, FrameStatus, Landmarks, StreamEnd, VideoInfo
from red_align.geometry import FaceBox
from red_align.schemes import IBUG68

VIDEO = VideoInfo(640, 480, 25.0)
END = StreamEnd(True, 5)


def face(track_id: int, shift: float = 0.0, expression: Expression | None = None) -> Face:
    """The mean face, enlarged and moved."""
    points = 2.0 * IBUG68.mean_shape + (200.0 + shift, 100.0)
    confidence = np.linspace(0.2, 1.0, 68, dtype=np.float32)
    box = FaceBox.around(points)
    return Face(track_id, box, float(confidence.mean()), Landmarks(points, confidence), False, None, expression)


def five_frames() -> list[FrameResult]:
    """One face, two, none, a frame that did not decode, and the second face alone."""
    return [
        FrameResult(0, 0.0, faces=(face(0),)),
        FrameResult(1, 0.04, faces=(face(0, 1.25), face(3, -150.5))),
        FrameResult(2, 0.08),
        FrameResult(3, 0.12, FrameStatus.ERROR, error=BadFrame("it does not decode")),
        FrameResult(4, 0.16, faces=(face(3, -149.75),)),
    ]


def expression(closure: float, mouth: float) -> Expression:
    """What a face does, with eyes as far shut and a mouth as far open."""
    coefficients = {"eyeBlinkLeft": closure, "eyeBlinkRight": closure}
    return Expression(0.3, 0.3, mouth, closure > 0.5, closure > 0.5, 0, coefficients)
