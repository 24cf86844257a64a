"""A clip's features as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from red_align.frames import Face
from red_align.media.serialization import COLUMNS, cells


class FeatureColumns:
    """Collects the features of faces, frame by frame, in the columns of ClipLandmarks.

    Args:
        names: Of the features that faces have; ``crop`` comes with ``alignment``.
        max_faces: F, columns.
    """

    def __init__(self, names: Sequence[str], max_faces: int) -> None:
        self._names, self._max_faces = set(names) | ({"alignment"} if "crop" in names else set()), max_faces
        self._width = sum(len(columns) for feature, columns in COLUMNS.items() if feature in self._names)
        self._rows: list[NDArray[np.float64]] = []
        self._crops: list[tuple[bytes, ...]] = []

    def add(self, faces: Mapping[int, Face]) -> None:
        """Add the faces of the next frame by their columns."""
        row = np.full((self._max_faces, self._width), np.nan)
        crops = [b""] * self._max_faces
        for column, face in faces.items():
            row[column] = np.fromiter(cells(face, self._names), np.float64, self._width)
            crops[column] = face.alignment.crop if face.alignment is not None else b""
        self._rows.append(row)
        if "crop" in self._names:
            self._crops.append(tuple(crops))

    def arrays(self) -> dict[str, Any]:
        """What ClipLandmarks takes by name: the features that are there."""
        table, start, found = np.stack(self._rows), 0, dict[str, Any]()
        for feature, columns in COLUMNS.items():
            if feature in self._names:
                found[feature] = table[:, :, start : start + len(columns)]
                start += len(columns)
        if "pose" in found:
            found["pose"] = found["pose"][:, :, :6]
        if "expression" in found:
            values = found["expression"]
            found["expression"] = {name: values[:, :, i] for i, name in enumerate(COLUMNS["expression"])}
        if "alignment" in found:
            found["alignment"] = found["alignment"].reshape(len(table), self._max_faces, 2, 3)
        if self._crops:
            found["crops"] = tuple(self._crops)
        return found
