"""Labelled faces for tests: the astronaut, with points that fit her roughly, here and there in her picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from red_align.datasets.labelled_faces import LabelledFace
from red_align.datasets.pts import write_pts
from red_align.geometry import FaceRegion
from red_align.schemes import IBUG68
from tests.support.media import astronaut

ASTRONAUT_POINTS = FaceRegion(222.0, 113.0, 150.0, 0.0).to_frame(128).apply(IBUG68.mean_shape)


def astronaut_face(left: int = 0, top: int = 0, person: str | None = None) -> LabelledFace:
    """The picture without its first ``left`` columns and ``top`` rows."""
    image = np.ascontiguousarray(astronaut()[top:, left:])
    return LabelledFace(Path(f"{left}-{top}.jpg"), image, ASTRONAUT_POINTS - (left, top), person)


def dotted_face(sigma: float = 3.0) -> LabelledFace:
    """A black picture that has the outer corner of the right eye in red and that of the left one in blue."""
    image = np.zeros((512, 512, 3), np.uint8)
    y, x = np.mgrid[:512, :512]
    for point, channel in ((36, 0), (45, 2)):
        px, py = ASTRONAUT_POINTS[point]
        image[:, :, channel] = np.round(255 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)))
    return LabelledFace(Path("dots.png"), image, ASTRONAUT_POINTS.copy())


def dots(crop: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the red and the blue dot are in a crop, (x, y) in pixels."""
    y, x = np.mgrid[: crop.shape[0], : crop.shape[1]]
    found = []
    for channel in (0, 2):
        weight = crop[:, :, channel].astype(np.float64)
        found.append(np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum())
    return found[0], found[1]


def write_faces(folder: Path, names: list[str]) -> None:
    """Pictures of the astronaut, each cut a little differently, with their points."""
    for i, name in enumerate(names):
        face = astronaut_face(left=9 * i, top=5 * (i % 3))
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), cv2.cvtColor(face.image, cv2.COLOR_RGB2BGR))
        write_pts(path.with_suffix(".pts"), face.points)


def write_training_data(root: Path) -> Path:
    """A data set as the trainer expects it, with two persons."""
    write_faces(root / "300w" / "train", [f"t{i}.jpg" for i in range(6)])
    write_faces(root / "300w" / "val", ["v0.jpg", "v1.jpg"])
    write_faces(root / "ytf" / "train", [f"{who}/0/a{i}.jpg" for who in ("Ann", "Bob") for i in range(3)])
    return root
