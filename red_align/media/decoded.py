"""Decoded video frames (PyAV's) as pixels: how they are turned, and their planes without a copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from numpy.typing import NDArray

from red_align.yuv import YuvImage

Turn: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Makes an image or a plane upright, and contiguous."""
FULL_RANGE = 2
"""FFmpeg's AVCOL_RANGE_JPEG."""


def yuv_image(frame: Any, turn: Turn) -> YuvImage | None:
    """The planes of a decoded frame; they share its memory where nothing is turned.

    Args:
        frame: PyAV's video frame.
        turn: See ``orientation``.

    Returns:
        The upright frame; None where it is not 4:2:0 of 8 bits, or has an odd side: such frames are converted.
    """
    kind, width, height = frame.format.name, frame.width, frame.height
    if kind not in ("yuv420p", "yuvj420p") or width % 2 or height % 2:
        return None
    half = (height // 2, width // 2)
    planes = []
    for plane, (h, w) in zip(frame.planes, ((height, width), half, half), strict=True):
        if plane.line_size < w:  # stored bottom up
            return None
        rows = np.frombuffer(plane, np.uint8, plane.line_size * h).reshape(h, plane.line_size)
        planes.append(turn(rows[:, :w]))
    y, u, v = planes
    return YuvImage(y, u, v, kind == "yuvj420p" or frame.color_range == FULL_RANGE)


def orientation(frame: Any) -> Turn:
    """The rotation (by quarter turns) and reflection of the display matrix, as a function.

    The matrix maps a stored pixel (x, y) to the shown (a x + c y, b x + d y).
    """
    matrix = _display_matrix(frame)
    if matrix is None:
        return _as_it_is
    a, b, c, d = matrix
    swap = abs(a) + abs(d) < abs(b) + abs(c)
    flip_x = (c if swap else a) < 0
    flip_y = (b if swap else d) < 0

    def turn(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if swap:
            image = image.swapaxes(0, 1)
        return np.ascontiguousarray(image[:: -1 if flip_y else 1, :: -1 if flip_x else 1])

    return turn


def _display_matrix(frame: Any) -> tuple[int, int, int, int] | None:
    """Its entries a, b, c and d; None where there is none.

    PyAV raises where a frame holds data of a kind that is newer than PyAV's list of them, such as EXIF; what lies
    before that is to be had nevertheless, and FFmpeg puts the matrix first.
    """
    held = SideDataContainer.__new__(SideDataContainer)
    fill: Any = SideDataContainer.__init__
    try:
        fill(held, frame)
        known = True
    except ValueError:
        known = False
    data = held.get(SideDataType.DISPLAYMATRIX)
    if data is not None:
        a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
        return a, b, c, d
    # The angle alone is to be had from behind it: this is counter-clockwise, as a matrix turns.
    return None if known else _TURNED.get(round(frame.rotation / 90) % 4)


_TURNED = {1: (0, -1, 1, 0), 2: (-1, 0, 0, -1), 3: (0, 1, -1, 0)}


def _as_it_is(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image
