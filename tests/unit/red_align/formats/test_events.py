"""Events of a clip, and the subtitles that show them."""

from __future__ import annotations

import re

import pytest

from red_align.errors import InvalidRequest
from red_align.features.subsets import INNER51
from red_align.formats.events import BLINK, MOUTH_OPEN, Event, EventFinder
from red_align.formats.names import format_of
from red_align.frames import FrameResult, StreamEnd
from red_align.schemes import IBUG68
from tests.unit.red_align.formats.made import VIDEO, expression, face

EXPRESSION = ("expression",)
OPEN_EYES, SHUT_EYES, QUIET, TALKS = 0.0, 1.0, 0.05, 0.5


def frames(*shown: tuple[float, float] | None, track_id: int = 0) -> list[FrameResult]:
    """Frames, 0.1 s apart, of a face with eyes as far shut and a mouth as far open; None for none."""
    return [
        FrameResult(i, i / 10, faces=() if values is None else (face(track_id, expression=expression(*values)),))
        for i, values in enumerate(shown)
    ]


def events(results: list[FrameResult]) -> list[Event]:
    finder = EventFinder(IBUG68, EXPRESSION)
    return [event for result in results for event in finder.add(result)] + finder.close()


def subtitles(name: str, results: list[FrameResult], *, complete: bool = True) -> str:
    writer = format_of(name).make(IBUG68, EXPRESSION)
    pieces = [writer.begin(VIDEO), *map(writer.frame, results), writer.finish(StreamEnd(complete, len(results)))]
    return b"".join(pieces).decode()


def test_a_blink_and_an_open_mouth_have_their_times() -> None:
    both = frames((0, QUIET), (SHUT_EYES, TALKS), (SHUT_EYES, TALKS), (0, TALKS), (0, QUIET))
    assert events(both) == [Event(0.1, 0.3, 0, BLINK), Event(0.1, 0.4, 0, MOUTH_OPEN)]


def test_eyes_that_stay_shut_are_no_blink_and_a_mouth_may_waver() -> None:
    assert events(frames((0, QUIET), *[(SHUT_EYES, QUIET)] * 9, (0, QUIET))) == []
    (open_mouth,) = events(frames((0, 0.31), (0, 0.25), (0, 0.31), (0, 0.1)))
    assert (open_mouth.start_s, open_mouth.end_s, open_mouth.kind) == (0.0, pytest.approx(0.3), MOUTH_OPEN)


def test_a_mouth_shuts_where_its_face_is_lost_and_where_the_clip_ends() -> None:
    assert events(frames((0, TALKS), (0, TALKS), None)) == [Event(0.0, 0.2, 0, MOUTH_OPEN)]
    (at_the_end,) = events(frames((0, QUIET), (0, TALKS), (0, TALKS), (0, TALKS)))
    assert (at_the_end.start_s, at_the_end.end_s, at_the_end.kind) == (0.1, pytest.approx(0.3), MOUTH_OPEN)


def test_webvtt_has_its_cues_in_the_order_in_which_they_begin() -> None:
    shown = [(0.0, TALKS)] * 4 + [(SHUT_EYES, TALKS)] * 2 + [(0.0, TALKS)] * 8 + [(0.0, QUIET)] * 2
    text = subtitles("vtt", frames(*shown))
    assert text == (
        "WEBVTT\n\n"
        "1\n00:00:00.000 --> 00:00:01.400\nface 0: mouth open\n\n"
        "2\n00:00:00.400 --> 00:00:00.600\nface 0: blink\n\n"
    )
    starts = re.findall(r"(\S+) -->", subtitles("vtt", frames(*shown * 5)))
    assert starts == sorted(starts)
    assert len(starts) == 10


def test_srt_has_commas_and_webvtt_says_where_a_clip_broke_off() -> None:
    shown = frames((0, QUIET), (SHUT_EYES, QUIET), (0, QUIET))
    assert subtitles("srt", shown) == "1\n00:00:00,100 --> 00:00:00,200\nface 0: blink\n\n"
    assert subtitles("vtt", shown, complete=False).endswith("NOTE The clip could not be read to its end.\n")


def test_faces_without_expressions_get_them_from_their_points() -> None:
    finder = EventFinder(IBUG68)
    finder.size = (640, 480)
    assert finder.add(FrameResult(0, 0.0, faces=(face(0),))) == []
    with pytest.raises(InvalidRequest, match="blinks and mouths are seen in 68 points"):
        EventFinder(INNER51)
    EventFinder(INNER51, EXPRESSION)
