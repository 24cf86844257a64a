"""``python -m tests.stress.strangers``: attacks over the network, and what a tenant who streams meanwhile notices.

Keys are asked for. A neighbour sends ten frames a second, somebody asks for health four times a second over new
connections, and each attack has a process of its own that yields, since all share this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import grpc
import httpx
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service.security.credentials import hash_of, new_key
from tests.stress.attacks import ATTACKS
from tests.stress.clients import Client, p99
from tests.stress.report import SHORT, Report
from tests.stress.soak import resident_bytes
from tests.support.media import carphone_frames, jpeg
from tests.support.servers import RunningServer, running_server

SECONDS = 2.0 if SHORT else 10.0
BEGIN_S = 0.5
DESCRIPTORS = 160
SHORT_ATTACKS = 5
"""Those that were once seen to stop the service."""
SETTINGS = {"MAX_UPLOADS": "16", "UPLOAD_GRACE_S": "5"}
MEGABYTE = 1 << 20


@dataclass
class Seen:
    """What was noticed during some time."""

    waits_s: list[float] = field(default_factory=list)
    unanswered: int = 0
    health_s: list[float] = field(default_factory=list)
    uploads: list[int] = field(default_factory=list)


async def _neighbour(server: RunningServer, key: str, seconds: float, seen: Seen) -> None:
    count = int(seconds * 10)
    client = Client(key=key, interval_s=0.1)
    with contextlib.suppress(grpc.RpcError):
        await client.run(server.grpc, count)
    seen.waits_s += client.waits_s
    seen.unanswered += count - len(client.answers)


async def _uploads(server: RunningServer, key: str, seconds: float, seen: Seen) -> None:
    """The neighbour's uploads, one after another: their status codes, 0 for one that got none."""
    picture, until = jpeg(carphone_frames()[0]), time.monotonic() + seconds
    headers = {"x-api-key": key, "content-type": "image/jpeg"}
    while time.monotonic() < until:
        try:
            async with httpx.AsyncClient(timeout=10) as client:
                answer = await client.post(f"{server.http}/align", content=picture, headers=headers)
            seen.uploads.append(answer.status_code)
        except httpx.HTTPError:
            seen.uploads.append(0)
        await asyncio.sleep(0.5)


async def _health(server: RunningServer, seconds: float, seen: Seen) -> None:
    """Seconds to each answer; 10 where none came or it was not the right one."""
    until = time.monotonic() + seconds

    async def rest(path: str) -> bool:
        async with httpx.AsyncClient(timeout=10) as client:
            return (await client.get(f"{server.http}{path}")).status_code == 200

    async def rpc() -> bool:
        async with grpc.aio.insecure_channel(server.grpc) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=10, wait_for_ready=True)
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    asked: list[Callable[[], Awaitable[bool]]] = [lambda: rest("/healthz"), lambda: rest("/readyz"), rpc]
    while time.monotonic() < until:
        for ask in asked:
            began, good = time.monotonic(), False
            with contextlib.suppress(httpx.HTTPError, grpc.RpcError):
                good = await ask()
            seen.health_s.append(time.monotonic() - began if good else 10.0)
        await asyncio.sleep(0.25)


async def _watch(server: RunningServer, key: str, seconds: float) -> Seen:
    seen = Seen()
    await asyncio.gather(
        _neighbour(server, key, seconds, seen), _health(server, seconds, seen), _uploads(server, key, seconds, seen)
    )
    return seen


@asynccontextmanager
async def _attacked(name: str, server: RunningServer, key: str) -> AsyncIterator[None]:
    command = ["nice", "-n", "19", sys.executable, "-m", "tests.stress.attacks", name, server.http, server.grpc, key]
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    attack = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=nowhere)
    try:
        assert attack.stdout is not None
        assert await attack.stdout.readline() == b"begun\n"
        await asyncio.sleep(BEGIN_S)
        assert attack.returncode is None, f"{name} ended by itself"
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            attack.kill()
        await attack.wait()


async def _measure(name: str, server: RunningServer, keys: dict[str, str], quiet_s: float, report: Report) -> None:
    process = psutil.Process(server.process.pid)
    size, files, lines = resident_bytes(process), process.num_fds(), sum(map(len, server.lines))
    async with _attacked(name, server, keys["mallory"]):
        seen = await _watch(server, keys["ann"], SECONDS)
        most = process.num_fds()
        grown = resident_bytes(process) - size
    for _ in range(50):
        if process.num_fds() <= files + 2:
            break
        await asyncio.sleep(0.2)
    report.add(f"{name}: neighbour's median, ms", 1000 * median(seen.waits_s or [float("nan")]))
    report.add("  over its quiet one", median(seen.waits_s or [float("nan")]) / quiet_s, 3.0)
    report.add("  p99, ms", 1000 * p99(seen.waits_s))
    report.add("  its frames without an answer", seen.unanswered, 0)
    report.add("  its uploads that were refused", sum(code != 200 for code in seen.uploads), 0)
    report.add("  slowest health, s", max(seen.health_s), 0.5)
    report.add("  resident size grew by, MB", grown / MEGABYTE, 64.0)
    report.add("  files and sockets at most", most, DESCRIPTORS)
    report.add("  and afterwards more than before", process.num_fds() - files, 8)
    report.add("  log grew by, KB", (sum(map(len, server.lines)) - lines) / 1024, 300 + 20 * SECONDS)


async def main() -> int:
    """All attacks on one server that may have few descriptors; the exit status."""
    report = Report("strangers")
    names = sys.argv[1:] or list(ATTACKS)[: SHORT_ATTACKS if SHORT else None]
    keys = {"ann": new_key(), "mallory": new_key()}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "keys"
        file.write_text("".join(f"{tenant} {hash_of(key)}\n" for tenant, key in keys.items()))
        limited = ["bash", "-c", f'ulimit -n {DESCRIPTORS}; exec "$0" -m red_align.cli.main serve', sys.executable]
        with running_server(limited, API_KEYS_FILE=str(file), TEMP_DIR=f"{folder}/up", **SETTINGS) as server:
            await _watch(server, keys["ann"], 2.0)
            quiet = await _watch(server, keys["ann"], SECONDS)
            report.add("in quiet: neighbour's median, ms", 1000 * median(quiet.waits_s))
            report.add("  p99, ms", 1000 * p99(quiet.waits_s))
            report.add("  slowest health, s", max(quiet.health_s), 0.5)
            for name in names:
                await _measure(name, server, keys, median(quiet.waits_s), report)
            errors = sum("Traceback" in line for line in server.lines)
            report.add("tracebacks in the log", errors, 0)
            if errors:
                print("".join(server.lines[-40:]))
    return report.show()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
