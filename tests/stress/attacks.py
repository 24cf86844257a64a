"""``python -m tests.stress.attacks NAME HTTP GRPC KEY``: what a stranger, or a bad tenant, may try; until it is killed.

Each attack does the same again when it is refused or its connection is ended. ``KEY`` is a tenant's own; only those
attacks use it whose names say so. Several names, by comma, run at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from tests.stress import http2

Attack = Callable[[str, str, str], Awaitable[None]]
FORM = "multipart/form-data; boundary=x"
AGAIN_S = 0.02
"""Seconds between two tries: an attacker of one machine who is not a flood of connections."""


def _head(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: here", *headers, "", ""]).encode()


async def _send(http: str, pieces: Iterator[bytes], pause_s: float = 0.0) -> None:
    """Send pieces over one connection until it is ended, which a reader sees as well as a writer."""
    url = httpx.URL(http)
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        gone = asyncio.create_task(reader.read())
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause_s)
                if gone.done():
                    break
            await gone
        finally:
            gone.cancel()
            writer.close()


async def _again(act: Callable[[], Awaitable[None]], at_once: int, pause_s: float = AGAIN_S) -> None:
    """The same, side by side and again and again."""

    async def one() -> None:
        while True:
            await act()
            await asyncio.sleep(random.uniform(0.5, 1.5) * pause_s)

    await asyncio.gather(*(one() for _ in range(at_once)))


async def tiny_chunks(http: str, _: str, __: str) -> None:
    """Bodies of chunks of one byte, to a path that takes none and to one that asks for a key."""
    for_each = itertools.cycle(["/healthz", "/align"])

    async def act() -> None:
        head = _head(next(for_each), "Content-Type: video/mp4", "Transfer-Encoding: chunked")
        await _send(http, itertools.chain([head], itertools.repeat(b"1\r\nx\r\n" * 1000)), 0.007)

    await _again(act, 1)


async def tiny_chunks_with_a_key(http: str, _: str, key: str) -> None:
    """The same as an upload that is let in."""
    head = _head("/align", "Content-Type: video/mp4", "Transfer-Encoding: chunked", f"X-API-Key: {key}")
    await _again(lambda: _send(http, itertools.chain([head], itertools.repeat(b"1\r\nx\r\n" * 1000))), 2)


async def many_parts_with_a_key(http: str, _: str, key: str) -> None:
    """A form of parts without end, and one of bytes that are nearly its boundary."""
    head = _head("/align", f"Content-Type: {FORM}", "Content-Length: 2000000000", f"X-API-Key: {key}")
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 1000
    video = b'--x\r\nContent-Disposition: form-data; name="video"; filename="a"\r\n\r\n'
    forms = itertools.cycle([[head, part], [head + video, b"\r\n-\r\n--\r" * 1000]])

    async def act() -> None:
        first, rest = next(forms)
        await _send(http, itertools.chain([first], itertools.repeat(rest)))

    await _again(act, 2)


async def trickling_uploads_with_a_key(http: str, address: str, key: str) -> None:
    """Sixteen uploads of one byte a second over REST, and as many over gRPC."""
    head = _head("/align", "Content-Type: video/mp4", "Content-Length: 100000", f"X-API-Key: {key}")

    async def clip() -> AsyncIterator[pb.AlignClipRequest]:
        yield pb.AlignClipRequest(config=pb.ClipConfig())
        while True:
            yield pb.AlignClipRequest(chunk=b"x")
            await asyncio.sleep(1.0)

    async with grpc.aio.insecure_channel(address) as channel:

        async def call() -> None:
            with contextlib.suppress(grpc.RpcError):
                async for _ in pb_grpc.FaceLandmarkServiceStub(channel).AlignClip(
                    clip(), metadata=[("x-api-key", key)]
                ):
                    pass
            await asyncio.sleep(1.0)

        uploads = _again(lambda: _send(http, itertools.chain([head], itertools.repeat(b"x")), 1.0), 16)
        await asyncio.gather(uploads, _again(call, 16))


async def held_calls(_: str, address: str, __: str) -> None:
    """Calls without a key that say nothing, or watch: 120 of each."""

    async def silence() -> AsyncIterator[Any]:
        await asyncio.sleep(1e6)
        yield None

    async with grpc.aio.insecure_channel(address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        silent: Any = channel.stream_unary("/grpc.health.v1.Health/Check")
        stream = pb_grpc.FaceLandmarkServiceStub(channel).AlignStream

        async def call(make: Callable[[], object]) -> None:
            with contextlib.suppress(grpc.RpcError, asyncio.CancelledError):
                made = make()
                if isinstance(made, grpc.aio.StreamUnaryCall):
                    await made
                else:
                    async for _ in made:  # type: ignore[attr-defined]
                        pass
            await asyncio.sleep(1.0)

        kinds: list[Callable[[], object]] = [
            lambda: watch(health_pb2.HealthCheckRequest()),
            lambda: reflection(silence()),
            lambda: silent(silence()),
            lambda: stream(silence()),
        ]
        await asyncio.gather(*(_again(lambda make=make: call(make), 120) for make in kinds))  # type: ignore[misc]


async def idle_connections(http: str, address: str, _: str) -> None:
    """170 connections to each port that say nothing, or no more than HTTP/2 must; one that is ended comes again."""

    async def half_a_word() -> None:
        await _send(http, iter([b"G"]))

    async def preface() -> None:
        await _send(f"http://{address}", iter([http2.PREFACE]))

    await asyncio.gather(_again(half_a_word, 170, 1.0), _again(preface, 170, 1.0))


async def slow_heads(http: str, _: str, __: str) -> None:
    """Heads of a byte a second, and heads without end."""
    slow = _again(lambda: _send(http, itertools.repeat(b"G"), 1.0), 100, 1.0)
    endless = itertools.chain([b"GET / HTTP/1.1\r\n"], itertools.repeat(b"a: b\r\n" * 1000))
    await asyncio.gather(slow, _again(lambda: _send(http, endless), 2))


async def pipelined_requests(http: str, _: str, __: str) -> None:
    """Requests that wait for no answer."""
    asked = b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n" * 100
    await _again(lambda: _send(http, itertools.repeat(asked)), 2)


async def pings(_: str, address: str, __: str) -> None:
    """HTTP/2 pings, as many as are taken."""
    frames = itertools.chain([http2.PREFACE], itertools.repeat(http2.PING * 100))
    await _again(lambda: _send(f"http://{address}", frames), 2)


async def resets(_: str, address: str, __: str) -> None:
    """Calls that are reset at once, as many as are taken."""

    def frames() -> Iterator[bytes]:
        path = "/red_align.v1.FaceLandmarkService/AlignStream"
        yield http2.PREFACE
        for first in itertools.count(1, 100):
            yield b"".join(http2.call(number, path) + http2.reset(number) for number in range(first, first + 100, 2))

    await _again(lambda: _send(f"http://{address}", frames()), 2)


async def endless_metadata(_: str, address: str, __: str) -> None:
    """A call whose metadata never end."""
    head = http2.PREFACE + http2.endless_head(1)
    frames = itertools.chain([head], itertools.repeat(http2.continuation(1)))
    await _again(lambda: _send(f"http://{address}", frames), 2)


async def websockets(http: str, _: str, __: str) -> None:
    """WebSockets without a key: 60 that say nothing, and pings and pieces of a first message as many as are taken."""
    names = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    head = _head("/v1/stream", *names, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==").replace(b"POST", b"GET", 1)
    unmasked = b"\x00\x00\x00\x00"
    ping, piece = b"\x89\xfd" + unmasked + b"x" * 125, b"\x00\x81" + unmasked + b"x"
    first = b"\x01\x81" + unmasked + b"{"
    floods = itertools.cycle([[head, ping * 100], [head + first, piece * 500]])

    async def flood() -> None:
        begin, rest = next(floods)
        await _send(http, itertools.chain([begin], itertools.repeat(rest)))

    await asyncio.gather(_again(lambda: _send(http, iter([head])), 60, 1.0), _again(flood, 2))


ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        tiny_chunks,
        held_calls,
        idle_connections,
        many_parts_with_a_key,
        trickling_uploads_with_a_key,
        tiny_chunks_with_a_key,
        slow_heads,
        pipelined_requests,
        pings,
        resets,
        endless_metadata,
        websockets,
    )
}


async def main(names: str, http: str, address: str, key: str) -> None:
    """All of these attacks, until killed."""
    print("begun", flush=True)
    await asyncio.gather(*(ATTACKS[name](http, address, key) for name in names.split(",")))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
