"""The features of a frame's faces."""

from __future__ import annotations

from dataclasses import replace

from red_align.crop import Picture
from red_align.errors import InvalidRequest
from red_align.features.alignment import alignment
from red_align.features.expression import expression
from red_align.features.options import ALIGNMENT, CROP, EXPRESSION, POSE, FeatureOptions
from red_align.features.pose import head_pose
from red_align.features.subsets import subset
from red_align.frames import Face
from red_align.schemes import IBUG68, PointScheme


def check_scheme(options: FeatureOptions, scheme: PointScheme) -> None:
    """Whether a model's points are enough for the features.

    Raises:
        InvalidRequest: They are not the 68 of iBUG, and something is asked for.
    """
    if options and scheme.num_points != IBUG68.num_points:
        raise InvalidRequest(
            f"features need the {IBUG68.num_points} points of {IBUG68.name}, this model gives {scheme.name}"
        )


def with_features(face: Face, image: Picture, options: FeatureOptions) -> Face:
    """A face with what is asked for.

    Args:
        face: With its 68 points.
        image: The frame, RGB uint8 [H, W, 3], or planes.
        options: What is asked for.
    """
    names, points = options.names, face.landmarks.points
    height, width = image.shape[:2]
    pose = head_pose(points, (width, height), options.focal_px) if {POSE, EXPRESSION} & names else None
    return replace(
        face,
        landmarks=subset(face.landmarks, options.points),
        pose=pose if POSE in names else None,
        expression=expression(points, pose) if EXPRESSION in names else None,
        alignment=alignment(points, image if CROP in names else None) if {ALIGNMENT, CROP} & names else None,
    )
