"""Pure tracking rules: where the next crop lies, when a face is lost, when it is another one. Source: ours."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from red_align.contract import CROP_SIZE
from red_align.crop import Picture, crop_face
from red_align.errors import FrameSizeChanged, RedAlignError, TimestampNotGrowing
from red_align.frames import Frame
from red_align.geometry import FaceBox, FaceRegion, Points, fit_similarity
from red_align.schemes import IBUG68, PointScheme

REGION_MARGIN = 1.4
"""Side of the region over the longer side of the face's points, both in the upright frame of the head."""
MIN_SIDE_PX = 12.0
"""A region smaller than this holds no face."""
MUCH_TURN, MUCH_SHIFT, MUCH_SCALE = 0.17, 0.08, 0.15
"""Turn (radians), shift (share of the side) and scale (logarithm) of a region that are worth a second acquisition."""
SAME_FACE_IOU = 0.4
"""Two boxes that overlap more than this show the same face."""
SAME_ABOVE = 0.65
"""Likeness from which on a face that is found is the one that was lost.

Of one person's faces, each found by itself within half a second, 98 % are more alike; of different people's 2 %."""
MAX_OUTSIDE = 0.6
"""A face is given up when more than this share of its box lies outside the frame."""


def region_from_landmarks(points: Points, scheme: PointScheme) -> FaceRegion:
    """Region of the next crop, from the points of the last frame.

    The roll is that of the similarity from the mean shape to the points; the square is centred on the box of all 68
    points in that turned frame. What a smaller scheme lacks is taken from the mean face, so that its crops hold the
    same part of the face.

    Args:
        points: [L, 2] float, frame pixels.
        scheme: Point scheme of ``points``; gives the mean shape for the roll.

    Returns:
        Square region in frame pixels, turned by the head's roll, REGION_MARGIN times the longer side of the box,
        snapped to 1/16 crop pixel (see ``FaceRegion.on_grid``).
    """
    transform = fit_similarity(scheme.mean_shape, points)
    if scheme.num_points < IBUG68.num_points:
        points = transform.apply(IBUG68.mean_shape)
    return upright_region(points, transform.angle).on_grid(CROP_SIZE)


def upright_region(points: Points, angle: float) -> FaceRegion:
    """The region around points [L, 2] for a head turned by ``angle`` radians."""
    c, s = math.cos(angle), math.sin(angle)
    box = FaceBox.around(points @ np.array([[c, -s], [s, c]]))  # in the head's own frame
    x, y = box.x + box.w / 2, box.y + box.h / 2
    return FaceRegion(c * x - s * y, s * x + c * y, REGION_MARGIN * max(box.w, box.h), angle)


def face_score(confidence: NDArray[np.floating[Any]]) -> float:
    """How sure we are of a face: the mean of its points' confidences [L], 0 to 1."""
    return float(confidence.sum()) / len(confidence)


def is_lost(score: float, box: FaceBox, frame_size: tuple[int, int], track_lost_threshold: float) -> bool:
    """Whether a face is to be given up: low score, not finite, degenerate, or gone from the frame.

    ``box`` is the tight one of its points in frame pixels, not finite where a point is not; ``frame_size`` is (width,
    height), ``track_lost_threshold`` the score under which a face counts as lost.
    """
    # Not "<": the score may be NaN.
    if not math.isfinite(box.x + box.y + box.w + box.h) or not score >= track_lost_threshold:
        return True
    if max(box.w, box.h) * REGION_MARGIN < MIN_SIDE_PX or box.area <= 0.0:
        return True
    width, height = frame_size
    inside_w = min(box.x + box.w, width - 0.5) - max(box.x, -0.5)
    inside_h = min(box.y + box.h, height - 0.5) - max(box.y, -0.5)
    inside = max(inside_w, 0.0) * max(inside_h, 0.0)
    return bool(inside < (1.0 - MAX_OUTSIDE) * box.area)


DESCRIPTOR_SIZE = 24
"""Side of an appearance descriptor's picture, pixels."""
DESCRIPTOR_SHARE = 0.8
"""Its share of the region's side: less of the background, and it lies within the last region's crop.

The face may move by a tenth of the region from frame to frame, then the crop that the network saw is enough."""
SAME_SCENE_S = 0.12
"""Frames further apart than this (seconds) may well differ though nothing was cut."""
SWITCH_BELOW, SWITCH_BELOW_APART = 0.75, 0.40
"""Likeness below which a face is another one: from frame to frame, and where frames lie further apart.

Neighbouring frames of 30 clips were never below 0.81; of different people in the same place 99 % are below 0.72, 79 %
below 0.40. Of one person's frames that lie seconds apart, each with its own region, 1 % are below 0.53; less where the
region is the last frame's and the head has turned meanwhile."""


def appearance_descriptor(
    image: Picture, region: FaceRegion, cut: tuple[NDArray[np.uint8], FaceRegion] | None = None
) -> NDArray[np.float32]:
    """What a face looks like, for comparison from frame to frame.

    A small grey picture of the face's own region, so that neither movement nor brightness nor contrast count.

    Args:
        image: RGB uint8 [H, W, 3], or planes.
        region: Region of the face in the image, see ``region_from_landmarks``.
        cut: A crop of the image, uint8 [CROP_SIZE, CROP_SIZE, 3], and its region: used instead of the image where it
            shows all that is needed, which is quicker.

    Returns:
        float32 [DESCRIPTOR_SIZE * DESCRIPTOR_SIZE], mean 0, length 1; shorter where there is nothing to see (a contrast
        of less than a grey level).
    """
    shown = region.scaled(DESCRIPTOR_SHARE)
    if cut is not None and (part := shown.inside(cut[1], CROP_SIZE)) is not None:
        image, shown = cut[0], part
    small = cv2.cvtColor(crop_face(image, shown, DESCRIPTOR_SIZE), cv2.COLOR_RGB2GRAY)
    values = small.astype(np.float32).ravel()
    values -= values.sum() / values.size
    return np.asarray(values / max(math.sqrt(float(values @ values)), float(DESCRIPTOR_SIZE)), np.float32)


def likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """How alike two faces look, by their appearance descriptors.

    Args:
        one: See ``appearance_descriptor``.
        other: See ``appearance_descriptor``.

    Returns:
        -1 to 1, the same; -1 where one of them shows nothing.
    """
    if one.shape != other.shape or min(float(one @ one), float(other @ other)) < 0.9:
        return -1.0
    return float(one @ other)


def is_identity_switch(before: NDArray[np.float32], now: NDArray[np.float32], gap_s: float) -> bool:
    """Whether the face of this frame is another one than that of the last frame.

    Args:
        before: Appearance descriptor of the last frame.
        now: Appearance descriptor of this frame.
        gap_s: Seconds between the two.

    Returns:
        True where they differ too much for one face; never where one of them shows nothing.
    """
    if min(float(before @ before), float(now @ now)) < 0.9:
        return False
    likeness = float(before @ now)
    return likeness < (SWITCH_BELOW if gap_s <= SAME_SCENE_S else SWITCH_BELOW_APART)


def differs_much(one: FaceRegion, other: FaceRegion) -> bool:
    """Whether two regions are further apart than the errors that the network corrects by itself."""
    turn = abs(math.remainder(other.angle - one.angle, math.tau))
    shift = math.hypot(other.cx - one.cx, other.cy - one.cy) / one.side
    scale = abs(math.log(max(other.side, 1e-3) / one.side))
    return turn > MUCH_TURN or shift > MUCH_SHIFT or scale > MUCH_SCALE


def unfit(frame: Frame, size: tuple[int, int] | None, time_s: float | None) -> RedAlignError | None:
    """Why a frame cannot follow the last one.

    Args:
        frame: It has a picture.
        size: Width and height of the last one, pixels; None where there was none.
        time_s: Time of the last one, seconds; None where there was none.

    Returns:
        What is wrong; None where nothing is.
    """
    if time_s is not None and not frame.time_s > time_s:
        message = f"frame {frame.index} is at {frame.time_s:g} s, the last one was at {time_s:g} s"
        return TimestampNotGrowing(message)
    assert frame.picture is not None
    height, width = frame.picture.shape[:2]
    if size is not None and size != (width, height):
        began = f"{size[0]}x{size[1]}"
        return FrameSizeChanged(f"frame {frame.index} is {width}x{height}, the stream began with {began}")
    return None
