"""Several gateway processes behind one pair of ports (RED_PROCESSES), against real servers."""

from __future__ import annotations

import queue
import re
import signal
from collections.abc import Iterator

import grpc
import httpx
import psutil
import pytest

from red_align.v1 import face_landmarks_pb2 as pb
from tests.integration.operation.test_life_cycle import failed_start
from tests.integration.rpc.test_grpc import Stub, config, encoded
from tests.support.media import carphone_frames, carphone_path, jpeg
from tests.support.rest import VIDEO, wait_until
from tests.support.servers import RunningServer, running_server

CONNECTIONS = 24


class Stream:
    """A live stream over a connection of its own; every answer brings a token."""

    def __init__(self, server: RunningServer, token: str = "") -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(server.grpc, options=options)
        self._requests: queue.Queue[pb.AlignStreamRequest | None] = queue.Queue()
        self._responses = Stub(self.channel).AlignStream(iter(self._requests.get, None), timeout=60)
        self._requests.put(config(resume_every=1, resume_token=token))

    def ask(self, index: int) -> pb.FrameResult:
        self._requests.put(encoded(jpeg(carphone_frames()[index]), float(index)))
        return self.next().frame

    def next(self) -> pb.AlignStreamResponse:
        response: pb.AlignStreamResponse = next(self._responses)
        return response


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server(PROCESSES="2", ENGINE_THREADS="1") as running:
        yield running


def gateways(server: RunningServer) -> list[psutil.Process]:
    children = psutil.Process(server.process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def connections(process: psutil.Process, address: str) -> int:
    """Open connections of a process that came to an address."""
    port = int(address.rsplit(":", 1)[1])
    return sum(c.status == "ESTABLISHED" and c.laddr.port == port for c in process.net_connections("tcp"))


def metric(server: RunningServer, name: str) -> float:
    match = re.search(rf"^red_{re.escape(name)} (\S+)$", httpx.get(f"{server.http}/metrics").text, re.M)
    return float(match[1]) if match else 0.0


def readiness(server: RunningServer) -> int:
    """Status of /readyz; 0 where the process that took the connection died meanwhile."""
    try:
        return httpx.get(f"{server.http}/readyz", timeout=30).status_code
    except httpx.TransportError:
        return 0


def test_both_processes_answer_on_the_one_port_and_their_metrics_are_added_up(server: RunningServer) -> None:
    streams = [Stream(server) for _ in range(CONNECTIONS)]
    assert all(len(stream.ask(0).faces) == 1 for stream in streams)
    clients = [httpx.Client() for _ in range(CONNECTIONS)]
    assert all(client.get(f"{server.http}/readyz").json() == {"status": "ready"} for client in clients)
    assert len(gateways(server)) == 2
    for gateway in gateways(server):
        assert connections(gateway, server.grpc) > 0
        assert connections(gateway, server.http) > 0
    assert metric(server, 'frames_total{status="ok"}') == CONNECTIONS
    wait_until(lambda: metric(server, "streams") == CONNECTIONS)
    for stream in streams:
        stream.channel.close()
    for client in clients:
        client.close()
    wait_until(lambda: metric(server, "streams") == 0)


def test_a_process_that_is_killed_is_replaced_and_the_streams_of_the_other_go_on(server: RunningServer) -> None:
    streams = [Stream(server) for _ in range(CONNECTIONS)]
    tokens = [stream.ask(0).resume_token for stream in streams]
    killed, other = gateways(server)
    theirs = connections(other, server.grpc)
    killed.kill()
    wait_until(lambda: readiness(server) == 503)
    lost, codes, answers = [], [], []
    for stream, token in zip(streams, tokens, strict=True):
        try:
            answers.append(stream.ask(1))
        except grpc.RpcError as error:
            codes.append(error.code())
            lost.append(token)
    assert [(a.index, [face.track_id for face in a.faces]) for a in answers] == [(1, [0])] * theirs
    assert codes == [grpc.StatusCode.UNAVAILABLE] * (CONNECTIONS - theirs)
    assert lost
    wait_until(lambda: readiness(server) == 200)
    now = gateways(server)
    assert len(now) == 2
    assert other in now
    assert killed not in now
    # Each of these goes on at any of the two, neither of which has seen it.
    for token in lost:
        answer = Stream(server, token).ask(1)
        assert (answer.index, answer.resumed, [face.track_id for face in answer.faces]) == (1, True, [0])
    assert metric(server, 'frames_total{status="ok"}') == 2 * CONNECTIONS
    assert "ended with status -9; another one is started" in "".join(server.lines)


def test_sigterm_ends_all_processes_and_sends_their_streams_elsewhere(server: RunningServer) -> None:
    streams = [Stream(server) for _ in range(CONNECTIONS)]
    for stream in streams:
        stream.ask(0)
    everybody = psutil.Process(server.process.pid).children(recursive=True)
    assert server.stop() == 0
    assert all(stream.next().going_away.next_index == 1 for stream in streams)
    _, alive = psutil.wait_procs(everybody, timeout=5)
    assert alive == []
    assert "Traceback" not in "".join(server.lines)


def test_processes_end_when_their_supervisor_is_killed(server: RunningServer) -> None:
    everybody = psutil.Process(server.process.pid).children(recursive=True)
    server.process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(everybody, timeout=20)
    assert alive == []


def test_a_name_is_refused_where_the_next_request_may_reach_another_process(server: RunningServer) -> None:
    with grpc.insecure_channel(server.grpc) as channel, pytest.raises(grpc.RpcError) as caught:
        list(Stub(channel).AlignStream(iter([config(stream_id="cam")]), timeout=20))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "resume token" in str(caught.value.details())
    answer = httpx.post(f"{server.http}/align?stream_id=cam", content=carphone_path().read_bytes(), headers=VIDEO)
    assert answer.status_code == 400
    assert "RED_PROCESSES" in answer.json()["error"]["message"]


def test_what_is_wrong_is_named_where_no_process_can_start(server: RunningServer) -> None:
    for name, address in (("HTTP_PORT", server.http), ("GRPC_PORT", server.grpc)):
        port = address.rsplit(":", 1)[1]
        assert f"RED_{name}" in failed_start(PROCESSES="2", **{name: port})
    assert "RED_TEMP_DIR" in failed_start(PROCESSES="2", TEMP_DIR="/proc/nowhere")
