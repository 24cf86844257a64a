"""A live source that is connected to again where it was lost: one clip, with one count of frames and times."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from red_align.errors import InvalidRequest, RedAlignError, SourceNotAllowed, SourceUnreachable, TooLarge
from red_align.frames import Frame, VideoInfo
from red_align.media.reader import DecodeLimits
from red_align.media.sources.opening import LiveLimits
from red_align.media.sources.reader import Dropped, LiveReader
from red_align.media.sources.rules import ANYTHING, SourceRules
from red_align.media.sources.urls import parse_live_url

FIRST_PAUSE_S = 0.5


class Connection(Protocol):
    """One connection to a source: what LiveReader is, or another one in a process of its own."""

    info: VideoInfo
    complete: bool
    count: int
    warnings: list[str]
    error: RedAlignError | None
    dropped_count: int
    origin_s: float

    @property
    def position(self) -> int:
        """See LiveReader."""
        ...

    def open(self) -> None:
        """Connect, and wait for the first frame. Raises what LiveReader raises."""
        ...

    def frames(self, stride: int = 1, *, planes: bool = False) -> Iterator[Frame]:
        """See LiveReader."""
        ...

    def take_dropped(self) -> list[Dropped]:
        """See LiveReader."""
        ...

    def close(self) -> None:
        """See LiveReader; from any thread."""
        ...


@dataclass(frozen=True, slots=True)
class Retries:
    """How a source that was lost is tried again.

    Attributes:
        longest_pause_s: Pauses double up to this, seconds.
        give_up_s: Seconds without a frame after which it is given up; 0 for never.
    """

    longest_pause_s: float = 30.0
    give_up_s: float = 600.0


class Reconnecting:
    """Implements red_align.media.reader.Reader over connections, one after another.

    Frames and their times go on over a gap: by the source's own clock where it has gone on about as long as the gap
    was, else by the time that passed here.

    Args:
        connect: Makes a connection, which is opened then, from a position (see LiveReader) or -1.
        retries: How it is tried again.
        lost: Told why whenever the source was lost or is not to be had.
    """

    def __init__(
        self,
        connect: Callable[[int], Connection],
        retries: Retries | None = None,
        lost: Callable[[RedAlignError], None] | None = None,
    ) -> None:
        self.complete, self.count, self.dropped_count = True, 0, 0
        self.warnings: list[str] = []
        self.reconnects = 0
        """How often it was connected to again."""
        self.error: RedAlignError | None = None
        """Why it ended, where it was given up."""
        self.info = VideoInfo(0, 0, 0.0)
        """Size and rate of the last connection."""
        self._connect, self._retries = connect, retries or Retries()
        self._tell_lost = lost or (lambda error: None)
        self._closing = threading.Event()
        self._connection: Connection | None = None
        self._position = -1
        self._dropped: list[Dropped] = []
        self._dropped_before, self._is_new = 0, True
        self._index = 0  # of the connection's first frame
        self._shift_s = 0.0
        self._last: tuple[float, float, float] | None = None  # time, the source's own time, when it came

    def open(self, *, patient: bool = False) -> None:
        """Make the first connection.

        Args:
            patient: Try again where the source is not to be had.

        Raises:
            RedAlignError: It is not to be had, not allowed, or not to be read.
        """
        if patient:
            self._again(time.monotonic())
        else:
            self._begin()
        if self.error is not None:
            raise self.error

    def frames(self, stride: int = 1, *, planes: bool = False) -> Iterator[Frame]:
        """See Reader.frames. Ends where the source ends, is given up, or is closed."""
        while self._connection is not None:
            for frame in self._connection.frames(stride, planes=planes):
                if self._closing.is_set():
                    return
                yield self._placed(frame)
            lost_at = time.monotonic()
            if self._closing.is_set() or self._ended(self._connection):
                return
            self._again(lost_at)

    def take_dropped(self) -> list[Dropped]:
        """See LiveReader."""
        dropped, self._dropped = self._dropped, []
        if self._connection is not None:
            self.dropped_count = self._dropped_before + self._connection.dropped_count
            of_this = self._connection.take_dropped()
            dropped += [(self._index + index, self._shift_s + time_s) for index, time_s in of_this]
        return dropped

    def stop(self) -> None:
        """Have ``frames`` end with the frame that comes next, or at once where the source is away.

        From a signal handler or any thread.
        """
        self._closing.set()

    def close(self) -> None:
        """Connect no more, and end the connection; from any thread."""
        self._closing.set()
        if self._connection is not None:
            self._connection.close()

    def _placed(self, frame: Frame) -> Frame:
        assert self._connection is not None
        now, own_s = time.monotonic(), self._connection.origin_s + frame.time_s
        if self._last is not None and self._is_new:
            last_s, last_own_s, came = self._last
            gap_s, own_gap_s = now - came, own_s - last_own_s
            agree = own_gap_s > 0.0 and abs(own_gap_s - gap_s) <= max(1.0, 0.5 * gap_s)
            self._shift_s = last_s + max(own_gap_s if agree else gap_s, 1e-3) - frame.time_s
        self._is_new = False
        index, time_s = self._index + frame.index, self._shift_s + frame.time_s
        self._last = time_s, own_s, now
        self.count = index + 1
        return replace(frame, index=index, time_s=time_s)

    def _ended(self, connection: Connection) -> bool:
        """Whether the source is over: at its end, or by an error that stays."""
        connection.close()
        self._position = connection.position
        self._dropped = self.take_dropped()
        self.count = self._index + connection.count
        self._dropped_before, self._index = self.dropped_count, self.count
        if connection.complete:
            return True
        error = connection.error or SourceUnreachable("the source was lost")
        self._tell_lost(error)
        if isinstance(error, SourceNotAllowed | TooLarge):
            self._give_up(error)
            return True
        return False

    def _again(self, since: float) -> None:
        """Connect until that works, or for as long as it is tried; ``error`` says why it was given up."""
        self._connection, pause_s, first = None, FIRST_PAUSE_S, self._last is None
        while not self._closing.is_set():
            try:
                self._begin()
            except RedAlignError as error:
                final = (SourceNotAllowed, TooLarge, InvalidRequest) if first else (SourceNotAllowed, TooLarge)
                self._connection = None
                if self._closing.is_set():
                    return
                self._tell_lost(error)
                given_up = self._retries.give_up_s and time.monotonic() - since > self._retries.give_up_s
                if isinstance(error, final) or given_up:
                    self._give_up(error)
                    return
            else:
                self.reconnects += not first
                return
            self._closing.wait(pause_s * random.uniform(0.8, 1.2))
            pause_s = min(2.0 * pause_s, self._retries.longest_pause_s)

    def _begin(self) -> None:
        self._connection = connection = self._connect(self._position)
        if self._closing.is_set():  # It was closed before there was anything to close.
            connection.close()
        connection.open()
        self.info, self._is_new = connection.info, True

    def _give_up(self, error: RedAlignError) -> None:
        self.complete, self.error = False, error
        self.warnings.append(error.message)


def open_source(
    url: str,
    decoding: DecodeLimits | None = None,
    *,
    rules: SourceRules = ANYTHING,
    limits: LiveLimits | None = None,
    retries: Retries | None = None,
    lost: Callable[[RedAlignError], None] | None = None,
) -> Reconnecting:
    """Open a live source, decoded in this process.

    Args:
        url: ``rtsp://``, ``rtmp://``, or ``http://`` and ``https://`` of an HLS playlist.
        decoding: Bounds of decoding; those of length do not hold.
        rules: What may be connected to; by default everything, for whoever is at his own machine.
        limits: Times.
        retries: How it is tried again where it is lost.
        lost: Told why whenever it was lost.

    Returns:
        The opened source, a Reader that goes on until the source ends, is given up, or is closed.

    Raises:
        InvalidRequest: The URL is none that is read, or what it gives is no video.
        SourceNotAllowed: The rules do not allow it, or it leads to something else.
        SourceUnreachable: It does not answer.
        TooLarge: Its frames have more pixels than allowed.
    """
    parsed, decoding = parse_live_url(url), decoding or DecodeLimits()

    def connect(after: int) -> Connection:
        return LiveReader(parsed, decoding.check, rules=rules, limits=limits, threads=decoding.threads, after=after)

    source = Reconnecting(connect, retries, lost)
    source.open()
    return source
