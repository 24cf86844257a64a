"""Bad input over gRPC: a clear error, and a server that goes on."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator

import grpc
import numpy as np
import pytest

from red_align.v1 import face_landmarks_pb2 as pb
from tests.integration.rpc.test_grpc import Stub, clip_requests, config, encoded, limit_of, raw, reason_of, stream
from tests.support.media import carphone_frames, carphone_path, jpeg
from tests.support.rest import gauge, wait_until
from tests.support.servers import RunningServer, running_server

CODE = grpc.StatusCode


@pytest.fixture
def stub(server: RunningServer) -> Iterator[Stub]:
    with grpc.insecure_channel(server.grpc) as channel:
        yield Stub(channel)
        # Whatever a test sent, the server still serves.
        good = stream(Stub(channel), [config(), raw(carphone_frames()[0])])
        assert len(good[0].frame.faces) == 1


def frame() -> pb.AlignStreamRequest:
    return raw(carphone_frames()[0])


@pytest.mark.parametrize(
    ("requests", "code", "reason"),
    [
        ([], CODE.INVALID_ARGUMENT, "CONFIG_EXPECTED"),
        ([pb.AlignStreamRequest()], CODE.INVALID_ARGUMENT, "CONFIG_EXPECTED"),
        ([config(max_faces=99)], CODE.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ([config(stream_id="x" * 129)], CODE.INVALID_ARGUMENT, "INVALID_REQUEST"),
        ([config(), config()], CODE.INVALID_ARGUMENT, "CONFIG_REPEATED"),
    ],
    ids=["nothing", "an empty message", "too many faces", "a long stream id", "config twice"],
)
def test_a_wrong_stream_is_refused(
    stub: Stub, requests: list[pb.AlignStreamRequest], code: grpc.StatusCode, reason: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stream(stub, requests)
    assert caught.value.code() == code
    assert reason_of(caught.value) == reason
    assert "Traceback" not in (caught.value.details() or "")


def test_a_frame_before_the_config_is_refused(stub: Stub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stream(stub, [frame(), config()])
    assert reason_of(caught.value) == "CONFIG_EXPECTED"


def test_a_config_that_comes_again_ends_the_stream_after_the_frames_before_it(stub: Stub) -> None:
    responses = stub.AlignStream(iter([config(), frame(), frame(), config(), frame()]), timeout=30)
    assert [next(responses).frame.index for _ in range(2)] == [0, 1]
    with pytest.raises(grpc.RpcError) as caught:
        next(responses)
    assert reason_of(caught.value) == "CONFIG_REPEATED"


def bad_frames() -> dict[str, tuple[pb.AlignStreamRequest, str]]:
    good = carphone_frames()[0]
    other = np.zeros((100, 100, 3), np.uint8)
    return {
        "not a JPEG": (encoded(b"this is no picture"), "BAD_FRAME"),
        "a JPEG cut short": (encoded(jpeg(good)[:900]), "BAD_FRAME"),
        "no bytes": (encoded(b""), "BAD_FRAME"),
        "no image at all": (pb.AlignStreamRequest(frame=pb.VideoFrame()), "BAD_FRAME"),
        "an empty message": (pb.AlignStreamRequest(), "BAD_FRAME"),
        "raw bytes missing": (
            pb.AlignStreamRequest(frame=pb.VideoFrame(raw=pb.RawImage(width=176, height=144, rgb=b"12"))),
            "BAD_FRAME",
        ),
        "raw without size": (pb.AlignStreamRequest(frame=pb.VideoFrame(raw=pb.RawImage(rgb=b"12"))), "BAD_FRAME"),
        "raw beyond the limit": (
            pb.AlignStreamRequest(frame=pb.VideoFrame(raw=pb.RawImage(width=2**31, height=2**31))),
            "TOO_LARGE",
        ),
        "a time that is no number": (raw(good, float("nan")), "BAD_FRAME"),
        "a time before zero": (raw(good, -1.0), "BAD_FRAME"),
        "another size": (raw(other), "FRAME_SIZE_CHANGED"),
    }


@pytest.mark.parametrize("name", list(bad_frames()))
def test_a_bad_frame_is_answered_with_its_error_and_the_stream_goes_on(stub: Stub, name: str) -> None:
    bad, reason = bad_frames()[name]
    answers = stream(stub, [config(), frame(), bad, frame()])
    statuses = [a.frame.status for a in answers[:-1]]
    assert statuses == [pb.FRAME_STATUS_OK, pb.FRAME_STATUS_ERROR, pb.FRAME_STATUS_OK]
    broken = answers[1].frame
    assert (broken.index, broken.error.reason, broken.error.code) == (1, reason, "INVALID_ARGUMENT")
    assert broken.error.message
    assert not broken.faces
    assert [f.track_id for f in answers[2].frame.faces] == [0]  # The track outlives a bad frame.
    assert answers[-1].end.frame_count == 3


def test_a_message_above_the_limit_is_refused(stub: Stub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stream(stub, [config(), raw(np.zeros((2000, 3000, 3), np.uint8))])
    assert caught.value.code() == CODE.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("requests", "reason"),
    [
        ([], "CONFIG_EXPECTED"),
        ([pb.AlignClipRequest(chunk=b"x")], "CONFIG_EXPECTED"),
        ([pb.AlignClipRequest(config=pb.ClipConfig())] * 2, "CONFIG_REPEATED"),
        (list(clip_requests(b"")), "EMPTY_BODY"),
        (list(clip_requests(b"just some text, no video\n" * 50)), "UNREADABLE_MEDIA"),
        (list(clip_requests(b"x", max_faces=99)), "INVALID_REQUEST"),
    ],
    ids=["nothing", "chunk first", "config twice", "no bytes", "text", "too many faces"],
)
def test_a_wrong_clip_is_refused(stub: Stub, requests: list[pb.AlignClipRequest], reason: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        list(stub.AlignClip(iter(requests), timeout=30))
    assert caught.value.code() == CODE.INVALID_ARGUMENT
    assert reason_of(caught.value) == reason


def test_a_client_that_goes_away_leaves_the_server_alone(stub: Stub, server: RunningServer) -> None:
    for moment in range(40):  # before, during and after the first answer
        call = stub.AlignStream(iter([config(), *([frame()] * 50)]), timeout=30)
        time.sleep(moment / 1000)
        call.cancel()
    for _ in range(5):
        call = stub.AlignStream(iter([config(), *([frame()] * 50)]), timeout=30)
        next(call)
        call.cancel()
    wait_until(lambda: gauge(server, "streams") == 0)
    assert "Traceback" not in "".join(server.lines)
    call = stub.AlignClip(clip_requests(carphone_path().read_bytes()), timeout=30)
    next(call)
    call.cancel()


def test_a_deadline_ends_the_stream_and_what_it_held_is_free(stub: Stub, server: RunningServer) -> None:
    to_send: queue.Queue[pb.AlignStreamRequest | None] = queue.Queue()
    to_send.put(config())
    to_send.put(frame())
    responses = stub.AlignStream(iter(to_send.get, None), timeout=3)
    assert len(next(responses).frame.faces) == 1
    assert gauge(server, "streams") == 1
    with pytest.raises(grpc.RpcError) as caught:
        next(responses)
    assert caught.value.code() == CODE.DEADLINE_EXCEEDED
    wait_until(lambda: gauge(server, "streams") == gauge(server, "sequences") == 0)
    to_send.put(None)


def test_calls_that_never_begin_end_and_are_bounded() -> None:
    silent: queue.Queue[pb.AlignStreamRequest | None] = queue.Queue()
    with (
        running_server(FIRST_MESSAGE_S="2", MAX_STREAMS="70", MAX_UPLOADS="1") as bounded,
        grpc.insecure_channel(bounded.grpc) as channel,
    ):
        calls = [Stub(channel).AlignStream(iter(silent.get, None), timeout=30) for _ in range(110)]
        codes = [call.code() for call in calls]  # waits for their ends
        assert codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED) == 110 - 103
        assert codes.count(grpc.StatusCode.DEADLINE_EXCEEDED) == 103
        late = next(call for call in calls if call.code() is grpc.StatusCode.DEADLINE_EXCEEDED)
        assert (reason_of(late), limit_of(late)) == ("FIRST_MESSAGE_TIMEOUT", "first_message_s")
        for _ in calls:
            silent.put(None)

        def served() -> bool:  # a moment later, when the server has counted their ends
            try:
                return bool(stream(Stub(channel), [config(), frame()])[0].frame.faces)
            except grpc.RpcError:
                return False

        wait_until(served)
        for _ in range(2):  # together more than may be under way, each given up by its client
            for _ in range(60):
                given_up = Stub(channel).AlignStream(iter([config(), frame(), frame()]), timeout=30)
                next(given_up)
                given_up.cancel()
            wait_until(served)
