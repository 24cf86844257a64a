"""Videos through PyAV: upright frames with their times, and an account of what did not decode."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.error
import numpy as np

from red_align.errors import NoFrames
from red_align.frames import Frame, VideoInfo
from red_align.media.decoded import orientation, yuv_image
from red_align.media.demux.account import UNTIMED, PacketAccount
from red_align.media.demux.asf import promised_bytes
from red_align.media.demux.clock import NO_RATE, FrameClock
from red_align.media.demux.decoder import PacketDecoder
from red_align.media.demux.opening import open_container, other_videos, video_stream


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
        self._container = open_container(path)
        try:
            self._begin(threads)
            self._hidden_damage = False
            stream = self._stream
            self._clock = FrameClock(stream.time_base, self._rate, self._container.format.name)
            check(stream.codec_context.width, stream.codec_context.height)
            if check_length is not None:  # What the header promises, so that it is refused before any work.
                starts_s = float((stream.start_time or 0) * stream.time_base) if stream.time_base else 0.0
                check_length(int(stream.frames), max(self._account.promised_s() - starts_s, 0.0))
            self._check_length, self._check = check_length, check
            self._decoded = self._decode()
            self._ahead = next(self._decoded, None)
            if self._ahead is None:
                raise NoFrames(f"no frame of the video decodes{self._why()}")
            self._account.began(self._ahead)
            self._clock.plain(self._ahead)
            self._turn = orientation(self._ahead)
            self.info = self._described(self._ahead)
        except BaseException:
            self._container.close()
            raise

    def frames(self, stride: int = 1, *, planes: bool = False) -> Iterator[Frame]:
        """See Reader.frames."""
        index = self.count = 0
        frame = self._ahead
        while frame is not None:
            time_s = self._clock.time(frame)
            if self._check_length is not None:
                self._check_length(index + 1, time_s)
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
                self._conclude()

    def close(self) -> None:
        """See Reader.close; waits for the frame that is being decoded."""
        with self._lock:
            self._closed = True
            self._decoded.close()
            self._container.close()

    def _begin(self, threads: int, *, strict: bool = True) -> None:
        """Everything that is made anew where a file is read from its beginning again."""
        self._stream = video_stream(self._container)
        self._threads = threads
        self._rate = float(self._stream.average_rate or self._stream.guessed_rate or 0)
        self._decoder = PacketDecoder(self._stream, threads, strict=strict)
        self._account = PacketAccount(self._container, self._stream, self._rate)

    def _reopen(self) -> None:
        self._container.close()
        self._container = open_container(self._path)

    def _rewind(self) -> None:
        """Begin the packets anew, for readers of parts: what the first frame was is known."""
        self._decoded.close()
        self._reopen()
        self._begin(self._threads)

    def _described(self, frame: Any) -> VideoInfo:
        """Size and rate; what is to be said of them becomes a warning."""
        height, width = self._turn(np.zeros((frame.height, frame.width, 0), np.uint8)).shape[:2]
        turned = (width, height) != (frame.width, frame.height)
        aspect = self._stream.sample_aspect_ratio or Fraction(1)
        aspect = 1 / aspect if turned else aspect
        rate = self._rate
        if others := other_videos(self._container, self._stream):
            self.warnings.append(others)
        if self._container.format.name in UNTIMED:
            self.warnings.append(f"the file has no times: {NO_RATE:g} frames a second are assumed")
            rate = 0.0
        return VideoInfo(width, height, rate, float(aspect))

    def _picture(self, frame: Any, index: int, time_s: float, *, planes: bool) -> Frame:
        turn = orientation(frame)
        picture = yuv_image(frame, turn) if planes else None
        if picture is not None:
            return Frame(index, time_s, None, planes=picture)
        image = turn(frame.to_ndarray(format="rgb24"))
        return Frame(index, time_s, np.ascontiguousarray(image))

    def _decode(self) -> Generator[Any]:
        """Decoded frames: of a strict decoder, and after an error of a lenient one from the beginning."""
        given = 0
        for frame in self._decoded_once():
            given += 1
            yield frame
        if not self._decoder.loses_frames:
            return
        self._hidden_damage = True
        self._reopen()
        self._begin(self._threads, strict=False)
        for number, frame in enumerate(self._decoded_once()):
            if number == 0:
                self._account.began(frame)
            if number >= given:
                yield frame

    def _decoded_once(self) -> Generator[Any]:
        """Decoded frames of one reading; they end with an error of a strict decoder.

        A last packet that is cut short is not decoded: its error would take with it the frames before it that
        the decoder still holds.
        """
        ahead: Any = None
        for packet in self._demux():
            if ahead is not None:
                yield from self._decoder.decode(ahead)
                if self._decoder.loses_frames:
                    return
            ahead = packet
        if ahead is not None and ahead.is_corrupt:
            self._decoder.bad += 1
        elif ahead is not None:
            yield from self._decoder.decode(ahead)
        yield from self._decoder.flush()

    def _demux(self) -> Iterator[Any]:
        """Packets of the stream; a container that breaks off ends them."""
        asked = () if self._account.reads_all else (self._stream,)
        try:
            for packet in self._container.demux(*asked):
                if not packet.size:
                    continue
                if packet.stream_index != self._stream.index:
                    self._account.passed(packet)
                    continue
                self._account.took(packet)
                yield packet
        except av.error.FFmpegError as error:
            self.complete = False
            self.warnings.append(f"the file breaks off: {error.strerror}")

    def _conclude(self) -> None:
        """Compare what was decoded with what the file promised."""
        clock = self._clock
        missing = self._account.missing(self._decoder, clock) + self._bytes_missing()
        if self._hidden_damage and not missing:
            missing = ["frames are damaged: their decoder found errors inside them"]
        self.complete = self.complete and not missing
        remark = [] if missing else self._account.remark(clock)
        self.warnings += [*missing, *remark, *clock.warnings()]

    def _bytes_missing(self) -> list[str]:
        if self._container.format.name != "asf":
            return []
        promised, there = promised_bytes(self._path), self._path.stat().st_size
        return [f"the file breaks off: {there} of {promised} bytes are there"] if there < promised else []

    def _why(self) -> str:
        reasons = list(self.warnings)
        if self._decoder.bad:
            reasons.append(f"{self._decoder.bad} packets are damaged")
        return ": " + "; ".join(reasons) if reasons else ""
