"""Pictures to H.264 and JPEG."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import cv2
import numpy as np
from numpy.typing import NDArray

from red_align.errors import InvalidRequest

Image = NDArray[np.uint8]


class VideoEncoder:
    """H.264 in the container that the name asks for; frames keep their times.

    Args:
        path: The file.
        rate: Frames a second; 0 where it is not known.

    Raises:
        InvalidRequest: No video of this suffix can be written.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self._base = Fraction(1, 90_000)
        self._last = -1
        try:
            self._container: Any = av.open(str(path), "w")
            self._stream: Any = self._container.add_stream("libx264", rate=Fraction(rate or 25).limit_denominator(1001))
        except (av.error.FFmpegError, ValueError) as error:
            raise InvalidRequest(f"no overlay can be written as {path.suffix or 'a file without suffix'}") from error
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": "18", "preset": "fast"}
        self._stream.codec_context.time_base = self._base

    def write(self, image: Image, time_s: float) -> None:
        """Encode a picture, RGB uint8 [H, W, 3], of this time."""
        image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]  # 4:2:0 needs even sides.
        if not self._stream.codec_context.is_open:
            self._stream.height, self._stream.width = image.shape[:2]
        width, height = self._stream.width, self._stream.height
        if image.shape[:2] != (height, width):  # A clip whose frames change their size.
            image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        self._last = max(round(time_s / self._base), self._last + 1)  # Containers take no time twice.
        frame.pts, frame.time_base = self._last, self._base
        self._container.mux(self._stream.encode(frame))

    def close(self, *, finish: bool) -> None:
        """Close the file; whole where it is to be finished."""
        try:
            if finish and self._last >= 0:
                self._container.mux(self._stream.encode())
        finally:
            self._container.close()


def jpeg_bytes(image: Image, quality: int = 92) -> bytes:
    """A picture as JPEG.

    Args:
        image: RGB uint8 [H, W, 3].
        quality: 1 to 100.
    """
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())
