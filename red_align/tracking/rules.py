"""Pure tracking rules: where to look next, and when a face is lost. Source: ours."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from red_align.contract import CROP_SIZE
from red_align.crop import crop_face
from red_align.geometry import FaceBox, FaceRegion, Points, Similarity, fit_similarity
from red_align.schemes import IBUG68, PointScheme

REGION_MARGIN = 1.4
"""Side of the region over the longer side of the face's points, both in the upright frame of the head."""
MIN_SIDE_PX = 12.0
"""A region smaller than this holds no face."""
MAX_OUTSIDE = 0.6
"""A face is given up when more than this share of its box lies outside the frame."""


def region_from_landmarks(points: Points, scheme: PointScheme) -> FaceRegion:
    """THE box rule: the region of the next frame from the points [L, 2] of this one (frame pixels).

    The roll is that of the similarity from the mean shape to the points; the square is centred on the
    box of all 68 points in that turned frame, and REGION_MARGIN times its longer side; all of it on the
    grid of ``FaceRegion.on_grid``. What a smaller scheme lacks is taken from the mean face, so that its
    crops hold the same part of the face.
    """
    way = fit_similarity(scheme.mean_shape, points)
    if scheme.num_points < IBUG68.num_points:
        points = way.apply(IBUG68.mean_shape)
    return upright_region(points, way.angle).on_grid(CROP_SIZE)


def upright_region(points: Points, angle: float) -> FaceRegion:
    """The region around points [L, 2] for a head turned by ``angle`` radians."""
    turn = Similarity(1.0, angle, 0.0, 0.0)
    box = FaceBox.around(turn.inverse().apply(points))
    cx, cy = turn.apply(np.array([box.x + box.w / 2, box.y + box.h / 2]))
    return FaceRegion(float(cx), float(cy), REGION_MARGIN * max(box.w, box.h), angle)


def face_score(confidence: NDArray[np.floating[Any]]) -> float:
    """How sure we are of a face: the mean of its points' confidences [L], 0 to 1."""
    return float(np.mean(confidence))


def is_lost(score: float, points: Points, frame_size: tuple[int, int], track_lost_threshold: float) -> bool:
    """Whether a face is to be given up: low score, not finite, degenerate, or gone from the frame.

    ``points`` are [L, 2] in frame pixels, ``frame_size`` is (width, height), ``track_lost_threshold`` the score
    under which a face counts as lost.
    """
    if not np.isfinite(points).all() or not score >= track_lost_threshold:  # Not "<": the score may be NaN.
        return True
    box = FaceBox.around(points)
    if max(box.w, box.h) * REGION_MARGIN < MIN_SIDE_PX or box.area <= 0.0:
        return True
    width, height = frame_size
    inside_w = min(box.x + box.w, width - 0.5) - max(box.x, -0.5)
    inside_h = min(box.y + box.h, height - 0.5) - max(box.y, -0.5)
    inside = max(inside_w, 0.0) * max(inside_h, 0.0)
    return bool(inside < (1.0 - MAX_OUTSIDE) * box.area)


DESCRIPTOR_SIZE = 24
SAME_SCENE_S = 0.12
"""Frames further apart than this (seconds) may well differ though nothing was cut."""
SWITCH_BELOW, SWITCH_BELOW_APART = 0.75, 0.45
"""Likeness below which a face is another one: from frame to frame, and where frames lie further apart.

Neighbouring frames of real clips were never below 0.90; of different people in the same place 99 % are below
0.73. Of one person's frames that lie seconds apart 5 % are below 0.54."""


def appearance_descriptor(image: NDArray[np.uint8], points: Points, scheme: PointScheme) -> NDArray[np.float32]:
    """How a face looks, for comparison from frame to frame: float32 [DESCRIPTOR_SIZE * DESCRIPTOR_SIZE], mean 0, length 1.

    A small grey picture of the face's own region, so that neither movement nor brightness nor contrast count.
    Where there is nothing to see (a contrast of less than a grey level) it is shorter than 1.
    """
    small = cv2.cvtColor(crop_face(image, region_from_landmarks(points, scheme), DESCRIPTOR_SIZE), cv2.COLOR_RGB2GRAY)
    look = small.astype(np.float32).ravel()
    look -= look.mean()
    return np.asarray(look / max(float(np.linalg.norm(look)), float(DESCRIPTOR_SIZE)), np.float32)


def is_identity_switch(before: NDArray[np.float32], now: NDArray[np.float32], gap_s: float) -> bool:
    """Whether the face of this frame is another one than that of the last frame, ``gap_s`` seconds ago.

    Never where one of them shows nothing.
    """
    if min(float(before @ before), float(now @ now)) < 0.9:
        return False
    likeness = float(before @ now)
    return likeness < (SWITCH_BELOW if gap_s <= SAME_SCENE_S else SWITCH_BELOW_APART)
