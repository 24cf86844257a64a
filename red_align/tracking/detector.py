"""Face detection by YuNet (Wu et al. 2023, MIT) through OpenCV, mapped to the region the network expects."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from red_align.conversion import reduced_bgr, to_rgb
from red_align.crop import Picture
from red_align.errors import ConfigurationError
from red_align.geometry import FaceBox, FaceRegion, Similarity
from red_align.yuv import YuvImage

YUNET_FILE = "face_detection_yunet_2023mar.onnx"

# From YuNet's box to the face region, in the frame of the head turned upright: shift of the centre and side,
# as shares of sqrt(width * height). Fitted on the training faces by benchmarks/fit_detector_box.py.
CENTRE_SHIFT = (0.0, 0.158)
SIDE = 1.261


SMALL_SIDE = 320
"""Pixels of a frame's longer side at a first look, in which YuNet takes a fifth to a sixth of the time."""
SMALL_SCORE, SMALL_FACE_PX = 0.8, 40.0
"""What the first look must find to be the last: sure, and large enough to be one of the largest in the frame."""


@dataclass(frozen=True, slots=True)
class Detection:
    """A found face: the detector's box (frame pixels), its score 0..1, and the region to crop."""

    box: FaceBox
    score: float
    region: FaceRegion


class Detector(Protocol):
    """Finds faces in a frame."""

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Faces of an RGB image uint8 [H, W, 3], in no order. Safe to call from several threads."""
        ...


def packaged_yunet() -> Path:
    """YuNet's model file in this package."""
    return Path(str(resources.files("red_align"))) / "weights" / "yunet" / YUNET_FILE


class YuNetDetector:
    """YuNet on reduced frames. It is not thread-safe, so it lends each call a detector object of its own.

    Args:
        path: YuNet's ONNX file; by default the one in this package.
        longer_side: Pixels to which a frame's longer side is reduced.
        score: Least score of a face, 0 to 1.
        at_once: Most detections at once; further ones wait.

    Raises:
        ConfigurationError: The file is missing or no YuNet model.
    """

    def __init__(
        self, path: Path | None = None, *, longer_side: int = 640, score: float = 0.6, at_once: int = 2
    ) -> None:
        self._path = path if path is not None else packaged_yunet()
        if not self._path.is_file():
            raise ConfigurationError(f"RED_DETECTOR_PATH: no file {self._path}")
        self._longer_side = longer_side
        self._score = score
        self._slots = threading.BoundedSemaphore(at_once)
        self._idle: list[cv2.FaceDetectorYN] = [self._made()]  # A damaged file is found at once.

    def detect(self, image: Picture, turn: int = 0) -> list[Detection]:
        """See Detector.detect; takes a frame in planes as well, and turns it: see ``detect`` of this module."""
        return self._detected(image, self._longer_side, turn)

    def largest(self, image: Picture, wanted: int) -> list[Detection]:
        """Faces of a frame, among them its largest ones.

        Where as many large faces as are wanted show at a first look at few pixels, those are all that is told.

        Args:
            image: As for ``detect``.
            wanted: How many faces are asked for.

        Returns:
            Faces in no order; all that ``detect`` finds where the first look was not enough.
        """
        longer = min(self._longer_side, max(image.shape[:2]))
        if longer >= 1.5 * SMALL_SIDE:
            found = self._detected(image, SMALL_SIDE)
            least = SMALL_FACE_PX * max(image.shape[:2]) / SMALL_SIDE
            large = [face for face in found if face.score >= SMALL_SCORE and min(face.box.w, face.box.h) >= least]
            if len(large) >= wanted:
                return large
        return self.detect(image)

    def _detected(self, image: Picture, longer_side: int, turn: int = 0) -> list[Detection]:
        height, width = image.shape[:2]
        small = _reduced_bgr(image, min(1.0, longer_side / max(height, width)))
        upright = (width, height)
        if turn:
            small = np.ascontiguousarray(np.rot90(small, turn))
            height, width = (width, height) if turn % 2 else (height, width)
        size = (small.shape[1], small.shape[0])
        with self._slots:
            detector = self._idle.pop() if self._idle else self._made()
            detector.setInputSize(size)
            _, rows = detector.detect(small)
            self._idle.append(detector)
        if rows is None:
            return []
        # Back to frame pixels; OpenCV's boxes count from the corner of the first pixel, ours from its centre.
        factor = np.array([width / size[0], height / size[1]])
        # On frames of a few pixels' width YuNet gives boxes that are not finite, or have no extent.
        sound = [row for row in np.asarray(rows, np.float64) if np.isfinite(row).all() and row[2:4].min() >= 1.0]
        faces = [_detection(row, factor) for row in sound]
        return [_turned_back(face, turn, upright) for face in faces] if turn else faces

    def _made(self) -> cv2.FaceDetectorYN:
        try:
            return cv2.FaceDetectorYN.create(str(self._path), "", (320, 320), self._score, 0.3, 50)
        except cv2.error as error:
            raise ConfigurationError(f"{self._path} is no YuNet model: {error}") from error


def detect(detector: Detector, image: Picture, turn: int = 0, wanted: int | None = None) -> list[Detection]:
    """A detector's faces of any frame.

    Args:
        detector: Finds them; one that is not ours is given RGB.
        image: RGB uint8 [H, W, 3], or planes.
        turn: Quarter turns, counter-clockwise, of the frame before the search: detectors know upright faces.
        wanted: How many of the largest faces of an upright frame are enough; None for all that there are.

    Returns:
        Faces in pixels of the frame as it is; regions have the turn in their angle.
    """
    if isinstance(detector, YuNetDetector):
        return detector.detect(image, turn) if turn or wanted is None else detector.largest(image, wanted)
    image = to_rgb(image) if isinstance(image, YuvImage) else image
    if not turn:
        return detector.detect(image)
    height, width = image.shape[:2]
    found = detector.detect(np.ascontiguousarray(np.rot90(image, turn)))
    return [_turned_back(detection, turn, (width, height)) for detection in found]


def _turned_back(found: Detection, turn: int, size: tuple[int, int]) -> Detection:
    """A face of a frame that was turned, in the frame as it is, of this width and height."""
    width, height = size
    box, region = found.box, found.region

    def back(x: float, y: float) -> tuple[float, float]:
        match turn % 4:
            case 1:
                return width - 1 - y, x
            case 2:
                return width - 1 - x, height - 1 - y
            case 3:
                return y, height - 1 - x
        return x, y

    # Edges of boxes are coordinates of pixels' centres too: see FaceBox.
    (x0, y0), (x1, y1) = back(box.x, box.y), back(box.x + box.w, box.y + box.h)
    cx, cy = back(region.cx, region.cy)
    angle = math.remainder(region.angle + turn * math.pi / 2, math.tau)
    straight = FaceBox(min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0))
    return Detection(straight, found.score, FaceRegion(cx, cy, region.side, angle))


def _reduced_bgr(image: Picture, scale: float) -> NDArray[np.uint8]:
    """The frame as YuNet takes it. It is reduced before it is converted, which is less work."""
    height, width = image.shape[:2]
    if isinstance(image, YuvImage):
        return reduced_bgr(image, max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2)))
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)


@cache
def default_detector() -> YuNetDetector:
    """YuNet with its usual settings, one for the whole process."""
    return YuNetDetector()


def _detection(row: NDArray[np.float64], factor: NDArray[np.float64]) -> Detection:
    """A row of FaceDetectorYN: x, y, w, h, five keypoints (x, y), score."""
    x, y = row[0:2] * factor - 0.5
    w, h = row[2:4] * factor
    keypoints = row[4:14].reshape(5, 2) * factor - 0.5
    box = FaceBox(float(x), float(y), float(w), float(h))
    return Detection(box, float(row[14]), region_from_detection(box, keypoints))


def region_from_detection(box: FaceBox, keypoints: NDArray[np.float64]) -> FaceRegion:
    """The network's region from a detector's box and its five keypoints [5, 2], both in frame pixels.

    The roll is that of the line from the middle of the eyes to the middle of the mouth corners together with
    the eyes' line: either alone fails on profiles. It is a first guess: YuNet draws its keypoints upright, a
    face turned by 30 degrees comes out at 6. The session looks again where the network says otherwise.
    """
    eyes, mouth = keypoints[0:2].mean(0), keypoints[3:5].mean(0)
    across = (keypoints[1] - keypoints[0]) + (keypoints[4] - keypoints[3])
    down = mouth - eyes
    # The eyes' line turned by 90 degrees points down the face, so both add up.
    axis = down + np.array([-across[1], across[0]]) / 2.0
    angle = float(np.arctan2(-axis[0], axis[1])) if np.hypot(*axis) > 1e-6 else 0.0
    size = float(np.sqrt(max(box.w * box.h, 1.0)))
    middle = np.array([box.x + box.w / 2, box.y + box.h / 2])
    cx, cy = middle + Similarity(1.0, angle, 0.0, 0.0).apply(np.array(CENTRE_SHIFT) * size)
    return FaceRegion(float(cx), float(cy), SIDE * size, angle)
