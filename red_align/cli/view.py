"""``red-align view CLIP``: one HTML file with player and timeline that opens without a server."""

from __future__ import annotations

import base64
import html
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from red_align.cli.parser import Parser, add_engine_options, add_tracking_options
from red_align.errors import InvalidRequest

if TYPE_CHECKING:
    from red_align.clip.tracking import ClipTrack
    from red_align.frames import Face, FrameResult

EMBED_BYTES = 32 * 1024 * 1024
"""Largest clip that goes into the page; a larger one lies beside it."""
PLAYED = {"mp4": ("h264", "av1", "vp9"), "webm": ("vp8", "vp9", "av1")}
"""Codecs that browsers play, by container; other clips are encoded anew for the page."""
CHARTS = (
    {"name": "Mouth opening", "low": 0.0, "high": 0.5, "unit": "", "decimals": 2},
    {"name": "Eye opening", "low": 0.0, "high": 0.4, "unit": "", "decimals": 2},
    {"name": "Yaw", "low": -20.0, "high": 20.0, "unit": "\u00b0", "decimals": 0},
    {"name": "Confidence", "low": 0.0, "high": 1.0, "unit": "", "decimals": 2},
)


@dataclass(slots=True)
class Page:
    """What a page shows.

    Attributes:
        name: Of the clip.
        size: Width and height of its frames, pixels.
        ratio: Width over height as it is shown.
        segments: Pairs of points that lines join.
        offset_s: Time of the first frame in the video, seconds.
        frames: For each frame its time, faces and number; see ``add``.
    """

    name: str
    size: tuple[int, int]
    ratio: float
    segments: list[tuple[int, int]]
    offset_s: float = 0.0
    frames: list[Any] = field(default_factory=list)

    def add(self, result: FrameResult) -> None:
        """Add a frame's result."""
        self.frames.append([round(result.time_s, 4), [_face(face) for face in result.faces], result.index])

    def html(self, media: str, linked: str = "") -> str:
        """The page.

        Args:
            media: The element that shows the clip.
            linked: Name of the clip's file where it lies beside the page.
        """
        import orjson

        tracks = {face[0] for _, faces, _ in self.frames for face in faces}
        faces = "1 face" if len(tracks) == 1 else f"{len(tracks)} tracks of faces"
        about = f"{self.size[0]} x {self.size[1]} pixels, {len(self.frames)} frames, {faces}."
        beside = f" The video is not in this page: {linked} must stay where it is beside it." if linked else ""
        data = {
            "width": self.size[0],
            "height": self.size[1],
            "segments": self.segments,
            "offset": self.offset_s,
            "charts": CHARTS,
            "frames": self.frames,
            "about": about + beside,
            "missing": f"The video does not play here. {beside or about}",
        }
        text = orjson.dumps(data).decode().replace("<", "\\u003c")
        template = Path(__file__).with_name("page").joinpath("page.html").read_text("utf-8")
        marks = {"TITLE": html.escape(self.name), "RATIO": f"{self.ratio:.4f}", "MEDIA": media, "DATA": text}
        return re.sub(r"@([A-Z]+)@", lambda mark: marks[mark[1]], template)


def _face(face: Face) -> list[Any]:
    """Track id, score, the values of CHARTS, points in tenths of a pixel, confidences as digits."""
    expression, pose = face.expression, face.pose
    mouth = eyes = None
    if expression is not None:
        mouth = round(expression.mouth_opening, 3)
        eyes = round((expression.eye_opening_left + expression.eye_opening_right) / 2, 3)
    yaw = round(pose.yaw, 1) if pose is not None else None
    score = round(face.score, 3)
    points = [round(10 * float(v)) for v in face.landmarks.points.reshape(-1)]
    sure = "".join(str(min(max(round(9 * float(c)), 0), 9)) for c in face.landmarks.confidence)
    return [face.track_id, score, mouth, eyes, yaw, score, points, sure]


def view(arguments: Sequence[str]) -> int:
    """Write the page."""
    parser = Parser("red-align view", "One HTML file with the clip, its points and a timeline; it needs no server.")
    parser.add_argument("clip", type=Path, metavar="CLIP", help="video or picture")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: the clip's name with .html, here")
    parser.add_argument("--link", action="store_true", help="leave the video beside the page, however small it is")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    add_tracking_options(parser)
    add_engine_options(parser)
    options = parser.parse(arguments)
    if not options.clip.is_file():
        parser.error(f"no file {options.clip}")
    out = options.output or Path(options.clip.stem + ".html")
    if not out.parent.is_dir() or out.is_dir():
        raise InvalidRequest(f"{out} cannot be written: give the name of a file in a folder that is there")
    complete = write_page(options.clip, out, options)
    print(f"{out}: open it in a browser", file=sys.stderr)
    return 0 if complete else 3


def write_page(path: Path, out: Path, options: Any) -> bool:
    """Track a clip and write its page.

    Args:
        path: The clip.
        out: The page.
        options: ``max_faces``, ``stride``, ``link``, ``quiet`` and those of the engine.

    Returns:
        Whether the whole clip could be read.
    """
    import contextlib

    from red_align.clip.tracking import track
    from red_align.engine.default import load_engine

    engine = load_engine(options.providers, precision=options.precision, model=options.model)
    with (
        contextlib.closing(engine),
        tempfile.TemporaryDirectory(prefix="red-align-") as folder,
        track(
            path,
            max_faces=options.max_faces,
            stride=options.stride,
            engine=engine,
            features=("pose", "expression"),
        ) as clip,
    ):
        plays = _plays(path)
        page, encoded = _tracked(path, clip, None if plays is not None else Path(folder) / "clip.mp4", options.quiet)
        page.offset_s = plays or 0.0
        for warning in clip.end.warnings:
            print(f"red-align: {path}: {warning}", file=sys.stderr)
        text = page.html(*_media(path, out, page, encoded, link=options.link))
    part = out.with_name(out.name + ".part")
    part.write_text(text, "utf-8")
    part.replace(out)
    return clip.end.complete


def _tracked(path: Path, clip: ClipTrack, encode: Path | None, quiet: bool) -> tuple[Page, bytes | None]:
    """The page's frames, and the clip encoded for browsers where it is to be: a JPEG of a picture, else a video."""
    from tqdm import tqdm

    from red_align.media.encoder import VideoEncoder, jpeg_bytes
    from red_align.schemes import scheme_of_count

    scheme = scheme_of_count(clip.scheme.num_points)
    segments = [pair for contour in (scheme.contours if scheme else ()) for pair in contour.segments]
    width, height = clip.video.width, clip.video.height
    page = Page(path.name, (width, height), width * clip.video.pixel_aspect_ratio / height, segments)
    encoder, still = None, b""
    try:
        for result in tqdm(clip, unit=" frames", disable=quiet, file=sys.stderr):
            page.add(result)
            if encode is None:
                continue
            if not still:
                still = jpeg_bytes(clip.image)
                encoder = VideoEncoder(encode, clip.video.frame_rate)
            if encoder is not None:
                encoder.write(clip.image, result.time_s)
    finally:
        if encoder is not None:
            encoder.close(finish=True)
    if encode is None:
        return page, None
    return page, still if len(page.frames) == 1 else encode.read_bytes()


def _media(path: Path, out: Path, page: Page, encoded: bytes | None, *, link: bool) -> tuple[str, str]:
    """The element that shows the clip, and the name of its file where it lies beside the page."""
    name = html.escape(path.name)
    if encoded is not None and len(page.frames) == 1:
        return f'<img alt="{name}" src="data:image/jpeg;base64,{base64.b64encode(encoded).decode()}">', ""
    size = len(encoded) if encoded is not None else path.stat().st_size
    if encoded is None and (link or size > EMBED_BYTES):
        beside = os.path.relpath(path, out.parent)
        print(f"red-align: {path} stays beside the page, which plays it from there ({beside})", file=sys.stderr)
        return _video(quote(beside)), beside
    if size > EMBED_BYTES or link:  # Encoded anew: it needs a file of its own.
        assert encoded is not None
        made = out.with_suffix(".mp4")
        if made.resolve() == path.resolve():
            made = out.with_name(f"{out.stem}.page.mp4")
        made.write_bytes(encoded)
        print(f"red-align: the page plays {made}, which was written beside it", file=sys.stderr)
        return _video(quote(made.name)), made.name
    kind = "video/webm" if encoded is None and path.suffix.lower() == ".webm" else "video/mp4"
    data = base64.b64encode(encoded if encoded is not None else path.read_bytes()).decode()
    return _video(f"data:{kind};base64,{data}"), ""


def _video(source: str) -> str:
    return f'<video controls muted playsinline preload="auto" src="{source}"></video>'


def _plays(path: Path) -> float | None:
    """Time of the first frame of a clip that browsers play; None where they do not."""
    import av
    import av.error

    try:
        with av.open(str(path)) as container:
            (stream, *_) = container.streams.video
            names = container.format.name.split(",")
            kind = "webm" if path.suffix.lower() == ".webm" else "mp4" if "mp4" in names else ""
            if stream.codec_context.name not in _names(kind) or stream.codec_context.pix_fmt not in (
                "yuv420p",
                "yuvj420p",
            ):
                return None
            return float((stream.start_time or 0) * (stream.time_base or 0))
    except (av.error.FFmpegError, OSError, ValueError):
        return None


def _names(container: str) -> tuple[str, ...]:
    """Names that FFmpeg's decoders of playable codecs have."""
    return tuple(
        alias
        for name in PLAYED.get(container, ())
        for alias in (name, f"lib{name}", "libdav1d" if name == "av1" else name)
    )
