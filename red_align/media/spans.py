"""Parts of a video, each decoded from a key frame on, with the numbers and times that the whole video gives them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from red_align.frames import Frame
from red_align.media.keyframes import Span
from red_align.media.reader import DecodeLimits
from red_align.media.video import VideoReader


class SpanReader(VideoReader):
    """Decodes parts of a video one after another; implements red_align.media.reader.Reader.

    Packets before a part are read and not decoded, so that the numbers of packets hold in every container. Frames are
    counted, as ``VideoReader`` counts them, and the count is held against the times of the key frames. At anything that
    is not as the parts say, such as a packet that does not decode, the frames end with ``complete`` False.

    Args:
        path: The file.
        limits: Bounds of decoding.
        spans: The parts in the order of the file; between two of them lie more frames than a decoder holds back.

    Raises:
        RedAlignError: What ``open_media`` raises.
    """

    def __init__(self, path: Path, limits: DecodeLimits, spans: Sequence[Span]) -> None:
        super().__init__(path, limits.check, limits.threads, limits.check_length)
        assert self._ahead is not None
        self._size = self._ahead.width, self._ahead.height
        self._spans = spans

    def frames(self, stride: int = 1, *, planes: bool = False) -> Iterator[Frame]:
        """See Reader.frames."""
        self._rewind()
        packets = self._demux()
        for span in self._spans:
            for index, frame in self._numbered(packets, span):
                if index % stride == 0:
                    yield self._picture(frame, index, self._clock.last_s, planes=planes)
            if not self.complete:
                return
        with self._lock:
            if not self._closed and self._spans[-1].check_index < 0:  # to the end of the file
                self._conclude()

    def _numbered(self, packets: Iterator[Any], span: Span) -> Iterator[tuple[int, Any]]:
        """The frames of a part with their numbers."""
        index = span.index
        for frame in self._shown(packets, span):
            expected = {span.index: span.pts, span.check_index: span.check_pts}.get(index, frame.pts)
            if frame.pts != expected or frame.is_corrupt or (frame.width, frame.height) != self._size:
                break
            self._clock.last_s, self.count = self._clock.plain(frame) or 0.0, index + 1
            yield index, frame
            index += 1
            if index == span.stop and span.check_index >= 0:
                return
        if index != span.stop:
            self.complete = False

    def _shown(self, packets: Iterator[Any], span: Span) -> Iterator[Any]:
        """Decoded frames from a part's key frame on; they end where a packet does not decode."""
        started = False
        while True:
            with self._lock:
                if self._closed:
                    return
                packet = next(packets, None)
                if packet is not None and self._account.packets <= span.packet:
                    continue
                if packet is not None and not started:
                    if self._account.packets - 1 != span.packet or packet.pts != span.pts:
                        return
                    self._decoder.forget()
                    started = True
                ends = packet is None
                frames = self._decoded_from(packet, span)
            if frames is None:
                return
            for frame in frames:
                if frame.pts is None or frame.pts >= span.pts:  # Others need frames before the key frame.
                    yield frame
            if ends:
                return

    def _decoded_from(self, packet: Any | None, span: Span) -> list[Any] | None:
        """The frames that a packet brings out, or the end of the file; None where it does not decode."""
        bad = self._decoder.bad
        frames = self._decoder.flush() if packet is None else self._decoder.decode(packet)
        if self._decoder.bad == bad:
            return frames
        if packet is not None and packet.pts < span.pts:  # It needs frames before the key frame, which are not there.
            self._decoder.bad = bad
            return frames
        return None

    def _conclude(self) -> None:
        """As for the whole file, but that packets before a part were not decoded."""
        self._account.skips()
        super()._conclude()
