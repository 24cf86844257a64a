"""A network camera for tests: an RTSP server on 127.0.0.1 that plays a clip as MPEG-TS in RTP, interleaved."""

from __future__ import annotations

import io
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import av
import numpy as np
from av.video.stream import VideoStream

from tests.support.media import Image

_PACKET, _TOGETHER = 188, 7
_SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\n"


@contextmanager
def camera(frames: list[Image], rate: int = 25) -> Iterator[str]:
    """Serve frames, once, to whoever comes first.

    Args:
        frames: RGB uint8 [H, W, 3].
        rate: Frames a second; packets are sent about as fast.

    Yields:
        The address.
    """
    data = _transport_stream(frames, rate)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve, args=(listening, data, len(frames) / rate), daemon=True)
        thread.start()
        yield f"rtsp://127.0.0.1:{listening.getsockname()[1]}/live"
        thread.join(timeout=10)


def _transport_stream(frames: list[Image], rate: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=rate)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.options = {"preset": "veryfast", "tune": "zerolatency"}
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def _serve(listening: socket.socket, data: bytes, duration_s: float) -> None:
    connection, _ = listening.accept()
    with connection, connection.makefile("rb") as lines:
        while request := lines.readline().decode():
            method, headers = request.split()[0], dict[str, str]()
            while line := lines.readline().decode().strip():
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            connection.sendall(_answer(method, headers))
            if method == "PLAY":
                _play(connection, data, duration_s)
                return


def _answer(method: str, headers: dict[str, str]) -> bytes:
    body = _SDP if method == "DESCRIBE" else b""
    extra = {
        "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
        "DESCRIBE": "Content-Type: application/sdp\r\n",
        "SETUP": f"Transport: {headers.get('transport', '')}\r\n",
    }
    head = f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\nSession: 1\r\n{extra.get(method, '')}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _play(connection: socket.socket, data: bytes, duration_s: float) -> None:
    """RTP packets (RFC 2250) between the messages of the connection (RFC 2326, 10.12)."""
    size = _PACKET * _TOGETHER
    count = -(-len(data) // size)
    for number in range(count):
        payload = data[number * size : (number + 1) * size]
        stamp = int(90_000 * duration_s * number / count)
        rtp = struct.pack(">BBHII", 0x80, 33, number & 0xFFFF, stamp, 1) + payload
        try:
            connection.sendall(struct.pack(">cBH", b"$", 0, len(rtp)) + rtp)
        except OSError:  # The viewer has left.
            return
        time.sleep(duration_s / count)
