"""Pictures and videos with the landmarks drawn on them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from red_align.errors import InvalidRequest
from red_align.frames import Face, FrameResult, VideoInfo
from red_align.media.encoder import VideoEncoder
from red_align.media.reader import DecodeLimits, open_media
from red_align.schemes import scheme_of_count

Image = NDArray[np.uint8]
PICTURES = (".png", ".jpg", ".jpeg")
MIN_SIDE_PX = 480
"""Smaller clips are enlarged by a whole factor in overlays, so that points stay apart."""
_SUB = 4  # bits of sub-pixel precision of OpenCV's drawing
_SURE, _UNSURE, _FRAME = np.array([64, 255, 96]), np.array([255, 64, 64]), (255, 200, 0)
_FONT_PX = 640
"""Longer side of a picture that has the smallest lettering."""


def draw(
    image: Image,
    result: FrameResult,
    *,
    scale: int = 1,
    boxes: bool = True,
    labels: bool = True,
    lines: bool = True,
) -> Image:
    """Draw a frame's faces on a copy of it.

    Args:
        image: The frame, RGB uint8 [H, W, 3].
        result: What was found in it.
        scale: Whole factor to enlarge the picture by, 1 or more.
        boxes: Whether to draw the box of each face.
        labels: Whether to write track id and score above each box.
        lines: Whether to join the points of jaw, brows, nose, eyes and lips.

    Returns:
        RGB uint8 [scale * H, scale * W, 3]; points and lines are green where the model is sure of them, red where
        it is not.

    Raises:
        InvalidRequest: The image is not RGB uint8 [H, W, 3], or the scale is below 1.

    Example:
        >>> import red_align
        >>> with red_align.track("clip.mp4") as clip:
        ...     result = next(clip)
        ...     picture = red_align.draw(clip.image, result, scale=3)
        >>> picture.shape, picture.dtype
        ((432, 528, 3), dtype('uint8'))
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InvalidRequest(f"a frame is RGB uint8 [H, W, 3], this one {image.dtype} {list(image.shape)}")
    if scale < 1:
        raise InvalidRequest(f"scale is {scale}, it must be 1 or more")
    canvas = image.copy()
    if scale > 1:
        size = (image.shape[1] * scale, image.shape[0] * scale)
        canvas = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    unit = max(1.0, max(canvas.shape[:2]) / _FONT_PX)
    for face in result.faces:
        _draw_face(canvas, face, scale, unit, boxes=boxes, labels=labels, lines=lines)
    return canvas


class OverlayWriter:
    """Writes what ``draw`` makes of a clip's frames: a video, or the first frame alone where the name is of a picture.

    A context manager. The file is there, whole, once it ended without an error; else nothing is left.

    Args:
        out: File to write; its suffix says which kind (``.mp4``, ``.mkv``, ``.png``, ``.jpg`` ...).
        video: Size and rate of the clip.

    Raises:
        InvalidRequest: No video of this suffix can be written.
        OSError: The file cannot be written.
    """

    def __init__(self, out: Path, video: VideoInfo) -> None:
        self._out = out
        self._part = out.with_name(f"{out.stem}.part{out.suffix}")
        self._scale = max(1, -(-MIN_SIDE_PX // max(video.width, video.height)))
        self._picture = out.suffix.lower() in PICTURES
        self._written = 0
        self._part.touch()  # FFmpeg would open it with the first frame only.
        try:
            self._encoder = None if self._picture else VideoEncoder(self._part, video.frame_rate)
        except BaseException:
            self._part.unlink()
            raise

    def frame(self, image: Image, result: FrameResult) -> None:
        """Draw and write the next frame.

        Args:
            image: RGB uint8 [H, W, 3].
            result: What was found in it.
        """
        if self._encoder is not None:
            self._encoder.write(draw(image, result, scale=self._scale), result.time_s)
        elif not self._written:
            bgr = cv2.cvtColor(draw(image, result, scale=self._scale), cv2.COLOR_RGB2BGR)
            self._part.write_bytes(cv2.imencode(self._out.suffix, bgr)[1].tobytes())
        self._written += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if self._encoder is not None:
                self._encoder.close(finish=kind is None)
            if kind is None and self._written:
                self._part.replace(self._out)
        finally:
            self._part.unlink(missing_ok=True)


def write_overlay(clip: Path, results: Iterable[FrameResult], out: Path, limits: DecodeLimits | None = None) -> None:
    """Decode a clip again and write it with results drawn on its frames; frames without a result are left out.

    Where results are being made, OverlayWriter needs no second decoding.

    Args:
        clip: The file that the results are of.
        results: In order of their index; they are taken as frames are decoded.
        out: See OverlayWriter.
        limits: Bounds of decoding.

    Raises:
        InvalidRequest: The clip cannot be read, or the overlay cannot be written (see ``open_media``, OverlayWriter).
        OSError: A file cannot be opened or written.
    """
    reader = open_media(clip, limits or DecodeLimits())
    waiting = iter(results)
    try:
        with OverlayWriter(out, reader.info) as overlay:
            result = next(waiting, None)
            for frame in reader.frames():
                while result is not None and result.index < frame.index:
                    result = next(waiting, None)
                if result is None:
                    break
                if result.index == frame.index and frame.image is not None:
                    overlay.frame(frame.image, result)
    finally:
        reader.close()


def _draw_face(canvas: Image, face: Face, scale: int, unit: float, *, boxes: bool, labels: bool, lines: bool) -> None:
    box, width = face.box, max(1, round(unit))
    corners = [_pixel(np.array(p), scale) for p in ((box.x, box.y), (box.x + box.w, box.y + box.h))]
    if boxes:
        cv2.rectangle(canvas, corners[0], corners[1], _FRAME, width, cv2.LINE_AA, _SUB)
    if lines:
        _draw_lines(canvas, face, scale)
    radius = max(1.2, 0.012 * box.w * scale)
    for point, sure in zip(face.landmarks.points, face.landmarks.confidence, strict=True):
        cv2.circle(canvas, _pixel(point, scale), round(radius * 2**_SUB), _colour(sure), -1, cv2.LINE_AA, _SUB)
    if labels:
        x, y = (v >> _SUB for v in corners[0])
        place = (x, max(y - round(4 * unit), round(10 * unit)))
        text = f"#{face.track_id} {face.score:.2f}"
        cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4 * unit, _FRAME, width, cv2.LINE_AA)


def _draw_lines(canvas: Image, face: Face, scale: int) -> None:
    points, confidence = face.landmarks.points, face.landmarks.confidence
    scheme = scheme_of_count(len(points))
    width = max(1, round(0.006 * face.box.w * scale))
    for contour in scheme.contours if scheme is not None else ():
        for a, b in contour.segments:
            colour = _colour((float(confidence[a]) + float(confidence[b])) / 2)
            cv2.line(canvas, _pixel(points[a], scale), _pixel(points[b], scale), colour, width, cv2.LINE_AA, _SUB)


def _colour(sure: float) -> tuple[float, ...]:
    return tuple(float(c) for c in _UNSURE + (_SURE - _UNSURE) * float(sure))


def _pixel(point: NDArray[np.floating], scale: int) -> tuple[int, int]:
    """A frame point in the enlarged picture, in OpenCV's fixed-point form."""
    x, y = (np.asarray(point, np.float64) + 0.5) * scale - 0.5
    return round(float(x) * 2**_SUB), round(float(y) * 2**_SUB)
