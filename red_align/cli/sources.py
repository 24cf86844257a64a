"""Clips that are opened to be tracked: on this machine or on a server, files, the standard input and cameras."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import av
import av.error

from red_align.cli.cameras import open_camera
from red_align.cli.clips import Clip
from red_align.cli.reports import ran_on
from red_align.clip.tracking import ClipTrack, track
from red_align.errors import EmptyBody
from red_align.features.options import FeatureOptions
from red_align.features.subsets import subset_of
from red_align.frames import FrameResult, StreamEnd, VideoInfo
from red_align.media.reader import DecodeLimits, Reader
from red_align.media.sources.reconnecting import Retries, open_source
from red_align.schemes import NamedPoints
from red_align.tracking.options import feature_stage
from red_align.tracking.tracker import Tracker

if TYPE_CHECKING:
    from red_align.client.client import Client
    from red_align.client.live import LiveStream
    from red_align.engine.base import Engine


GIVE_UP_S = 1.0
"""Seconds after which a network stream that was lost, or has ended, is not tried once more."""


@dataclass(frozen=True, slots=True)
class Choices:
    """How clips are tracked.

    Attributes:
        max_faces: Most faces to track at once.
        stride: Every stride-th frame is processed.
        parallel: Parts of a long video that are tracked side by side, at most.
        features: What faces are to have beside their points, and which points.
    """

    max_faces: int = 1
    stride: int = 1
    parallel: int = 1
    features: FeatureOptions = field(default_factory=FeatureOptions)


class Here:
    """Tracks clips with an engine of this process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def ran(self) -> str:
        """What ran the network."""
        return ran_on(self._engine.info)

    def file(self, path: Path, choices: Choices) -> ClipTrack:
        """Open a file."""
        return track(
            path,
            max_faces=choices.max_faces,
            stride=choices.stride,
            parallel=choices.parallel,
            engine=self._engine,
            features=choices.features,
        )

    def live(self, reader: Reader, choices: Choices) -> ClipTrack:
        """Open a camera or stream."""
        stage = feature_stage(choices.features, self._engine.info.scheme, live=True)
        return ClipTrack(reader, Tracker(choices.max_faces, engine=self._engine), choices.stride, stage, ahead=False)


class There:
    """Tracks clips at a server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def ran(self) -> str:
        """What ran the network."""
        return "on the server"

    def file(self, path: Path, choices: Choices) -> ClipTrack:
        """Send a file."""
        return self._client.track(
            path,
            max_faces=choices.max_faces,
            stride=choices.stride,
            parallel=choices.parallel,
            features=choices.features,
        )

    def live(self, reader: Reader, choices: Choices) -> ClipTrack:
        """Send what a camera takes; the server answers the newest frame, and drops older ones that wait."""
        frames = ((frame.image, frame.time_s) for frame in reader.frames(choices.stride) if frame.image is not None)
        wanted, scheme = choices.features, self._client.info().points
        points = subset_of(wanted.points, scheme) or scheme
        stream = self._client.stream(frames, max_faces=choices.max_faces, features=wanted, latest=True)
        return ServerLive(stream, reader, points, wanted.names)


class ServerLive(ClipTrack):
    """A live stream at a server in the form of a ClipTrack."""

    def __init__(self, stream: LiveStream, reader: Reader, scheme: NamedPoints, features: tuple[str, ...]) -> None:
        self._stream, self._source, self._points, self._names = stream.__enter__(), reader, scheme, features
        self._picture: Any = None

    @property
    def video(self) -> VideoInfo:
        """See ClipTrack."""
        return self._source.info

    @property
    def scheme(self) -> NamedPoints:
        """See ClipTrack."""
        return self._points

    @property
    def features(self) -> tuple[str, ...]:
        """See ClipTrack."""
        return self._names

    @property
    def image(self) -> Any:
        """See ClipTrack."""
        return self._picture

    @property
    def end(self) -> StreamEnd:
        """See ClipTrack."""
        return self._stream.end

    def __next__(self) -> FrameResult:
        result = next(self._stream)
        frame = self._stream.frame
        self._picture = frame[0] if isinstance(frame, tuple) else frame
        return result

    def close(self) -> None:
        """See ClipTrack."""
        self._stream.__exit__(None, None, None)
        self._source.close()


@contextmanager
def opened(clip: Clip, place: Here | There, choices: Choices) -> Iterator[ClipTrack]:
    """Open a clip for a ``with`` block.

    Args:
        clip: What to open.
        place: Where it is tracked.
        choices: How.

    Raises:
        RedAlignError: It cannot be opened.
        OSError: Likewise.
    """
    with contextlib.ExitStack() as stack:
        if clip.is_live:
            reader, stop = _live(clip)
            stack.callback(reader.close)
            stack.enter_context(_interrupt_ends(stop))
            yield stack.enter_context(place.live(reader, choices))
            return
        path = clip.path if clip.path is not None else stack.enter_context(_standard_input())
        yield stack.enter_context(place.file(path, choices))


def _live(clip: Clip) -> tuple[Reader, Callable[[], None]]:
    """A camera or network stream, and what has its frames end, from a signal handler too."""
    if clip.is_camera:
        camera = open_camera(int(clip.name), DecodeLimits().check)
        return camera, camera.stop
    source = open_source(clip.name, retries=Retries(give_up_s=GIVE_UP_S))
    return source, source.stop


@contextmanager
def _standard_input() -> Iterator[Path]:
    """The standard input as a file: readers of videos go back and forth in it."""
    with tempfile.TemporaryDirectory(prefix="red-align-") as folder:
        path = Path(folder) / "stdin"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        if not path.stat().st_size:
            raise EmptyBody("nothing came on the standard input")
        yield path


@contextmanager
def _interrupt_ends(stop: Callable[[], None]) -> Iterator[None]:
    """CTRL-C is how a camera's recording ends: what was found is kept. A second one ends the program."""

    def once(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        stop()

    before = signal.signal(signal.SIGINT, once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def expected_frames(clip: Clip, stride: int) -> int | None:
    """About how many results a clip will have; None where nobody knows.

    Args:
        clip: The clip.
        stride: Every stride-th frame is processed.
    """
    if clip.path is None:
        return None
    try:
        with av.open(str(clip.path)) as container:
            (stream, *_) = container.streams.video
            count = stream.frames
            if not count and container.duration and stream.average_rate:
                count = round(container.duration / av.time_base * float(stream.average_rate))
    except (av.error.FFmpegError, OSError, ValueError):
        return None
    return -(-count // stride) if count > 1 else None
