"""Media files: their size, their frames, and how they ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from red_align.errors import EmptyBody, TooLarge
from red_align.frames import Frame, VideoInfo
from red_align.media.demux.opening import has_track
from red_align.media.images import HEAD_BYTES, ImageReader
from red_align.media.stills.jpeg_stream import is_jpeg_stream
from red_align.media.stills.kinds import is_image, is_sequence
from red_align.media.video import VideoReader

MAX_FRAME_PIXELS = 50_000_000
"""Pixels of the largest frame by default: 8K video and the photographs of telephones; 150 MB as RGB."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Bounds of decoding.

    Attributes:
        max_frame_pixels: Most pixels of a frame, width times height.
        threads: Threads of a video's decoder.
        max_frames: Most frames of a clip; 0 for any number.
        max_s: Longest clip, seconds; 0 for any length.
        max_animation_pixels: Most pixels of all frames of an animated image; 0 for any number.

    Example:
        >>> import red_align
        >>> limits = red_align.DecodeLimits(max_frame_pixels=120_000_000)
        >>> red_align.align("photo.png", limits=limits).video.width
        512
    """

    max_frame_pixels: int = MAX_FRAME_PIXELS
    threads: int = 2
    max_frames: int = 0
    max_s: float = 0.0
    max_animation_pixels: int = 0

    def check(self, width: int, height: int) -> None:
        """Check the size of a frame.

        Args:
            width: Pixels.
            height: Pixels.

        Raises:
            TooLarge: It has more pixels than allowed.
        """
        if width * height > self.max_frame_pixels:
            raise TooLarge(
                f"a frame of {width}x{height} exceeds the limit of {self.max_frame_pixels} pixels",
                limit="max_frame_pixels",
            )

    def check_length(self, frames: int, time_s: float) -> None:
        """Check the length of a clip.

        Args:
            frames: Frames so far, or as the file's header has it.
            time_s: Time of the last one, seconds.

        Raises:
            TooLarge: It has more frames, or is longer, than allowed.
        """
        if self.max_frames and frames > self.max_frames:
            raise TooLarge(
                f"a clip of {frames} or more frames exceeds the limit of {self.max_frames}", limit="max_clip_frames"
            )
        if self.max_s and time_s > self.max_s:
            raise TooLarge(
                f"a clip of {time_s:.1f} s or more exceeds the limit of {self.max_s:g} s", limit="max_clip_s"
            )

    def check_animation(self, frames: int, width: int, height: int) -> None:
        """Check the work of an animated image: a few bytes of it may stand for any number of pixels.

        Args:
            frames: Its frames.
            width: Pixels.
            height: Pixels.

        Raises:
            TooLarge: Its frames have more pixels in all than allowed.
        """
        if self.max_animation_pixels and frames > 1 and frames * width * height > self.max_animation_pixels:
            raise TooLarge(
                f"an animation of {frames} frames of {width}x{height} exceeds the limit of {self.max_animation_pixels} "
                "pixels in all",
                limit="max_animation_pixels",
            )


class Reader(Protocol):
    """An opened media file.

    Attributes:
        info: Upright size in pixels, and rate.
        complete: Whether all of the file was read; final once ``frames`` is exhausted.
        count: Frames so far, those that the stride leaves out among them.
        warnings: What could not be read; final like ``complete``.
    """

    info: VideoInfo
    complete: bool
    count: int
    warnings: list[str]

    def frames(self, stride: int = 1, *, planes: bool = False) -> Iterator[Frame]:
        """Decode the file; can be iterated once.

        Args:
            stride: Every stride-th frame is given, 1 or more.
            planes: Give frames as the decoder made them, where it made them so; they are converted where they are cut.

        Returns:
            Upright frames with RGB uint8 [H, W, 3] or planes, their index in the file from 0 and their time in seconds.

        Raises:
            TooLarge: (From the iterator) a frame or the clip exceeds a limit.
        """
        ...

    def close(self) -> None:
        """Close the file and free the decoder; safe to call twice."""
        ...


def open_media(path: Path, limits: DecodeLimits) -> Reader:
    """Open a video, an image or an animated image; its content decides which it is, never its name.

    Args:
        path: The file.
        limits: Bounds of decoding.

    Returns:
        The opened file; the caller closes it.

    Raises:
        EmptyBody: The file is empty.
        UnreadableMedia: It is no video or image that can be opened.
        NoVideoStream: It holds no pictures.
        NoFrames: None of its frames decodes.
        TooLarge: It exceeds a limit.
        OSError: There is no such file, or it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise EmptyBody("the upload is empty")
    if _is_still(path, head):
        return ImageReader(path, limits.check, limits.check_length, limits.check_animation)
    return VideoReader(path, limits.check, limits.threads, limits.check_length)


def _is_still(path: Path, head: bytes) -> bool:
    """Whether a file is for Pillow: an image, or one of the animations that it decodes."""
    if is_sequence(head):
        return is_image(head) and not has_track(path)
    return is_image(head) and not (head.startswith(b"\xff\xd8") and is_jpeg_stream(path))
