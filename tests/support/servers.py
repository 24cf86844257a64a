"""Real servers for tests: ``red-align serve`` in a process of its own, on free ports of 127.0.0.1."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

READY = re.compile(r"red-align is ready: (https?://127\.0\.0\.1:\d+)  grpc://(127\.0\.0\.1:\d+)")
START_S = 60


@dataclass
class RunningServer:
    """Addresses of a server that said it is ready, its process, and all that it printed so far."""

    http: str
    grpc: str
    process: subprocess.Popen[str]
    lines: list[str]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and give the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=30)


@contextmanager
def running_server(command: Sequence[str] | None = None, **settings: str) -> Iterator[RunningServer]:
    """Start a server with extra RED_ settings (names in upper case, without RED_), or by another command."""
    env = os.environ | {"RED_HTTP_PORT": "0", "RED_GRPC_PORT": "0"} | {f"RED_{k}": v for k, v in settings.items()}
    command = command or [sys.executable, "-m", "red_align.cli.main", "serve"]
    process = subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines: list[str] = []
    ready = threading.Event()
    found: list[re.Match[str]] = []

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if match := READY.search(line):
                found.append(match)
                ready.set()
        ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert ready.wait(START_S), f"server not ready within {START_S} s"
        assert found, "server ended at start:\n" + "".join(lines)
        yield RunningServer(found[0][1], found[0][2], process, lines)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        reader.join(timeout=5)
