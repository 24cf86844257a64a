"""The 300-W point format: ``version``, ``n_points``, braces, one 1-based ``x y`` pair a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class BadAnnotation(ValueError):
    """A face that must not be trained on; the message begins with the path of the file at fault."""


def read_pts(path: Path, num_points: int = 68) -> NDArray[np.float64]:
    """Read a ``.pts`` file.

    Args:
        path: The file, with 1-based coordinates.
        num_points: Points that it must hold.

    Returns:
        float64 [num_points, 2], image pixels; (0, 0) is the centre of the top-left pixel.

    Raises:
        BadAnnotation: A wrong count, a broken line or a value that is not finite.
        OSError: The file cannot be read.
    """
    text = path.read_text("utf-8", errors="replace")
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise BadAnnotation(f"{path}: no points between braces")
    try:
        rows = [[float(v) for v in line.split()] for line in text[start + 1 : end].splitlines() if line.strip()]
        points = np.array(rows, np.float64)
    except ValueError as error:
        raise BadAnnotation(f"{path}: {error}") from error
    if points.shape != (num_points, 2):
        raise BadAnnotation(f"{path}: {num_points} pairs expected, read {' x '.join(map(str, points.shape))} values")
    if not np.isfinite(points).all():
        raise BadAnnotation(f"{path}: a coordinate is not finite")
    return np.asarray(points - 1.0)


def pts_text(points: NDArray[np.floating]) -> str:
    """The text of a ``.pts`` file.

    Args:
        points: [L, 2], any float dtype, image pixels; (0, 0) is the centre of the top-left pixel. The text has 1-based
            coordinates.
    """
    rows = "\n".join(f"{x + 1:.3f} {y + 1:.3f}" for x, y in points)
    return f"version: 1\nn_points: {len(points)}\n{{\n{rows}\n}}\n"


def write_pts(path: Path, points: NDArray[np.floating]) -> None:
    """Write points as a ``.pts`` file.

    Args:
        path: The file to write.
        points: See ``pts_text``.
    """
    path.write_text(pts_text(points), "utf-8")
