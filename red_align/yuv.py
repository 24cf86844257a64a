"""Frames as video decoders make them: luma and halved chroma. Decoding processes load this: no OpenCV in here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class YuvImage:
    """An upright frame in three planes (4:2:0, BT.601); half the bytes of RGB, and no conversion of the whole frame.

    A chroma sample covers 2 x 2 pixels and lies in their middle, as FFmpeg's own conversion has it.

    Attributes:
        y: Luma, uint8 [H, W]; H and W are even.
        u: Blue difference, uint8 [H / 2, W / 2].
        v: Red difference, uint8 [H / 2, W / 2].
        full_range: Whether values use 0 to 255, as in JPEG, and not the limited range of video.
    """

    y: Plane
    u: Plane
    v: Plane
    full_range: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and 3: the shape it has as RGB."""
        height, width = self.y.shape
        return height, width, 3


def split(packed: Plane, height: int, width: int) -> tuple[Plane, Plane, Plane]:
    """Views of the three planes in packed bytes.

    Args:
        packed: uint8 [height * width * 3 / 2]: all of Y, then U, then V.
        height: Even, pixels.
        width: Even, pixels.

    Returns:
        Y [height, width], U and V [height / 2, width / 2].
    """
    pixels, quarter = height * width, height * width // 4
    u, v = packed[pixels : pixels + quarter], packed[pixels + quarter : pixels + 2 * quarter]
    half = (height // 2, width // 2)
    return packed[:pixels].reshape(height, width), u.reshape(half), v.reshape(half)
