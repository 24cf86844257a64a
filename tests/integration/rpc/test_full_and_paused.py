"""A stream that pauses, and an engine that is full: faces already followed go on, and every answer is whole."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import grpc
import httpx
import numpy as np
import pytest

from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from tests.integration.rpc.test_grpc import StreamChoices, config, points_of, raw, reason_of, stream
from tests.support.media import Image, carphone_frames, write_video
from tests.support.rest import VIDEO, gauge, wait_until
from tests.support.servers import RunningServer, running_server

IDLE_S = 1.0
FRAMES, PAUSE_AT = 20, 10


@pytest.fixture(scope="module")
def small() -> Iterator[RunningServer]:
    """An engine of one slot, which a face gives up after a second."""
    with running_server(MAX_SEQUENCES="1", SEQUENCE_IDLE_S=str(IDLE_S), DETECT_EVERY="1") as running:
        yield running


def side_by_side(image: Image) -> Image:
    """Two faces: the same one twice, with a gap between."""
    gap = np.zeros((image.shape[0], 60, 3), np.uint8)
    return np.ascontiguousarray(np.concatenate([image, gap, image], axis=1))


class Live:
    """A stream that is asked frame by frame."""

    def __init__(self, server: RunningServer, **values: Unpack[StreamChoices]) -> None:
        self._requests: queue.SimpleQueue[pb.AlignStreamRequest | None] = queue.SimpleQueue()
        self._requests.put(config(**values))
        self._channel = grpc.insecure_channel(server.grpc)
        stub = pb_grpc.FaceLandmarkServiceStub(self._channel)
        self._answers = stub.AlignStream(iter(self._requests.get, None), timeout=60)

    def ask(self, index: int) -> pb.FrameResult:
        self._requests.put(raw(carphone_frames()[index], (index + 1) / 30))
        answer: pb.FrameResult = next(self._answers).frame
        return answer

    def end(self) -> pb.StreamEnd:
        self._requests.put(None)
        (last,) = list(self._answers)
        self._channel.close()
        end: pb.StreamEnd = last.end
        return end


def test_a_stream_goes_on_after_a_pause_in_which_the_engine_forgot_it(
    small: RunningServer, server: RunningServer
) -> None:
    steady, pausing = Live(server), Live(small)
    wanted = [steady.ask(index) for index in range(FRAMES)]
    steady.end()
    answers = [pausing.ask(index) for index in range(PAUSE_AT)]
    wait_until(lambda: gauge(small, "sequences") == 0)  # Expired; the stream is open.
    answers += [pausing.ask(index) for index in range(PAUSE_AT, FRAMES)]
    assert pausing.end().frame_count == FRAMES
    assert [answer.resumed for answer in answers] == [index == PAUSE_AT for index in range(FRAMES)]
    assert all(len(answer.faces) == 1 and answer.faces[0].track_id == 0 for answer in answers)
    for one, other in zip(answers, wanted, strict=True):
        assert np.abs(points_of(one.faces[0]) - points_of(other.faces[0])).max() < 0.01


def test_a_paused_stream_that_finds_its_slot_taken_is_refused_and_goes_on_when_it_is_free(
    small: RunningServer,
) -> None:
    pausing, other = Live(small), Live(small)
    for index in range(3):
        assert len(pausing.ask(index).faces) == 1
    wait_until(lambda: gauge(small, "sequences") == 0)
    for index in range(3):
        assert len(other.ask(index).faces) == 1
    refused = pausing.ask(3)
    assert (refused.status, refused.error.reason) == (pb.FRAME_STATUS_ERROR, "OVERLOADED")
    other.end()
    wait_until(lambda: gauge(small, "sequences") == 0)
    again = pausing.ask(4)
    assert (again.resumed, [face.track_id for face in again.faces]) == (True, [0])
    pausing.end()


def test_a_second_face_that_finds_the_engine_full_is_left_out_of_the_stream_alone(small: RunningServer) -> None:
    frames = [raw(side_by_side(image)) for image in carphone_frames()[:12]]
    with grpc.insecure_channel(small.grpc) as channel:
        answers = stream(pb_grpc.FaceLandmarkServiceStub(channel), [config(max_faces=2), *frames])
    faces = [[face.track_id for face in answer.frame.faces] for answer in answers[:-1]]
    assert faces[0] == [0, 1]
    assert faces[1:] == [[0]] * 11
    assert gauge_of_counter(small, "faces_refused") == 1


def test_a_second_face_that_finds_the_engine_full_is_a_warning_of_a_whole_answer(
    small: RunningServer, tmp_path: Path
) -> None:
    clip = write_video(tmp_path / "two.mp4", [side_by_side(image) for image in carphone_frames()[:12]], rate=30)
    answer = httpx.post(f"{small.http}/align?max_faces=2", content=clip.read_bytes(), headers=VIDEO, timeout=60)
    assert answer.status_code == 200
    body = answer.json()
    assert [len(frame["faces"]) for frame in body["frames"]] == [2] + [1] * 11
    assert (body["complete"], body["frame_count"]) == (True, 12)
    assert len(body["warnings"]) == 1
    assert "left out" in body["warnings"][0]


def test_a_first_face_that_finds_the_engine_full_refuses_its_stream(small: RunningServer) -> None:
    holder = Live(small)
    for index in range(2):
        holder.ask(index)
    with grpc.insecure_channel(small.grpc) as channel, pytest.raises(grpc.RpcError) as refused:
        stream(pb_grpc.FaceLandmarkServiceStub(channel), [config(), *map(raw, carphone_frames()[:5])])
    assert reason_of(refused.value) == "OVERLOADED"
    holder.end()


def gauge_of_counter(server: RunningServer, name: str) -> float:
    """A counter's value now."""
    return gauge(server, f"{name}_total")
