"""WebVTT and SubRip with a cue for each event, for people who cut video."""

from __future__ import annotations

from red_align.formats.events import Event, EventFinder
from red_align.frames import FrameResult, StreamEnd, VideoInfo
from red_align.schemes import PointScheme


class SrtWriter:
    """SubRip: numbered cues in the order in which they begin."""

    head = ""
    separator = ","

    def __init__(self, scheme: PointScheme) -> None:
        self._finder = EventFinder(scheme)
        self._waiting: list[Event] = []
        self._count = 0

    def begin(self, video: VideoInfo) -> bytes:
        """See Writer."""
        self._finder.frame_s = 1.0 / video.frame_rate if video.frame_rate > 0 else 0.04
        return self.head.encode()

    def frame(self, result: FrameResult) -> bytes:
        """See Writer."""
        self._waiting += self._finder.add(result)
        return self._cues(self._finder.oldest_s)

    def finish(self, end: StreamEnd) -> bytes:
        """See Writer."""
        self._waiting += self._finder.close()
        return self._cues(None)

    def _cues(self, before_s: float | None) -> bytes:
        """Cues that none can come before any more: those that began before ``before_s``, or all."""
        ready = [event for event in self._waiting if before_s is None or event.start_s < before_s]
        self._waiting = [event for event in self._waiting if event not in ready]
        return "".join(map(self._cue, sorted(ready, key=lambda event: (event.start_s, event.face_id)))).encode()

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
