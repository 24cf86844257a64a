"""One clip on the embedded engine: results to a file, an overlay if wanted, a progress bar meanwhile."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from tqdm import tqdm

from red_align.frames import FrameResult, StreamEnd, VideoInfo
from red_align.media.overlay import write_overlay
from red_align.media.writers import ClipSource, csv_pieces, json_pieces, ndjson_pieces
from service.config.settings import Settings
from service.dataplane import ClipOptions, DataPlane
from service.streams.clip import ClipRun


@dataclass(frozen=True, slots=True)
class AlignJob:
    """What to do with which clip."""

    clip: Path
    output: Path | None
    format: str
    overlay: Path | None
    max_faces: int
    stride: int
    quiet: bool = False


class _Watched:
    """A clip run that shows its progress and keeps results for the overlay (where one is wanted)."""

    def __init__(self, run: ClipRun, bar: tqdm[NoReturn], keep: bool) -> None:
        self._run, self._bar, self._keep = run, bar, keep
        self.kept: list[FrameResult] = []

    @property
    def video(self) -> VideoInfo:
        return self._run.video

    @property
    def end(self) -> StreamEnd:
        return self._run.end

    async def results(self) -> AsyncIterator[FrameResult]:
        async for result in self._run.results():
            self._bar.update()
            if self._keep:
                self.kept.append(result)
            yield result


async def align_clip(job: AlignJob, settings: Settings) -> bool:
    """Run the job; True when the whole clip could be read. Raises RedAlignError."""
    gateway = DataPlane.from_settings(settings)
    try:
        await gateway.start()
        async with gateway.clip(job.clip, ClipOptions(job.max_faces, stride=job.stride)) as run:
            began = time.perf_counter()
            with _output(job.output) as out, tqdm(unit=" frames", disable=job.quiet, file=sys.stderr) as bar:
                watched = _Watched(run, bar, job.overlay is not None)
                async for piece in _pieces(watched, job.format, gateway):
                    out.write(piece)
            seconds = time.perf_counter() - began
    finally:
        await gateway.close()
    for warning in watched.end.warnings:
        print(f"red-align: {job.clip}: {warning}", file=sys.stderr)
    if not job.quiet:
        count = watched.end.frame_count
        print(f"{count} frames in {seconds:.2f} s, {count / max(seconds, 1e-9):.0f} a second", file=sys.stderr)
    if job.overlay is not None:
        write_overlay(job.clip, watched.kept, job.overlay, settings)
    return watched.end.complete


def _pieces(run: ClipSource, form: str, gateway: DataPlane) -> AsyncIterator[bytes]:
    scheme = gateway.engine.info.scheme
    if form == "csv":
        return csv_pieces(run, scheme.num_points)
    return ndjson_pieces(run, scheme.name) if form == "ndjson" else json_pieces(run, scheme.name)


@contextlib.contextmanager
def _output(path: Path | None) -> Iterator[BinaryIO]:
    """The file, made whole or not at all: a run that fails leaves no half answer under its name."""
    if path is None:
        yield sys.stdout.buffer
        return
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
