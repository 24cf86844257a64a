"""``RED_PROCESSES`` gateways behind one pair of ports, started, kept running and ended by one that serves nothing.

The kernel shares connections out between the processes (SO_REUSEPORT), each of which is a whole gateway with an engine
of its own. A stream stays with the process that took its connection; its resume tokens open in all of them.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from cryptography.fernet import Fernet
from prometheus_client.multiprocess import mark_process_dead
from pydantic import SecretStr

from red_align.errors import ConfigurationError, RedAlignError
from service.config.settings import Settings
from service.observability.logs import configure_logs
from service.observability.tracing import configure_tracing, end_tracing
from service.peers import Peers, reserved_port
from service.server import serve

log = logging.getLogger(__name__)
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Variable by which prometheus_client learns where processes put their metrics, read when it is imported."""
STOP_S = 10.0
"""Seconds beyond the grace after which a process that has not ended is killed."""
LONGEST_PAUSE_S = 30.0


def supervise(settings: Settings, on_ready: Callable[[int, int], None] | None = None) -> None:
    """Serve in several processes until SIGINT or SIGTERM.

    Args:
        settings: The settings; those of each process too, but for the ports and a key of resume tokens.
        on_ready: Called with the HTTP and gRPC port when all processes are ready for the first time.

    Raises:
        ConfigurationError: A setting is wrong, or the first start of a process failed.
    """
    # Held, but not listened on: the ports stay ours while processes come and go.
    http = reserved_port(settings.host, settings.http_port, "RED_HTTP_PORT")
    rpc = reserved_port(settings.host, settings.grpc_port, "RED_GRPC_PORT")
    ports = http.getsockname()[1], rpc.getsockname()[1]
    keys = settings.token_keys
    if not keys.get_secret_value():
        keys = SecretStr(Fernet.generate_key().decode())
    same = settings.model_copy(update={"http_port": ports[0], "grpc_port": ports[1], "token_keys": keys})
    with http, rpc, tempfile.TemporaryDirectory(prefix="red-align-metrics-") as folder:
        os.environ[METRICS_FOLDER] = folder
        try:
            asyncio.run(_Supervisor(same, folder, lambda: on_ready and on_ready(*ports)).run())
        finally:
            del os.environ[METRICS_FOLDER]


class _Supervisor:
    def __init__(self, settings: Settings, folder: str, on_ready: Callable[[], object]) -> None:
        self._settings, self._folder, self._on_ready = settings, folder, on_ready
        self._context = multiprocessing.get_context("spawn")
        self._threads = ThreadPoolExecutor(settings.processes, thread_name_prefix="wait")
        self._stop = asyncio.Event()
        self._processes: dict[int, SpawnProcess] = {}
        self._lines: dict[int, Connection] = {}
        self._ready: set[int] = set()
        self._begun = False
        """Whether all were ready once: from then on a process that ends is started again."""

    async def run(self) -> None:
        """Keep all processes running until a signal comes."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        keeping = [asyncio.create_task(self._keep(place)) for place in range(self._settings.processes)]
        stopping = asyncio.create_task(self._stop.wait())
        try:
            done, _ = await asyncio.wait([*keeping, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._stop.set()
            stopping.cancel()
            self._signal_all(SpawnProcess.terminate)
            _, late = await asyncio.wait(keeping, timeout=self._settings.grace_s + STOP_S)
            if late:
                self._signal_all(SpawnProcess.kill)
            await asyncio.gather(*keeping, return_exceptions=True)
            self._threads.shutdown()

    async def _keep(self, place: int) -> None:
        """Run one process, and another whenever it ends; where it does not even start, with growing pauses."""
        failures = 0
        while not self._stop.is_set():
            was_ready, why = await self._run_one(place)
            if self._stop.is_set():
                return
            if not self._begun:
                raise ConfigurationError(why)
            log.error("%s; another one is started", why)
            failures = 0 if was_ready else failures + 1
            if failures:
                await self._pause(min(LONGEST_PAUSE_S, 2.0 ** (failures - 1)))

    async def _run_one(self, place: int) -> tuple[bool, str]:
        """One process from start to end: whether it was ready, and why it ended."""
        loop = asyncio.get_running_loop()
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve_one, args=(self._settings, theirs), name=f"gateway-{place}")
        process.start()
        theirs.close()
        self._processes[place], self._lines[place] = process, ours
        was_ready, why = False, ""
        try:
            while True:
                kind, what = await loop.run_in_executor(self._threads, ours.recv)
                if kind == "failed":
                    why = what
                    continue
                was_ready = True
                self._ready.add(place)
                self._tell_all()
        except (EOFError, OSError):
            await loop.run_in_executor(self._threads, process.join)
        finally:
            del self._processes[place], self._lines[place]
            ours.close()
            self._ready.discard(place)
            self._tell_all()
            # Its gauges go; what it counted stays counted.
            mark_process_dead(process.pid, self._folder)  # type: ignore[no-untyped-call]
        return was_ready, why or f"gateway process {process.pid} ended with status {process.exitcode}"

    def _tell_all(self) -> None:
        """Let every process know whether all are ready."""
        all_ready = len(self._ready) == self._settings.processes
        for line in self._lines.values():
            try:
                line.send(all_ready)
            except OSError:
                log.debug("a process has just ended")
        if all_ready and not self._begun:
            self._begun = True
            self._on_ready()

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return

    def _signal_all(self, act: Callable[[SpawnProcess], None]) -> None:
        for process in self._processes.values():
            act(process)


def _serve_one(settings: Settings, line: Connection) -> None:
    """A gateway process."""
    # A signal that comes before the event loop has handlers shall end it without a word, as one after that does.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    peers = Peers(line)
    configure_logs(settings.log_level, settings.log_format)
    configure_tracing(settings.otlp_endpoint)
    try:
        asyncio.run(serve(settings, peers=peers))
    except RedAlignError as error:
        peers.announce_failed(error.message)
        sys.exit(1)
    finally:
        end_tracing()
