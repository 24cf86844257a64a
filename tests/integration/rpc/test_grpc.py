"""gRPC against a real server on a real port."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from typing import TypedDict, Unpack

import cv2
import grpc
import httpx
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from tests.support.media import Image, astronaut, carphone_frames, carphone_path, jpeg, png
from tests.support.servers import RunningServer

Stub = pb_grpc.FaceLandmarkServiceStub
SERVICE = "red_align.v1.FaceLandmarkService"


@pytest.fixture
def stub(server: RunningServer) -> Iterator[Stub]:
    with grpc.insecure_channel(server.grpc, options=[("grpc.max_receive_message_length", -1)]) as channel:
        yield Stub(channel)


class StreamChoices(TypedDict, total=False):
    """Fields of a StreamConfig."""

    max_faces: int
    stream_id: str
    flow: pb.Flow
    resume_token: str
    resume_every: int


class ClipChoices(TypedDict, total=False):
    """Fields of a ClipConfig."""

    max_faces: int
    stride: int


def config(**values: Unpack[StreamChoices]) -> pb.AlignStreamRequest:
    return pb.AlignStreamRequest(config=pb.StreamConfig(**values))


def raw(image: Image, time_s: float = 0.0) -> pb.AlignStreamRequest:
    height, width = image.shape[:2]
    return pb.AlignStreamRequest(
        frame=pb.VideoFrame(raw=pb.RawImage(width=width, height=height, rgb=image.tobytes()), time_s=time_s)
    )


def encoded(data: bytes, time_s: float = 0.0) -> pb.AlignStreamRequest:
    return pb.AlignStreamRequest(frame=pb.VideoFrame(encoded=data, time_s=time_s))


def stream(stub: Stub, requests: list[pb.AlignStreamRequest]) -> list[pb.AlignStreamResponse]:
    """All answers; a frame without a time gets that of 30 frames a second, since times must grow."""
    for number, request in enumerate(requests[1:]):
        if request.WhichOneof("request") == "frame" and request.frame.time_s == 0.0:
            request.frame.time_s = number / 30
    return list(stub.AlignStream(iter(requests), timeout=60))


def clip_requests(data: bytes, size: int = 65536, **values: Unpack[ClipChoices]) -> Iterator[pb.AlignClipRequest]:
    yield pb.AlignClipRequest(config=pb.ClipConfig(**values))
    for at in range(0, len(data), size):
        yield pb.AlignClipRequest(chunk=data[at : at + size])


def info_of(error: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    """The ErrorInfo in the trailers."""
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "red-align"
    return info


def reason_of(error: grpc.RpcError) -> str:
    """The reason of an error."""
    return str(info_of(error).reason)


def limit_of(error: grpc.RpcError) -> str:
    """The limit that an error names."""
    return str(info_of(error).metadata["limit"])


def points_of(face: pb.Face) -> np.ndarray:
    return np.reshape(face.landmarks, (-1, 2))


def test_every_frame_has_one_answer_in_order_and_the_stream_an_end(stub: Stub) -> None:
    frames = carphone_frames()[:30]
    answers = stream(stub, [config(), *(raw(f, i / 30) for i, f in enumerate(frames))])
    assert [a.WhichOneof("event") for a in answers] == ["frame"] * 30 + ["end"]
    results = [a.frame for a in answers[:-1]]
    assert [r.index for r in results] == list(range(30))
    assert [r.time_s for r in results] == pytest.approx([i / 30 for i in range(30)])
    assert {r.status for r in results} == {pb.FRAME_STATUS_OK}
    end = answers[-1].end
    assert end.resume_token
    end.ClearField("resume_token")
    assert end == pb.StreamEnd(complete=True, frame_count=30)


def test_a_face_keeps_its_track_and_has_all_points_inside_its_box(stub: Stub) -> None:
    results = [a.frame for a in stream(stub, [config(), *map(raw, carphone_frames()[:20])])[:-1]]
    for result in results:
        assert [f.track_id for f in result.faces] == [0]
        face = result.faces[0]
        points = points_of(face)
        assert points.shape == (68, 2)
        assert len(face.confidence) == 68
        assert 0 < face.score <= 1
        low, high = points.min(0), points.max(0)
        assert (face.box.x, face.box.y) == pytest.approx(tuple(low), abs=1e-3)
        assert (face.box.w, face.box.h) == pytest.approx(tuple(high - low), abs=1e-3)


def test_png_frames_give_the_points_of_raw_frames_and_jpeg_nearly_so(stub: Stub) -> None:
    frames = carphone_frames()[:10]
    as_raw, as_png, as_jpeg = (
        [points_of(a.frame.faces[0]) for a in stream(stub, [config(), *requests])[:-1]]
        for requests in (map(raw, frames), (encoded(png(f)) for f in frames), (encoded(jpeg(f, 95)) for f in frames))
    )
    assert np.abs(np.array(as_png) - as_raw).max() < 1e-3
    assert 0 < np.abs(np.array(as_jpeg) - as_raw).max() < 4


def test_a_clip_gives_what_the_same_frames_give_as_a_stream_and_rest_gives(stub: Stub, server: RunningServer) -> None:
    data = carphone_path().read_bytes()
    answers = list(stub.AlignClip(clip_requests(data), timeout=60))
    video = pb.VideoInfo(width=176, height=144, frame_rate=30000 / 1001, pixel_aspect_ratio=128 / 117)
    assert answers[0].video == video
    assert answers[-1].end == pb.StreamEnd(complete=True, frame_count=120)
    clip = np.array([points_of(a.frame.faces[0]) for a in answers[1:-1]])
    live = stream(stub, [config(), *map(raw, carphone_frames())])[:-1]
    # A clip is cropped from the planes of the video, a raw frame from the picture made of them; the face is 50 px wide.
    apart = np.linalg.norm(clip - [points_of(a.frame.faces[0]) for a in live], axis=-1)
    assert apart.mean() < 0.1
    assert apart.max() < 1.0
    answer = httpx.post(f"{server.http}/align", files={"video": data}, timeout=60).json()
    rest = np.array([f["faces"][0]["landmarks"] for f in answer["frames"]]).reshape(clip.shape)
    assert np.abs(clip - rest).max() < 0.02


def test_stride_leaves_frames_out_but_keeps_their_numbers(stub: Stub) -> None:
    answers = list(stub.AlignClip(clip_requests(carphone_path().read_bytes(), stride=7), timeout=60))
    assert [a.frame.index for a in answers[1:-1]] == list(range(0, 120, 7))
    assert answers[-1].end.frame_count == len(answers) - 2


def test_results_of_a_stream_come_while_it_is_open(stub: Stub) -> None:
    """A client that sends a frame only after the last one's answer must not wait for ever."""
    to_send: queue.Queue[pb.AlignStreamRequest | None] = queue.Queue()
    to_send.put(config())
    responses = stub.AlignStream(iter(to_send.get, None), timeout=30)
    for index, frame in enumerate(carphone_frames()[:5]):
        to_send.put(raw(frame))
        assert next(responses).frame.index == index
    to_send.put(None)
    assert [r.WhichOneof("event") for r in responses] == ["end"]


def test_a_raw_full_hd_frame_is_admitted(stub: Stub) -> None:
    canvas = np.zeros((1080, 1920, 3), np.uint8)
    face = np.kron(carphone_frames()[0], np.ones((4, 4, 1), np.uint8))
    canvas[200 : 200 + face.shape[0], 600 : 600 + face.shape[1]] = face
    result = stream(stub, [config(), raw(canvas)])[0].frame
    assert result.status == pb.FRAME_STATUS_OK
    points = points_of(result.faces[0])
    small = points_of(stream(stub, [config(), raw(carphone_frames()[0])])[0].frame.faces[0])
    assert np.abs(points - (small * 4 + (601.5, 201.5))).max() < 20


async def test_streams_side_by_side_do_not_touch_each_other(server: RunningServer) -> None:
    clips = [list(carphone_frames()[at : at + 25]) for at in range(0, 80, 10)]

    async def run(stub: Stub, frames: list[Image]) -> np.ndarray:
        async def requests() -> AsyncIterator[pb.AlignStreamRequest]:
            yield config()
            for number, frame in enumerate(frames):
                yield raw(frame, number / 30)

        answers = [a async for a in stub.AlignStream(requests(), timeout=60)]
        return np.array([points_of(a.frame.faces[0]) for a in answers[:-1]])

    async with grpc.aio.insecure_channel(server.grpc) as channel:
        stub = Stub(channel)
        alone = [await run(stub, clip) for clip in clips]
        together = await asyncio.gather(*(run(stub, clip) for clip in clips))
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one - other).max() < 0.01
    assert np.abs(alone[0] - alone[1]).max() > 1  # The clips do differ.


@pytest.mark.parametrize("degrees", [-35, -20, 20, 35])
def test_a_face_that_stands_turned_gives_turned_points(stub: Stub, degrees: int) -> None:
    turn = cv2.getRotationMatrix2D((255.5, 255.5), degrees, 1.0)
    turned = np.asarray(cv2.warpAffine(astronaut(), turn, (512, 512)), np.uint8)
    upright = points_of(stream(stub, [config(), raw(astronaut())])[0].frame.faces[0])
    points = points_of(stream(stub, [config(), raw(turned)])[0].frame.faces[0])
    wanted = upright @ turn[:, :2].T + turn[:, 2]
    eyes = np.linalg.norm(upright[36] - upright[45])
    assert np.linalg.norm(points - wanted, axis=1).mean() < 0.08 * eyes


def test_info_is_the_same_as_over_rest(stub: Stub, server: RunningServer) -> None:
    info = stub.GetInfo(pb.GetInfoRequest(), timeout=10)
    rest = httpx.get(f"{server.http}/v1/info").json()
    assert (info.version, info.scheme, info.num_points) == (rest["version"], "ibug68", 68)
    assert list(info.mean_shape) == pytest.approx(rest["mean_shape"])
    assert {f.name: getattr(info.limits, f.name) for f in info.limits.DESCRIPTOR.fields} == rest["limits"]
    assert {f.name: getattr(info.model, f.name) for f in info.model.DESCRIPTOR.fields} == rest["model"]
    assert (info.model.precision, list(info.model.providers)) == ("fp32", ["cpu"])


def test_health_and_reflection_know_the_service(server: RunningServer) -> None:
    with grpc.insecure_channel(server.grpc) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", SERVICE):
            status = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=10).status
            assert status == health_pb2.HealthCheckResponse.SERVING
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answer = next(iter(reflection.ServerReflectionInfo(iter([request]), timeout=10)))
        assert SERVICE in {s.name for s in answer.list_services_response.service}
