"""``python -m tests.stress.faults``: a gateway that is killed, a tenant that floods, clients that never read."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median

import grpc
import httpx
import numpy as np
from cryptography.fernet import Fernet

from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from service.security.credentials import hash_of, new_key
from tests.stress.clients import Client, frame, p99
from tests.stress.report import SHORT, Report
from tests.support.servers import RunningServer, running_server

STREAMS, FRAMES = (2, 60) if SHORT else (4, 240)
STALLED = 2 if SHORT else 8
FLOODS, FLOOD_FRAMES, RUNS = 8, 150 if SHORT else 240, 3


async def undisturbed(address: str) -> Client:
    """The same frames without any fault."""
    client = Client()
    await client.run(address, FRAMES)
    return client


async def killed(first: RunningServer, second: RunningServer, report: Report) -> None:
    """Kill the gateway in mid-stream; its clients go on at another one with their tokens."""
    wanted = await undisturbed(second.grpc)
    clients = [Client() for _ in range(STREAMS)]

    async def survive(client: Client) -> None:
        with contextlib.suppress(grpc.RpcError):
            await client.run(first.grpc, FRAMES)
        await client.run(second.grpc, FRAMES)

    async def kill() -> None:
        while min(len(client.answers) for client in clients) < FRAMES // 3 + 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        first.process.send_signal(signal.SIGKILL)

    await asyncio.gather(kill(), *(survive(client) for client in clients))
    apart = [np.abs(c.points(i) - wanted.points(i)).max() for c in clients for i in range(FRAMES)]
    again = [sum(len(a) - 1 for a in c.answers.values()) for c in clients]
    resumed = sum(any(a.resumed for a in answers) for c in clients for answers in c.answers.values())
    report.add("killed gateway: streams", STREAMS)
    report.add("  points from those of an undisturbed run, px", float(max(apart)), 0.01)
    report.add("  frames without an answer", sum(FRAMES - len(c.answers) for c in clients), 0)
    report.add("  frames sent again, a stream at most", max(again), Client().resume_every)
    report.add("  streams that did not say resumed", STREAMS - resumed, 0)


async def quiet_p99(address: str, key: str) -> float:
    """99th percentile of the time to an answer, at 30 frames a second."""
    client = Client(key=key)
    await client.run(address, FLOOD_FRAMES)
    return p99(client.waits_s)


async def flooded_p99(address: str, keys: dict[str, str]) -> float:
    """The same while another tenant floods: from a process of its own that yields, since both share this machine."""
    command = ["nice", "-n", "19", sys.executable, "-m", "tests.stress.flood", address, keys["flood"], str(FLOODS)]
    flood = await asyncio.create_subprocess_exec(*command)
    try:
        await asyncio.sleep(3.0)
        assert flood.returncode is None, "the flood ended by itself"
        return await quiet_p99(address, keys["quiet"])
    finally:
        flood.kill()
        await flood.wait()


async def flooded(report: Report) -> None:
    """One tenant sends as much as it can; another one's answers take hardly longer."""
    keys = {"quiet": new_key(), "flood": new_key()}
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("".join(f"{tenant} {hash_of(key)}\n" for tenant, key in keys.items()))
        file.flush()
        limits = {"TENANT_FRAMES_PER_S": "30", "TENANT_MAX_STREAMS": str(FLOODS)}
        with running_server(API_KEYS_FILE=str(Path(file.name)), **limits) as server:
            await quiet_p99(server.grpc, keys["quiet"])
            quiet = median([await quiet_p99(server.grpc, keys["quiet"]) for _ in range(RUNS)])
            loud = median([await flooded_p99(server.grpc, keys) for _ in range(RUNS)])
    report.add("flood: another tenant's p99 in quiet, ms", 1000 * quiet)
    report.add("  its p99 during the flood over that, median of three", loud / quiet, 2.0)


async def stalled(report: Report) -> None:
    """Clients that send and never read; another one's answers take no longer."""

    async def stall(address: str) -> None:
        async def requests() -> AsyncIterator[pb.AlignStreamRequest]:
            # Large answers, since the client's side takes megabytes before it holds us back.
            yield pb.AlignStreamRequest(config=pb.StreamConfig(resume_every=1))
            for index in range(100_000):
                yield frame(index)

        async with grpc.aio.insecure_channel(address) as channel:
            call = pb_grpc.FaceLandmarkServiceStub(channel).AlignStream(requests())
            await call.wait_for_connection()
            await asyncio.sleep(1000)

    with running_server(CLIENT_TIMEOUT_S="3600") as server:  # They shall be there all the time.
        await quiet_p99(server.grpc, "")
        quiet = median([await quiet_p99(server.grpc, "") for _ in range(RUNS)])
        tasks = [asyncio.create_task(stall(server.grpc)) for _ in range(STALLED)]
        await _settled(server)
        loud = median([await quiet_p99(server.grpc, "") for _ in range(RUNS)])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    report.add(f"{STALLED} clients that never read: another's p99 over its quiet one", loud / quiet, 2.0)


async def _settled(server: RunningServer) -> None:
    """Wait until flow control holds back those that do not read: until no more frames are answered."""
    last, now = -1.0, 0.0
    for _ in range(60):
        text = (await asyncio.to_thread(httpx.get, f"{server.http}/metrics")).text
        now = sum(float(line.split()[1]) for line in text.splitlines() if line.startswith("red_frames_total{"))
        if now == last:
            return
        last = now
        await asyncio.sleep(2.0)
    raise AssertionError(f"still {now} frames answered, though nobody reads")


async def main() -> int:
    """Both faults; the exit status."""
    report = Report("faults")
    key = Fernet.generate_key().decode()
    with running_server(TOKEN_KEYS=key) as first, running_server(TOKEN_KEYS=key) as second:
        await killed(first, second, report)
    await flooded(report)
    await stalled(report)
    return report.show()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
