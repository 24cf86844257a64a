"""Streams that go on: by name, by token at another server, in segments; and that belong to one sender at a time."""

from __future__ import annotations

import itertools
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import grpc
import httpx
import numpy as np
import pytest
from cryptography.fernet import Fernet

from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from tests.integration.rpc.test_grpc import StreamChoices, config, points_of, raw, reason_of, stream
from tests.support.media import carphone_frames, write_video
from tests.support.rest import VIDEO, check_error, part
from tests.support.servers import RunningServer, running_server

Stub = pb_grpc.FaceLandmarkServiceStub
KEY = Fernet.generate_key().decode()
SAME_PX = 0.01


@pytest.fixture(scope="module")
def other() -> Iterator[RunningServer]:
    """A second server with the same key as ``first``."""
    with running_server(TOKEN_KEYS=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def first() -> Iterator[RunningServer]:
    with running_server(TOKEN_KEYS=KEY, MAX_STREAMS="2", STREAM_IDLE_S="3") as running:
        yield running


def stub_of(server: RunningServer) -> Stub:
    return Stub(grpc.insecure_channel(server.grpc))


def frames_from(start: int, stop: int) -> list[pb.AlignStreamRequest]:
    return [raw(frame, (start + i) / 30) for i, frame in enumerate(carphone_frames()[start:stop])]


def results(answers: list[pb.AlignStreamResponse]) -> list[pb.FrameResult]:
    return [a.frame for a in answers if a.WhichOneof("event") == "frame"]


@pytest.fixture(scope="module")
def undisturbed(other: RunningServer) -> list[pb.FrameResult]:
    """One stream of 60 frames."""
    return results(stream(stub_of(other), [config(), *frames_from(0, 60)]))


def apart(ours: list[pb.FrameResult], theirs: list[pb.FrameResult]) -> float:
    assert [r.index for r in ours] == [r.index for r in theirs]
    assert [[f.track_id for f in r.faces] for r in ours] == [[f.track_id for f in r.faces] for r in theirs]
    pairs = [(a, b) for r, s in zip(ours, theirs, strict=True) for a, b in zip(r.faces, s.faces, strict=True)]
    return max(float(np.abs(points_of(a) - points_of(b)).max()) for a, b in pairs)


def test_a_token_lets_the_stream_go_on_at_another_server_as_if_nothing_had_happened(
    first: RunningServer, other: RunningServer, undisturbed: list[pb.FrameResult]
) -> None:
    begun = results(stream(stub_of(first), [config(), *frames_from(0, 40)]))
    sealed = [r for r in begun if r.resume_token]
    assert [r.index for r in sealed] == [14, 29]
    token, at = sealed[-1].resume_token, sealed[-1].index + 1
    gone_on = results(stream(stub_of(other), [config(resume_token=token), *frames_from(at, 60)]))
    assert gone_on[0].resumed
    assert not any(r.resumed for r in gone_on[1:])
    assert apart(begun[:at] + gone_on, undisturbed) < SAME_PX
    fresh = results(stream(stub_of(other), [config(), *frames_from(at, 60)]))
    assert float(np.abs(points_of(fresh[0].faces[0]) - points_of(gone_on[0].faces[0])).max()) > 0.1  # control


def test_the_last_message_has_a_token_too(first: RunningServer, undisturbed: list[pb.FrameResult]) -> None:
    answers = stream(stub_of(first), [config(resume_every=100), *frames_from(0, 20)])
    assert not any(r.resume_token for r in results(answers))
    token = answers[-1].end.resume_token
    gone_on = results(stream(stub_of(first), [config(resume_token=token), *frames_from(20, 30)]))
    assert apart(gone_on, undisturbed[20:30]) < SAME_PX


def test_a_stream_goes_on_by_its_name_after_a_reconnect(
    first: RunningServer, undisturbed: list[pb.FrameResult]
) -> None:
    one = results(stream(stub_of(first), [config(stream_id="cam1"), *frames_from(0, 25)]))
    two = results(stream(stub_of(first), [config(stream_id="cam1"), *frames_from(25, 60)]))
    assert apart(one + two, undisturbed) < SAME_PX
    old = stream(stub_of(first), [config(stream_id="cam1"), *frames_from(10, 11)])[0].frame
    assert (old.status, old.error.reason) == (pb.FRAME_STATUS_ERROR, "TIMESTAMP_NOT_GROWING")


def test_a_repeated_or_older_time_is_refused_for_that_frame_alone(first: RunningServer) -> None:
    frames = carphone_frames()
    sent = [raw(frames[0], 0.0), raw(frames[1], 0.1), raw(frames[2], 0.1), raw(frames[2], 0.05), raw(frames[3], 0.2)]
    answered = results(stream(stub_of(first), [config(), *sent]))
    assert [r.error.reason for r in answered] == ["", "", "TIMESTAMP_NOT_GROWING", "TIMESTAMP_NOT_GROWING", ""]
    assert [len(r.faces) for r in answered] == [1, 1, 0, 0, 1]


class Open:
    """A stream that is held open."""

    def __init__(self, server: RunningServer, **values: Unpack[StreamChoices]) -> None:
        self.requests: queue.Queue[pb.AlignStreamRequest | None] = queue.Queue()
        self.answers = stub_of(server).AlignStream(iter(self.requests.get, None), timeout=60)
        self.requests.put(config(**values))
        self.requests.put(frames_from(0, 1)[0])
        assert next(self.answers).frame.index == 0

    def close(self) -> None:
        self.requests.put(None)
        list(self.answers)


def test_one_sender_at_a_time(first: RunningServer) -> None:
    held = Open(first, stream_id="busy")
    with pytest.raises(grpc.RpcError) as refused:
        stream(stub_of(first), [config(stream_id="busy"), *frames_from(1, 2)])
    assert (refused.value.code(), reason_of(refused.value)) == (grpc.StatusCode.ABORTED, "STREAM_BUSY")
    clip = httpx.post(f"{first.http}/align?stream_id=busy", content=b"x", headers=VIDEO)
    check_error(clip, 409, "STREAM_BUSY")
    held.close()
    Open(first, stream_id="busy2").close()


def test_more_streams_than_allowed_are_refused_at_once(first: RunningServer) -> None:
    held = [Open(first) for _ in range(2)]
    with pytest.raises(grpc.RpcError) as refused:
        stream(stub_of(first), [config(), *frames_from(0, 1)])
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    held[0].close()
    assert results(stream(stub_of(first), [config(), *frames_from(0, 1)]))
    held[1].close()


@pytest.mark.parametrize("token", ["x", "gAAAAA" * 50])
def test_a_forged_token_is_refused(first: RunningServer, token: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stream(stub_of(first), [config(resume_token=token), *frames_from(0, 1)])
    assert (refused.value.code(), reason_of(refused.value)) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_RESUME_TOKEN")
    body = part("resume_token", token.encode()) + part("video", b"x") + b"--x--\r\n"
    form = {"content-type": "multipart/form-data; boundary=x"}
    check_error(httpx.post(f"{first.http}/align", content=body, headers=form), 400, "BAD_RESUME_TOKEN")


def test_latest_drops_what_waits_and_counts_it(first: RunningServer) -> None:
    answers = stream(stub_of(first), [config(flow=pb.FLOW_LATEST), *frames_from(0, 120)])
    answered, end = results(answers), answers[-1].end
    assert [r.index for r in answered] == list(range(120))
    dropped = [r for r in answered if r.status == pb.FRAME_STATUS_DROPPED]
    assert len(dropped) == end.dropped_count > 0
    assert end.frame_count == 120
    assert answered[-1].status == pb.FRAME_STATUS_OK
    assert not any(r.faces for r in dropped)


def segments(folder: Path) -> list[bytes]:
    """The clip in three segments, each with a clock of its own, and losslessly coded."""
    frames, cuts = list(carphone_frames()[:60]), [0, 21, 40, 60]
    paths = []
    for number, (a, b) in enumerate(itertools.pairwise(cuts)):
        paths.append(write_video(folder / f"{number}.mkv", frames[a:b], rate=30, codec="ffv1", pix_fmt="bgr0"))
    return [path.read_bytes() for path in paths]


def test_segments_of_a_stream_go_on_with_its_faces(first: RunningServer, tmp_path: Path) -> None:
    parts = segments(tmp_path)
    whole = write_video(tmp_path / "whole.mkv", list(carphone_frames()[:60]), rate=30, codec="ffv1", pix_fmt="bgr0")
    wanted = httpx.post(f"{first.http}/align", content=whole.read_bytes(), headers=VIDEO, timeout=60).json()["frames"]
    url = f"{first.http}/align?stream_id=hls"
    answers = [httpx.post(url, content=data, headers=VIDEO, timeout=60).json() for data in parts]
    answered = [frame for answer in answers for frame in answer["frames"]]
    assert [frame["index"] for frame in answered] == list(range(60))
    assert [answer["frames"][0]["time_s"] for answer in answers] == [0.0, 0.0, 0.0]
    assert {face["track_id"] for frame in answered for face in frame["faces"]} == {0}
    ours, theirs = ([np.array(f["faces"][0]["landmarks"]) for f in frames] for frames in (answered, wanted))
    assert max(np.abs(a - b).max() for a, b in zip(ours, theirs, strict=True)) < 0.021  # two decimals
    assert all(answer["resume_token"] for answer in answers)
    token = answers[1]["resume_token"]  # by a token elsewhere: the same again
    body = part("resume_token", token.encode()) + part("video", parts[2]) + b"--x--\r\n"
    form = {"content-type": "multipart/form-data; boundary=x"}
    again = httpx.post(f"{first.http}/align", content=body, headers=form, timeout=60).json()["frames"]
    assert [f["index"] for f in again] == list(range(40, 60))
    assert again[0]["resumed"]
    assert [f["faces"] for f in again] == [f["faces"] for f in answers[2]["frames"]]


def test_a_stride_counts_the_frames_that_it_leaves_out(first: RunningServer, tmp_path: Path) -> None:
    url = f"{first.http}/align?stream_id=strided&stride=4"
    answered = [
        httpx.post(url, content=data, headers=VIDEO, timeout=60).json()["frames"] for data in segments(tmp_path)
    ]
    assert [f["index"] for f in answered[0]] == [0, 4, 8, 12, 16, 20]
    assert [f["index"] for f in answered[1]] == [21, 25, 29, 33, 37]


def test_a_clip_without_a_name_gets_a_token_only_when_asked(first: RunningServer, tmp_path: Path) -> None:
    data = segments(tmp_path)[0]
    plain = httpx.post(f"{first.http}/align", content=data, headers=VIDEO, timeout=60).json()
    asked = httpx.post(f"{first.http}/align?resume=true", content=data, headers=VIDEO, timeout=60).json()
    assert "resume_token" not in plain
    assert asked["resume_token"]


def test_a_server_that_goes_away_gives_the_stream_a_token_to_go_on_with(
    other: RunningServer, undisturbed: list[pb.FrameResult]
) -> None:
    with running_server(TOKEN_KEYS=KEY) as draining:
        requests: queue.Queue[pb.AlignStreamRequest] = queue.Queue()
        answers = stub_of(draining).AlignStream(iter(requests.get, None), timeout=60)
        for request in [config(), *frames_from(0, 20)]:
            requests.put(request)
        answered = [next(answers).frame for _ in range(20)]
        status = draining.stop()
        last = next(answers)
        assert last.WhichOneof("event") == "going_away"
        with pytest.raises(grpc.RpcError) as ended:
            next(answers)
        assert (ended.value.code(), reason_of(ended.value)) == (grpc.StatusCode.UNAVAILABLE, "GOING_AWAY")
        assert status == 0
    assert last.going_away.next_index == 20
    resumed = config(resume_token=last.going_away.resume_token)
    gone_on = results(stream(stub_of(other), [resumed, *frames_from(20, 60)]))
    assert apart(answered + gone_on, undisturbed) < SAME_PX


def test_an_upload_under_way_finishes_before_the_server_does(tmp_path: Path) -> None:
    with running_server(TEMP_DIR=str(tmp_path)) as server:
        data = write_video(tmp_path.parent / "long.mp4", list(carphone_frames()) * 5, rate=30).read_bytes()
        with httpx.stream(
            "POST", f"{server.http}/align?format=ndjson", content=data, headers=VIDEO, timeout=60
        ) as answered:
            lines = answered.iter_lines()
            next(lines)
            server.process.terminate()
            rest = list(lines)
        assert '"type":"end"' in rest[-1]
        assert '"frame_count":600' in rest[-1]
        assert server.process.wait(timeout=30) == 0
    assert list(tmp_path.iterdir()) == []
