"""Cameras over RTSP and RTMP, from real servers, as the library and the command line read them."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

import red_align
from red_align.errors import SourceNotAllowed, SourceUnreachable, UnsupportedMedia
from red_align.media.live.opening import LiveLimits
from red_align.media.live.reconnecting import Retries, open_source
from tests.support.live.rtmp_server import rtmp_server
from tests.support.live.sources import free_port, rtsp_server, write_h264
from tests.support.media import astronaut

QUICK = LiveLimits(connect_s=10.0, stall_s=3.0)


def test_track_follows_the_face_of_a_camera(h264: Path) -> None:
    with rtsp_server(h264, free_port()) as url, red_align.track(url) as clip:
        results = list(islice(clip, 20))
    assert (clip.video.width, clip.video.height, clip.video.frame_rate) == (176, 144, 25.0)
    assert {face.track_id for result in results for face in result.faces} == {0}
    steps = {round(b.time_s - a.time_s, 2) for a, b in pairwise(results)}
    assert all(step >= 0.04 and abs(step / 0.04 - round(step / 0.04)) < 0.3 for step in steps), "the camera's own times"


def test_a_camera_that_is_gone_and_back_goes_on_with_its_faces(h264: Path) -> None:
    port = free_port()
    with ExitStack() as first, ExitStack() as second:
        url = first.enter_context(rtsp_server(h264, port))
        source = open_source(url, limits=QUICK, retries=Retries(0.5, 60.0))
        with red_align.Tracker() as tracker:
            results = []
            for frame in source.frames(planes=True):
                results.append(tracker.process(frame))
                if len(results) == 10:
                    first.close()
                    second.enter_context(rtsp_server(h264, port))
                if source.reconnects and len(results) >= 30:
                    break
        source.close()
    assert source.reconnects == 1
    times = [result.time_s for result in results]
    assert all(a < b for a, b in pairwise(times))
    assert [result.index for result in results] == sorted({result.index for result in results})
    gap_s = max(b - a for a, b in pairwise(times))
    assert 0.3 < gap_s < 30.0, "the gap is in the times"
    ids = {face.track_id for result in results for face in result.faces}
    assert ids == {0}, "it is the same face"


def test_another_face_after_a_gap_is_another_track(h264: Path, tmp_path: Path) -> None:
    port, woman = free_port(), np.asarray(cv2.resize(astronaut()[:240, 80:374], (176, 144)), np.uint8)
    other = write_h264(tmp_path / "other.h264", (woman,) * 50)
    with ExitStack() as first, ExitStack() as second:
        url = first.enter_context(rtsp_server(h264, port))
        source = open_source(url, limits=QUICK, retries=Retries(0.5, 60.0))
        before, after = set(), set()
        with red_align.Tracker() as tracker:
            for count, frame in enumerate(source.frames(planes=True)):
                ids = {face.track_id for face in tracker.process(frame).faces}
                before |= set() if source.reconnects else ids
                after |= ids if source.reconnects else set()
                if count == 10:
                    first.close()
                    second.enter_context(rtsp_server(other, port))
                if after or count > 300:
                    break
        source.close()
    assert after
    assert not before & after


def test_a_login_is_shown_to_the_camera_and_a_wrong_one_refused(h264: Path) -> None:
    with rtsp_server(h264, free_port(), "ann", "p@ss:word") as url:
        with_login = url.replace("rtsp://", "rtsp://ann:p%40ss%3Aword@")
        source = open_source(with_login, limits=QUICK)
        assert next(source.frames()).picture is not None
        source.close()
        with pytest.raises(SourceUnreachable, match="401") as caught:
            open_source(url.replace("rtsp://", "rtsp://ann:wrong@"), limits=QUICK)
        assert "wrong@" not in caught.value.message


def test_frames_that_nobody_took_are_dropped_the_newest_is_given(h264: Path) -> None:
    with rtsp_server(h264, free_port()) as url:
        source = open_source(url, limits=QUICK)
        frames = source.frames()
        next(frames)
        time.sleep(1.0)
        frame = next(frames)
        dropped = source.take_dropped()
        source.close()
    assert frame.index > 10
    assert [index for index, _ in dropped] == list(range(1, frame.index))
    assert source.dropped_count == len(dropped)


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server that answers every request so; gives its port."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(20)

    def run() -> None:
        while True:
            try:
                wire, _ = server.accept()
            except OSError:
                return
            with wire:
                wire.settimeout(5)
                try:
                    while wire.recv(4096):
                        wire.sendall(answer)
                except OSError:
                    pass

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def test_a_camera_that_sends_its_client_elsewhere_is_not_followed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.5)
        target = elsewhere.getsockname()[1]
        moved = f"RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: rtsp://127.0.0.1:{target}/\r\n\r\n".encode()
        with answering(moved) as port, pytest.raises(SourceNotAllowed):
            open_source(f"rtsp://127.0.0.1:{port}/live", limits=QUICK)
        with pytest.raises(TimeoutError):
            elsewhere.accept()


def test_what_is_no_camera_is_unreachable() -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port, pytest.raises(SourceUnreachable):
        open_source(f"rtsp://127.0.0.1:{port}/live", limits=QUICK)
    with pytest.raises(SourceUnreachable):
        open_source(f"rtsp://127.0.0.1:{free_port()}/live", limits=QUICK)
    with pytest.raises(UnsupportedMedia, match="SRT"):
        open_source("srt://127.0.0.1:9000/")


def test_a_broadcast_over_rtmp_is_read() -> None:
    with rtmp_server(free_port()) as url:
        source = None
        while source is None:
            with suppress(SourceUnreachable):  # Until it listens.
                source = open_source(url, limits=QUICK)
        frames = list(islice(source.frames(), 5))
        source.close()
    assert (source.info.width, source.info.height) == (176, 144)
    assert all(a.time_s < b.time_s for a, b in pairwise(frames))


def test_the_command_line_reads_a_camera_until_it_is_interrupted(h264: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    with rtsp_server(h264, free_port(), "ann", "secret") as url:
        login = url.replace("rtsp://", "rtsp://ann:secret@")
        command = [sys.executable, "-m", "red_align.cli.main", login, "-o", str(out)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        part = Path(f"{out}.part")
        end = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size > 20_000):
            assert time.monotonic() < end, "nothing was written"
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [lines[0]["type"], lines[-1]["type"]] == ["header", "end"]
    assert sum(bool(line.get("faces")) for line in lines) > 5
    assert "secret" not in said
    assert "Traceback" not in said
