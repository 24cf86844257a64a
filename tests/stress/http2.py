"""Frames of HTTP/2 (RFC 9113) that no client library would send."""

from __future__ import annotations

import struct

_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _CONTINUATION = 0, 1, 3, 4, 6, 9
_END_HEADERS = 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(_SETTINGS, 0, 0, b"")
PING = frame(_PING, 0, 0, b"12345678")


def _header(name: str, value: str) -> bytes:
    """A literal header that is not indexed (RFC 7541, 6.2.2)."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def _block(path: str) -> bytes:
    wanted = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "here", "te": "trailers"}
    return b"".join(_header(*pair) for pair in (wanted | {"content-type": "application/grpc"}).items())


def call(stream: int, path: str) -> bytes:
    """The beginning of a gRPC call."""
    return frame(_HEADERS, _END_HEADERS, stream, _block(path))


def reset(stream: int) -> bytes:
    """Its end."""
    return frame(_RESET, 0, stream, struct.pack(">I", 8))


def endless_head(stream: int) -> bytes:
    """Headers that go on in ``continuation`` frames."""
    return frame(_HEADERS, 0, stream, _block("/x"))


def continuation(stream: int) -> bytes:
    """More headers, and not the last."""
    return frame(_CONTINUATION, 0, stream, _header("a", "b" * 100) * 100)
