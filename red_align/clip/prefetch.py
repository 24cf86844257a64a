"""Decoding one frame ahead, in a thread, where there is a core for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from red_align.errors import RedAlignError
from red_align.frames import Frame
from red_align.machine import usable_cores
from red_align.media.reader import Reader

THREAD = "red-align-decode"
"""Name of the decoding thread."""


class Prefetch:
    """Takes frames from a reader; the next one decodes in a thread while the caller works on this one.

    Two frames are held at most: the one that was given last, and the next. On a lone core a thread would only take
    turns with the caller, so there each frame decodes when it is asked for.

    Args:
        reader: The opened file; closed by ``close``.
        stride: Every stride-th frame is taken.
        ahead: Whether to decode ahead; by default where this process may use more than one core.
    """

    def __init__(self, reader: Reader, stride: int = 1, *, ahead: bool | None = None) -> None:
        self.reader = reader
        self._frames = reader.frames(stride, planes=True)
        self._ahead = usable_cores() > 1 if ahead is None else ahead
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=THREAD)  # begins with the first call
        self._closed = False
        self._next = self._decode()

    def next(self) -> Frame | None:
        """The next frame.

        Returns:
            The frame; None after the last one, or where the file could not be read on. The reader then says that it is
            incomplete, and why.
        """
        if self._closed:
            return None
        try:
            frame = self._next()
        except RedAlignError as error:  # Such as a frame in mid-clip that is larger than the limit.
            self.reader.complete = False
            self.reader.warnings.append(error.message)
            return None
        if frame is not None:
            self._next = self._decode()
        return frame

    def close(self) -> None:
        """Stop decoding, end the thread and close the reader; safe to call twice, and from any thread."""
        if self._closed:
            return
        self._closed = True
        if threading.current_thread().name.startswith(THREAD):
            # The garbage collector called from a decoding thread, which cannot wait for itself.
            threading.Thread(target=self._release).start()
        else:
            self._release()

    def _decode(self) -> Callable[[], Frame | None]:
        """What waits for the next frame."""
        if self._ahead:
            return self._thread.submit(next, self._frames, None).result
        return partial(next, self._frames, None)

    def _release(self) -> None:
        self._thread.shutdown(cancel_futures=True)
        self.reader.close()


def kept(frame: Frame) -> Frame:
    """The frame with memory of its own."""
    if frame.planes is None:
        return frame if frame.image is None else replace(frame, image=frame.image.copy())
    y, u, v = (plane.copy() for plane in (frame.planes.y, frame.planes.u, frame.planes.v))
    return replace(frame, planes=replace(frame.planes, y=y, u=u, v=v))
