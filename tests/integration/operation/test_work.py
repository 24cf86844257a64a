"""Small files that stand for much work or memory, against a real server: refused with a status and a sentence."""

from __future__ import annotations

import io
import struct
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import pytest
from PIL import Image

from red_align.v1 import face_landmarks_pb2 as pb
from tests.integration.rpc.test_grpc import Stub, config, encoded
from tests.support.media import carphone_frames, carphone_path, jpeg
from tests.support.rest import VIDEO, check_error
from tests.support.servers import running_server

PICTURE = {"content-type": "image/png"}


def animation(frames: int, side: int) -> bytes:
    """A GIF whose frames change one pixel each: 24 bytes stand for side * side pixels."""
    change = b"\x21\xf9\x04\x00\x0a\x00\x00\x00\x2c"
    parts = [change + struct.pack("<HHHH", i, 0, 1, 1) + b"\x00\x02\x02\x44\x01\x00" for i in range(frames)]
    return b"GIF89a" + struct.pack("<HH", side, side) + b"\x80\x00\x00" + bytes(6) + b"".join(parts) + b";"


def flat_png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("1", (width, height)).save(file, "PNG")
    return file.getvalue()


def test_an_animation_of_a_few_bytes_and_a_billion_pixels_is_refused_before_it_decodes() -> None:
    data = animation(20, 7000)
    assert len(data) < 500
    with running_server(DECODE_TIMEOUT_S="120") as server:
        response = httpx.post(f"{server.http}/align", content=data, headers={"content-type": "image/gif"}, timeout=60)
        error = check_error(response, 413, "TOO_LARGE")
        assert error["metadata"] == {"limit": "max_animation_pixels"}
        assert "20 frames of 7000x7000" in error["message"]
        small = httpx.post(
            f"{server.http}/align", content=animation(20, 100), headers={"content-type": "image/gif"}, timeout=60
        )
        assert small.json()["frame_count"] == 20


def test_frames_that_would_need_more_memory_than_all_may_have_are_refused() -> None:
    """11 bytes a pixel are reckoned: 5 Mpx take 55 MB, of which one fits, and 20 Mpx never fit."""
    large, picture = flat_png(2500, 2000), jpeg(carphone_frames()[0])
    with (
        running_server(MAX_DECODING_BYTES="100000000") as server,
        grpc.insecure_channel(server.grpc) as channel,
        ThreadPoolExecutor(6) as threads,
    ):
        never = httpx.post(f"{server.http}/align", content=flat_png(5000, 4000), headers=PICTURE, timeout=60)
        error = check_error(never, 413, "TOO_LARGE")
        assert error["metadata"] == {"limit": "max_decoding_bytes"}

        def ask(_: int) -> httpx.Response:
            return httpx.post(f"{server.http}/align", content=large, headers=PICTURE, timeout=60)

        answers: list[httpx.Response] = []
        while len({answer.status_code for answer in answers}) < 2 and len(answers) < 120:
            answers += threads.map(ask, range(6))
        assert {answer.status_code for answer in answers} == {200, 429}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert "MB" in check_error(refused, 429, "OVERLOADED")["message"]
        assert refused.json()["error"]["metadata"] == {"limit": "max_decoding_bytes"}
        assert refused.headers["retry-after"] == "1"
        assert ask(0).status_code == 200, "what was set aside is free again"
        sent = [config(), encoded(picture, 0.0), encoded(flat_png(5000, 4000), 1.0), encoded(picture, 2.0)]
        frames = [answer.frame for answer in Stub(channel).AlignStream(iter(sent), timeout=60)][:3]
        assert [frame.status for frame in frames] == [pb.FRAME_STATUS_OK, pb.FRAME_STATUS_ERROR, pb.FRAME_STATUS_OK]
        assert frames[1].error.reason == "TOO_LARGE"
        clip = httpx.post(f"{server.http}/align", content=carphone_path().read_bytes(), headers=VIDEO, timeout=60)
        assert clip.json()["frame_count"] == 120


def test_a_tenant_that_had_its_pixels_is_refused_until_they_are_paid_off() -> None:
    clip = carphone_path().read_bytes()  # 3 Mpx in all
    with (
        running_server(TENANT_PIXELS_PER_S="1500000") as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):

        def ask(query: str = "") -> httpx.Response:
            return httpx.post(f"{server.http}/align{query}", content=clip, headers=VIDEO, timeout=60)

        first = ask("?stride=60")  # Frames that are left out have to be decoded too.
        assert [frame["index"] for frame in first.json()["frames"]] == [0, 60]
        refused = ask()
        error = check_error(refused, 429, "OVERLOADED")
        assert error["metadata"] == {"limit": "tenant_pixels_per_s"}
        assert "1500000 pixels a second" in error["message"]
        assert refused.headers["retry-after"] == "1"
        with pytest.raises(grpc.RpcError) as stopped:
            list(Stub(channel).AlignStream(iter([config(), encoded(jpeg(carphone_frames()[0]), 0.0)]), timeout=60))
        assert stopped.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
