"""A stream over a WebSocket: the answers are those of gRPC, in JSON and in msgpack, and it goes on elsewhere."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache

import grpc
import numpy as np
import pytest
from cryptography.fernet import Fernet
from PIL import Image as Pictures

from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from tests.integration.rpc.test_grpc import config as grpc_config
from tests.integration.rpc.test_grpc import encoded
from tests.integration.rpc.test_grpc import stream as grpc_stream
from tests.support.media import carphone_frames, jpeg
from tests.support.servers import RunningServer, running_server
from tests.support.websocket import Values, opened, stream

KEY = Fernet.generate_key().decode()


@pytest.fixture(scope="module")
def first() -> Iterator[RunningServer]:
    with running_server(TOKEN_KEYS=KEY, STREAM_QUEUE="2") as running:
        yield running


@pytest.fixture(scope="module")
def other() -> Iterator[RunningServer]:
    with running_server(TOKEN_KEYS=KEY) as running:
        yield running


@cache
def pictures() -> list[bytes]:
    return [jpeg(frame) for frame in carphone_frames()[:40]]


def points(answers: list[Values]) -> np.ndarray:
    return np.array([a["faces"][0]["landmarks"] for a in answers if a["type"] == "frame"])


def test_answers_are_those_of_grpc(server: RunningServer) -> None:
    ready, *frames, end = stream(server, pictures()[:20], resume_every=10)
    assert (ready["type"], ready["scheme"], ready["num_points"], ready["next_index"]) == ("ready", "ibug68", 68, 0)
    assert ready["window"] >= 1
    with grpc.insecure_channel(server.grpc) as channel:
        wanted = grpc_stream(
            pb_grpc.FaceLandmarkServiceStub(channel),
            [grpc_config(), *(encoded(picture, i / 30) for i, picture in enumerate(pictures()[:20]))],
        )
    assert [frame["index"] for frame in frames] == list(range(20))
    theirs = np.array([response.frame.faces[0].landmarks for response in wanted[:-1]])
    assert np.abs(points(frames) - theirs).max() <= 0.0051  # two decimals
    assert [frame["time_s"] for frame in frames] == [round(r.frame.time_s, 6) for r in wanted[:-1]]
    assert [i for i, frame in enumerate(frames) if "resume_token" in frame] == [9, 19]
    assert (end["type"], end["complete"], end["frame_count"], end["dropped_count"]) == ("end", True, 20, 0)
    assert end["resume_token"]


def test_msgpack_holds_the_values_of_json(server: RunningServer) -> None:
    def plain(answers: list[Values]) -> list[Values]:
        return [{name: value for name, value in each.items() if name != "resume_token"} for each in answers]

    assert plain(stream(server, pictures()[:5], answers="msgpack")) == plain(stream(server, pictures()[:5]))


def test_features_come_with_the_faces_that_were_asked_for(server: RunningServer) -> None:
    _, frame, _ = stream(server, pictures()[:1], features="pose,expression", points=51)
    face = frame["faces"][0]
    assert len(face["landmarks"]) == 102
    assert abs(face["pose"]["yaw"]) < 60
    assert 0.0 < face["expression"]["eye_opening_left"] < 1.0
    with opened(server) as live:
        live.send_config(features=["posture"])
        answers, code, _ = live.rest()
    assert code == 4400
    assert "pose" in answers[0]["error"]["message"]


def test_webp_frames_are_taken(server: RunningServer) -> None:
    file = io.BytesIO()
    Pictures.fromarray(carphone_frames()[0]).save(file, "WEBP", lossless=True)
    _, frame, _ = stream(server, [file.getvalue()])
    _, of_jpeg, _ = stream(server, pictures()[:1])
    assert np.abs(points([frame]) - points([of_jpeg])).max() < 2.0


def test_a_stream_goes_on_with_its_token_at_another_server_and_over_grpc(
    first: RunningServer, other: RunningServer
) -> None:
    undisturbed = points(stream(other, pictures()))
    begun = stream(first, pictures()[:20])
    token = begun[-1]["resume_token"]
    ready, *gone_on = stream(other, pictures()[20:], 20, resume_token=token)
    assert (ready["next_index"], ready["last_time_s"]) == (20, round(19 / 30, 17))
    assert np.abs(points(begun + gone_on) - undisturbed).max() < 0.02
    with grpc.insecure_channel(other.grpc) as channel:
        requests = [encoded(picture, (20 + i) / 30) for i, picture in enumerate(pictures()[20:])]
        by_grpc = grpc_stream(pb_grpc.FaceLandmarkServiceStub(channel), [grpc_config(resume_token=token), *requests])
    theirs = np.array([response.frame.faces[0].landmarks for response in by_grpc[:-1]])
    assert np.abs(theirs - undisturbed[20:]).max() < 0.02


def test_times_of_arrival_grow_and_go_on_with_a_token(server: RunningServer) -> None:
    def times(token: str = "") -> tuple[list[float], str]:
        with opened(server) as live:
            live.send_config(resume_token=token)
            live.answer()
            found = []
            for picture in pictures()[:3]:
                live.send_frame(picture)
                found.append(live.answer()["time_s"])
            live.send_end()
            return found, live.answer()["resume_token"]

    before, token = times()
    after, _ = times(token)
    assert before + after == sorted(set(before + after))
    assert before[0] < 5.0


def test_a_bad_frame_is_answered_and_the_stream_goes_on(server: RunningServer) -> None:
    _, *frames, _ = stream(server, [pictures()[0], b"no picture", pictures()[2]])
    assert [frame["status"] for frame in frames] == ["ok", "error", "ok"]
    assert frames[1]["error"]["reason"] == "BAD_FRAME"


def test_frames_beyond_the_window_are_held_back_and_none_is_lost(first: RunningServer) -> None:
    with opened(first) as live:
        live.send_config(times="client")
        assert live.answer()["window"] == 2
        for number, picture in enumerate(pictures()):
            live.send_frame(picture, number / 30)
        live.send_end()
        answers, code, _ = live.rest()
    assert [a.get("index") for a in answers] == [*range(40), None]
    assert {a["status"] for a in answers[:-1]} == {"ok"}
    assert code == 1000


def test_the_newest_frame_is_processed_where_that_was_asked_for(first: RunningServer) -> None:
    with opened(first) as live:
        live.send_config(times="client", flow="latest")
        live.answer()
        for number, picture in enumerate(pictures() * 3):
            live.send_frame(picture, number / 30)
        live.send_end()
        *frames, end = live.rest()[0]
    assert [frame["index"] for frame in frames] == list(range(120))
    dropped = [frame["status"] for frame in frames].count("dropped")
    assert 0 < dropped == end["dropped_count"]
    assert frames[-1]["status"] == "ok"


def test_a_stream_has_its_name_back_when_its_page_was_closed(server: RunningServer) -> None:
    with opened(server) as live:
        live.send_config(times="client", stream_id="page")
        live.answer()
        live.send_frame(pictures()[0], 0.0)
        live.answer()
    ready, frame, _ = stream(server, pictures()[1:2], 1, stream_id="page")
    assert (ready["next_index"], frame["index"]) == (1, 1)
