"""The clips that benchmarks run on: a clip of one face at any size, of any length, or with several faces."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from red_align.media.reader import DecodeLimits, open_media
from tests.support.media import Image, carphone_path, write_video

RATE = 30
CELL = (352, 288)
"""Width and height of one face's part of a picture of several."""


def frames_of(clip: Path | None, count: int) -> list[Image]:
    """The first frames of a clip, RGB; the car phone clip's by default."""
    reader = open_media(clip or carphone_path(), DecodeLimits())
    try:
        found = [np.array(frame.image) for frame in islice(reader.frames(), count) if frame.image is not None]
    finally:
        reader.close()
    return found


def there_and_back(frames: int, count: int) -> Iterator[int]:
    """Indices of frames forwards and backwards, so that a clip goes on without a cut."""
    for i in range(count):
        index = i % (2 * frames - 2)
        yield index if index < frames else 2 * frames - 2 - index


def resized(image: Image, width: int, height: int) -> Image:
    """The picture at another size; what differs in shape is cut off at the sides, not stretched."""
    rows, columns = image.shape[:2]
    scale = max(width / columns, height / rows)
    w, h = min(columns, round(width / scale)), min(rows, round(height / scale))
    x, y = (columns - w) // 2, (rows - h) // 2
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    part = image[y : y + h, x : x + w]
    return np.asarray(cv2.resize(part, (width, height), interpolation=interpolation), np.uint8)


def clip_of_size(path: Path, frames: list[Image], size: tuple[int, int], count: int) -> Path:
    """Write ``count`` frames as H.264 at a size (width, height)."""
    pictures = [resized(frame, *size) for frame in frames[:count]]
    return write_video(path, [pictures[i] for i in there_and_back(len(pictures), count)], rate=RATE)


def repeated_clip(path: Path, frames: list[Image], size: tuple[int, int], turns: int) -> Path:
    """Write a clip of any length as H.264, in no more time than copying takes.

    Args:
        path: The file.
        frames: Shown forwards and backwards, which is encoded once; its packets follow one another ``turns`` times.
        size: Width and height.
        turns: How often; each has 2 * len(frames) - 2 frames.
    """
    once = path.with_suffix(".once.mp4")
    pictures = [resized(frame, *size) for frame in frames]
    period = 2 * len(pictures) - 2
    write_video(once, [pictures[i] for i in there_and_back(len(pictures), period)], rate=RATE)
    with av.open(str(path), "w") as out:
        target: VideoStream | None = None
        for turn in range(turns):
            with av.open(str(once)) as source:
                stream = source.streams.video[0]
                target = target or out.add_stream_from_template(stream)
                assert stream.time_base is not None
                shift = round(turn * period / RATE / stream.time_base)
                for packet in source.demux(stream):
                    if packet.dts is None or packet.pts is None:  # the last one, which is empty
                        continue
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, target
                    out.mux(packet)
    once.unlink()
    return path


def several_faces(path: Path, frames: list[Image], faces: int, count: int) -> Path:
    """Write a clip of eight cells, in the first ``faces`` of which the frames run, each beginning elsewhere."""
    cells = [resized(frame, *CELL) for frame in frames]
    order = list(there_and_back(len(cells), count + 8 * 13))
    empty = np.full_like(cells[0], 96)
    pictures = []
    for t in range(count):
        row = [cells[order[t + 13 * i]] if i < faces else empty for i in range(8)]
        pictures.append(np.vstack([np.hstack(row[:4]), np.hstack(row[4:])]))
    return write_video(path, pictures, rate=RATE)
