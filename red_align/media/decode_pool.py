"""Decoding in processes of its own: a codec that crashes, hangs or swallows memory takes nothing else with it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import msgpack

from red_align.errors import DecoderLost, UnreadableMedia
from red_align.frames import VideoInfo
from red_align.media.decode_process import DecodeProcess, MemoryBudget, MemoryShare
from red_align.media.decode_worker import PICTURE_BYTES
from red_align.media.isolated import IsolatedReader, PendingFrame, sent_error
from red_align.media.keyframes import ClipIndex, KeyFrame, Span
from red_align.media.reader import DecodeLimits

KEPT_BYTES = 64 * 1024**2
"""A process that has shared more than this with us is not kept for the next file."""


@dataclass
class DecodePool:
    """Makes readers, each with a process to itself, and decodes single frames. All of it blocks; use threads.

    Args:
        memory_bytes: Bound of each process's address space; 0 for none.
        timeout_s: Seconds for one answer of a process.
        kept: Idle processes that stay.
        frames_at_once: Most single frames that decode at once, and most of them that are decoded ahead.
        max_decoding_bytes: Bound of the memory of all frames that are being decoded, as estimated from their sizes; 0
            for none. What goes beyond it is refused: Overloaded, or TooLarge where it would never fit.
    """

    memory_bytes: int = 0
    timeout_s: float = 30.0
    kept: int = 1
    frames_at_once: int = 2
    max_decoding_bytes: int = 0
    _idle: list[DecodeProcess] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def __post_init__(self) -> None:
        # Apart, so that frames decoded ahead for clients that do not go on hold up nobody.
        self._now = threading.BoundedSemaphore(self.frames_at_once)
        self._ahead = threading.BoundedSemaphore(self.frames_at_once)
        self.memory = MemoryBudget(self.max_decoding_bytes)

    def warm_up(self, count: int = 1) -> None:
        """Have idle processes there before they are needed."""
        for process in [self._new() for _ in range(count)]:
            self.release(process)

    def open_media(self, path: Path, limits: DecodeLimits, stride: int = 1, *, planes: bool = False) -> IsolatedReader:
        """See red_align.media.reader.open_media; how frames are given (Reader.frames) is chosen here."""
        return IsolatedReader(self, ("clip", str(path), astuple(limits)), stride, planes)

    def open_spans(
        self, path: Path, limits: DecodeLimits, spans: Sequence[Span], stride: int = 1, *, planes: bool = False
    ) -> IsolatedReader:
        """See red_align.media.spans.SpanReader; how frames are given is chosen here."""
        parts = [astuple(span) for span in spans]
        return IsolatedReader(self, ("spans", str(path), astuple(limits), parts), stride, planes)

    def index_clip(self, path: Path, limits: DecodeLimits) -> ClipIndex | None:
        """See red_align.media.keyframes.index_clip; None too where the process crashes or does not answer in time."""
        share = MemoryShare(self.memory)
        try:
            process, (kind, *answer) = self.serve(msgpack.packb(("index", str(path), astuple(limits))), share)
        except UnreadableMedia:
            return None
        self.release(process)
        if kind == "error":
            raise sent_error(answer)
        if answer[0] is None:
            return None
        video, frame_count, keys = answer[0]
        return ClipIndex(VideoInfo(*video), frame_count, tuple(KeyFrame(*key) for key in keys))

    def serve(self, request: bytes, share: MemoryShare) -> tuple[DecodeProcess, Any]:
        """Have a process do something; where it dies of it the work is tried once more in another one.

        Args:
            request: What to do.
            share: Takes the memory that the process asks for.

        Returns:
            The process, which the caller gives back, and its answer.

        Raises:
            UnreadableMedia: It crashed, in both processes, or does not answer in time.
            DecoderLost: It was killed, both times.
        """
        for attempt in (1, 2):
            process = self.take(fresh=attempt == 2)
            try:
                process.send(request)
                return process, process.first_answer(share)
            except (UnreadableMedia, DecoderLost):
                process.kill()
                if attempt == 2 or not process.died:
                    raise
            except BaseException:
                process.kill()
                raise
        raise AssertionError("a second attempt returns or raises")

    def begin_frame(self, data: bytes, limits: DecodeLimits, pixels: int = 0) -> PendingFrame:
        """Begin to decode one JPEG, PNG or WebP; waits until one may.

        Args:
            data: Its bytes.
            limits: Bounds of decoding.
            pixels: Its width times height as far as that is known: its process then need not ask for memory first.
        """
        self._now.acquire()
        share = MemoryShare(self.memory)
        share.grow(pixels * PICTURE_BYTES)  # Where there is none now, the frame is refused when it asks.
        return self._begun(data, limits, self._now, share)

    def begin_frame_ahead(self, data: bytes, limits: DecodeLimits, pixels: int = 0) -> PendingFrame | None:
        """As ``begin_frame``, for a frame that is not needed yet; None where too many are decoded ahead already."""
        if not self._ahead.acquire(blocking=False):
            return None
        share = MemoryShare(self.memory)
        if share.grow(pixels * PICTURE_BYTES) is not None:
            self._ahead.release()
            return None
        return self._begun(data, limits, self._ahead, share)

    def _begun(
        self, data: bytes, limits: DecodeLimits, slots: threading.BoundedSemaphore, share: MemoryShare
    ) -> PendingFrame:
        try:
            return PendingFrame(self, slots, share, data, limits)
        except BaseException:
            share.release()
            slots.release()
            raise

    def take(self, *, fresh: bool = False) -> DecodeProcess:
        """An idle process that is alive, or a new one; a new one anyway where it is to be ``fresh``."""
        while True:
            with self._lock:
                process = self._idle.pop() if self._idle and not fresh else None
            if process is None:
                return self._new()
            if process.alive:
                return process
            process.kill()

    def release(self, process: DecodeProcess) -> None:
        """A process that waits for its next file; too many are ended."""
        with self._lock:
            if not self._closed and len(self._idle) < self.kept and process.shared_bytes <= KEPT_BYTES:
                self._idle.append(process)
                return
        process.kill()

    def close(self) -> None:
        """End the idle ones; those in use end with their readers."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.kill()

    def _new(self) -> DecodeProcess:
        return DecodeProcess(self.memory_bytes, self.timeout_s)
