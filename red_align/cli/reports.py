"""What is said while clips are tracked: a progress bar with the time left, or lines of JSON for programs."""

from __future__ import annotations

import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from red_align.engine.base import ModelInfo
from red_align.errors import MissingExtra, RedAlignError
from red_align.frames import StreamEnd

PROGRESS_S = 2.0
"""Seconds between two lines of progress."""
HINTS = {
    "UNREADABLE_MEDIA": "Give a video or a picture; `ffprobe FILE` shows what a file is.",
    "NO_VIDEO_STREAM": "Give the file that has the pictures.",
    "EMPTY_BODY": "Was it copied or downloaded to its end?",
    "SERVER_UNREACHABLE": "`red-align serve` starts one; without --server clips are tracked on this machine.",
    "UNAUTHENTICATED": "Give an API key by --key, or as the environment variable RED_ALIGN_KEY.",
}
"""What to do, by an error's reason; those that are not here say it themselves."""


class Report(Protocol):
    """Tells how clips go."""

    def begin(self, clip: str, frames: int | None) -> None:
        """A clip begins, of about so many results; None where that is not known."""
        ...

    def frame(self) -> None:
        """A frame has its result."""
        ...

    def end(self, clip: str, end: StreamEnd, ran: str) -> None:
        """A clip has ended."""
        ...

    def failed(self, clip: str | None, error: Exception) -> None:
        """A clip failed, or, where none is named, all of them."""
        ...


class BarReport:
    """For people, on the standard error: a bar, warnings, and a line for each clip.

    Args:
        quiet: No bar and no closing line.
        several: Whether errors say of which clip they are.
    """

    def __init__(self, quiet: bool, several: bool) -> None:
        from tqdm import tqdm

        self._quiet, self._several, self._make = quiet, several, tqdm
        self._bar: Any = None
        self._began = 0.0

    def begin(self, clip: str, frames: int | None) -> None:
        """See Report."""
        self._began = time.perf_counter()
        self._bar = self._make(
            total=frames, unit=" frames", disable=self._quiet, file=sys.stderr, desc=clip if self._several else None
        )

    def frame(self) -> None:
        """See Report."""
        self._bar.update()

    def end(self, clip: str, end: StreamEnd, ran: str) -> None:
        """See Report."""
        seconds = time.perf_counter() - self._began
        if self._bar.total is not None:
            self._bar.total = self._bar.n  # It was an estimate.
        self._bar.close()
        for warning in end.warnings:
            print(f"red-align: {clip}: {warning}", file=sys.stderr)
        if not self._quiet:
            rate = end.frame_count / max(seconds, 1e-9)
            print(f"{end.frame_count} frames in {seconds:.2f} s, {rate:.0f} a second ({ran})", file=sys.stderr)

    def failed(self, clip: str | None, error: Exception) -> None:
        """See Report."""
        if self._bar is not None:
            self._bar.close()
        where = f"{clip}: " if clip is not None and self._several else ""
        print(f"red-align: {where}{sentence(error)}", file=sys.stderr)


class JsonReport:
    """For programs, on the standard error: one object a line, with ``time``, ``level`` and ``event``."""

    def __init__(self) -> None:
        self._began = self._told = 0.0
        self._count, self._clip = 0, ""
        self._expected: int | None = None

    def begin(self, clip: str, frames: int | None) -> None:
        """See Report."""
        self._began = self._told = time.perf_counter()
        self._count, self._expected, self._clip = 0, frames, clip
        line("info", "begin", clip=clip, expected_frames=frames)

    def frame(self) -> None:
        """See Report."""
        self._count += 1
        now = time.perf_counter()
        if now - self._told >= PROGRESS_S:
            self._told = now
            rate = self._count / (now - self._began)
            left_s = None if self._expected is None else round(max(0, self._expected - self._count) / rate, 1)
            line("info", "progress", clip=self._clip, frames=self._count, rate=round(rate, 1), left_s=left_s)

    def end(self, clip: str, end: StreamEnd, ran: str) -> None:
        """See Report."""
        for warning in end.warnings:
            line("warning", "warning", clip=clip, message=warning)
        seconds = round(time.perf_counter() - self._began, 3)
        line("info", "end", clip=clip, frames=end.frame_count, seconds=seconds, complete=end.complete, ran=ran)

    def failed(self, clip: str | None, error: Exception) -> None:
        """See Report."""
        if isinstance(error, RedAlignError):
            reason = error.reason
        else:
            reason = MissingExtra.reason if isinstance(error, ImportError) else "OS_ERROR"
        line("error", "error", clip=clip, reason=reason, message=sentence(error))


def sentence(error: Exception) -> str:
    """What went wrong and what to do, for people."""
    if not isinstance(error, RedAlignError):
        return str(error)
    hint = HINTS.get(error.reason)
    end = "" if error.message.endswith((".", "?", "!")) else "."
    return f"{error.message}{end} {hint}" if hint else error.message


def ran_on(model: ModelInfo) -> str:
    """What ran the network, for the closing line."""
    return f"{model.precision} on {', '.join(model.providers)}"


def line(level: str, event: str, **values: object) -> None:
    """Write one line of JSON; values that are None are left out."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    known = {name: value for name, value in values.items() if value is not None}
    sys.stderr.write(orjson.dumps({"time": now, "level": level, "event": event, **known}).decode() + "\n")
    sys.stderr.flush()


class JsonLogs(logging.Handler):
    """The library's log lines as lines of JSON."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one."""
        line(record.levelname.lower(), "log", logger=record.name, message=record.getMessage())


def set_up_logs(as_json: bool) -> None:
    """Send warnings of the library to the standard error."""
    if as_json:
        logging.basicConfig(level=logging.WARNING, handlers=[JsonLogs()])
    else:
        logging.basicConfig(level=logging.WARNING, format="red-align: %(message)s")
