"""A stream's decoder, told to say what is damaged, and an account of the packets that it was given."""

from __future__ import annotations

from typing import Any

import av
import av.error

CHECKS = "crccheck+bitstream+buffer"
"""What FFmpeg's decoders check of their own accord finds a fifth of the damage in a WMV that these find."""
STRICT = f"{CHECKS}+explode"
"""The only way for STRICT_CODECS to tell of damage inside a frame; but frames that they hold are lost with an error."""
STRICT_CODECS = frozenset({"hevc", "mjpeg"})
INTRA_CODECS = frozenset({"mjpeg"})
"""Codecs whose damaged frames are decoded again without checks: each of their packets stands alone."""
LEAST_BYTES = 8
"""A packet of no more bytes says that the last frame stays."""
HIDDEN_FRAMES = frozenset({"vp8", "libvpx", "vp7", "vp6", "vp6f", "vp6a"})
"""Codecs with packets for frames that are never shown."""


class PacketDecoder:
    """Decodes a stream's packets.

    Args:
        stream: PyAV's stream.
        threads: Threads of the decoder.
        strict: Take damage inside a frame for an error, where there is no other way to know of it.
    """

    def __init__(self, stream: Any, threads: int, *, strict: bool = True) -> None:
        self.stream = stream
        self._context = stream.codec_context
        self._context.thread_count = threads
        # With threads of frames an error comes with a later packet than the one that it is of.
        stream.thread_type = "SLICE" if self._context.codec.canonical_name in INTRA_CODECS else "AUTO"
        self._strict = strict and self._context.codec.canonical_name in STRICT_CODECS
        self._context.options = {"err_detect": STRICT if self._strict else CHECKS}
        self._lenient: Any = None
        self._interlaced = False
        self.bad = 0
        """Packets that did not decode."""
        self.damaged = 0
        """Frames of which a part is not as it was."""
        self.frames = 0
        """Frames that came out."""

    @property
    def one_each(self) -> bool:
        """Whether every packet is a frame; not where a packet may be a field."""
        return self._context.codec.canonical_name not in HIDDEN_FRAMES and not self._interlaced

    @property
    def loses_frames(self) -> bool:
        """Whether there was an error with which whole frames may be lost: another, lenient decoder gives them."""
        return self._strict and self.bad > 0 and self._context.codec.canonical_name not in INTRA_CODECS

    def decode(self, packet: Any) -> list[Any]:
        """The frames that a packet brings out, which need not be its own; a packet that fails is counted."""
        try:
            frames: list[Any] = self.stream.decode(packet)
        except av.error.FFmpegError:
            frames = self._again(packet)
        return self._counted(frames)

    def flush(self) -> list[Any]:
        """The frames that the decoder still holds, after the last packet."""
        end = av.Packet()
        end.time_base = self.stream.time_base
        try:
            frames: list[Any] = self.stream.decode(end)
        except av.error.FFmpegError:
            self.bad += 1
            frames = []
        return self._counted(frames)

    def forget(self) -> None:
        """Begin anew, at any key frame."""
        self._context.flush_buffers()

    def _again(self, packet: Any) -> list[Any]:
        if self._context.codec.canonical_name in INTRA_CODECS:
            if self._lenient is None:
                self._lenient = av.CodecContext.create(self._context.codec.name, "r")
                self._lenient.extradata = self._context.extradata
            try:
                frames: list[Any] = self._lenient.decode(packet)
            except av.error.FFmpegError:
                frames = []
            if frames:
                self.damaged += sum(not frame.is_corrupt for frame in frames)
                return frames
        self.bad += 1
        return []

    def _counted(self, frames: list[Any]) -> list[Any]:
        for frame in frames:
            self.frames += 1
            self.damaged += bool(frame.is_corrupt)
            self._interlaced = self._interlaced or bool(frame.interlaced_frame)
        return frames
