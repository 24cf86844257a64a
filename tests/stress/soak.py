"""``python -m tests.stress.soak``: many streams for long, whose clients come, go, die and stall; then many connects.

Every frame must be answered once, as processed or as dropped; what the process holds must not grow.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import grpc
import httpx
import psutil

from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from tests.stress.clients import Client, frame
from tests.stress.report import SHORT, Report
from tests.support.servers import RunningServer, running_server

STREAMS, SECONDS, CONNECTS = (12, 30.0, 200) if SHORT else (64, 900.0, 2000)
RATE = 40.0
"""Frames a second of all clients together: what two cores do, and leave room for the clients themselves."""


@dataclass
class Tally:
    """What all clients saw."""

    sent: int = 0
    dropped: int = 0
    wrong: int = 0
    finished: int = 0
    died: int = 0
    resident: list[int] = field(default_factory=list)


async def finish(address: str, tally: Tally, rng: random.Random) -> None:
    """A client that sends some frames, perhaps stalls, and reads all its answers."""
    client = Client(interval_s=STREAMS / RATE, flow=rng.choice((pb.FLOW_BLOCK, pb.FLOW_LATEST)))
    count = rng.randint(2, 40)
    await client.run(address, count)
    answered = [len(client.answers.get(index, ())) for index in range(count)]
    tally.wrong += sum(number != 1 for number in answered) + len(client.answers) - count
    dropped = sum(a[0].status == pb.FRAME_STATUS_DROPPED for a in client.answers.values())
    ended = client.ended
    tally.wrong += ended is None or (ended.frame_count, ended.dropped_count) != (count, dropped)
    tally.sent, tally.dropped, tally.finished = tally.sent + count, tally.dropped + dropped, tally.finished + 1


async def vanish(address: str, tally: Tally, rng: random.Random) -> None:
    """A client that dies in mid-stream."""
    client = Client(interval_s=STREAMS / RATE)
    with contextlib.suppress(TimeoutError, grpc.RpcError):
        await asyncio.wait_for(client.run(address, 1000), rng.uniform(0.5, 6.0))
    tally.wrong += sum(len(answers) != 1 for answers in client.answers.values())
    tally.died += 1


async def stall(address: str, tally: Tally, rng: random.Random) -> None:
    """A client that sends and reads nothing for a while, then all."""
    count = rng.randint(10, 60)

    async def requests() -> AsyncIterator[pb.AlignStreamRequest]:
        yield pb.AlignStreamRequest(config=pb.StreamConfig(flow=pb.FLOW_LATEST))
        for index in range(count):
            yield frame(index)

    async with grpc.aio.insecure_channel(address) as channel:
        call = pb_grpc.FaceLandmarkServiceStub(channel).AlignStream(requests())
        await asyncio.sleep(rng.uniform(0.5, 4.0))
        seen = [r.frame.index async for r in call if r.WhichOneof("event") == "frame"]
    tally.wrong += seen != list(range(count))
    tally.sent, tally.finished = tally.sent + count, tally.finished + 1


async def live(address: str, tally: Tally, until: float, seed: int) -> None:
    """One slot of the many: client after client."""
    rng = random.Random(seed)
    while time.monotonic() < until:
        kind = rng.choices((finish, vanish, stall), (6, 2, 1))[0]
        await kind(address, tally, rng)


def resident_bytes(process: psutil.Process) -> int:
    """Resident size of the service and the processes that decode for it."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += each.memory_info().rss
    return total


async def watch(process: psutil.Process, tally: Tally, until: float) -> None:
    """The resident size, once a second."""
    while time.monotonic() < until:
        tally.resident.append(resident_bytes(process))
        await asyncio.sleep(1.0)


async def connect(address: str) -> None:
    """Connects and disconnects, half of them without a word."""
    for number in range(CONNECTS):
        async with grpc.aio.insecure_channel(address) as channel:
            if number % 2:
                await channel.channel_ready()
            else:
                call = pb_grpc.FaceLandmarkServiceStub(channel).AlignStream()
                await call.write(pb.AlignStreamRequest(config=pb.StreamConfig()))
                call.cancel()


async def settled(server: RunningServer, process: psutil.Process, files: int) -> tuple[int, int]:
    """Files and sockets beyond those of the start, and streams still open, when nothing falls any more."""
    extra, streams = 1, 1
    for _ in range(100):
        extra = max(0, process.num_fds() - files)
        text = (await asyncio.to_thread(httpx.get, f"{server.http}/metrics", headers={"connection": "close"})).text
        streams = int(float(next(line for line in text.splitlines() if line.startswith("red_streams ")).split()[1]))
        if not extra and not streams:
            break
        await asyncio.sleep(0.2)
    return extra, streams


async def main() -> int:
    """The soak; the exit status."""
    report, tally = Report("soak"), Tally()
    with running_server(MAX_STREAMS=str(STREAMS + 8)) as server:
        process = psutil.Process(server.process.pid)
        # What first streams allocate, and every decoding process, belongs to the start.
        await asyncio.gather(*(finish(server.grpc, Tally(), random.Random(seed)) for seed in range(8)))
        await connect_some(server.grpc)
        files = process.num_fds()
        until = time.monotonic() + SECONDS
        lives = (live(server.grpc, tally, until, seed) for seed in range(STREAMS))
        await asyncio.gather(watch(process, tally, until), *lives)
        extra, streams = await settled(server, process, files)
        third = len(tally.resident) // 3
        grown = sum(tally.resident[-third:]) / sum(
            tally.resident[third : 2 * third] if SHORT else tally.resident[:third]
        )
        before = resident_bytes(process)
        await connect(server.grpc)
        left = await settled(server, process, files)
        again = resident_bytes(process) / before
        errors = sum("Traceback" in line for line in server.lines)
    report.add("streams at once", STREAMS)
    report.add("seconds", SECONDS)
    report.add("streams that ended well", tally.finished)
    report.add("streams whose client died", tally.died)
    report.add("frames answered", tally.sent)
    report.add("  of them dropped", tally.dropped)
    report.add("frames not answered exactly once", tally.wrong, 0)
    report.add("resident size, last third over " + ("second" if SHORT else "first"), grown, 1.05)
    report.add("files and sockets left open", extra, 0)
    report.add("streams left open", streams, 0)
    report.add(f"resident size after {CONNECTS} connects over before", again, 1.05)
    report.add("  files and sockets left open", left[0], 0)
    report.add("tracebacks in the log", errors, 0)
    if errors:
        print("".join(line for line in server.lines if not line.startswith(("INFO", "20"))))
    return report.show()


async def connect_some(address: str) -> None:
    """A connection that comes and goes, so that what it makes for good is there."""
    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
