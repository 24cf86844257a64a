"""Frames of a live stream as messages: arrays of pixels, JPEG or PNG bytes, each with its time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from red_align.errors import InvalidRequest, TooLarge
from red_align.v1 import face_landmarks_pb2 as pb

Colour = Literal["rgb", "bgr"]
Picture = NDArray[Any] | bytes
GivenFrame = Picture | tuple[Picture, float]
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG"
_ROOM = 1024
"""Bytes of a message beside its picture, at most."""


@dataclass(slots=True, kw_only=True)
class Pictures:
    """Makes messages of a stream's frames.

    Attributes:
        colour: Order of the channels of arrays.
        jpeg_quality: Arrays travel as JPEGs of this quality, 1 to 100; None for raw pixels, which change nothing.
        frame_rate: Frames a second, for frames without a time; None for the time at which each was taken.
        max_age_ms: Milliseconds that a frame may wait at the server; 0 for any number.
        max_bytes: Largest message that the server takes; 0 where it does not say.
        clock: Seconds that grow.
    """

    colour: Colour = "rgb"
    jpeg_quality: int | None = None
    frame_rate: float | None = None
    max_age_ms: int = 0
    max_bytes: int = 0
    clock: Callable[[], float] = time.monotonic
    _count: int = 0
    _began_s: float | None = None

    def __post_init__(self) -> None:
        if self.colour not in ("rgb", "bgr"):
            raise InvalidRequest(f"colour is {self.colour!r}, it must be 'rgb', or 'bgr' for frames of OpenCV")
        if self.jpeg_quality is not None and not 1 <= self.jpeg_quality <= 100:
            raise InvalidRequest(f"jpeg_quality is {self.jpeg_quality}, it must be 1 to 100, or None for raw pixels")
        if self.frame_rate is not None and not self.frame_rate > 0:
            raise InvalidRequest(f"frame_rate is {self.frame_rate}, it must be more than 0 frames a second")
        if self.max_age_ms < 0:
            raise InvalidRequest(f"max_age_ms is {self.max_age_ms}, it must be 0 or more")

    def message(self, given: Any) -> pb.VideoFrame:
        """The message of the next frame.

        Args:
            given: A picture (uint8 [H, W, 3], or the bytes of a JPEG or PNG), or a picture and its time in seconds.

        Raises:
            InvalidRequest: It is neither of these; the message says what to do.
            TooLarge: The server takes no message as large.
        """
        number, now_s = self._count, self.clock()
        self._count += 1
        self._began_s = now_s if self._began_s is None else self._began_s
        picture = given
        time_s = now_s - self._began_s if self.frame_rate is None else number / self.frame_rate
        if isinstance(given, tuple):
            if len(given) != 2 or not isinstance(given[1], int | float | np.number):
                raise InvalidRequest(f"frame {number} is a tuple, and not of a picture and its time in seconds")
            picture, time_s = given[0], float(given[1])
        message = pb.VideoFrame(time_s=time_s, max_age_ms=self.max_age_ms)
        if isinstance(picture, bytes | bytearray | memoryview):
            message.encoded = _checked_file(bytes(picture), number)
        else:
            self._fill(message, _checked_array(picture, number))
        self._check_size(message, number)
        return message

    def _fill(self, message: pb.VideoFrame, image: NDArray[np.uint8]) -> None:
        if self.jpeg_quality is not None:
            pixels = np.ascontiguousarray(image)
            message.encoded = simplejpeg.encode_jpeg(pixels, self.jpeg_quality, self.colour.upper(), "420")
            return
        rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8) if self.colour == "bgr" else image
        message.raw.width, message.raw.height = image.shape[1], image.shape[0]
        message.raw.rgb = rgb.tobytes()

    def _check_size(self, message: pb.VideoFrame, number: int) -> None:
        size = len(message.encoded) + len(message.raw.rgb)
        if self.max_bytes and size + _ROOM > self.max_bytes:
            why = f"frame {number} has {size} bytes, and the server takes messages of up to {self.max_bytes}"
            raise TooLarge(f"{why}: send it smaller, or as JPEG (jpeg_quality=90)", limit="max_message_bytes")


def _checked_file(data: bytes, number: int) -> bytes:
    if not data.startswith((_JPEG, _PNG)):
        raise InvalidRequest(
            f"frame {number} is bytes, but neither a JPEG nor a PNG file; pixels go as a NumPy array, uint8 [H, W, 3]"
        )
    return data


def _checked_array(picture: Any, number: int) -> NDArray[np.uint8]:
    if not isinstance(picture, np.ndarray):
        hint = "; a whole file goes to Client.align or Client.track" if isinstance(picture, str) else ""
        if picture is None:
            hint = ": did the camera give no picture?"
        raise InvalidRequest(
            f"frame {number} is a {type(picture).__name__}, and not a NumPy array or the bytes of a JPEG or PNG{hint}"
        )
    if picture.dtype != np.uint8:
        scaled = " (values of 0 to 1 times 255 first)" if picture.dtype.kind == "f" else ""
        raise InvalidRequest(
            f"frame {number} is {picture.dtype}, it must be uint8 of 0 to 255: .astype(numpy.uint8){scaled}"
        )
    if picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise InvalidRequest(
            f"frame {number} has the shape {list(picture.shape)}, it must be [H, W, 3]{_shape_hint(picture)}"
        )
    return picture


def _shape_hint(picture: NDArray[Any]) -> str:
    if picture.ndim == 2:
        return "; grey becomes that with cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB)"
    if picture.ndim == 3 and picture.shape[2] == 4:
        return "; the fourth channel goes with frame[:, :, :3]"
    if picture.ndim == 3 and picture.shape[0] == 3:
        return "; channels come last: frame.transpose(1, 2, 0)"
    if picture.ndim == 4:
        return "; frames go one by one"
    return ""
