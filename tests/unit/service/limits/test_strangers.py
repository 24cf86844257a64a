"""Bounds on those who show no key: connections, places for calls, the event loop's time, and log lines."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from red_align.errors import ClientTooSlow, Overloaded
from service.api.rpc.connections import STRANGERS_BYTES, GrpcConnections
from service.api.rpc.health import Health
from service.limits.connections import MOST, connection_limit, to_close
from service.limits.loop_share import SHARE, LoopShare
from service.limits.places import Places
from service.observability.repeats import WARNINGS, WINDOW_S, RepeatFilter

Status = health_pb2.HealthCheckResponse


@dataclass(eq=False)
class Connection:
    peer: str
    known: bool
    since: float


def test_strangers_of_the_most_crowded_peer_make_room_the_oldest_first() -> None:
    alone, known = Connection("a", False, 0.0), Connection("b", True, 1.0)
    crowd = [Connection("b", False, 2.0 + i) for i in range(4)]
    assert to_close([alone, known, *crowd], 6) == []
    assert to_close([alone, known, *crowd], 4) == crowd[:2]
    assert set(to_close([alone, known, *crowd], 0)) == {alone, *crowd}


def test_those_who_are_known_make_room_only_where_their_own_peer_has_too_many() -> None:
    known = [Connection("a", True, float(i)) for i in range(3)]
    stranger, other = Connection("a", False, 9.0), Connection("b", False, 0.0)
    assert to_close(known, 1) == []
    assert to_close([*known, stranger, other], 99, 2) == [stranger, known[2]]


def test_connections_leave_descriptors_for_the_work() -> None:
    assert connection_limit(1_000_000, 16) == MOST
    for descriptors in (160, 1024, 4096):
        assert 16 <= connection_limit(descriptors, 16) <= (descriptors - 16) / 2
    assert connection_limit(10, 16) > 0


def test_what_costs_more_than_its_bytes_may_is_paid_back_in_time() -> None:
    now = [0.0]
    share = LoopShare(lambda: now[0])
    assert share.spend(0.001, 65536) == 0.0  # an ordinary body
    pause = share.spend(0.1, 1000)
    assert pause == pytest.approx(0.1 / SHARE, rel=0.01)
    now[0] += pause
    assert share.spend(0.0) == 0.0
    for _ in range(1000):  # Time in which nothing was done is not saved up.
        now[0] += 1.0
    assert share.spend(0.1) > 0.0


async def test_a_newcomer_takes_the_oldest_place_and_one_that_ends_by_itself_always_finds_one() -> None:
    places = Places(2, 60.0)

    async def stay() -> None:
        async with places.take():
            await asyncio.sleep(3600)

    held = [asyncio.create_task(stay()) for _ in range(2)]
    await asyncio.sleep(0)
    for _ in range(50):
        async with places.take():
            assert len(places) == 2
    newer = asyncio.create_task(stay())
    await asyncio.sleep(0)
    async with places.take():
        assert len(places) == 2
    newer.cancel()
    await asyncio.wait([newer])
    with pytest.raises(Overloaded) as refused:
        await held[0]
    assert refused.value.metadata == {"limit": "keyless_calls"}
    with pytest.raises(Overloaded):
        await held[1]
    assert len(places) == 0


async def test_a_place_is_lent_for_a_time() -> None:
    with pytest.raises(ClientTooSlow) as ended:
        async with Places(2, 0.05).take():
            await asyncio.sleep(3600)
    assert ended.value.metadata == {"limit": "keyless_call_s"}
    with pytest.raises(TimeoutError):  # Somebody else's.
        async with Places(2, 60.0).take():
            raise TimeoutError


def test_lines_of_one_place_are_counted_instead_of_written() -> None:
    now, written = [0.0], []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(record.getMessage())

    log = logging.Logger("tests.repeats")
    handler = Handler()
    handler.addFilter(RepeatFilter(lambda: now[0]))
    log.addHandler(handler)

    def flood() -> None:
        for number in range(1000):
            log.warning("refused %d", number)

    flood()
    log.warning("another")
    assert len(written) == WARNINGS + 1
    now[0] = WINDOW_S + 1
    flood()
    assert written[WARNINGS + 1] == f"refused 0 ({1000 - WARNINGS} more like this in 11 s)"
    assert len(written) == 2 * WARNINGS + 1


@asynccontextmanager
async def health() -> AsyncIterator[tuple[Health, grpc.aio.Channel]]:
    servicer, server = Health("", "it"), grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield servicer, channel
    await server.stop(None)


async def test_one_who_stops_watching_leaves_others_informed() -> None:
    async with health() as (servicer, channel):
        watch = health_pb2_grpc.HealthStub(channel).Watch
        stays, leaves = (watch(health_pb2.HealthCheckRequest()) for _ in range(2))
        assert [(await call.read()).status for call in (stays, leaves)] == [Status.NOT_SERVING] * 2
        leaves.cancel()
        await asyncio.sleep(0.05)
        servicer.set_serving(True)
        assert (await asyncio.wait_for(stays.read(), 10)).status == Status.SERVING


async def test_a_name_that_nobody_serves_is_unknown() -> None:
    async with health() as (_, channel):
        stub = health_pb2_grpc.HealthStub(channel)
        assert (await stub.Watch(health_pb2.HealthCheckRequest(service="x")).read()).status == Status.SERVICE_UNKNOWN
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Check(health_pb2.HealthCheckRequest(service="x"))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        assert (await stub.Check(health_pb2.HealthCheckRequest(service="it"))).status == Status.NOT_SERVING


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def pair(listening: socket.socket) -> tuple[socket.socket, socket.socket]:
    """A client's side of a connection, and the server's."""
    client = socket.create_connection(listening.getsockname(), timeout=5)
    return client, listening.accept()[0]


def test_connections_of_a_port_are_found_and_strangers_make_room(listening: socket.socket) -> None:
    port, refused = listening.getsockname()[1], []
    bounds = GrpcConnections(8, 0, lambda: refused.append(1))
    known, *strangers = [pair(listening) for _ in range(6)]
    bounds.know(f"ipv4:127.0.0.1:{known[0].getsockname()[1]}")
    assert bounds.sweep(port + 1 if port < 65535 else 1) == 0
    assert bounds.sweep(port) == len(refused) == 2  # Half of the places stay free for who comes next.
    ended = [client for client, _ in strangers if ended_now(client)]
    assert len(ended) == 2
    assert not ended_now(known[0])
    for each in (known, *strangers):
        for side in each:
            side.close()


def test_a_stranger_who_sends_too_much_is_cut_off_and_a_known_one_is_not(listening: socket.socket) -> None:
    bounds = GrpcConnections(8, 0, lambda: None)
    (stranger, _one), (known, _two) = pair(listening), pair(listening)
    bounds.know(f"ipv6:%5B::ffff:127.0.0.1%5D:{known.getsockname()[1]}")
    for client, server in ((stranger, _one), (known, _two)):
        for _ in range(2 * STRANGERS_BYTES // 16384):
            client.sendall(os.urandom(16384))
            left = 16384
            while left:
                left -= len(server.recv(left))
    bounds.sweep(listening.getsockname()[1])
    assert ended_now(stranger)
    assert not ended_now(known)
    for side in (stranger, _one, known, _two):
        side.close()


def ended_now(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
