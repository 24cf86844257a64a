"""Videos through PyAV: upright frames with their times, and an account of what did not decode."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.stream import Disposition

from red_align.errors import NoFrames, NoVideoStream, UnreadableMedia
from red_align.frames import Frame, VideoInfo
from red_align.media.decoded import orientation, yuv_image

# Formats that hold their media themselves. Playlists and scripts, which open other files, are not among them;
# those with sound alone are, so that the error can say what is missing.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,ogg,asf,h264,hevc,m4v,ivf,mxf,dv,"
    "wav,mp3,aac,flac,w64,aiff,gif"
)
MISSING_TOLERANCE_S = 0.1
"""A stream that ends this much before the length its header gives is incomplete."""


NO_RATE = 25.0
"""Frames a second where neither frames nor header have a time."""


class VideoReader:
    """A video file; implements red_align.media.reader.Reader.

    The first frame is decoded at once, since the upright size depends on it.

    Args:
        path: The file.
        check: Called with the width and height of frames, pixels; raises TooLarge.
        threads: Threads of the decoder.
        check_length: Called with the number of frames and seconds, promised or so far; raises TooLarge.

    Raises:
        UnreadableMedia: It is no video that can be opened.
        NoVideoStream: It holds no pictures.
        NoFrames: None of its frames decodes.
        TooLarge: What the checks raise.
    """

    def __init__(
        self,
        path: Path,
        check: Callable[[int, int], None],
        threads: int,
        check_length: Callable[[int, float], None] | None = None,
    ) -> None:
        self.complete = True
        self.count = 0
        self.warnings: list[str] = []
        # The reader may be closed while a thread is still decoding.
        self._lock, self._closed = threading.Lock(), False
        self._path = path
        self._container = _open(path)
        try:
            self._stream = _video_stream(self._container)
            self._rate = float(self._stream.average_rate or self._stream.guessed_rate or 0)
            check(self._stream.codec_context.width, self._stream.codec_context.height)
            if check_length is not None:  # What the header promises, so that it is refused before any work.
                check_length(int(self._stream.frames), self._promised_s())
            self._check_length = check_length
            self._stream.codec_context.thread_count = threads
            self._stream.thread_type = "AUTO"
            self._check = check
            self._bad_packets = 0
            self._damaged = 0
            self._packets = 0
            self._decoded = self._decode()
            self._ahead = next(self._decoded, None)
            if self._ahead is None:
                raise NoFrames(f"no frame of the video decodes{self._why()}")
            self._zero = self._ahead.time or 0.0
            self._last = 0.0
            self._turn = orientation(self._ahead)
            height, width = self._turn(np.zeros((self._ahead.height, self._ahead.width, 0), np.uint8)).shape[:2]
            self.info = VideoInfo(width, height, self._rate)
        except BaseException:
            self._container.close()
            raise

    def frames(self, stride: int = 1, *, planes: bool = False) -> Iterator[Frame]:
        """See Reader.frames."""
        index = self.count = 0
        frame = self._ahead
        while frame is not None:
            time_s = self._time(frame, index)
            self._last = time_s
            if self._check_length is not None:
                self._check_length(index + 1, time_s)
            if frame.is_corrupt:
                self._damaged += 1
            if index % stride == 0:
                self._check(frame.width, frame.height)
                # Containers with gaps and variable rates have the right time in the frame itself.
                yield self._picture(frame, index, time_s, planes=planes)
            index += 1
            self.count = index
            with self._lock:
                frame = None if self._closed else next(self._decoded, None)
        with self._lock:
            if not self._closed:
                self._conclude(index)

    def _picture(self, frame: Any, index: int, time_s: float, *, planes: bool) -> Frame:
        picture = yuv_image(frame, self._turn) if planes else None
        if picture is not None:
            return Frame(index, time_s, None, planes=picture)
        image = self._turn(frame.to_ndarray(format="rgb24"))
        return Frame(index, time_s, np.ascontiguousarray(image))

    def close(self) -> None:
        """See Reader.close; waits for the frame that is being decoded."""
        with self._lock:
            self._closed = True
            self._decoded.close()
            self._container.close()

    def _decode(self) -> Generator[Any]:
        """Decoded frames; a packet that fails is counted.

        A last packet that is cut short is not decoded: its error would take with it the frames before it that
        the decoder still holds.
        """
        ahead: Any = None
        for packet in self._demux():
            if ahead is not None:
                yield from self._frames_of(ahead)
            ahead = packet
        if ahead is not None and ahead.is_corrupt:
            self._bad_packets += 1
        elif ahead is not None:
            yield from self._frames_of(ahead)
        yield from self._frames_of(self._end_of_stream())

    def _end_of_stream(self) -> Any:
        """A packet that makes the decoder give all frames that it still holds."""
        flush = av.Packet()
        flush.time_base = self._stream.time_base
        return flush

    def _rewind(self) -> None:
        """Begin the packets anew, for readers of parts: what the first frame was is known."""
        threads = self._stream.codec_context.thread_count
        self._decoded.close()
        self._container.close()
        self._container = _open(self._path)
        self._stream = _video_stream(self._container)
        self._stream.codec_context.thread_count = threads
        self._stream.thread_type = "AUTO"
        self._packets = self._bad_packets = 0

    def _demux(self) -> Iterator[Any]:
        """Packets of the stream; a container that breaks off ends them."""
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:
                    self._packets += 1
                    yield packet
        except av.error.FFmpegError as error:
            self.complete = False
            self.warnings.append(f"the file breaks off: {error.strerror}")

    def _frames_of(self, packet: Any) -> list[Any]:
        try:
            frames: list[Any] = self._stream.decode(packet)
        except av.error.FFmpegError:
            self._bad_packets += 1
            return []
        return frames

    def _time(self, frame: Any, index: int) -> float:
        if frame.time is None:
            return self._last + (1.0 / (self._rate or NO_RATE) if index else 0.0)
        return max(float(frame.time) - self._zero, 0.0)

    def _conclude(self, count: int) -> None:
        """Compare what was decoded with what the header promised."""
        if self._bad_packets:
            self.complete = False
            self.warnings.append(f"{self._bad_packets} of {self._packets} packets did not decode")
        if self._damaged:
            self.complete = False
            self.warnings.append(f"{self._damaged} of {count} frames are damaged")
        promised = self._promised_s()
        step = 1.0 / self._rate if self._rate else 0.0
        missing = promised - (self._last + step)
        fewer = not self._stream.frames or self._packets < self._stream.frames
        if fewer and missing > MISSING_TOLERANCE_S + step:
            self.complete = False
            self.warnings.append(f"broke off after frame {count - 1} at {self._last:.2f} s of {promised:.2f} s")

    def _promised_s(self) -> float:
        kind = self._container.format.name
        if kind == "avi" and self._stream.frames and self._rate:
            # FFmpeg scales the duration of a file that is cut down to the bytes that are there.
            return float(self._stream.frames) / self._rate
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        if kind in ("matroska,webm", "flv", "avi", "asf") and self._container.duration:
            return float(self._container.duration) / 1e6  # microseconds
        return 0.0

    def _why(self) -> str:
        reasons = list(self.warnings)
        if self._bad_packets:
            reasons.append(f"{self._bad_packets} packets are damaged")
        return ": " + "; ".join(reasons) if reasons else ""


def _open(path: Path) -> Any:
    try:
        return av.open(
            str(path),
            metadata_errors="replace",
            options={"format_whitelist": CONTAINERS, "protocol_whitelist": "file"},
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableMedia(f"this is no video that can be opened: {reason}") from error


def _video_stream(container: Any) -> Any:
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        held = sorted({s.type for s in container.streams}) or ["nothing"]
        raise NoVideoStream(f"the file holds no video, only {', '.join(held)}")
    stream = streams[0]
    if stream.codec_context is None:
        raise UnreadableMedia("there is no decoder for this video")
    return stream
