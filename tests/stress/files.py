"""``python -m tests.stress.files``: no file gets an untrue answer.

Makes files of many kinds, reads each with the library, and holds frames, times, size and the first picture against
what was written and against another reader (FFmpeg of imageio-ffmpeg). Whole files must be told as whole; of damaged
ones all that differs must be told. Ends with 1 where an answer is untrue.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from red_align.errors import RedAlignError
from red_align.frames import VideoInfo
from red_align.media.reader import DecodeLimits, open_media
from tests.stress.file_cases import FileCase, cases
from tests.stress.file_damage import damaged
from tests.stress.report import SHORT
from tests.support.ffmpeg import Seen, seen
from tests.support.media import Image

TIME_TOLERANCE_S = 0.0011
"""Containers that write milliseconds round to them."""
PICTURE_TOLERANCE = 6.0
"""Mean difference of grey levels: readers turn YUV to RGB in slightly different ways; another turn is far more."""
SEEDS = 1 if SHORT else 6


@dataclass(frozen=True)
class Answer:
    """What the library says of a file; ``refused`` is the sentence where it says no more."""

    info: VideoInfo
    times_s: tuple[float, ...] = ()
    frames: tuple[Image, ...] = ()
    complete: bool = False
    warnings: tuple[str, ...] = ()
    refused: str = ""


def answered(path: Path) -> Answer:
    """Read a file with the library."""
    try:
        reader = open_media(path, DecodeLimits())
    except RedAlignError as error:
        return Answer(VideoInfo(0, 0, 0.0), refused=error.message)
    try:
        frames = [(frame.time_s, frame.image) for frame in reader.frames()]
    finally:
        reader.close()
    times, images = tuple(time_s for time_s, _ in frames), tuple(image for _, image in frames if image is not None)
    return Answer(reader.info, times, images, reader.complete, tuple(reader.warnings))


def untrue(case: FileCase, answer: Answer, other: Seen | None) -> list[str]:
    """What is wrong with the answer to a whole file."""
    if answer.refused:
        return [f"refused: {answer.refused}"]
    wrong = [] if answer.complete else ["told as incomplete"]
    told = " / ".join(answer.warnings)
    if case.told not in told or (told and not case.told):
        wrong.append(f"warns {told!r} instead of {case.told!r}")
    size = answer.info.width, answer.info.height
    if size != case.size:
        wrong.append(f"size {size} instead of {case.size}")
    if any((image.shape[1], image.shape[0]) != size for image in answer.frames):
        wrong.append("frames of another size than told")
    wrong += _times(answer.times_s, case.times_s, "written")
    if len(case.times_s) == 1 and answer.info.frame_rate:
        wrong.append(f"a still with {answer.info.frame_rate:g} frames a second")
    if other is not None:
        wrong += _times(answer.times_s, other.times_s, "seen by FFmpeg")
        if size != other.size:
            wrong.append(f"size {size}, FFmpeg has {other.size}")
        elif (difference := _difference(answer.frames[0], other.first)) > PICTURE_TOLERANCE:
            wrong.append(f"first frame differs from FFmpeg's by {difference:.1f}")
    elif case.stream is not None:
        wrong.append("FFmpeg sees no frame")
    return wrong


def _times(ours: tuple[float, ...], theirs: tuple[float, ...], who: str) -> list[str]:
    if len(ours) != len(theirs):
        return [f"{len(ours)} frames instead of {len(theirs)} {who}"]
    late = max((abs(a - b) for a, b in zip(ours, theirs, strict=True)), default=0.0)
    return [f"times differ by {late:.4f} s from those {who}"] if late > TIME_TOLERANCE_S else []


def _difference(one: Image, other: Image) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def whole_files(folder: Path) -> Iterator[tuple[str, Answer, list[str]]]:
    """All whole files: name, answer, what is untrue."""
    frames: dict[str, tuple[Image, ...]] = {}
    for case in cases():
        if SHORT and not case.brief:
            continue
        path = case.make(folder)
        answer = answered(path)
        other = None if case.stream is None else seen(path, folder, stream=case.stream, form=case.form)
        wrong = untrue(case, answer, other)
        frames[case.name] = answer.frames
        if case.like and not _same(answer.frames, frames[case.like]):
            wrong.append(f"other pixels than {case.like}")
        yield case.name, answer, wrong


def damaged_files(folder: Path) -> Iterator[tuple[str, Answer, list[str]]]:
    """All damaged files: name, answer, what is untrue; those of codecs that hide their damage are named so."""
    whole: dict[Path, Answer] = {}
    for case in damaged(folder, SEEDS):
        before = whole[case.whole] = whole.get(case.whole) or answered(case.whole)
        answer, wrong = answered(case.path), []
        if before.refused or not before.complete:
            wrong.append("the whole file is not told as whole")
        differs = not _same(answer.frames, before.frames)
        told = bool(answer.refused) or not answer.complete or set(answer.warnings) > set(before.warnings)
        if differs and not told and case.shows:
            wrong.append(f"{len(answer.frames)} of {len(before.frames)} frames, other pixels, and not a word")
        if case.told and not answer.refused and case.told not in " / ".join(answer.warnings):
            wrong.append(f"warns {answer.warnings} instead of {case.told!r}")
        if not answer.refused and any(b <= a for a, b in zip(answer.times_s, answer.times_s[1:], strict=False)):
            wrong.append("times do not grow")
        name = case.name if case.shows or told or not differs else f"{case.name} (its codec cannot tell)"
        yield name, answer, wrong


def _same(one: tuple[Image, ...], other: tuple[Image, ...]) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def main() -> int:
    """All of it as a table; the exit status."""
    count = broken = 0
    print(f"\nfiles{' (short form)' if SHORT else ''}: frames, size, whole, and what is said or untrue")
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        for part in (whole_files(folder), damaged_files(folder)):
            for name, answer, wrong in part:
                count, broken = count + 1, broken + bool(wrong)
                size = f"{answer.info.width}x{answer.info.height}"
                said = f"UNTRUE: {'; '.join(wrong)}" if wrong else answer.refused or "; ".join(answer.warnings)
                print(f"  {name:<52}{len(answer.frames):>4} {size:>9} {'yes' if answer.complete else 'no':>4}  {said}")
    print(f"  {count} files, {broken} untrue answers")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
