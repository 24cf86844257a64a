"""Opens a container and chooses the stream whose frames are answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import av.error
from av.container import Flags
from av.stream import Disposition

from red_align.errors import NoVideoStream, UnreadableMedia

# Formats that hold their media themselves. Playlists and scripts, which open other files, are not among them;
# those with sound alone are, so that the error can say what is missing.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,ogg,asf,h264,hevc,m4v,mjpeg,mpjpeg,ivf,mxf,dv,"
    "wav,mp3,aac,flac,w64,aiff,gif"
)
JPEG = b"\xff\xd8\xff"
NOT_SHOWN: Any = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.dependent
"""Streams that are no video: covers, previews, tiles of a picture."""


def open_container(path: Path) -> Any:
    """Open a file for reading.

    Args:
        path: The file.

    Returns:
        PyAV's container; the caller closes it.

    Raises:
        UnreadableMedia: It is no video that can be opened.
        OSError: There is no such file, or it cannot be read.
    """
    with path.open("rb") as file:
        # FFmpeg would take it for one picture.
        kind = "mjpeg" if file.read(len(JPEG)) == JPEG else None
    try:
        container: Any = av.open(
            str(path),
            format=kind,
            metadata_errors="replace",
            options={"format_whitelist": CONTAINERS, "protocol_whitelist": "file"},
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableMedia(f"this is no video that can be opened: {reason}") from error
    if container.format.name == "avi":
        # PyAV asks FFmpeg to invent the times that packets lack; with B-frames in an AVI it invents wrong ones.
        container.flags &= ~Flags.gen_pts.value
    return container


def video_stream(container: Any) -> Any:
    """The stream that is answered: the first one that the file marks as its default, else the first one.

    Args:
        container: PyAV's container.

    Returns:
        PyAV's stream.

    Raises:
        NoVideoStream: There are no moving pictures in it.
        UnreadableMedia: There is no decoder for them.
    """
    streams = _shown(container)
    if not streams:
        held = sorted({s.type for s in container.streams}) or ["nothing"]
        raise NoVideoStream(f"the file holds no video, only {', '.join(held)}")
    stream = max(streams, key=lambda s: bool(s.disposition & Disposition.default))
    if stream.codec_context is None:
        raise UnreadableMedia("there is no decoder for this video")
    return stream


def has_track(path: Path) -> bool:
    """Whether a HEIF or AVIF file holds moving pictures, not stills alone."""
    try:
        container = open_container(path)
    except UnreadableMedia:
        return False
    try:
        return any(_is_track(stream) for stream in container.streams.video)
    finally:
        container.close()


def other_videos(container: Any, stream: Any) -> str:
    """What other video than the chosen stream the file holds, as a sentence; empty where there is none."""
    others = [s for s in _shown(container) if s.index != stream.index and not _is_alpha(s, stream)]
    if not others:
        return ""
    left = ", ".join(_named(s) for s in others)
    return f"the file holds {len(others) + 1} videos: {_named(stream)} was read, {left} not"


def _shown(container: Any) -> list[Any]:
    """Video streams; in a file with a track (which has a length) the pictures beside it are covers."""
    streams = [s for s in container.streams.video if not s.disposition & NOT_SHOWN]
    return [s for s in streams if _is_track(s)] or streams


def _is_track(stream: Any) -> bool:
    return bool(stream.frames != 1 or stream.duration)


def _is_alpha(stream: Any, of: Any) -> bool:
    """Whether a stream is another one's transparency: grey, and as long."""
    formats = [getattr(s.codec_context, "pix_fmt", None) or "" for s in (stream, of)]
    return formats[0].startswith("gray") and not formats[1].startswith("gray") and stream.duration == of.duration


def _named(stream: Any) -> str:
    context = stream.codec_context
    if context is None:
        return f"stream {stream.index}"
    return f"stream {stream.index} ({context.name}, {context.width}x{context.height})"
