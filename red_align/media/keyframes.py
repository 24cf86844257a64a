"""Where a clip may be split: its key frames with their numbers, known from the packets without decoding them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from red_align.frames import VideoInfo
from red_align.media.reader import DecodeLimits
from red_align.media.stills.kinds import is_image
from red_align.media.video import VideoReader

SCAN_S = 10.0
"""Longest search for key frames, seconds; a file that takes longer is not split."""
LEAST_APART = 50
"""Frames between two key frames of an index; further ones are left out."""


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """A frame with which decoding can begin.

    Attributes:
        packet: Number of its packet in the file, from 0.
        pts: Its time in units of the stream.
        index: Number of the frame in the clip, from 0, in the order of time.
    """

    packet: int
    pts: int
    index: int


@dataclass(frozen=True, slots=True)
class ClipIndex:
    """The frames of a clip, as its packets have them.

    Attributes:
        video: Size and rate.
        frame_count: Frames of the clip.
        keys: Its key frames in order; the first one is the clip's first frame.
    """

    video: VideoInfo
    frame_count: int
    keys: tuple[KeyFrame, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a clip that is decoded from a key frame on.

    Attributes:
        packet: Number of the key frame's packet.
        pts: The key frame's time in units of the stream.
        index: The key frame's number in the clip.
        stop: Number of the first frame after the part.
        check_index: Number of a further key frame in the part, which proves that nothing is missing before it.
        check_pts: Its time in units of the stream.
    """

    packet: int
    pts: int
    index: int
    stop: int
    check_index: int
    check_pts: int


class _Scanner(VideoReader):
    """Reads all packets, and decodes from each key frame until that is shown."""

    def index(self, limits: DecodeLimits) -> ClipIndex | None:
        """See ``index_clip``."""
        self._rewind()
        times: list[int] = []
        keys: list[tuple[int, int]] = []  # packet and time
        tried: tuple[int, int] | None = None
        deadline = time.monotonic() + SCAN_S
        for packet in self._demux():
            if packet.is_corrupt or packet.pts is None or time.monotonic() > deadline:
                return None
            if packet.is_discard:  # Before the beginning of an edit list: decoded, but not shown.
                continue
            times.append(packet.pts)
            number = self._account.packets - 1
            if packet.is_keyframe and not keys:
                keys.append((number, packet.pts))
            elif packet.is_keyframe and number - keys[-1][0] >= LEAST_APART:
                tried = number, packet.pts
                self._decoder.forget()
            if tried is not None and (shown := self._shows(packet, tried[1])) is not None:
                keys += [tried] if shown else []
                tried = None
        times.sort()
        if self._clock.jumps(times):
            return None
        numbers = {pts: index for index, pts in enumerate(times)}
        if not self.complete or not keys or len(numbers) < len(times) or numbers[keys[0][1]] != 0:
            return None
        last_s = float((times[-1] - times[0]) * self._stream.time_base)
        if (limits.max_frames and len(times) > limits.max_frames) or (limits.max_s and last_s > limits.max_s):
            return None
        found = [KeyFrame(packet, pts, numbers[pts]) for packet, pts in keys]
        if any(after.index <= before.index for before, after in pairwise(found)):
            return None
        return ClipIndex(self.info, len(times), tuple(found))

    def _shows(self, packet: Any, pts: int) -> bool | None:
        """Whether decoding shows the key frame of a time whole; None where no frame came out yet."""
        bad = self._decoder.bad
        for frame in self._decoder.decode(packet):
            if frame.pts is None or frame.pts >= pts:  # Earlier ones need frames before the key frame.
                return bool(frame.pts == pts and not frame.is_corrupt)
        return False if self._decoder.bad > bad and packet.pts >= pts else None


def index_clip(path: Path, limits: DecodeLimits) -> ClipIndex | None:
    """Find the key frames of a video. The whole file is read; key frames are decoded.

    Key frames from which a decoder does not show whole pictures, as with a refresh that is spread over frames, are left
    out.

    Args:
        path: The file.
        limits: Bounds of decoding.

    Returns:
        Its frames; None where it cannot be split: it is no video, a packet is damaged or has no time of its own, two
        have the same time, it is longer than the limits allow, or the search takes longer than SCAN_S.

    Raises:
        RedAlignError: What ``open_media`` raises for the file.
        OSError: There is no such file, or it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(64)
    if not head or is_image(head):
        return None
    scanner = _Scanner(path, limits.check, 1, limits.check_length)
    try:
        return scanner.index(limits)
    finally:
        scanner.close()
