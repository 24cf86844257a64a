"""What makes a long run cheap to lose: when to save, how to stop, and a log that fits the checkpoint."""

from __future__ import annotations

import json
import logging
import signal
import time
from pathlib import Path
from types import FrameType

log = logging.getLogger(__name__)


class Watch:
    """Tells when a checkpoint is due, by time, and whether the run was asked to stop (SIGTERM)."""

    def __init__(self, minutes: float) -> None:
        self.seconds = 60.0 * minutes
        self.saved = time.monotonic()
        self.asked = False

    def listen(self) -> None:
        """Stop at the end of a step when SIGTERM comes, with a checkpoint; only in a process's main thread."""
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    @property
    def due(self) -> bool:
        """Whether to save now."""
        return self.asked or time.monotonic() - self.saved >= self.seconds

    def reset(self) -> None:
        """A checkpoint was written."""
        self.saved = time.monotonic()


def trim_log(path: Path, step: int) -> None:
    """Drop a log's lines that are newer than the checkpoint's step: they are written again."""
    if not path.exists():
        return
    kept = [line for line in path.read_text("utf-8").splitlines() if _step(line) <= step]
    new = path.with_name(path.name + ".new")
    new.write_text("".join(line + "\n" for line in kept), "utf-8")
    new.replace(path)


def _step(line: str) -> float:
    """The step of a line; a line that a crash cut off belongs nowhere."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        log.warning("dropped a damaged line of the log")
        return float("inf")
