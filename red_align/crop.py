"""The one crop: training, evaluation and serving cut faces with this function and no other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from red_align.contract import CROP_SIZE
from red_align.conversion import BLACK, Packed
from red_align.geometry import FaceRegion, Similarity
from red_align.yuv import YuvImage

_ROOT_HALF = math.sqrt(0.5)

Picture: TypeAlias = NDArray[np.uint8] | YuvImage
"""A frame: RGB uint8 [H, W, 3], or planes."""


def crop_face(image: Picture, region: FaceRegion, size: int = CROP_SIZE) -> NDArray[np.uint8]:
    """Cut a face region to a square crop.

    Bilinear; a region of at least twice the crop's size is first halved, by averages of 2 x 2 pixels, until it is less
    than that, so that large faces do not alias. Of a frame in planes each plane is cut, and only the crop is converted.

    Args:
        image: uint8 [H, W, 3], channels in any order, or a frame in planes.
        region: Square in pixels of the image, turned by the head's roll.
        size: Side of the crop, pixels; even for a frame in planes.

    Returns:
        uint8 [size, size, 3] with the same channels (RGB where there were planes), the face upright; black where the
        region lies outside the image.
    """
    if not isinstance(image, YuvImage):
        return _cut(image, _Place.of(image.shape, region, size))
    packed = Packed(size, size)
    half = FaceRegion((region.cx - 0.5) / 2.0, (region.cy - 0.5) / 2.0, region.side / 2.0, region.angle)
    luma, chroma = _Place.of(image.y.shape, region, size), _Place.of(image.u.shape, half, size // 2)
    for plane, place, black, into in zip(
        (image.y, image.u, image.v), (luma, chroma, chroma), BLACK[image.full_range], packed.planes, strict=True
    ):
        _cut(plane, place, black, into)
    return packed.converted(cv2.COLOR_YUV2RGB_I420, full_range=image.full_range)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a crop lies in planes of one size: the part of them, in whole pixels, that is averaged down first.

    Attributes:
        size: Side of the crop, pixels.
        part: First column and row, and columns and rows of blocks; None where nothing is averaged.
        factor: Side of a block, pixels: a power of two, since only halving is quick (averages of 3 x 3 pixels take ten
            times as long as those of 2 x 2).
        to_part: Crop pixels to pixels of the averaged part, or of the whole plane.
    """

    size: int
    part: tuple[int, int, int, int] | None
    factor: int
    to_part: Similarity

    @classmethod
    def of(cls, shape: tuple[int, ...], region: FaceRegion, size: int) -> Self:
        """For a region of planes of this shape, in their own pixels."""
        to_plane = region.to_frame(size)
        if not 2 * size <= region.side < math.inf:
            return cls(size, None, 1, to_plane)
        factor = 1 << int(region.side / size).bit_length() - 1
        x0, w = _blocks(region.cx, region, factor, shape[1])
        y0, h = _blocks(region.cy, region, factor, shape[0])
        # A small pixel's centre lies in the middle of its factor x factor block.
        offset = (factor - 1) / 2.0
        tx, ty = (to_plane.tx - x0 - offset) / factor, (to_plane.ty - y0 - offset) / factor
        return cls(size, (x0, y0, w, h), factor, Similarity(to_plane.scale / factor, to_plane.angle, tx, ty))


def _cut(
    plane: NDArray[np.uint8], place: _Place, black: int = 0, into: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Cut uint8 [H, W] or [H, W, 3], with ``black`` for what lies outside."""
    if place.part is not None:
        x0, y0, w, h = place.part
        if w < 1 or h < 1:  # The region hardly touches the image: there is nothing to average.
            into = np.empty((place.size, place.size, *plane.shape[2:]), np.uint8) if into is None else into
            into[...] = black
            return into
        plane, factor = plane[y0 : y0 + h * place.factor, x0 : x0 + w * place.factor], place.factor
        while factor > 1:
            factor //= 2
            plane = np.asarray(cv2.resize(plane, (w * factor, h * factor), interpolation=cv2.INTER_AREA), np.uint8)
    crop = cv2.warpAffine(
        plane,
        place.to_part.matrix,
        (place.size, place.size),
        dst=into,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(black, black, black),
    )
    return np.asarray(crop, np.uint8)


def _blocks(centre: float, region: FaceRegion, factor: int, size: int) -> tuple[int, int]:
    """First pixel and number of the blocks that cover a region along one side of an image of ``size`` pixels.

    Blocks are counted from the edge of the square that holds the region whatever its angle, so that they stay where
    they are while it turns; only those that the region reaches are averaged.
    """
    widest = region.side * _ROOT_HALF + 2 * factor
    first, last = _clamp(centre - widest, size), _clamp(centre + widest, size)
    reach = 0.5 * region.side * (abs(math.cos(region.angle)) + abs(math.sin(region.angle))) + 2 * factor
    skipped = max(int((centre - reach - first) // factor), 0)
    count = min(math.ceil((centre + reach - first) / factor) + 1, (last - first) // factor)
    return first + skipped * factor, count - skipped


def _clamp(value: float, size: int) -> int:
    return int(min(max(value, 0.0), float(size)))
