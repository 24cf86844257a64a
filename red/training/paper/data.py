"""What the paper's training reads: 300-W style faces, faces with identities, and clips of 300-VW."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from red.data.batches import TrainingSet
from red_align.datasets.labelled_faces import VIDEO_NAMES, LabelledFace, read_faces
from red_align.schemes import IBUG68
from red_align.tracking.rules import region_from_landmarks

log = logging.getLogger(__name__)
_WINDOW = 1.5
"""Side of what is kept of a frame over that of the face's region: whole clips stay in memory."""

Clip = list[LabelledFace]
"""Consecutive frames of one face."""


def read_training_sets(root: Path, people: str, limit: int | None, strict: bool) -> list[TrainingSet]:
    """Faces of ``300w/train`` and, where it is there, of the folder ``people`` whose first folders are persons.

    Shares of a batch and weights of the labels are those of the ``edge`` training (ours).
    """
    folder = root / "300w" / "train"
    sets = [TrainingSet(_some(folder, read_faces(folder, limit=limit, strict=strict)), 0.65, 1.0)]
    folder = root / people
    if folder.is_dir():
        faces = read_faces(folder, limit=limit, strict=strict, with_person=True)
        sets.append(TrainingSet(_some(folder, faces), 0.35, 0.5))
    return sets


def read_clips(root: Path, frames: int, shortest: int, strict: bool) -> list[Clip]:
    """Clips below ``root``, which may be missing: of every 300-VW video up to ``frames`` annotated frames.

    A frame that is missing or bad ends a clip and the next one begins another; those with fewer than ``shortest``
    frames are left out.
    """
    if not root.is_dir():
        return []
    clips: list[Clip] = []
    for folder in sorted({video.parent for name in VIDEO_NAMES for video in root.rglob(name)}):
        clip: Clip = []
        for face in read_faces(folder, strict=strict, limit=frames, vw_stride=1):
            if clip and int(face.path.stem) != int(clip[-1].path.stem) + 1:
                clips.append(clip)
                clip = []
            clip.append(near_the_face(face))
        clips.append(clip)
    kept = [clip for clip in clips if len(clip) >= shortest]
    log.info("%s: %d clips, %d frames", root, len(kept), sum(map(len, kept)))
    return kept


def near_the_face(face: LabelledFace) -> LabelledFace:
    """The face with what lies around it: a piece of the frame, in the frame's own pixels."""
    region = region_from_landmarks(face.points, IBUG68)
    reach = 0.5 * _WINDOW * region.side
    height, width = face.image.shape[:2]
    x0, y0 = max(int(region.cx - reach), 0), max(int(region.cy - reach), 0)
    x1, y1 = min(int(region.cx + reach) + 2, width), min(int(region.cy + reach) + 2, height)
    return replace(face, image=face.image[y0:y1, x0:x1].copy(), points=face.points - (x0, y0))


def _some(folder: Path, faces: list[LabelledFace]) -> list[LabelledFace]:
    if not faces:
        raise FileNotFoundError(f"{folder} holds no labelled face")
    log.info("%s: %d faces", folder, len(faces))
    return faces
