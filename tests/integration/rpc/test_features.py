"""Features over gRPC, against a real server."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import numpy as np
import pytest

import red_align
from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from tests.support.media import carphone_frames, carphone_path, png
from tests.support.servers import RunningServer

Stub = pb_grpc.FaceLandmarkServiceStub


@pytest.fixture
def stub(server: RunningServer) -> Iterator[Stub]:
    with grpc.insecure_channel(server.grpc, options=[("grpc.max_receive_message_length", -1)]) as channel:
        yield Stub(channel)


def stream(stub: Stub, features: pb.FeatureOptions, frames: int = 4) -> list[pb.AlignStreamResponse]:
    requests = [pb.AlignStreamRequest(config=pb.StreamConfig(features=features))]
    for number, image in enumerate(carphone_frames()[:frames]):
        requests.append(pb.AlignStreamRequest(frame=pb.VideoFrame(encoded=png(image), time_s=number / 30)))
    return list(stub.AlignStream(iter(requests), timeout=60))


def clip(stub: Stub, features: pb.FeatureOptions) -> list[pb.AlignClipResponse]:
    config = pb.ClipConfig(stride=20, features=features)
    requests = [pb.AlignClipRequest(config=config), pb.AlignClipRequest(chunk=carphone_path().read_bytes())]
    return list(stub.AlignClip(iter(requests), timeout=60))


def test_a_stream_has_what_the_library_gives(stub: Stub) -> None:
    wanted = pb.FeatureOptions(names=["pose", "expression", "crop"], points=51, smooth=pb.SMOOTHING_ONE_EURO)
    answers = stream(stub, wanted)
    options = red_align.FeatureOptions(("pose", "expression", "crop"), 51, "one_euro")
    with red_align.Tracker(features=options) as tracker:
        for number, answer in enumerate(answers[:-1]):
            own = tracker.track(carphone_frames()[number], number / 30).faces[0]
            face = answer.frame.faces[0]
            assert own.pose
            assert own.expression
            assert own.alignment
            assert len(face.landmarks) == 102
            assert face.pose.yaw == pytest.approx(own.pose.yaw, abs=1e-3)
            assert list(face.pose.translation) == pytest.approx(own.pose.translation.tolist(), rel=1e-4)
            assert dict(face.expression.coefficients) == pytest.approx(own.expression.coefficients, abs=1e-6)
            assert np.reshape(face.alignment.matrix, (2, 3)) == pytest.approx(own.alignment.matrix, rel=1e-5)
            assert face.alignment.crop == own.alignment.crop


def test_a_clip_may_look_ahead_and_a_stream_may_not(stub: Stub) -> None:
    wanted = pb.FeatureOptions(names=["alignment"], smooth=pb.SMOOTHING_LOOK_AHEAD)
    answers = clip(stub, wanted)
    frames = [answer.frame for answer in answers if answer.WhichOneof("event") == "frame"]
    assert [frame.index for frame in frames] == list(range(0, 120, 20))
    assert all(len(frame.faces[0].alignment.matrix) == 6 and not frame.faces[0].alignment.crop for frame in frames)
    assert answers[-1].end.frame_count == 6
    with pytest.raises(grpc.RpcError) as raised:
        stream(stub, wanted)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "look ahead" in str(raised.value.details())


def test_a_misspelt_feature_is_refused_with_the_right_one(stub: Stub) -> None:
    for call in (stream, clip):
        with pytest.raises(grpc.RpcError) as raised:
            call(stub, pb.FeatureOptions(names=["allignment"]))
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "did you mean 'alignment'?" in str(raised.value.details())


def test_info_lists_them_and_a_face_without_them_has_none(stub: Stub) -> None:
    info = stub.GetInfo(pb.GetInfoRequest())
    assert list(info.features.names) == ["pose", "expression", "alignment", "crop"]
    face = stream(stub, pb.FeatureOptions(), 1)[0].frame.faces[0]
    assert [face.HasField(name) for name in ("pose", "expression", "alignment")] == [False] * 3
