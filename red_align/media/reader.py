"""What a media file is to the rest of the service: its size and its frames, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from red_align.errors import EmptyBody, TooLarge
from red_align.frames import Frame, VideoInfo
from red_align.media.images import ImageReader, is_image
from red_align.media.video import VideoReader

MAX_FRAME_PIXELS = 50_000_000
"""Admits 8K video and the photographs of today's telephones; 150 MB as RGB."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Bounds of decoding: pixels of a frame (width times height), threads, frames and seconds of a clip (0: any)."""

    max_frame_pixels: int = MAX_FRAME_PIXELS
    threads: int = 2
    max_frames: int = 0
    max_s: float = 0.0

    def check(self, width: int, height: int) -> None:
        """Raise TooLarge for a frame of more pixels than allowed."""
        if width * height > self.max_frame_pixels:
            raise TooLarge(
                f"a frame of {width}x{height} exceeds the limit of {self.max_frame_pixels} pixels",
                limit="max_frame_pixels",
            )

    def check_length(self, frames: int, time_s: float) -> None:
        """Raise TooLarge for a clip of more frames, or that reaches further, than allowed."""
        if self.max_frames and frames > self.max_frames:
            raise TooLarge(
                f"a clip of {frames} or more frames exceeds the limit of {self.max_frames}", limit="max_clip_frames"
            )
        if self.max_s and time_s > self.max_s:
            raise TooLarge(
                f"a clip of {time_s:.1f} s or more exceeds the limit of {self.max_s:g} s", limit="max_clip_s"
            )


class Reader(Protocol):
    """An opened media file. ``complete`` and ``warnings`` are final once ``frames`` is exhausted.

    ``count`` are the frames that were passed so far, those that the stride leaves out among them.
    """

    info: VideoInfo
    complete: bool
    count: int
    warnings: list[str]

    def frames(self, stride: int = 1) -> Iterator[Frame]:
        """Every stride-th frame, once."""
        ...

    def close(self) -> None:
        """Give back what is held; safe to call twice."""
        ...


def open_media(path: Path, limits: DecodeLimits) -> Reader:
    """Open a video, an image or an animated image; what it is is told from its bytes, never its name.

    Raises EmptyBody, UnreadableMedia, NoVideoStream, NoFrames or TooLarge.
    """
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        raise EmptyBody("the upload is empty")
    if is_image(head):
        return ImageReader(path, limits.check, limits.check_length)
    return VideoReader(path, limits.check, limits.threads, limits.check_length)
