"""What a container promised against what was read of it."""

from __future__ import annotations

from typing import Any

from red_align.media.demux.clock import FrameClock
from red_align.media.demux.decoder import LEAST_BYTES, PacketDecoder

MISSING_TOLERANCE_S = 0.1
"""A stream that ends this much before the length its header gives is incomplete."""
SHORT_STEPS = 1.5
"""A file that ends this many frames before its length lacks one."""
ALL_STREAMS = frozenset({"matroska,webm", "flv", "asf"})
"""Formats whose header has one length for sound and picture together: all packets are read to know what ends when."""
TABLED = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "ivf", "mxf"})
"""Formats whose header has the length of each stream; that of others is estimated from what is there."""
UNTIMED = frozenset({"h264", "hevc", "m4v", "mpegvideo", "mjpeg", "mpjpeg"})
"""Formats of frames without a time."""
EARLY_PACKETS = 64
"""Packets among which those are looked for that lie before the first frame."""


class PacketAccount:
    """Counts what comes out of a container.

    Args:
        container: PyAV's container.
        stream: The stream that is answered.
        rate: Frames a second; 0 where the file does not say.
    """

    def __init__(self, container: Any, stream: Any, rate: float) -> None:
        self._kind, self._stream, self._rate = container.format.name, stream, rate
        self._length_us = container.duration or 0
        self.packets = 0
        """Packets of the stream."""
        self._shown = 0
        self._ends_s = 0.0
        self._early: list[int] = []
        self._starts_whole = True
        self._before = 0

    @property
    def reads_all(self) -> bool:
        """Whether packets of other streams are asked for too."""
        return self._kind in ALL_STREAMS

    def took(self, packet: Any) -> None:
        """A packet of the stream."""
        self.packets += 1
        self._reached(packet)
        if self.packets == 1:
            self._starts_whole = bool(packet.is_keyframe)
        if packet.size <= LEAST_BYTES or packet.is_discard:  # Discarded: before the beginning of an edit list.
            return
        self._shown += 1
        if len(self._early) < EARLY_PACKETS and packet.pts is not None:
            self._early.append(packet.pts)

    def passed(self, packet: Any) -> None:
        """A packet of another stream."""
        self._reached(packet)

    def began(self, frame: Any) -> None:
        """The first frame that decodes."""
        if frame.pts is not None:
            self._before = sum(pts < frame.pts for pts in self._early)

    def skips(self) -> None:
        """Packets are left out on purpose: that some gave no frame says nothing."""
        self._shown = self._before = 0

    def promised_s(self) -> float:
        """Seconds that the header promises, from the beginning of the file's time; 0 where it promises nothing."""
        stream = self._stream
        if self._kind == "avi" and stream.frames and self._rate:
            # FFmpeg scales the duration of a file that is cut down to the bytes that are there.
            return float(stream.frames) / self._rate
        if self._kind in TABLED and stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return float(self._length_us) / 1e6 if self._kind in ALL_STREAMS else 0.0

    def missing(self, decoder: PacketDecoder, clock: FrameClock) -> list[str]:
        """What is not there or not as it was, after the last frame, as sentences.

        Args:
            decoder: Has decoded the packets.
            clock: Has given its frames their times; where recordings follow each other, lengths say nothing.
        """
        found = []
        if decoder.bad:
            found.append(f"{decoder.bad} of {self.packets} packets did not decode")
        if decoder.damaged:
            found.append(f"{decoder.damaged} of {decoder.frames} frames are damaged")
        if self._before:
            found.append(f"begins in the middle: {self._before} packets before the first frame hang on others")
        elif not self._starts_whole:
            found.append("begins in the middle: its first frame hangs on others")
        without = self._shown - self._before - decoder.bad - decoder.frames
        if decoder.one_each and without > 0:
            found.append(f"{without} of {self.packets} packets gave no frame")
        if self._short_s(clock) > MISSING_TOLERANCE_S + clock.step_s:
            last, promised = f"{clock.last_s:.2f} s", f"{self.promised_s():.2f} s"
            found.append(f"broke off after frame {decoder.frames - 1} at {last} of {promised}")
        return found

    def remark(self, clock: FrameClock) -> list[str]:
        """That a little is missing at the end, as a sentence: not every writer of files is exact."""
        short_s = self._short_s(clock)
        if SHORT_STEPS * clock.step_s < short_s <= MISSING_TOLERANCE_S + clock.step_s:
            return [f"ends {short_s:.2f} s before the length that its header gives"]
        return []

    def _short_s(self, clock: FrameClock) -> float:
        """Seconds that the header promises and nothing reaches."""
        if clock.joined or (self._stream.frames and self.packets >= self._stream.frames):
            return 0.0
        return self.promised_s() - max(clock.last_s + clock.step_s, self._ends_s if self.reads_all else 0.0)

    def _reached(self, packet: Any) -> None:
        if packet.pts is not None and packet.time_base:
            self._ends_s = max(self._ends_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
