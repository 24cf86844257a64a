"""The relay between FFmpeg and a source: for this process alone, and only what the guard lets through."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from red_align.errors import SourceNotAllowed, SourceUnreachable
from red_align.media.sources.relay import Relay, raise_error


def test_bytes_go_both_ways() -> None:
    source, wire = socket.socketpair()
    relay = Relay(wire, lambda data: data.replace(b"secret", b"..."))
    with socket.create_connection(("127.0.0.1", relay.port)) as near:
        near.sendall(b"hello")
        assert source.recv(100) == b"hello"
        source.sendall(b"a secret")
        assert near.recv(100) == b"a ..."
        relay.close()
        assert near.recv(100) == b""
    source.close()


def test_another_process_gets_nothing() -> None:
    source, wire = socket.socketpair()
    relay = Relay(wire)
    code = f"import socket; print(socket.create_connection(('127.0.0.1', {relay.port})).recv(9))"
    source.sendall(b"picture")
    stranger = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert "picture" not in stranger.stdout
    with socket.create_connection(("127.0.0.1", relay.port)) as near:
        assert near.recv(9) == b"picture"
    relay.close()
    source.close()


def test_what_the_guard_refuses_ends_both_sides_and_is_told() -> None:
    def refuse(_: bytes) -> bytes:
        raise SourceNotAllowed("elsewhere")

    source, wire = socket.socketpair()
    relay = Relay(wire, refuse)
    with socket.create_connection(("127.0.0.1", relay.port)) as near:
        source.sendall(b"x")
        assert near.recv(9) == b""
    relay.close()
    with pytest.raises(SourceNotAllowed):
        raise_error(relay, "it ended")
    with pytest.raises(SourceUnreachable, match="it ended"):
        raise_error(None, "it ended")
    source.close()
