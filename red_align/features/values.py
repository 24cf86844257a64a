"""What features give: values that a face carries where they were asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from red_align.geometry import rotation_of

COEFFICIENTS = (
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeWideLeft",
    "eyeWideRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "browDownLeft",
    "browDownRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthPucker",
    "mouthFunnel",
    "jawOpen",
)
"""Names of an expression's coefficients, in this order; ARKit's blend shapes of the same meaning."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a head is and how it is turned, seen by a pinhole camera.

    Camera frame: x to the right of the picture, y down, z away from the camera, millimetres. Angles are against the
    camera's axis: 0, 0, 0 is a face that looks straight against it. The head first pitches, then yaws, then rolls.

    Attributes:
        yaw: Degrees, positive where the face turns to its own left, the right of the picture.
        pitch: Degrees, positive where it looks up.
        roll: Degrees, positive clockwise in the picture: the head leans to its own left shoulder.
        translation: float64 [3], the point between the outer eye corners in the camera frame, for a head whose outer
            eye corners are 90 mm apart.
        focal_px: Focal length that was given or assumed, pixels.

    Example:
        >>> import red_align
        >>> with red_align.track("clip.mp4", features="pose") as clip:
        ...     pose = next(clip).faces[0].pose
        >>> abs(pose.yaw) < 30, pose.translation.shape, pose.focal_px
        (True, (3,), 176.0)
    """

    yaw: float
    pitch: float
    roll: float
    translation: NDArray[np.floating[Any]]
    focal_px: float

    @property
    def rotation(self) -> NDArray[np.float64]:
        """From the head's axes (those of the camera for a face at 0, 0, 0) to the camera's, float64 [3, 3]."""
        return rotation_of(self.yaw, self.pitch, self.roll)


@dataclass(frozen=True, slots=True)
class Expression:
    """What a face does, from its points alone. Left and right are the person's own.

    Attributes:
        eye_opening_left: Eye aspect ratio (Soukupová and Čech 2016): height over width, about 0.3 open, under 0.2 shut.
        eye_opening_right: The same.
        mouth_opening: Height of the opening between the lips over the mouth's width; 0 closed.
        eye_closed_left: Whether the eye is shut, with hysteresis.
        eye_closed_right: The same.
        blink_count: Blinks of this track that have ended, from 0.
        coefficients: Values 0 to 1 by name, in a fixed order; ARKit's names where the meaning is the same.

    Example:
        >>> import red_align
        >>> with red_align.track("clip.mp4", features="expression") as clip:
        ...     expression = next(clip).faces[0].expression
        >>> 0.0 <= expression.coefficients["jawOpen"] <= 1.0, expression.blink_count
        (True, 0)
    """

    eye_opening_left: float
    eye_opening_right: float
    mouth_opening: float
    eye_closed_left: bool
    eye_closed_right: bool
    blink_count: int
    coefficients: dict[str, float]


@dataclass(frozen=True, slots=True)
class Alignment:
    """The similarity to the 112x112 picture that face recognition takes (ArcFace's template).

    Attributes:
        matrix: float64 [2, 3], from pixels of the frame to those of the crop; (0, 0) is a pixel's centre in both.
        crop: The picture, a JPEG; empty where it was not asked for.

    Example:
        >>> import red_align
        >>> with red_align.track("clip.mp4", features="alignment,crop") as clip:
        ...     alignment = next(clip).faces[0].alignment
        >>> alignment.matrix.shape, alignment.crop[:2]
        ((2, 3), b'\\xff\\xd8')
    """

    matrix: NDArray[np.floating[Any]]
    crop: bytes = b""
