"""examples/live.py against a real RTSP sender, as the guide says."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import av
import numpy as np
from av.video.stream import VideoStream

from tests.support.media import carphone_frames
from tests.support.reader import ROOT

WAIT_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def push(address: str) -> None:
    """Send the car phone clip to whoever listens there; tries until somebody does."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            container = av.open(address, "w", format="rtsp", options={"rtsp_transport": "tcp"})
            stream = container.add_stream("libx264", rate=30)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = 176, 144, "yuv420p"
            stream.codec_context.options = {"tune": "zerolatency", "preset": "ultrafast"}
            container.start_encoding()
            break
        except av.FFmpegError:
            assert time.monotonic() < end, "nobody listened"
            time.sleep(0.2)
    with container:
        for image in carphone_frames()[:60]:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode())


def test_frames_that_come_over_rtsp_are_tracked() -> None:
    address = f"rtsp://127.0.0.1:{free_port()}/live"
    command = [sys.executable, str(ROOT / "examples" / "live.py"), address, "--option", "rtsp_flags=listen"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            push(address)
            out, err = process.communicate(timeout=WAIT_S)
        finally:
            process.kill()
    lines = out.splitlines()
    assert lines, err
    assert lines[-1].endswith(" frames"), err
    assert sum("#0 nose at" in line for line in lines) >= 50
