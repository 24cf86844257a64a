"""The frames of a source, followed: each call blocks in a thread of the source's own, and gives events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import orjson

from red_align.errors import RedAlignError
from red_align.frames import Frame, FrameResult, FrameStatus, StreamEnd, VideoInfo
from red_align.media.serialization import end_values, frame_values, video_values
from red_align.media.sources.reconnecting import Reconnecting
from red_align.tracking.tracker import Tracker
from service.observability.metrics import Metrics

Encoded = tuple[str, bytes]
"""Kind of an event, and its JSON object."""


class TrackedSource:
    """Follows the faces of a source, over all its connections.

    Args:
        reader: The source.
        tracker: Follows its faces.
        scheme: Name of the points.
        stride: Every stride-th frame is processed.
        spend: Told the pixels of frames that were decoded.
        metrics: What is counted.
    """

    def __init__(
        self,
        reader: Reconnecting,
        tracker: Tracker,
        scheme: str,
        stride: int,
        spend: Callable[[int], None],
        metrics: Metrics,
    ) -> None:
        self.answered = self.dropped_count = 0
        """Frames that have an answer, dropped ones among them, and dropped ones."""
        self.video: VideoInfo | None = None
        """Size and rate; None before the first connection."""
        self.live = False
        """Whether the last frame came since the source was lost last."""
        self._reader, self._tracker, self._scheme = reader, tracker, scheme
        self._frames = reader.frames(stride, planes=True)
        self._spend, self._metrics = spend, metrics
        self._decoded_count = 0

    def open(self) -> None:
        """Connect, and try again where the source is not to be had. Raises what it is given up for."""
        self._reader.open(patient=True)

    def next(self) -> list[Encoded] | None:
        """Wait for the newest frame and answer it; None at the end.

        Returns:
            Events: a header where the source was connected to anew, frames that were dropped, and the frame.
        """
        frame = next(self._frames, None)
        if frame is None:
            return None
        events = [] if self.live else self._connected()
        video = self._reader.info
        self._spend((frame.index + 1 - self._decoded_count) * video.width * video.height)
        self._decoded_count = frame.index + 1
        for index, time_s in self._reader.take_dropped():
            events.append(self._answered(FrameResult(index, time_s, FrameStatus.DROPPED)))
        self._count_dropped()
        events.append(self._answered(self._processed(frame)))
        return events

    def ended(self, warnings: tuple[str, ...]) -> Encoded:
        """The last event.

        Args:
            warnings: What is to be said beside what reader and tracker say.
        """
        said = (*self._reader.warnings, *self._tracker.warnings, *warnings)
        end = StreamEnd(self._reader.complete and not warnings, self.answered, said, dropped_count=self.dropped_count)
        return "end", _event("end", end_values(end))

    def close(self) -> None:
        """Give back the engine's slots; after ``reader.close``."""
        self._tracker.close()

    def _connected(self) -> list[Encoded]:
        """What begins with a connection. Faces go on; where the size is another one they begin anew."""
        before, self.video, self.live = self.video, self._reader.info, True
        size = (self.video.width, self.video.height)
        if before is not None and size != (before.width, before.height):
            state = self._tracker.state()
            self._tracker.close()
            self._tracker.restore(replace(state, tracks=(), lost=(), size=None), resumed=False)
        header = {"scheme": self._scheme, "video": video_values(self.video)}
        return [("state", _event("state", {"state": "live"})), ("header", _event("header", header))]

    def _processed(self, frame: Frame) -> FrameResult:
        try:
            return self._tracker.process(frame)
        except RedAlignError as error:  # Such as a full engine: a camera goes on, and so does its source.
            return FrameResult(frame.index, frame.time_s, FrameStatus.ERROR, error=error)

    def _answered(self, result: FrameResult) -> Encoded:
        self._metrics.answered(result)
        self.answered += 1
        kind = "frame" if result.error is None else "error"
        return kind, _event(kind, frame_values(result))

    def _count_dropped(self) -> None:
        """Frames that were dropped, those whose times were not kept among them."""
        now = self._reader.dropped_count
        self._metrics.sources_dropped.inc(now - self.dropped_count)
        self.dropped_count = now


def state_event(state: str, error: RedAlignError | None = None) -> Encoded:
    """A source is in another state, and why."""
    values: dict[str, object] = {"state": state}
    if error is not None:
        values["error"] = {"code": error.code, "reason": error.reason, "message": error.message}
    return "state", _event("state", values)


def _event(kind: str, values: object) -> bytes:
    assert isinstance(values, dict)
    return orjson.dumps({"type": kind, **values})
