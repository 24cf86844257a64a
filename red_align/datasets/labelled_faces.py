"""Reading labelled faces: any folder of images with ``.pts`` beside them (300-W), and 300-VW videos.

A data set root is a folder; every image below it that has a ``.pts`` of the same name is a face. A folder
with ``vid.avi`` and ``annot/000001.pts`` (300-VW) gives its frames. Bad files are reported, never trained on.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from red_align.datasets.pts import BadAnnotation, read_pts
from red_align.geometry import FaceBox

log = logging.getLogger(__name__)
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
VIDEO_NAMES = ("vid.avi", "vid.mp4")


@dataclass(frozen=True)
class LabelledFace:
    """One labelled face.

    Attributes:
        path: Where it was read from.
        image: RGB uint8 [H, W, 3].
        points: float64 [68, 2], pixels of the image; (0, 0) is the centre of the top-left pixel.
        person: Name of the person, where it is known.
        label_shift: Pixels by which the labels lie right of where mirror symmetry puts them.
    """

    path: Path
    image: NDArray[np.uint8]
    points: NDArray[np.float64]
    person: str | None = None
    label_shift: float = 0.0


def read_faces(
    root: Path, *, with_person: bool = False, strict: bool = False, limit: int | None = None, vw_stride: int = 10
) -> list[LabelledFace]:
    """Read all faces below a folder: pictures first, then videos, each sorted by path.

    Args:
        root: The folder.
        with_person: Whether the first folder below the root is the person's name.
        strict: Whether a bad face is an error; else it is logged with its path and left out.
        limit: Most faces to read; None for all.
        vw_stride: Every vw_stride-th frame of 300-VW is read.

    Returns:
        The faces.

    Raises:
        BadAnnotation: A bad face, where ``strict``.
        FileNotFoundError: The root is not a folder.
    """
    loads = itertools.chain(_pictures(root), _videos(root, vw_stride))
    return _collect(loads, root, limit=limit, strict=strict, with_person=with_person)


def _collect(
    loads: Iterable[Callable[[], _Loaded]], root: Path, *, limit: int | None, strict: bool, with_person: bool
) -> list[LabelledFace]:
    faces: list[LabelledFace] = []
    for load in loads:
        if limit is not None and len(faces) >= limit:
            break
        try:
            path, image, points = load()
            _check(path, image, points)
        except BadAnnotation as error:
            if strict:
                raise
            log.warning("skipped %s", error)
            continue
        folders = path.relative_to(root).parts[:-1]
        person = folders[0] if with_person and folders else None
        faces.append(LabelledFace(path, image, points, person))
    return faces


def picture_faces(root: Path, *, limit: int | None = None, strict: bool = False) -> list[LabelledFace]:
    """Read the faces of all pictures below a folder, sorted by path; videos are left out.

    Args:
        root: The folder.
        limit: Most faces to read; None for all.
        strict: Whether a bad face is an error; else it is logged with its path and left out.

    Returns:
        The faces; an empty list where there are none.

    Raises:
        BadAnnotation: A bad face, where ``strict``.
        FileNotFoundError: The root is not a folder.
    """
    return _collect(_pictures(root), root, limit=limit, strict=strict, with_person=False)


_Loaded = tuple[Path, NDArray[np.uint8], NDArray[np.float64]]


def _pictures(root: Path) -> Iterator[Callable[[], _Loaded]]:
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder")
    for image_path in sorted(p for p in root.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES):
        points_path = image_path.with_suffix(".pts")
        if points_path.exists():
            yield lambda i=image_path, p=points_path: (i, _read_image(i), read_pts(p))  # type: ignore[misc]


def _videos(root: Path, vw_stride: int) -> Iterator[Callable[[], _Loaded]]:
    for name in VIDEO_NAMES:
        for video in sorted(root.rglob(name)):
            yield from _video_frames(video, vw_stride)


def _video_frames(video: Path, stride: int) -> Iterator[Callable[[], _Loaded]]:
    """Frames of a 300-VW folder: frame n of the video (from 1) has ``annot/00000n.pts``."""
    reader = cv2.VideoCapture(str(video))
    number = 0
    while True:
        ok, bgr = reader.read()
        if not ok:
            break
        number += 1
        points_path = video.parent / "annot" / f"{number:06d}.pts"
        if (number - 1) % stride == 0 and points_path.exists():
            image = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
            yield lambda p=points_path, i=image: (p, i, read_pts(p))  # type: ignore[misc]
    reader.release()
    if number == 0:
        yield lambda: _undecodable(video)


def _undecodable(video: Path) -> _Loaded:
    raise BadAnnotation(f"{video}: no frame decodes")


def _read_image(path: Path) -> NDArray[np.uint8]:
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise BadAnnotation(f"{path}: the image does not decode")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _check(path: Path, image: NDArray[np.uint8], points: NDArray[np.float64]) -> None:
    """Refuse a face that lies mostly outside its image, or has no extent."""
    box = FaceBox.around(points)
    if box.w < 4 or box.h < 4:
        raise BadAnnotation(f"{path}: the points span {box.w:.1f} x {box.h:.1f} px")
    height, width = image.shape[:2]
    inside = box.iou(FaceBox(-0.5, -0.5, width, height)) > 0.0
    centre = (box.x + box.w / 2, box.y + box.h / 2)
    if not inside or not (0 <= centre[0] < width and 0 <= centre[1] < height):
        raise BadAnnotation(f"{path}: the face lies outside the image ({width} x {height})")
