"""WebVTT and SubRip with a cue for each event, for people who cut video."""

from __future__ import annotations

from collections.abc import Sequence

from red_align.formats.events import Event, EventFinder
from red_align.frames import FrameResult, StreamEnd, VideoInfo
from red_align.schemes import NamedPoints


class SrtWriter:
    """SubRip: numbered cues in the order in which they begin."""

    head = ""
    separator = ","

    def __init__(self, scheme: NamedPoints, features: Sequence[str] = ()) -> None:
        self._finder = EventFinder(scheme, tuple(features))
        self._waiting: list[Event] = []
        self._count = 0

    def begin(self, video: VideoInfo) -> bytes:
        """See Writer."""
        self._finder.size = (video.width, video.height)
        return self.head.encode()

    def frame(self, result: FrameResult) -> bytes:
        """See Writer."""
        self._waiting += self._finder.add(result)
        return self._cues(self._finder.settled_s)

    def finish(self, end: StreamEnd) -> bytes:
        """See Writer."""
        self._waiting += self._finder.close()
        return self._cues(float("inf"))

    def _cues(self, settled_s: float) -> bytes:
        """Cues that none can come before any more."""
        ready = sorted(
            (event for event in self._waiting if event.start_s < settled_s), key=lambda e: (e.start_s, e.face_id)
        )
        self._waiting = [event for event in self._waiting if event.start_s >= settled_s]
        return "".join(map(self._cue, ready)).encode()

    def _cue(self, event: Event) -> str:
        self._count += 1
        start, end = (_clock(s, self.separator) for s in (event.start_s, event.end_s))
        return f"{self._count}\n{start} --> {end}\nface {event.face_id}: {event.kind}\n\n"


class VttWriter(SrtWriter):
    """WebVTT, likewise."""

    head = "WEBVTT\n\n"
    separator = "."

    def finish(self, end: StreamEnd) -> bytes:
        """See Writer; a note says where a clip was not complete."""
        cues = super().finish(end)
        return cues if end.complete else cues + b"NOTE The clip could not be read to its end.\n"


def _clock(seconds: float, separator: str) -> str:
    ms = max(0, round(seconds * 1000))
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{separator}{ms % 1000:03d}"
