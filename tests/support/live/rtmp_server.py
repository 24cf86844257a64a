"""An RTMP server for one client: FFmpeg's own, which PyAV has no words for, through the libraries in PyAV's package."""

from __future__ import annotations

import ctypes
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.support.media import carphone_frames

WRITE = 2
PIECE, PAUSE_S = 2000, 0.02


@contextmanager
def rtmp_server(port: int) -> Iterator[str]:
    """Sends the car phone clip to the one client that connects. Skips where the libraries are not to be had."""
    libraries = Path(av.__file__).parents[1] / "av.libs"
    found = [next(iter(libraries.glob(f"lib{name}-*")), None) for name in ("avutil", "avformat")]
    if None in found:
        pytest.skip("no RTMP server: this PyAV does not bring FFmpeg's libraries")
    thread = threading.Thread(
        target=_serve, args=(*[ctypes.CDLL(str(path)) for path in found], port, _flv()), daemon=True
    )
    thread.start()
    yield f"rtmp://127.0.0.1:{port}/live/cam"
    thread.join(timeout=20)


def _serve(util: Any, container: Any, port: int, data: bytes) -> None:
    options, context = ctypes.c_void_p(), ctypes.c_void_p()
    container.avio_open2.argtypes = [
        *[ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int],
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    container.avio_write.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    container.avio_flush.argtypes = [ctypes.c_void_p]
    util.av_dict_set(ctypes.byref(options), b"listen", b"1", 0)
    url = f"rtmp://127.0.0.1:{port}/live/cam".encode()
    if container.avio_open2(ctypes.byref(context), url, WRITE, None, ctypes.byref(options)) < 0:
        return
    for start in range(0, len(data), PIECE):
        piece = data[start : start + PIECE]
        container.avio_write(context, piece, len(piece))
        container.avio_flush(context)
        time.sleep(PAUSE_S)
    container.avio_closep(ctypes.byref(context))


def _flv() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="flv") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 144, 176, "yuv420p"
        for i, image in enumerate(carphone_frames()):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = i
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return file.getvalue()
