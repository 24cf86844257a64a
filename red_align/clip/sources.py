"""Where a clip's frames come from: decoded in this process, or in processes of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from red_align.media.keyframes import ClipIndex, Span, index_clip
from red_align.media.reader import DecodeLimits, Reader, open_media
from red_align.media.spans import SpanReader


class Source(Protocol):
    """A clip that can be opened several times. All methods raise what ``open_media`` raises."""

    def open(self) -> Reader:
        """The whole clip, opened for frames in planes."""
        ...

    def index(self) -> ClipIndex | None:
        """Its key frames; None where it cannot be split."""
        ...

    def open_spans(self, spans: Sequence[Span]) -> Reader:
        """Parts of it in turn, for frames in planes; decoded by one thread, since others decode beside it."""
        ...


class SpanDecoder(Protocol):
    """What ``red_align.media.decode_pool.DecodePool`` does; that module needs Linux."""

    def open_media(self, path: Path, limits: DecodeLimits, stride: int = 1, *, planes: bool = False) -> Reader:
        """The whole clip."""
        ...

    def index_clip(self, path: Path, limits: DecodeLimits) -> ClipIndex | None:
        """Its key frames."""
        ...

    def open_spans(
        self, path: Path, limits: DecodeLimits, spans: Sequence[Span], stride: int = 1, *, planes: bool = False
    ) -> Reader:
        """Parts of it."""
        ...


@dataclass(frozen=True)
class LocalSource:
    """Implements Source in this process.

    Args:
        path: The file.
        limits: Bounds of decoding.
    """

    path: Path
    limits: DecodeLimits

    def open(self) -> Reader:
        """See Source."""
        return open_media(self.path, self.limits)

    def index(self) -> ClipIndex | None:
        """See Source."""
        return index_clip(self.path, self.limits)

    def open_spans(self, spans: Sequence[Span]) -> Reader:
        """See Source."""
        return SpanReader(self.path, replace(self.limits, threads=1), spans)


@dataclass(frozen=True)
class IsolatedSource:
    """Implements Source with processes of a pool.

    Args:
        pool: Has the processes.
        path: The file.
        limits: Bounds of decoding.
        stride: Every stride-th frame is processed.
    """

    pool: SpanDecoder
    path: Path
    limits: DecodeLimits
    stride: int

    def open(self) -> Reader:
        """See Source."""
        return self.pool.open_media(self.path, self.limits, self.stride, planes=True)

    def index(self) -> ClipIndex | None:
        """See Source."""
        return self.pool.index_clip(self.path, self.limits)

    def open_spans(self, spans: Sequence[Span]) -> Reader:
        """See Source."""
        return self.pool.open_spans(self.path, replace(self.limits, threads=1), spans, self.stride, planes=True)
