"""No file gets an untrue answer: joints, late times, long sound, several videos, pixels that are not square."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

import red_align
from red_align.frames import Frame
from red_align.media.demux.clock import FrameClock
from red_align.media.keyframes import index_clip
from red_align.media.reader import DecodeLimits, Reader, open_media
from tests.support.media import carphone_frames, encode_video, remux, write_video

FRAMES = 24
CHECKS = DecodeLimits()


def read(path: Path) -> tuple[Reader, list[Frame]]:
    reader = open_media(path, CHECKS)
    try:
        return reader, list(reader.frames())
    finally:
        reader.close()


def made(path: Path, codec: str = "libx264", pix_fmt: str = "yuv420p", gop: int = 12) -> Path:
    def prepare(stream: VideoStream) -> None:
        stream.codec_context.gop_size = gop
        if codec == "libx265":
            stream.codec_context.options = {"x265-params": "log-level=none"}

    return encode_video(path, carphone_frames()[:FRAMES], codec=codec, pix_fmt=pix_fmt, prepare=prepare)


def times(frames: list[Frame]) -> list[float]:
    return [frame.time_s for frame in frames]


def images(frames: list[Frame]) -> list[Any]:
    return [frame.image for frame in frames]


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.webm", "libvpx"), ("a.wmv", "wmv2")])
@pytest.mark.parametrize("options", [{"offset_s": 40.0}, {"sound_s": 6.0}, {"offset_s": 40.0, "sound_s": 6.0}], ids=str)
def test_late_times_and_long_sound_leave_a_file_whole(
    tmp_path: Path, name: str, codec: str, options: dict[str, float]
) -> None:
    source = made(tmp_path / ("a.mp4" if codec == "libx264" else name), codec)
    path = remux(source, tmp_path / f"later_{name}", **options)
    reader, frames = read(path)
    assert (reader.complete, reader.warnings) == (True, [])
    assert np.allclose(times(frames), np.arange(FRAMES) / 25, atol=1e-3)


@pytest.mark.parametrize("name", ["a.mkv", "a.wmv"])
def test_a_file_with_sound_that_is_cut_is_still_told_as_broken_off(tmp_path: Path, name: str) -> None:
    codec = "wmv2" if name.endswith("wmv") else "libx264"
    source = made(tmp_path / ("plain.mp4" if codec == "libx264" else f"plain_{name}"), codec)
    path = remux(source, tmp_path / name, sound_s=6.0)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3])
    reader, _ = read(path)
    assert not reader.complete
    assert any("broke off" in warning or "breaks off" in warning for warning in reader.warnings)


@pytest.mark.parametrize(("kind", "codec"), [("ts", "libx264"), ("mpg", "mpeg2video")])
@pytest.mark.parametrize("later", [False, True])
def test_times_go_on_over_the_joint_of_two_recordings(tmp_path: Path, kind: str, codec: str, later: bool) -> None:
    part = made(tmp_path / f"a.{kind}", codec)
    following = remux(part, tmp_path / f"b.{kind}", offset_s=3000.0) if later else part
    path = tmp_path / f"joined.{kind}"
    path.write_bytes(part.read_bytes() + following.read_bytes())
    reader, frames = read(path)
    assert np.allclose(times(frames), np.arange(2 * FRAMES) / 25, atol=1e-3)
    assert reader.complete
    (warning,) = reader.warnings
    # FFmpeg gives the last frame of a program stream the time of the packet behind it.
    assert f"times jump at frame {FRAMES}" in warning or f"times jump at frame {FRAMES - 1}" in warning
    assert index_clip(path, CHECKS) is None, "parts are read by their times, which do not grow here"


def test_an_avi_with_b_frames_has_growing_times(tmp_path: Path) -> None:
    reader, frames = read(write_video(tmp_path / "a.avi", list(carphone_frames()[:FRAMES])))
    assert np.allclose(times(frames), np.arange(FRAMES) / 25, atol=1e-3)
    assert (reader.complete, reader.warnings) == (True, [])


@pytest.mark.parametrize("kind", ["mov", "mkv", "ts", "flv"])
def test_the_same_packets_in_another_container_give_the_same_pixels(tmp_path: Path, kind: str) -> None:
    whole = made(tmp_path / "a.mp4")
    reader, frames = read(remux(whole, tmp_path / f"a.{kind}"))
    assert (reader.complete, reader.warnings) == (True, [])
    for one, other in zip(images(frames), images(read(whole)[1]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_same_clip_in_another_container_has_the_same_points(tmp_path: Path) -> None:
    whole = made(tmp_path / "a.mp4")
    expected = red_align.align(whole)
    assert np.isfinite(expected.points).all()
    for kind in ("mkv", "ts"):
        found = red_align.align(remux(whole, tmp_path / f"a.{kind}"))
        np.testing.assert_array_equal(found.points, expected.points)


@pytest.mark.parametrize(("kind", "codec"), [("ts", "libx264"), ("ts", "libx265"), ("mpg", "mpeg2video")])
def test_a_recording_cut_at_its_beginning_is_told_as_that(tmp_path: Path, kind: str, codec: str) -> None:
    path = made(tmp_path / f"a.{kind}", codec)
    data = path.read_bytes()
    path.write_bytes(data[len(data) * 2 // 5 :])
    reader, frames = read(path)
    assert 0 < len(frames) < FRAMES
    assert not reader.complete
    said = " / ".join(reader.warnings)
    assert "begins in the middle" in said
    assert "broke off" not in said


def test_a_second_video_is_named(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=25) for codec in ("libx264", "libvpx")]
        for stream, size in zip(streams, ((176, 144), (88, 72)), strict=True):
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for image in carphone_frames()[:6]:
            for stream in streams:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode(None))
    reader, frames = read(path)
    assert len(frames) == 6
    assert reader.complete
    assert reader.warnings == ["the file holds 2 videos: stream 0 (h264, 176x144) was read, stream 1 (vp8, 88x72) not"]


@pytest.mark.parametrize(("rotation", "shown"), [(0, 16 / 11), (90, 11 / 16)])
def test_the_shape_of_pixels_is_told_for_the_upright_frame(tmp_path: Path, rotation: int, shown: float) -> None:
    def prepare(stream: VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)
        stream.set_display_rotation(rotation)

    reader, frames = read(encode_video(tmp_path / "a.mp4", carphone_frames()[:3], prepare=prepare))
    assert reader.info.pixel_aspect_ratio == pytest.approx(shown)
    assert frames[0].image is not None
    assert frames[0].image.shape == (reader.info.height, reader.info.width, 3)


class _Stamped:
    """What a clock sees of a frame."""

    def __init__(self, pts: int | None, dts: int | None = None) -> None:
        self.pts, self.dts = pts, dts


def clocked(stamps: list[int | None], kind: str = "mpegts") -> tuple[list[float], list[str]]:
    clock = FrameClock(Fraction(1, 100), 25.0, kind)
    return [clock.time(_Stamped(stamp)) for stamp in stamps], clock.warnings()


@pytest.mark.parametrize(
    ("stamps", "expected", "warns"),
    [
        ([0, 4, 8, 0, 4, 8], [0, 4, 8, 12, 16, 20], "jump at frame 3"),
        ([0, 4, 8, 9000, 9004], [0, 4, 8, 12, 16], "jump at frame 3"),
        ([0, 4, 8, 908, 912], [0, 4, 8, 908, 912], ""),
        ([400, 404, 408, 0, 416, 420], [0, 4, 8, 12, 16, 20], "moved"),
        ([0, 4, 4, 8, 12], [0, 4, 4.01, 8, 12], "moved"),
        ([0, 4, None, 12], [0, 4, 8, 12], "have no time"),
        ([None, None, None], [0, 4, 8], ""),
    ],
)
def test_times_grow_whatever_the_file_says(stamps: list[int | None], expected: list[float], warns: str) -> None:
    found, said = clocked(stamps)
    assert np.allclose(np.array(found) * 100, expected, atol=1e-6)
    assert all(before < after for before, after in itertools.pairwise(found))
    assert (warns in " / ".join(said)) if warns else not said


def test_a_pause_in_another_format_is_a_pause() -> None:
    found, said = clocked([0, 4, 9000], "mov,mp4,m4a,3gp,3g2,mj2")
    assert found == [0.0, 0.04, 90.0]
    assert said == []


def test_a_hole_in_a_steady_rate_is_told_where_nothing_else_counts_frames() -> None:
    steady = [4 * index for index in range(40) if index not in (17, 18)]
    found, said = clocked([*steady], "asf")
    assert found[-1] == pytest.approx(1.56)
    assert "missing before frame 17" in said[0]
    assert clocked([*steady], "avi")[1] == []
