"""The one crop: training, evaluation and serving cut faces with this function and no other."""

from __future__ import annotations

import math
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from red_align.contract import CROP_SIZE
from red_align.conversion import BLACK, Packed
from red_align.geometry import FaceRegion, Similarity
from red_align.yuv import YuvImage

Picture: TypeAlias = NDArray[np.uint8] | YuvImage
"""A frame: RGB uint8 [H, W, 3], or planes."""


def crop_face(image: Picture, region: FaceRegion, size: int = CROP_SIZE) -> NDArray[np.uint8]:
    """Cut a face region to a square crop.

    Bilinear; a region more than twice the crop's size is first averaged down by a whole factor, so that large faces do
    not alias. Of a frame in planes each plane is cut, and only the crop is converted.

    Args:
        image: uint8 [H, W, 3], channels in any order, or a frame in planes.
        region: Square in pixels of the image, turned by the head's roll.
        size: Side of the crop, pixels; even for a frame in planes.

    Returns:
        uint8 [size, size, 3] with the same channels (RGB where there were planes), the face upright; black where the
        region lies outside the image.
    """
    if not isinstance(image, YuvImage):
        return _cut(image, region, size)
    packed = Packed(size, size)
    half = FaceRegion((region.cx - 0.5) / 2.0, (region.cy - 0.5) / 2.0, region.side / 2.0, region.angle)
    for plane, where, black, into in zip(
        (image.y, image.u, image.v), (region, half, half), BLACK[image.full_range], packed.planes, strict=True
    ):
        _cut(plane, where, into.shape[0], black, into)
    return packed.converted(cv2.COLOR_YUV2RGB_I420, full_range=image.full_range)


def _cut(
    plane: NDArray[np.uint8],
    region: FaceRegion,
    size: int,
    black: int = 0,
    into: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Cut uint8 [H, W] or [H, W, 3], with ``black`` for what lies outside."""
    factor = int(region.side / size)
    if factor >= 2:
        plane, shrink = _averaged_part(plane, region, factor, black)
        matrix = shrink.after(region.to_frame(size)).matrix
    else:
        matrix = region.to_frame(size).matrix
    crop = cv2.warpAffine(
        plane,
        matrix,
        (size, size),
        dst=into,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(black, black, black),
    )
    return np.asarray(crop, np.uint8)


def _averaged_part(
    plane: NDArray[np.uint8], region: FaceRegion, factor: int, black: int
) -> tuple[NDArray[np.uint8], Similarity]:
    """The part of a plane around the region, averaged over factor x factor pixels, and the transform into it."""
    height, width = plane.shape[:2]
    x0, w = _blocks(region.cx, region, factor, width)
    y0, h = _blocks(region.cy, region, factor, height)
    if w < 1 or h < 1:  # The region hardly touches the image: there is nothing to average.
        return np.full((1, 1, *plane.shape[2:]), black, np.uint8), Similarity(1.0, 0.0, -1e6, -1e6)
    part = plane[y0 : y0 + h * factor, x0 : x0 + w * factor]
    small = cv2.resize(part, (w, h), interpolation=cv2.INTER_AREA)
    # A small pixel's centre lies in the middle of its factor x factor block.
    offset = (factor - 1) / 2.0
    shrink = Similarity(1.0 / factor, 0.0, -(x0 + offset) / factor, -(y0 + offset) / factor)
    return np.asarray(small, np.uint8), shrink


def _blocks(centre: float, region: FaceRegion, factor: int, size: int) -> tuple[int, int]:
    """First pixel and number of the blocks that cover a region along one side of an image of ``size`` pixels.

    Blocks are counted from the edge of the square that holds the region whatever its angle, so that they stay where
    they are while it turns; only those that the region reaches are averaged.
    """
    widest = region.side * math.sqrt(0.5) + 2 * factor
    first, last = _clamp(centre - widest, size), _clamp(centre + widest, size)
    reach = 0.5 * region.side * (abs(math.cos(region.angle)) + abs(math.sin(region.angle))) + 2 * factor
    skipped = max(int((centre - reach - first) // factor), 0)
    count = min(math.ceil((centre + reach - first) / factor) + 1, (last - first) // factor)
    return first + skipped * factor, count - skipped


def _clamp(value: float, size: int) -> int:
    return int(min(max(value, 0.0), float(size)))
