"""``parallel`` over REST and gRPC with a real server: the answers of one part, in order, and bounds that hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest

from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from tests.support.media import astronaut, carphone_frames, damage_packets, jpeg, write_video
from tests.support.servers import RunningServer, running_server

COUNT = 480
VIDEO = {"content-type": "video/mp4"}


@pytest.fixture(scope="module")
def parts_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(MAX_PARALLEL="2", PARALLEL_PARTS="2", TEMP_DIR=str(tmp_path_factory.mktemp("up"))) as running:
        yield running


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = list(carphone_frames())
    path = tmp_path_factory.mktemp("clips") / "long.mp4"
    return write_video(path, (frames + frames[::-1]) * (COUNT // 240), gop=60, b_frames=2)


def ask(server: RunningServer, data: bytes, **query: Any) -> list[dict[str, Any]]:
    """The lines of an NDJSON answer."""
    response = httpx.post(
        f"{server.http}/align", content=data, headers=VIDEO, params={"format": "ndjson", **query}, timeout=90
    )
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


def heads(lines: list[dict[str, Any]]) -> list[Any]:
    """All but the points."""
    frames = lines[1:-1]
    return [lines[0], lines[-1], *((f["index"], f["time_s"], [x["track_id"] for x in f["faces"]]) for f in frames)]


def logged(server: RunningServer, words: str) -> int:
    return sum(words in line for line in server.lines)


def test_rest_gives_the_answer_of_one_part(parts_server: RunningServer, clip: Path) -> None:
    data = clip.read_bytes()
    one, several = ask(parts_server, data), ask(parts_server, data, parallel=64)
    assert heads(several) == heads(one)
    points = [np.array([f["faces"][0]["landmarks"] for f in lines[1:-1]]) for lines in (one, several)]
    assert 0 < np.abs(points[0] - points[1]).mean() < 0.15
    assert logged(parts_server, "in 2 parts at once") >= 1, "at most RED_MAX_PARALLEL"
    strided = ask(parts_server, data, parallel=2, stride=7)
    assert heads(strided) == heads(ask(parts_server, data, stride=7))


def test_csv_and_json_hold_all_frames_in_order(parts_server: RunningServer, clip: Path) -> None:
    url = f"{parts_server.http}/align"
    json_answer = httpx.post(url, content=clip.read_bytes(), headers=VIDEO, params={"parallel": 2}, timeout=90).json()
    assert [frame["index"] for frame in json_answer["frames"]] == list(range(COUNT))
    query: dict[str, int | str] = {"parallel": 2, "format": "csv"}
    csv_answer = httpx.post(url, content=clip.read_bytes(), headers=VIDEO, params=query, timeout=90)
    assert csv_answer.headers["x-red-complete"] == "true"
    assert [line.split(",")[0] for line in csv_answer.text.splitlines()[1:]] == [str(i + 1) for i in range(COUNT)]


def test_grpc_gives_the_answer_of_one_part(parts_server: RunningServer, clip: Path) -> None:
    def answers(parallel: int) -> list[pb.AlignClipResponse]:
        config = pb.AlignClipRequest(config=pb.ClipConfig(parallel=parallel))
        with grpc.insecure_channel(parts_server.grpc) as channel:
            stub = pb_grpc.FaceLandmarkServiceStub(channel)
            return list(stub.AlignClip(iter([config, pb.AlignClipRequest(chunk=clip.read_bytes())]), timeout=90))

    one, several = answers(0), answers(2)
    for a, b in zip(one, several, strict=True):
        assert a.WhichOneof("event") == b.WhichOneof("event")
        assert (a.frame.index, a.frame.time_s, a.video, a.end) == (b.frame.index, b.frame.time_s, b.video, b.end)
        assert [face.track_id for face in a.frame.faces] == [face.track_id for face in b.frame.faces]


def test_a_damaged_clip_has_the_warnings_of_one_part(parts_server: RunningServer, clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp4"
    path.write_bytes(clip.read_bytes())
    data = damage_packets(path, [150, 350]).read_bytes()
    one, several = ask(parts_server, data), ask(parts_server, data, parallel=2)
    assert heads(several) == heads(one)
    assert several[-1]["complete"] is False


def test_pictures_and_segments_of_streams_are_one_part(parts_server: RunningServer, clip: Path) -> None:
    before = logged(parts_server, "parts at once")
    url = f"{parts_server.http}/align"
    picture = httpx.post(url, content=jpeg(astronaut()), headers={"content-type": "image/jpeg"}, params={"parallel": 4})
    assert picture.json()["frame_count"] == 1
    segment = ask(parts_server, clip.read_bytes(), parallel=2, stream_id="one")
    assert segment[-1]["resume_token"]
    assert logged(parts_server, "parts at once") == before
    assert httpx.post(url, content=b"", headers=VIDEO, params={"parallel": 0}).status_code == 400


def test_clips_that_find_no_free_part_are_answered_as_one(parts_server: RunningServer, clip: Path) -> None:
    data = clip.read_bytes()
    with ThreadPoolExecutor(4) as threads:
        several = list(threads.map(lambda _: ask(parts_server, data, parallel=2), range(4)))
    assert all(heads(lines) == heads(several[0]) for lines in several)


def test_a_client_that_goes_frees_the_parts(parts_server: RunningServer, clip: Path) -> None:
    before = logged(parts_server, "in 2 parts at once")
    request = {"params": {"format": "ndjson", "parallel": 2}, "headers": VIDEO, "content": clip.read_bytes()}
    with httpx.stream("POST", f"{parts_server.http}/align", timeout=90, **request) as response:  # type: ignore[arg-type]
        next(response.iter_lines())
    lines = ask(parts_server, clip.read_bytes(), parallel=2)
    assert lines[-1]["complete"] is True
    again = ask(parts_server, clip.read_bytes(), parallel=2)
    assert heads(again) == heads(lines)
    assert logged(parts_server, "in 2 parts at once") > before


def test_a_deadline_frees_the_parts(parts_server: RunningServer, clip: Path) -> None:
    before = logged(parts_server, "in 2 parts at once")
    asked = [pb.AlignClipRequest(config=pb.ClipConfig(parallel=2)), pb.AlignClipRequest(chunk=clip.read_bytes())]
    with grpc.insecure_channel(parts_server.grpc) as channel:
        answers = pb_grpc.FaceLandmarkServiceStub(channel).AlignClip(iter(asked), timeout=0.3)
        with pytest.raises(grpc.RpcError) as ended:
            list(answers)
    assert ended.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert ask(parts_server, clip.read_bytes(), parallel=2)[-1]["complete"] is True
    assert ask(parts_server, clip.read_bytes(), parallel=2)[-1]["complete"] is True
    assert logged(parts_server, "in 2 parts at once") >= before + 1


def test_a_live_stream_and_a_clip_of_one_part_are_answered_beside_clips_in_parts(
    parts_server: RunningServer, clip: Path
) -> None:
    data, pictures = clip.read_bytes(), [jpeg(frame) for frame in carphone_frames()[:30]]
    config = pb.AlignStreamRequest(config=pb.StreamConfig())
    live = [
        pb.AlignStreamRequest(frame=pb.VideoFrame(encoded=picture, time_s=index / 30))
        for index, picture in enumerate(pictures)
    ]
    with ThreadPoolExecutor(3) as threads, grpc.insecure_channel(parts_server.grpc) as channel:
        several = [threads.submit(ask, parts_server, data, parallel=2) for _ in range(2)]
        alone = threads.submit(ask, parts_server, data)
        stub = pb_grpc.FaceLandmarkServiceStub(channel)
        results = [a.frame for a in stub.AlignStream(iter([config, *live]), timeout=60) if a.HasField("frame")]
        ended = [each.result() for each in (*several, alone)]
    assert [len(result.faces) for result in results] == [1] * len(pictures)
    assert all(heads(lines) == heads(ended[0]) for lines in ended)
