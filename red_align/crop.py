"""The one crop: training, evaluation and serving cut faces with this function and no other."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from red_align.contract import CROP_SIZE
from red_align.geometry import FaceRegion, Similarity


def crop_face(image: NDArray[np.uint8], region: FaceRegion, size: int = CROP_SIZE) -> NDArray[np.uint8]:
    """Cut a face region to a square crop.

    Bilinear; a region more than twice the crop's size is first averaged down by a whole factor, so that large faces do
    not alias.

    Args:
        image: uint8 [H, W, 3], channels in any order.
        region: Square in pixels of the image, turned by the head's roll.
        size: Side of the crop, pixels.

    Returns:
        uint8 [size, size, 3] with the same channels, the face upright; black where the region lies outside the image.
    """
    scale = region.side / size
    factor = int(scale)
    if factor >= 2:
        image, shrink = _averaged_part(image, region, factor)
        matrix = shrink.after(region.to_frame(size)).matrix
    else:
        matrix = region.to_frame(size).matrix
    crop = cv2.warpAffine(
        image,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(0, 0, 0),
    )
    return np.asarray(crop, np.uint8)


def _averaged_part(image: NDArray[np.uint8], region: FaceRegion, factor: int) -> tuple[NDArray[np.uint8], Similarity]:
    """The part of the image around the region, averaged over factor x factor pixels, and the transform into it."""
    height, width = image.shape[:2]
    x0, w = _blocks(region.cx, region, factor, width)
    y0, h = _blocks(region.cy, region, factor, height)
    if w < 1 or h < 1:  # The region hardly touches the image: there is nothing to average.
        return np.zeros((1, 1, 3), np.uint8), Similarity(1.0, 0.0, -1e6, -1e6)
    part = image[y0 : y0 + h * factor, x0 : x0 + w * factor]
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
