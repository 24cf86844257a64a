"""What an RTSP server says is read strictly, and nothing that leads elsewhere gets through."""

from __future__ import annotations

import pytest

from red_align.errors import SourceNotAllowed, SourceUnreachable
from red_align.media.sources.rtsp_guard import MAX_HEAD, RtspGuard

OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 4\r\n\r\nv=0\n"
PACKET = b"$\x00\x00\x05RTSP/"


def test_messages_and_packets_pass_however_they_are_cut() -> None:
    data = OK + PACKET + b"\r\nRTSP/1.0 404 Not Found\r\nCSeq: 2\r\n\r\n" + PACKET + OK
    for size in (1, 2, 7, len(data)):
        guard = RtspGuard()
        out = b"".join(guard.feed(data[i : i + size]) for i in range(0, len(data), size))
        assert out == data.replace(b"\r\nRTSP/1.0 404", b"RTSP/1.0 404")


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"305 Use Proxy", b"399"])
def test_a_server_that_sends_its_client_elsewhere_is_refused(status: bytes) -> None:
    with pytest.raises(SourceNotAllowed):
        RtspGuard().feed(b"RTSP/1.0 " + status + b"\r\nLocation: rtsp://10.0.0.1/\r\n\r\n")


def test_a_location_does_not_get_through_with_any_status() -> None:
    out = RtspGuard().feed(b"RTSP/1.0 200 OK\r\nLOCATION : rtsp://10.0.0.1/\r\nCSeq: 1\r\n\r\n")
    assert out == b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 302 Found\r\nLocation: rtsp://a/\r\n\r\n",
        b"REDIRECT rtsp://a/ RTSP/1.0\r\nLocation: rtsp://b/\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nA: b\nRTSP/1.0 302 x\nLocation: rtsp://a/\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n$\x00\x00\x01\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nA: b\r\n c: d\r\n\r\n",
        b"RTSP/1.0  302 Found\r\n\r\n",
        b"\nRTSP/1.0 302 Found\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 1\r\nContent-Length: 9\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"x" * (MAX_HEAD + 1),
    ],
)
def test_what_others_could_read_in_another_way_is_refused(head: bytes) -> None:
    with pytest.raises(SourceUnreachable):
        RtspGuard().feed(head)
