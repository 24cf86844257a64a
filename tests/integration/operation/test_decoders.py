"""Live frames against a real server whose decoding processes crash and hang: the stream goes on."""

from __future__ import annotations

import queue
import signal
import time

import grpc
import httpx
import psutil
import pytest

from red_align.v1 import face_landmarks_pb2 as pb
from tests.integration.rpc.test_grpc import Stub, config, encoded
from tests.support.media import carphone_frames, jpeg
from tests.support.rest import gauge, wait_until
from tests.support.servers import RunningServer, running_server


def decoders(server: RunningServer) -> list[psutil.Process]:
    children = psutil.Process(server.process.pid).children()
    return [p for p in children if "red_align.media.decode_worker" in " ".join(p.cmdline())]


@pytest.mark.parametrize("spare", ["1", "2"])
def test_uploads_and_live_frames_do_not_notice_that_idle_decoders_were_killed(spare: str) -> None:
    picture = jpeg(carphone_frames()[0])
    headers = {"content-type": "image/jpeg"}
    with running_server(DECODE_SPARE=spare) as server, grpc.insecure_channel(server.grpc) as channel:
        for _ in range(2):
            killed = decoders(server)
            assert killed
            for process in killed:
                process.kill()
            for _ in range(2):
                answer = httpx.post(f"{server.http}/align", content=picture, headers=headers, timeout=60)
                assert answer.status_code == 200, answer.text
                assert len(answer.json()["frames"][0]["faces"]) == 1
        for process in decoders(server):
            process.kill()
        answers = Stub(channel).AlignStream(iter([config(), encoded(picture, 0.0), encoded(picture, 1.0)]), timeout=60)
        assert [len(answer.frame.faces) for answer in answers][:2] == [1, 1]
        assert "Traceback" not in "".join(server.lines)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hang"])
def test_a_stream_outlives_its_decoders(number: int) -> None:
    frames = carphone_frames()
    with (
        running_server(DECODE_TIMEOUT_S="1.5", DECODE_SPARE="1") as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        to_send: queue.Queue[pb.AlignStreamRequest | None] = queue.Queue()
        to_send.put(config())
        responses = Stub(channel).AlignStream(iter(to_send.get, None), timeout=60)
        to_send.put(encoded(jpeg(frames[0]), 0.0))
        assert len(next(responses).frame.faces) == 1
        for process in decoders(server):
            process.send_signal(number)
        time.sleep(0.1)
        to_send.put(encoded(jpeg(frames[1]), 1.0))
        answer = next(responses).frame
        if number == signal.SIGKILL:
            assert (answer.index, answer.status, len(answer.faces)) == (1, pb.FRAME_STATUS_OK, 1)
        else:
            assert (answer.index, answer.status, answer.error.reason) == (1, pb.FRAME_STATUS_ERROR, "BAD_FRAME")
            assert "did not answer" in answer.error.message
        to_send.put(encoded(jpeg(frames[2]), 2.0))
        answer = next(responses).frame
        assert (answer.index, [face.track_id for face in answer.faces]) == (2, [0])
        to_send.put(None)
        assert next(responses).end.frame_count == 3
        assert 1 <= len(decoders(server)) <= 2
        assert server.stop() == 0
        assert "Traceback" not in "".join(server.lines)


def test_a_frame_whose_decoder_hangs_holds_up_no_other_stream() -> None:
    picture = encoded(jpeg(carphone_frames()[0]), 0.0)
    with (
        running_server(DECODE_TIMEOUT_S="2", DECODE_SPARE="1", WORKERS="1") as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        (hung,) = decoders(server)
        hung.send_signal(signal.SIGSTOP)
        wait_until(lambda: hung.status() == psutil.STATUS_STOPPED)
        held = Stub(channel).AlignStream(iter([config(), picture]), timeout=60)
        wait_until(lambda: gauge(server, "streams") == 1)
        time.sleep(0.3)
        began = time.monotonic()
        answer = next(Stub(channel).AlignStream(iter([config(), picture]), timeout=60))
        assert len(answer.frame.faces) == 1
        assert time.monotonic() - began < 1.5
        assert "did not answer" in next(held).frame.error.message
