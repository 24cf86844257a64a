"""Cameras and network streams, read as files are: frames come as they are taken, until somebody stops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import av.error
import numpy as np
from numpy.typing import NDArray

from red_align.frames import Frame, VideoInfo

SizeCheck = Callable[[int, int], None]
Picture = tuple[NDArray[np.uint8], float]
"""A frame, RGB uint8 [H, W, 3], and its time in seconds."""


class LiveReader:
    """A camera or a network stream. Implements red_align.media.reader.Reader.

    Args:
        pictures: Gives the next frame and its time in seconds, None at the end.
        info: Size and rate.
        release: Frees the device or connection.
        check: Called with width and height of a frame, pixels; raises TooLarge.
    """

    def __init__(
        self,
        pictures: Iterator[Picture],
        info: VideoInfo,
        release: Callable[[], None],
        check: SizeCheck,
    ) -> None:
        self.info, self.complete, self.count = info, True, 0
        self.warnings: list[str] = []
        self._pictures, self._release, self._check = pictures, release, check
        self._stopped, self._lock = False, threading.Lock()
        check(info.width, info.height)

    def frames(self, stride: int = 1, *, planes: bool = False) -> Iterator[Frame]:
        """See Reader.frames; frames are RGB."""
        while (taken := self._taken()) is not None:
            index, self.count = self.count, self.count + 1
            if index % stride == 0:
                yield Frame(index, taken[1], taken[0])

    def _taken(self) -> Picture | None:
        """The next frame; None at the end. Nothing is released meanwhile: FFmpeg does not survive that."""
        with self._lock:
            try:
                taken = None if self._stopped else next(self._pictures, None)
            except av.error.FFmpegError as error:
                self.complete = False
                self.warnings.append(f"the stream breaks off after frame {self.count - 1}: {error.strerror}")
                return None
            if taken is None or self._stopped:
                return None
            self._check(taken[0].shape[1], taken[0].shape[0])
            return taken

    def stop(self) -> None:
        """Have ``frames`` end with the frame that comes next: from a signal handler, or any thread."""
        self._stopped = True

    def close(self) -> None:
        """See Reader.close."""
        self._stopped = True
        with self._lock:
            self._release()
