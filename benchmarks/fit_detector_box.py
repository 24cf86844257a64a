"""How does YuNet's box lie to the region that the network expects? ``python benchmarks/fit_detector_box.py ROOT``

Prints the medians that red_align/tracking/detector.py holds (CENTRE_SHIFT, SIDE) and the error that is left, in the
units of the training's box error: share of the face box, degrees.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from red_align.datasets.labelled_faces import read_faces
from red_align.geometry import Similarity
from red_align.schemes import IBUG68
from red_align.tracking.detector import CENTRE_SHIFT, SIDE, YuNetDetector
from red_align.tracking.rules import REGION_MARGIN, region_from_landmarks


def main() -> None:
    """Fit on every third face below the root."""
    detector = YuNetDetector()
    rows, missed, left = [], 0, []
    faces = read_faces(Path(sys.argv[1]))[::3]
    for face in faces:
        wanted = region_from_landmarks(face.points, IBUG68)
        found = detector.detect(face.image)
        if not found:
            missed += 1
            continue
        best = min(found, key=lambda d: np.hypot(d.region.cx - wanted.cx, d.region.cy - wanted.cy))
        size = np.sqrt(best.box.area)
        middle = np.array([best.box.x + best.box.w / 2, best.box.y + best.box.h / 2])
        upright = Similarity(1.0, best.region.angle, 0.0, 0.0).inverse()
        shift = upright.apply(np.array([wanted.cx, wanted.cy]) - middle) / size
        turn = np.rad2deg((wanted.angle - best.region.angle + np.pi) % (2 * np.pi) - np.pi)
        rows.append([shift[0], shift[1], wanted.side / size, turn])
        unit = wanted.side / REGION_MARGIN
        left.append(
            [
                (best.region.cx - wanted.cx) / unit,
                (best.region.cy - wanted.cy) / unit,
                np.log(best.region.side / wanted.side),
                turn,
            ]
        )
    table, rest = np.array(rows), np.array(left)
    print(f"{len(faces)} faces, {missed} not found")
    print("median  shift x, shift y, side, turn:", np.round(np.median(table, axis=0), 3))
    print("in use  shift x, shift y, side:      ", CENTRE_SHIFT, SIDE)
    print("error left, standard deviation (x, y, log side, degrees):", np.round(rest.std(0), 3))
    print("error left, 2 % and 98 %:", np.round(np.quantile(rest, [0.02, 0.98], axis=0), 3).tolist())


if __name__ == "__main__":
    main()
