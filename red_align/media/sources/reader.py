"""A live source's frames, newest first: decoded in a thread, whoever is slower than the source misses some."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av.error
import numpy as np

from red_align.errors import NoFrames, RedAlignError, SourceUnreachable
from red_align.frames import Frame, VideoInfo
from red_align.media.decoded import orientation, yuv_image
from red_align.media.demux.decoder import PacketDecoder
from red_align.media.demux.opening import video_stream
from red_align.media.sources.clock import Backlog, LiveClock
from red_align.media.sources.opening import LiveLimits, open_live
from red_align.media.sources.rules import ANYTHING, SourceRules
from red_align.media.sources.urls import LiveUrl

MOST_DROPPED = 256
"""Frames that were dropped whose numbers and times are kept until they are asked for; older ones are counted alone."""
Dropped = tuple[int, float]
"""Number and time, seconds, of a frame that was dropped."""


class LiveReader:
    """One connection to a live source; implements red_align.media.reader.Reader.

    The first frame is decoded at once, since the upright size depends on it. All later frames have that size: where it
    changes the connection ends.

    Args:
        url: Where the source is.
        check: Called with the width and height of frames, pixels; raises TooLarge.
        rules: What may be connected to.
        limits: Times.
        threads: Threads of the decoder.
        after: Where an earlier connection stood, see ``position``.

    Raises:
        RedAlignError: What open_live raises; NoVideoStream, NoFrames or TooLarge for what it gives.
    """

    def __init__(
        self,
        url: LiveUrl,
        check: Callable[[int, int], None],
        *,
        rules: SourceRules = ANYTHING,
        limits: LiveLimits | None = None,
        threads: int = 2,
        after: int = -1,
    ) -> None:
        self.complete, self.count = True, 0
        self.warnings: list[str] = []
        self.error: RedAlignError | None = None
        """Why the source is not complete."""
        self._limits, self._check, self._threads = limits or LiveLimits(), check, threads
        self._opened = open_live(url, rules, self._limits, after)
        self._lock = threading.Condition()
        self._waiting: tuple[Any, int, float] | None = None
        self._dropped: deque[Dropped] = deque(maxlen=MOST_DROPPED)
        self.dropped_count = 0
        self._over = self._closed = False
        self._thread: threading.Thread | None = None
        try:
            self._decoded = self._decode()
            self._first = next(self._decoded, None)
            if self._first is None:
                raise NoFrames("no frame of the source decodes")
            self._turn = orientation(self._first)
            self.info = self._described(self._first)
            self.origin_s = float((self._first.pts or 0) * self._stream.time_base)
            """Time of the first frame as the source has it, seconds."""
        except BaseException:
            self._opened.close()
            raise

    def open(self) -> None:
        """See Connection: it is open from the beginning."""

    @property
    def position(self) -> int:
        """Where another connection goes on (HLS: the segment that was read last); -1 where none can."""
        return self._opened.feed.position if self._opened.feed is not None else -1

    def frames(self, stride: int = 1, *, planes: bool = False) -> Iterator[Frame]:
        """See Reader.frames: each time the newest frame; of a clip (an HLS playlist that has ended) every frame.

        The iterator ends with the source; ``complete`` is false then where it was lost.
        """
        while True:
            frame = self.take(self._limits.stall_s, stride, planes=planes)
            if frame is not None:
                yield frame
            elif self._over:
                return
            else:
                self._lost(SourceUnreachable(f"the source has given no frame for {self._limits.stall_s:g} s"))
                return

    def take(self, wait_s: float, stride: int = 1, *, planes: bool = False) -> Frame | None:
        """The newest frame that was not taken; None where there is none within ``wait_s`` seconds, or at the end."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, args=(stride,), daemon=True, name="red-align-live")
            self._thread.start()
        with self._lock:
            self._lock.wait_for(lambda: self._waiting is not None or self._over, wait_s)
            waiting, self._waiting = self._waiting, None
            self._lock.notify_all()
        if waiting is None:
            return None
        frame, index, time_s = waiting
        picture = yuv_image(frame, self._turn) if planes else None
        if picture is not None:
            return Frame(index, time_s, None, planes=picture)
        return Frame(index, time_s, np.ascontiguousarray(self._turn(frame.to_ndarray(format="rgb24"))))

    @property
    def over(self) -> bool:
        """Whether no frame will come."""
        return self._over

    def take_dropped(self) -> list[Dropped]:
        """The frames that were dropped since this was asked last, at most MOST_DROPPED."""
        with self._lock:
            dropped = list(self._dropped)
            self._dropped.clear()
        return dropped

    def close(self) -> None:
        """See Reader.close."""
        self._closed = True
        with self._lock:
            self._over = True
            self._lock.notify_all()
        if self._thread is None:
            self._opened.close()
            return
        self._opened.hang_up()  # The thread may be waiting for the source, and closes what it reads from.

    def _run(self, stride: int) -> None:
        try:
            self._offer_all(stride)
        except RedAlignError as error:
            self._lost(error)
        finally:
            with self._lock:
                self._over = True
                self._lock.notify_all()
            self._opened.close()

    def _offer_all(self, stride: int) -> None:
        paced = self._opened.feed is not None and self._opened.is_live
        began: float | None = None
        frame, self._first = self._first, None
        while frame is not None and not self._closed:
            time_s = self._clock.time(frame.pts)
            if paced:  # Segments come at once, and are shown at their own pace.
                began = time.monotonic() - time_s if began is None else began
                time.sleep(min(max(began + time_s - time.monotonic(), 0.0), 1.0))
            if self.count % stride == 0:
                self._offer(frame, self.count, time_s)
            self.count += 1
            frame = next(self._decoded, None)
            if frame is not None and (frame.width, frame.height) != self._size:
                raise SourceUnreachable(f"the size of the source's frames has changed to {frame.width}x{frame.height}")

    def _offer(self, frame: Any, index: int, time_s: float) -> None:
        with self._lock:
            if not self._opened.is_live:
                self._lock.wait_for(lambda: self._waiting is None or self._over)
            elif self._waiting is not None:
                self._dropped.append(self._waiting[1:])
                self.dropped_count += 1
            self._waiting = (frame, index, time_s)
            self._lock.notify_all()

    def _lost(self, error: RedAlignError) -> None:
        if not self._closed and self.error is None:
            self.complete, self.error = False, error
            self.warnings.append(error.message)

    def _decode(self) -> Iterator[Any]:
        """Frames of all parts. Raises what ended the source."""
        clock: LiveClock | None = None
        while True:
            self._stream = stream = video_stream(self._opened.container)
            rate = float(stream.average_rate or stream.guessed_rate or 0)
            if clock is None:
                clock = self._clock = LiveClock(stream.time_base, rate)
            else:
                clock.begin_anew(stream.time_base)
            context = stream.codec_context
            self._check(context.width, context.height)
            decoder = PacketDecoder(stream, self._threads, strict=False)
            stream.thread_type = "SLICE"  # Threads of frames would hold frames back.
            for packet in self._packets():
                yield from decoder.decode(packet)
            yield from decoder.flush()
            if not self._opened.next_part():
                return

    def _packets(self) -> Iterator[Any]:
        """Packets of the stream, up to the end of the part. Raises what broke it off."""
        backlog, base = Backlog() if self._opened.feed is None else None, self._stream.time_base
        try:
            for packet in self._opened.container.demux(self._stream):
                stamp_s = None if packet.dts is None or base is None else float(packet.dts * base)
                if not packet.size:
                    continue
                if backlog is not None and backlog.skips(stamp_s, key=packet.is_keyframe):
                    self.count += 1
                    self.dropped_count += 1
                else:
                    yield packet
                if backlog is not None:
                    backlog.ask()
        except av.error.ExitError:
            self._opened.broke_off(f"nothing came for {self._limits.stall_s:g} s")
        except (av.error.FFmpegError, OSError) as error:
            self._opened.broke_off(error.strerror or type(error).__name__)

    def _described(self, frame: Any) -> VideoInfo:
        self._check(frame.width, frame.height)
        self._size = frame.width, frame.height
        height, width = self._turn(np.zeros((frame.height, frame.width, 0), np.uint8)).shape[:2]
        aspect = self._stream.sample_aspect_ratio or Fraction(1)
        aspect = 1 / aspect if (width, height) != self._size else aspect
        rate = float(self._stream.average_rate or self._stream.guessed_rate or 0)
        return VideoInfo(width, height, rate, float(aspect))
