"""Compute the mean shape file from labelled faces: ``python -m red.data.mean_shape ROOT OUT``."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from red_align.contract import CROP_SIZE
from red_align.datasets.labelled_faces import read_faces
from red_align.geometry import fit_similarity
from red_align.schemes import IBUG68
from red_align.tracking.rules import upright_region


def mean_shape(shapes: list[NDArray[np.float64]], mirror: tuple[int, ...]) -> NDArray[np.float64]:
    """Mean of faces [68, 2] in the crop that the box rule cuts, made symmetric; pixels of the crop.

    The box rule needs the mean shape for its roll, so it starts from the eyes' line and is repeated.
    """
    eyes = [(s[42:48].mean(0) - s[36:42].mean(0)) for s in shapes]
    angles = [math.atan2(e[1], e[0]) for e in eyes]
    mean = np.zeros((68, 2))
    for _ in range(5):
        crops = [upright_region(s, a).to_crop(CROP_SIZE).apply(s) for s, a in zip(shapes, angles, strict=True)]
        mean = np.mean(crops, axis=0)
        flipped = mean[list(mirror)] * (-1, 1) + (CROP_SIZE - 1, 0)
        mean = (mean + flipped) / 2
        angles = [fit_similarity(mean, s).angle for s in shapes]
    return mean


def main() -> None:
    """Write the file."""
    root, out = Path(sys.argv[1]), Path(sys.argv[2])
    mean = mean_shape([face.points for face in read_faces(root)], IBUG68.mirror)
    out.write_text("".join(f"{x:.3f},{y:.3f}\n" for x, y in mean), "ascii")


if __name__ == "__main__":
    main()
