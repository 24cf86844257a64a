"""A source that is lost and comes back: one count of frames, one time, and an end where there is one."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from red_align.errors import InvalidRequest, RedAlignError, SourceNotAllowed, SourceUnreachable
from red_align.frames import Frame, VideoInfo
from red_align.media.sources import reconnecting
from red_align.media.sources.reconnecting import Reconnecting, Retries

IMAGE = np.zeros((4, 4, 3), np.uint8)


class Played:
    """A connection that gives these frames; ``error`` says how it ends, None for the source's own end."""

    def __init__(self, times: list[float], error: RedAlignError | None, origin_s: float = 0.0) -> None:
        self.info, self.complete, self.count = VideoInfo(4, 4, 25.0), True, 0
        self.warnings: list[str] = []
        self.error, self.dropped_count, self.origin_s, self.position = error, 0, origin_s, 5
        self.closed = False
        self._times, self._dropped = times, [(1, 0.01)]

    def open(self) -> None:
        if not self._times:
            raise self.error or SourceUnreachable("away")

    def frames(self, stride: int = 1, *, planes: bool = False) -> Iterator[Frame]:
        for i, time_s in enumerate(self._times):
            self.count = i + 1
            yield Frame(i, time_s, IMAGE)
        self.complete = self.error is None

    def take_dropped(self) -> list[tuple[int, float]]:
        dropped, self._dropped = self._dropped, []
        self.dropped_count += len(dropped)
        return dropped

    def close(self) -> None:
        self.closed = True


def source(monkeypatch: pytest.MonkeyPatch, *played: Played, give_up_s: float = 600.0) -> Reconnecting:
    monkeypatch.setattr(reconnecting, "FIRST_PAUSE_S", 0.02)
    left = list(played)
    return Reconnecting(lambda after: left.pop(0), Retries(0.05, give_up_s))


LOST = SourceUnreachable("lost")


def test_frames_and_times_go_on_over_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = Played([0.0, 0.04], LOST), Played([0.0, 0.04], None)
    reader = source(monkeypatch, one, Played([], None), two)
    reader.open()
    frames = list(reader.frames())
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    gap_s = frames[2].time_s - frames[1].time_s
    assert 0.01 < gap_s < 5.0, "the gap is as long as it was here"
    assert frames[3].time_s - frames[2].time_s == pytest.approx(0.04)
    assert (reader.reconnects, reader.complete, reader.count) == (1, True, 4)
    assert one.closed


def test_a_clock_of_the_source_that_went_on_is_used_over_the_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = source(monkeypatch, Played([0.0], LOST, 100.0), Played([0.0], None, 100.7))
    reader.open()
    one, two = reader.frames()
    assert two.time_s - one.time_s == pytest.approx(0.7)


def test_dropped_frames_have_the_numbers_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = source(monkeypatch, Played([0.0, 0.04], LOST), Played([0.0, 0.04], None))
    reader.open()
    dropped = []
    for _ in reader.frames():
        dropped += [index for index, _ in reader.take_dropped()]
    assert dropped == [1, 3]
    assert reader.dropped_count == 2


def test_what_is_not_allowed_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = source(monkeypatch, Played([0.0], SourceNotAllowed("elsewhere")), Played([0.0], None))
    reader.open()
    assert len(list(reader.frames())) == 1
    assert isinstance(reader.error, SourceNotAllowed)
    assert not reader.complete
    for error in (SourceNotAllowed("elsewhere"), InvalidRequest("no video")):
        with pytest.raises(type(error)):
            source(monkeypatch, Played([], error)).open(patient=True)


def test_a_source_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    played = [Played([], None) for _ in range(100)]
    with pytest.raises(SourceUnreachable, match="away"):
        source(monkeypatch, *played, give_up_s=0.1).open(patient=True)
    with pytest.raises(SourceUnreachable, match="away"):
        source(monkeypatch, *played).open()


def test_stopping_ends_with_the_frame_that_comes_next(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = source(monkeypatch, Played([0.0, 0.04, 0.08], LOST), Played([0.0], None))
    reader.open()
    frames = reader.frames()
    next(frames)
    reader.stop()
    assert list(frames) == []
    assert (reader.complete, reader.reconnects) == (True, 0)


def test_closing_ends_a_wait_for_a_source_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = source(monkeypatch, Played([0.0], LOST), *[Played([], None) for _ in range(100)])
    reader.open()
    frames = reader.frames()
    next(frames)
    reader.close()
    began = time.monotonic()
    assert list(frames) == []
    assert time.monotonic() - began < 5.0
