"""Overlays: the clip with its points drawn on every frame."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from red_align.frames import Face, FrameResult
from red_align.media.reader import DecodeLimits, open_media
from service.config.settings import Settings

MIN_SIDE_PX = 480
"""Smaller clips are enlarged by a whole factor, so that points stay apart."""
_SUB = 4  # bits of sub-pixel precision of OpenCV's drawing
_GOOD, _POOR = np.array([64, 255, 96]), np.array([255, 64, 64])


def write_overlay(clip: Path, results: Iterable[FrameResult], out: Path, settings: Settings) -> None:
    """Decode the clip again and draw the results; a ``.png`` or ``.jpg`` name gets the first frame alone."""
    reader = open_media(clip, DecodeLimits(settings.max_frame_pixels, settings.decode_threads))
    by_index = {result.index: result for result in results}
    factor = max(1, -(-MIN_SIDE_PX // max(reader.info.width, reader.info.height)))
    try:
        frames = ((f.time_s, f.image, by_index.get(f.index)) for f in reader.frames())
        drawn = ((t, draw_faces(i, r.faces, factor)) for t, i, r in frames if i is not None and r is not None)
        if out.suffix.lower() in (".png", ".jpg", ".jpeg"):
            _, image = next(drawn)
            cv2.imwrite(str(out), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        else:
            _write_video(drawn, out, reader.info.frame_rate)
    finally:
        reader.close()


def draw_faces(image: NDArray[np.uint8], faces: Iterable[Face], factor: int = 1) -> NDArray[np.uint8]:
    """Points (green where sure, red where not), box and track id on an RGB image enlarged by ``factor``."""
    size = (image.shape[1] * factor, image.shape[0] * factor)
    canvas = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) if factor > 1 else image.copy()
    for face in faces:
        box = face.box
        corners = [_pixel(np.array(p), factor) for p in ((box.x, box.y), (box.x + box.w, box.y + box.h))]
        cv2.rectangle(canvas, corners[0], corners[1], (255, 200, 0), 1, cv2.LINE_AA, _SUB)
        radius = max(1.2, 0.008 * box.w * factor)
        for point, sure in zip(face.landmarks.points, face.landmarks.confidence, strict=True):
            colour = tuple(float(c) for c in _POOR + (_GOOD - _POOR) * float(sure))
            cv2.circle(canvas, _pixel(point, factor), round(radius * 2**_SUB), colour, -1, cv2.LINE_AA, _SUB)
        x, y = (v >> _SUB for v in corners[0])
        label = f"#{face.track_id} {face.score:.2f}"
        cv2.putText(canvas, label, (x, max(y - 4, 10)), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 200, 0), 1, cv2.LINE_AA)
    return np.asarray(canvas, np.uint8)


def _pixel(point: NDArray[np.floating], factor: int) -> tuple[int, int]:
    """A frame point in the enlarged image, in OpenCV's fixed-point form."""
    x, y = (np.asarray(point, np.float64) + 0.5) * factor - 0.5
    return round(float(x) * 2**_SUB), round(float(y) * 2**_SUB)


def _write_video(frames: Iterable[tuple[float, NDArray[np.uint8]]], out: Path, rate: float) -> None:
    """H.264 in the container that the name asks for; frames keep their times."""
    base = Fraction(1, 90_000)
    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate or 25).limit_denominator(1001))
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "18", "preset": "fast"}
        stream.codec_context.time_base = base
        for time_s, image in frames:
            # 4:2:0 needs even sides.
            image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
            if not stream.codec_context.is_open:
                stream.height, stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = round(time_s / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
