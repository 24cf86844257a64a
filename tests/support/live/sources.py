"""Cameras and broadcasts for tests: a real RTSP server, HLS over HTTP, and events as they are sent."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from tests.support.media import Image, carphone_frames

SYSTEM_PYTHON = "/usr/bin/python3"
RTSP_SERVER = Path(__file__).with_name("rtsp_server.py")


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def write_h264(path: Path, frames: tuple[Image, ...] | None = None) -> Path:
    """The car phone clip, or other frames, as H.264 without a container: 25 frames a second, a key frame each 25."""
    with av.open(str(path), "w", format="h264") as container:
        _encode(container, frames or carphone_frames())
    return path


def write_hls(folder: Path, *, options: dict[str, str] | None = None) -> list[tuple[str, float]]:
    """The car phone clip as segments of a second; gives their names and lengths in seconds."""
    playlist = folder / "all.m3u8"
    given = {"hls_time": "1", "hls_list_size": "0", "hls_segment_filename": str(folder / "s%03d.ts")}
    with av.open(str(playlist), "w", format="hls", options=given | (options or {})) as container:
        _encode(container, carphone_frames())
    lines = playlist.read_text().splitlines()
    lengths = [float(line[8:].rstrip(",")) for line in lines if line.startswith("#EXTINF:")]
    return list(zip([line for line in lines if not line.startswith("#")], lengths, strict=True))


def _encode(container: Any, frames: tuple[Image, ...]) -> None:
    stream = container.add_stream("libx264", rate=25)
    stream.height, stream.width = frames[0].shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.gop_size, stream.codec_context.max_b_frames = 25, 0
    for i, image in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.pts = i
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


@contextmanager
def rtsp_server(clip: Path, port: int, *login: str) -> Iterator[str]:
    """GStreamer's server in a process of its own; gives the URL without a login. Skips where it is not to be had."""
    imports = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if (
        not Path(SYSTEM_PYTHON).exists()
        or subprocess.run([SYSTEM_PYTHON, "-c", imports], capture_output=True, check=False).returncode
    ):
        pytest.skip(
            "no RTSP server: apt-get install gir1.2-gst-rtsp-server-1.0 gstreamer1.0-rtsp and GStreamer's plugins"
        )
    command = [SYSTEM_PYTHON, str(RTSP_SERVER), str(port), str(clip), *login]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "serving\n"
        yield f"rtsp://127.0.0.1:{port}/live"
    finally:
        process.kill()
        process.wait()
        process.stdout.close() if process.stdout else None


@dataclass
class Web:
    """A web server: answers by path, of a file or of a function.

    Attributes:
        files: Bytes, or what makes them, or (status, location), by path without its query.
        asked: Paths that were asked for, with their headers.
        posted: Headers and bodies that were sent.
    """

    files: dict[str, bytes | Callable[[], bytes] | tuple[int, str]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    posted: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def web(port: int = 0, **files: Any) -> Iterator[Web]:
    """A running web server on loopback."""
    site = Web(dict(files))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, dict(self.headers.items())))
            found = site.files.get(self.path.partition("?")[0], (404, ""))
            if isinstance(found, tuple):
                self.send_response(found[0])
                self.send_header("Location", found[1])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = found() if callable(found) else found
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            site.posted.append((dict(self.headers.items()), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    site.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Broadcast:
    """A live HLS playlist that gets a new segment a second from now on, of the same ones again and again.

    Args:
        segments: Names and lengths of write_hls.
        window: Segments that it names at once.
    """

    def __init__(self, segments: list[tuple[str, float]], window: int = 4) -> None:
        self._segments, self._window, self._began = segments, window, time.monotonic()

    def playlist(self) -> bytes:
        """As it is now; whenever the clip begins again there is a discontinuity."""
        last = self._window + int(time.monotonic() - self._began)
        first, count = last - self._window, len(self._segments)
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
        for number in range(first, last):
            name, length = self._segments[number % count]
            lines += ["#EXT-X-DISCONTINUITY"] if number and number % count == 0 else []
            lines += [f"#EXTINF:{length},", name]
        return "\n".join(lines).encode()


@dataclass(frozen=True)
class SentEvent:
    """One server-sent event."""

    number: int
    kind: str
    data: dict[str, Any]


def read_events(url: str, *, last: int | None = None, timeout: float = 60.0, **headers: str) -> Iterator[SentEvent]:
    """Server-sent events as they come, to the end of the answer."""
    given = headers | ({"Last-Event-ID": str(last)} if last is not None else {})
    with httpx.stream("GET", url, headers=given, timeout=timeout) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        held: dict[str, str] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line and name:
                held[name] = value
            elif "data" in held:
                yield SentEvent(int(held.get("id", 0)), held["event"], json.loads(held["data"]))
                held = {}
            else:
                held = {}


def frames_of(events: Iterator[SentEvent], count: int) -> list[SentEvent]:
    """The next ``count`` frames that were answered."""
    found = []
    for event in events:
        if event.kind == "frame" and event.data["status"] == "ok":
            found.append(event)
            if len(found) == count:
                break
    return found
