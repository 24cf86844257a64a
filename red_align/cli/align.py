"""One clip on this machine: results to a file, an overlay if wanted, a progress bar meanwhile."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from tqdm import tqdm

from red_align.clip.tracking import ClipTrack, track
from red_align.engine.base import ModelInfo
from red_align.engine.default import load_engine
from red_align.engine.providers import CPU
from red_align.engine.variants import Precision
from red_align.frames import StreamEnd
from red_align.media.live.urls import is_live_url, parse_live_url
from red_align.media.overlay import OverlayWriter
from red_align.media.writers import WRITERS


@dataclass(frozen=True, slots=True)
class AlignJob:
    """What to do with which clip.

    Attributes:
        clip: The file to read, or the URL of a live source.
        output: The file to write; None for the standard output.
        format: Name of the output's format, see ``red_align.media.writers.WRITERS``.
        overlay: Video or picture to write with the points drawn on it; None for none.
        max_faces: Most faces to track at once.
        stride: Every stride-th frame is processed.
        providers: Who runs the network, see ``red_align.load_engine``.
        precision: Of the network; None for that of the model's folder.
        model: Folder of the network; None for the one in the package.
        parallel: Parts of a long video that are tracked side by side, at most; not with an overlay, which needs the
            frames.
        quiet: No progress bar.
    """

    clip: Path | str
    output: Path | None
    format: str
    overlay: Path | None
    max_faces: int
    stride: int
    providers: str = CPU
    precision: Precision | None = None
    model: str | None = None
    parallel: int = 1
    quiet: bool = False


def align_clip(job: AlignJob) -> bool:
    """Run a job.

    Args:
        job: What to do.

    Returns:
        Whether the whole clip could be read.

    Raises:
        RedAlignError: The clip cannot be read, the overlay cannot be written, or the network cannot run as asked.
        OSError: A file cannot be opened or written.
    """
    engine = load_engine(job.providers, precision=job.precision, model=job.model)
    parallel = job.parallel if job.overlay is None else 1
    with (
        contextlib.closing(engine),
        track(job.clip, max_faces=job.max_faces, stride=job.stride, parallel=parallel, engine=engine) as clip,
    ):
        began = time.perf_counter()
        with _output(job.output) as out, tqdm(unit=" frames", disable=job.quiet, file=sys.stderr) as bar:
            _write(clip, job, out, bar)
        end, seconds = clip.end, time.perf_counter() - began
    _report(job, engine.info, end, seconds)
    return end.complete


def _write(clip: ClipTrack, job: AlignJob, out: BinaryIO, bar: tqdm[NoReturn]) -> None:
    """Everything of the clip, frame by frame."""
    writer = WRITERS[job.format](clip.scheme)
    drawn = OverlayWriter(job.overlay, clip.video) if job.overlay is not None else None
    with drawn or contextlib.nullcontext():
        out.write(writer.begin(clip.video))
        with _until_interrupted(live=is_live_url(job.clip)):
            for result in clip:
                out.write(writer.frame(result))
                if drawn is not None:
                    drawn.frame(clip.image, result)
                bar.update()
        out.write(writer.finish(clip.end))


@contextlib.contextmanager
def _until_interrupted(*, live: bool) -> Iterator[None]:
    """A live source has no end but Ctrl-C: what was written is then finished."""
    try:
        yield
    except KeyboardInterrupt:
        if not live:
            raise


def _report(job: AlignJob, model: ModelInfo, end: StreamEnd, seconds: float) -> None:
    for warning in end.warnings:
        shown = parse_live_url(str(job.clip)).shown if is_live_url(job.clip) else job.clip
        print(f"red-align: {shown}: {warning}", file=sys.stderr)
    if not job.quiet:
        rate = end.frame_count / max(seconds, 1e-9)
        where = f"{model.precision} on {', '.join(model.providers)}"
        print(f"{end.frame_count} frames in {seconds:.2f} s, {rate:.0f} a second ({where})", file=sys.stderr)


@contextlib.contextmanager
def _output(path: Path | None) -> Iterator[BinaryIO]:
    """The file, made whole or not at all: a run that fails leaves no half answer under its name."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()  # A reader that left is found here, not when the process ends.
        return
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
