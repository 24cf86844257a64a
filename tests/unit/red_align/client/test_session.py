"""A stream over connections that break anywhere: each frame has one result, in order, from the state it should have."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from red_align.client.errors import ServerError
from red_align.client.session import MOST_LEFT_OUT, Session
from red_align.frames import FrameResult, FrameStatus
from red_align.v1 import face_landmarks_pb2 as pb


@dataclass
class FakeServer:
    """What a server does in one call: its state is the list of all frames that it ever processed in the stream."""

    resume_every: int
    state: list[float] = field(default_factory=list)
    index: int = 0
    first: int = 0

    def begin(self, config: pb.StreamConfig) -> None:
        if config.resume_token:
            index, *seen = config.resume_token.split()
            self.index, self.state = int(index), [float(s) for s in seen]
        else:
            self.index, self.state = 0, []
        self.first = self.index

    @property
    def token(self) -> str:
        return " ".join(map(str, [self.index, *self.state]))

    def answer(self, frame: pb.VideoFrame, *, drop: bool = False) -> pb.FrameResult:
        """The face's box says what the state is."""
        result = pb.FrameResult(index=self.index, time_s=frame.time_s, status=pb.FRAME_STATUS_DROPPED)
        if not drop:
            self.state.append(frame.time_s)
            result.status = pb.FRAME_STATUS_OK
            result.faces.add(score=sum(self.state))
        self.index += 1
        if (self.index - self.first) % self.resume_every == 0:
            result.resume_token = self.token
        return result


def message(time_s: float) -> pb.VideoFrame:
    return pb.VideoFrame(encoded=b"\xff\xd8\xff", time_s=time_s)


def run(seed: int, frames: int, breaks: float, *, latest: bool, resume_every: int) -> tuple[Session, list[FrameResult]]:
    """Frames, requests, answers, failures and farewells in an order that chance makes."""
    chance = random.Random(seed)
    session = Session(pb.StreamConfig(resume_every=resume_every), latest, window=5)
    session.ended = frames == 0
    results: list[FrameResult] = []
    taken = steps = 0
    while session.end is None:
        server, wire = FakeServer(resume_every), list[pb.VideoFrame]()
        server.begin(session.begin().config)
        closed = False
        while session.end is None:
            steps += 1
            assert steps < 100_000, "it comes to no end"
            match chance.randrange(4):
                case 0 if taken < frames and session.has_room:
                    session.add(taken, message(float(taken)))
                    taken += 1
                    session.ended = taken == frames
                case 1 if not closed:
                    request = session.next_request()
                    closed = request is None and session.all_sent
                    wire += [request.frame] if request is not None else []
                case 2 if wire:
                    late = latest and len(wire) > 1 and chance.random() < 0.3
                    results += [result for _, result in session.answered(server.answer(wire.pop(0), drop=late))]
                case 3 if closed and not wire:
                    session.finished(pb.StreamEnd(complete=True, resume_token=server.token))
            if chance.random() < breaks:
                if chance.random() < 0.3:
                    session.going_away(pb.GoingAway(resume_token=server.token, next_index=server.index))
                break
        breaks *= 0.9  # It comes to an end.
    return session, results


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), frames=st.integers(0, 60), breaks=st.floats(0, 0.2), every=st.integers(1, 20))
def test_every_frame_has_one_result_as_if_no_connection_had_broken(
    seed: int, frames: int, breaks: float, every: int
) -> None:
    session, results = run(seed, frames, breaks, latest=False, resume_every=every)
    assert [r.index for r in results] == list(range(frames))
    assert [r.faces[0].score for r in results] == [sum(range(i + 1)) for i in range(frames)]
    assert session.end is not None
    assert (session.end.complete, session.end.frame_count, session.end.dropped_count) == (True, frames, 0)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), frames=st.integers(1, 60), breaks=st.floats(0, 0.2), every=st.integers(1, 20))
def test_latest_first_every_frame_has_one_result_and_what_was_dropped_once_stays_so(
    seed: int, frames: int, breaks: float, every: int
) -> None:
    session, results = run(seed, frames, breaks, latest=True, resume_every=every)
    assert [r.index for r in results] == list(range(frames))
    processed = [r for r in results if r.status is FrameStatus.OK]
    seen = 0.0
    for result in processed:
        seen += result.time_s
        assert result.faces[0].score == seen
    assert session.end is not None
    assert session.end.dropped_count == frames - len(processed)
    assert results[-1].status is FrameStatus.OK


def requests_of(session: Session) -> Iterator[float]:
    while (request := session.next_request()) is not None:
        yield request.frame.time_s


def test_no_more_frames_than_the_window_are_taken_or_sent() -> None:
    session = Session(pb.StreamConfig(), latest=False, window=3)
    session.begin()
    for number in range(3):
        assert session.has_room
        session.add(number, message(number))
    assert not session.has_room
    assert list(requests_of(session)) == [0, 1, 2]
    session.answered(FakeServer(15).answer(message(0)))
    assert session.has_room


def test_latest_first_the_newest_frame_takes_the_place_of_what_was_not_sent() -> None:
    session, server = Session(pb.StreamConfig(), latest=True, window=2), FakeServer(15)
    session.begin()
    for number in range(6):
        session.add(number, message(number))
        if number < 2:
            assert list(requests_of(session)) == [number]
    assert list(requests_of(session)) == []
    for number in range(2):
        session.answered(server.answer(message(number)))
    assert list(requests_of(session)) == [5]
    answers = session.answered(server.answer(message(5)))
    assert [(kept.given, result.index, str(result.status)) for kept, result in answers] == [
        (2, 2, "dropped"),
        (3, 3, "dropped"),
        (4, 4, "dropped"),
        (5, 5, "ok"),
    ]


def test_latest_first_the_source_is_not_held_back_but_memory_is_bounded() -> None:
    session = Session(pb.StreamConfig(), latest=True, window=2)
    taken = 0
    while session.has_room:
        session.add(taken, message(taken))
        taken += 1
    assert taken == MOST_LEFT_OUT


def test_the_first_new_result_after_a_reconnect_says_resumed() -> None:
    session = Session(pb.StreamConfig(), latest=False, window=9)
    session.begin()
    server = FakeServer(2)
    for number in range(4):
        session.add(number, message(number))
    assert len(list(requests_of(session))) == 4
    for number in range(3):
        session.answered(server.answer(message(number)))
    server.begin(session.begin().config)
    assert list(requests_of(session)) == [2, 3]
    again = server.answer(message(2))
    again.resumed = True
    assert session.answered(again) == []
    ((_, result),) = session.answered(server.answer(message(3)))
    assert (result.index, result.resumed) == (3, True)


def test_an_answer_to_nothing_is_an_error() -> None:
    session = Session(pb.StreamConfig(), latest=False, window=9)
    session.begin()
    with pytest.raises(ServerError, match="not sent"):
        session.answered(pb.FrameResult())


def test_a_stream_that_goes_on_counts_from_where_it_stood() -> None:
    session, server = Session(pb.StreamConfig(resume_token="7 0.0"), latest=False, window=9), FakeServer(15)
    server.begin(session.begin().config)
    session.add(0, message(1.0))
    list(requests_of(session))
    ((_, result),) = session.answered(server.answer(message(1.0)))
    assert result.index == 7
