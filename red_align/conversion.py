"""Frames in planes become RGB, whole or reduced; see red_align.crop for parts of them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from red_align.yuv import YuvImage, split

BLACK = {False: (16, 128, 128), True: (0, 128, 128)}
"""Y, U and V of black, by ``full_range``."""
# OpenCV converts limited range alone: luma 16 to 235, chroma 16 to 240.
_LUMA = np.round(16.0 + np.arange(256) * (219.0 / 255.0)).astype(np.uint8)
_CHROMA = np.round(128.0 + (np.arange(256) - 128.0) * (224.0 / 255.0)).astype(np.uint8)


def to_rgb(image: YuvImage) -> NDArray[np.uint8]:
    """Convert a whole frame.

    Args:
        image: The frame in planes.

    Returns:
        RGB uint8 [H, W, 3].
    """
    height, width, _ = image.shape
    packed = Packed(height, width)
    for part, plane in zip(packed.planes, (image.y, image.u, image.v), strict=True):
        part[...] = plane
    return packed.converted(cv2.COLOR_YUV2RGB_I420, full_range=image.full_range)


def reduced_bgr(image: YuvImage, width: int, height: int) -> NDArray[np.uint8]:
    """Convert a frame after averaging it down.

    Args:
        image: The frame in planes.
        width: Even, pixels.
        height: Even, pixels.

    Returns:
        BGR uint8 [height, width, 3].
    """
    packed = Packed(height, width)
    for part, plane in zip(packed.planes, (image.y, image.u, image.v), strict=True):
        if part.shape == plane.shape:
            part[...] = plane
        else:
            cv2.resize(plane, part.shape[::-1], dst=part, interpolation=cv2.INTER_AREA)
    return packed.converted(cv2.COLOR_YUV2BGR_I420, full_range=image.full_range)


class Packed:
    """Room for three planes one behind another, the form that OpenCV converts.

    Args:
        height: Even, pixels.
        width: Even, pixels.
    """

    def __init__(self, height: int, width: int) -> None:
        self._all = np.empty((height * 3 // 2, width), np.uint8)
        self.planes = split(self._all.reshape(-1), height, width)

    def converted(self, code: int, *, full_range: bool) -> NDArray[np.uint8]:
        """uint8 [height, width, 3] by an OpenCV conversion from I420, once; the planes are lost."""
        if full_range:
            for plane, table in zip(self.planes, (_LUMA, _CHROMA, _CHROMA), strict=True):
                cv2.LUT(plane, table, dst=plane)
        return np.asarray(cv2.cvtColor(self._all, code), np.uint8)
