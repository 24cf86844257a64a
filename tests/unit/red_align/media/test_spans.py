"""Parts of a video: the frames, numbers and times that reading all of it gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.video.stream import VideoStream

from red_align.frames import Frame
from red_align.media.decode_pool import DecodePool
from red_align.media.keyframes import ClipIndex, Span, index_clip
from red_align.media.reader import DecodeLimits, open_media
from red_align.media.spans import SpanReader
from tests.support.media import Image, astronaut, carphone_frames, damage_packets, encode_video, jpeg, write_video

LIMITS = DecodeLimits(threads=1)
COUNT = 240
GOP = 60


def many() -> list[Image]:
    frames = list(carphone_frames())
    return (frames + frames[::-1])[:COUNT]


def uneven() -> list[float]:
    """Times of a variable rate, with a gap."""
    return [i / 25 + 0.013 * (i % 3) + 2.0 * (i > 100) for i in range(COUNT)]


def made(path: Path, codec: str = "libx264", **how: Any) -> Path:
    return write_video(path, many(), codec=codec, gop=GOP, **how)


def mpeg4(path: Path) -> Path:
    def prepare(stream: VideoStream) -> None:
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = GOP, 2

    return encode_video(path, many(), codec="mpeg4", prepare=prepare)


MAKERS: dict[str, Callable[[Path], Path]] = {
    "h264 with B-frames": lambda p: made(p / "a.mp4", b_frames=3),
    "h264 with open groups": lambda p: made(p / "a.mkv", b_frames=3, codec_options={"x264-params": "open-gop=1"}),
    "edit list": lambda p: made(p / "a.mp4", times=[1.5 + i / 25 for i in range(COUNT)], b_frames=2),
    "variable rate": lambda p: made(p / "a.mp4", times=uneven()),
    "rotated": lambda p: made(p / "a.mp4", rotation=90),
    "vp9": lambda p: made(p / "a.webm", "libvpx-vp9", codec_options={"deadline": "realtime", "cpu-used": "8"}),
    "mjpeg": lambda p: made(p / "a.mkv", "mjpeg", pix_fmt="yuvj420p"),
    "mpeg4 with B-frames": lambda p: mpeg4(p / "a.mp4"),
}


def span(index: ClipIndex, number: int, further: int = 12) -> Span:
    """From a key frame to some frames after the next one, or to the end."""
    key = index.keys[number]
    if number + 1 == len(index.keys):
        return Span(key.packet, key.pts, key.index, index.frame_count, -1, 0)
    following = index.keys[number + 1]
    return Span(key.packet, key.pts, key.index, following.index + further, following.index, following.pts)


def same(one: Frame, other: Frame) -> bool:
    return (one.index, one.time_s) == (other.index, other.time_s) and np.array_equal(one.image, other.image)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MAKERS)
def test_every_part_has_the_frames_that_reading_all_gives(name: str, tmp_path: Path) -> None:
    path = MAKERS[name](tmp_path)
    whole = list(open_media(path, LIMITS).frames())
    index = index_clip(path, LIMITS)
    assert index is not None
    assert index.frame_count == len(whole) == COUNT
    assert len(index.keys) >= 2, "the encoder made key frames"
    for number in range(len(index.keys)):
        part = span(index, number)
        reader = SpanReader(path, LIMITS, [part])
        frames = list(reader.frames())
        assert reader.complete, (name, number, reader.warnings)
        assert len(frames) == part.stop - part.index
        assert all(map(same, frames, whole[part.index : part.stop]))
        reader.close()


def test_one_reader_gives_several_parts_and_a_process_the_same(tmp_path: Path) -> None:
    path = MAKERS["h264 with B-frames"](tmp_path)
    index = index_clip(path, LIMITS)
    assert index is not None
    whole = list(open_media(path, LIMITS).frames())
    parts = [span(index, 0), span(index, len(index.keys) - 1)]
    wanted = [i for part in parts for i in range(part.index, part.stop) if i % 3 == 0]
    pool = DecodePool(kept=1)
    assert pool.index_clip(path, LIMITS) == index
    for reader in (SpanReader(path, LIMITS, parts), pool.open_spans(path, LIMITS, parts, 3)):
        for frame, number in zip(reader.frames(3), wanted, strict=True):
            assert same(frame, whole[number])
        assert (reader.complete, reader.warnings) == (True, [])
        reader.close()
    pool.close()


@pytest.mark.parametrize("field", ["index", "check_pts", "pts"])
def test_frames_that_are_not_as_the_index_says_end_the_part(field: str, tmp_path: Path) -> None:
    path = MAKERS["mpeg4 with B-frames"](tmp_path)
    index = index_clip(path, LIMITS)
    assert index is not None
    good = span(index, 1)
    values = {name: getattr(good, name) for name in good.__dataclass_fields__}
    reader = SpanReader(path, LIMITS, [Span(**values | {field: values[field] + 1})])
    frames = list(reader.frames())
    assert not reader.complete
    assert len(frames) < good.stop - good.index


def test_a_packet_that_does_not_decode_ends_the_part(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mp4", b_frames=0)
    damage_packets(path, [80])
    index = index_clip(path, LIMITS)
    assert index is not None
    reader = SpanReader(path, LIMITS, [span(index, 1, 40)])
    numbers = [frame.index for frame in reader.frames()]
    assert numbers == list(range(GOP, GOP + len(numbers)))
    assert len(numbers) <= 20
    assert not reader.complete


@pytest.mark.parametrize("what", ["picture", "empty", "cut", "too long"])
def test_what_cannot_be_split_has_no_index(what: str, tmp_path: Path) -> None:
    limits, path = LIMITS, tmp_path / "file"
    if what == "picture":
        path.write_bytes(jpeg(astronaut()))
    elif what == "empty":
        path.touch()
    else:
        data = made(tmp_path / "a.mp4", options={"movflags": "faststart"}).read_bytes()
        path.write_bytes(data if what == "too long" else data[: len(data) // 2])
        limits = DecodeLimits(max_frames=500) if what == "cut" else DecodeLimits(max_s=9.0)
    if what == "too long":
        with pytest.raises(Exception, match="exceeds the limit"):
            index_clip(path, limits)
    else:
        assert index_clip(path, limits) is None
