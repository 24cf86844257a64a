"""Files that FFmpeg or Pillow alone would answer in part: HEIC, AVIF, raw motion JPEG, pages, EXIF in video, damage."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from PIL import Image as Pillow

from red_align.errors import NoFrames, UnreadableMedia
from red_align.frames import Frame
from red_align.media.reader import DecodeLimits, open_media
from tests.support.media import Image, astronaut, carphone_frames, damage_packets, encode_video, jpeg, read

ORIENTATION, MAKER = 0x0112, 0x010F


def exif(orientation: int) -> Pillow.Exif:
    data = Pillow.Exif()
    data[ORIENTATION], data[MAKER] = orientation, "Maker"
    return data


def pictures(count: int) -> list[Pillow.Image]:
    return [Pillow.fromarray(image) for image in carphone_frames()[:count]]


def difference(one: Image | None, other: Image) -> float:
    assert one is not None
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other).mean())


def same_picture(one: Frame, other: Frame) -> bool:
    assert one.image is not None
    assert other.image is not None
    return np.array_equal(one.image, other.image)


def quiet(stream: VideoStream) -> None:
    stream.codec_context.options = {"x265-params": "log-level=none"}


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("tile", [0, 256])
def test_a_heic_is_answered_whole_and_upright(tmp_path: Path, tile: int, orientation: int) -> None:
    heif = pytest.importorskip("pillow_heif")
    upright = np.ascontiguousarray(astronaut()[:, :400])
    stored = np.ascontiguousarray(np.rot90(upright)) if orientation == 6 else upright
    file = heif.from_pillow(Pillow.fromarray(stored))
    file.info["exif"] = exif(orientation).tobytes()
    file.save(tmp_path / "a.heic", quality=90, **({"tile_size": tile} if tile else {}))
    reader, (frame,) = read(tmp_path / "a.heic")
    assert (reader.info.width, reader.info.height, reader.info.frame_rate) == (400, 512, 0.0)
    assert (reader.complete, reader.warnings) == (True, [])
    assert difference(frame.image, upright) < 5.0


def test_a_damaged_heic_is_refused(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Pillow.fromarray(astronaut())).save(tmp_path / "a.heic")
    data = (tmp_path / "a.heic").read_bytes()
    (tmp_path / "a.heic").write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableMedia):
        open_media(tmp_path / "a.heic", DecodeLimits())


@pytest.mark.parametrize("kind", ["avi", "mov", "mkv"])
@pytest.mark.parametrize("orientation", [1, 6, 8, 5])
def test_motion_jpeg_whose_frames_carry_exif_comes_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    turns: dict[int, Callable[[Image], Image]] = {
        1: lambda image: image,
        5: lambda image: image.swapaxes(0, 1),
        6: np.rot90,
        8: lambda image: np.rot90(image, -1),
    }
    upright = carphone_frames()[0]
    stored = np.ascontiguousarray(turns[orientation](upright))
    with av.open(str(tmp_path / f"a.{kind}"), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = stored.shape[:2]
        stream.pix_fmt = "yuvj420p"
        for index in range(4):
            data = io.BytesIO()
            Pillow.fromarray(stored).save(data, "JPEG", quality=95, exif=exif(orientation))
            packet = av.Packet(data.getvalue())
            packet.pts = packet.dts = index
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 25), stream, True
            container.mux(packet)
    reader, frames = read(tmp_path / f"a.{kind}")
    assert (reader.info.width, reader.info.height) == (176, 144)
    assert (len(frames), reader.complete, reader.warnings) == (4, True, [])
    assert all(difference(frame.image, upright) < 5.0 for frame in frames)


def test_an_animated_avif_gives_all_frames_at_their_times(tmp_path: Path) -> None:
    durations = [40, 120, 200, 80, 40, 500]
    first, *rest = pictures(6)
    first.save(tmp_path / "a.avif", save_all=True, append_images=rest, duration=durations, quality=90)
    reader, frames = read(tmp_path / "a.avif")
    assert np.allclose([frame.time_s for frame in frames], np.cumsum([0, *durations[:-1]]) / 1000, atol=1e-3)
    assert (reader.complete, reader.warnings) == (True, [])


def test_an_avif_is_a_still_without_a_rate(tmp_path: Path) -> None:
    pictures(1)[0].save(tmp_path / "a.avif", quality=90, exif=exif(6))
    reader, (frame,) = read(tmp_path / "a.avif")
    assert reader.info.frame_rate == 0.0
    assert difference(frame.image, np.rot90(carphone_frames()[0], -1)) < 6.0


def test_motion_jpeg_without_a_container_gives_all_frames(tmp_path: Path) -> None:
    (tmp_path / "a.mjpeg").write_bytes(b"".join(jpeg(image) for image in carphone_frames()[:12]))
    reader, frames = read(tmp_path / "a.mjpeg")
    assert np.allclose([frame.time_s for frame in frames], np.arange(12) / 25)
    assert reader.complete
    assert reader.warnings == ["the file has no times: 25 frames a second are assumed"]
    assert reader.info.frame_rate == 0.0


def test_a_photograph_with_another_picture_behind_it_is_a_photograph(tmp_path: Path) -> None:
    large, small = jpeg(astronaut()), jpeg(carphone_frames()[0])
    (tmp_path / "preview.jpg").write_bytes(large + small)
    reader, frames = read(tmp_path / "preview.jpg")
    assert (len(frames), reader.info.width) == (1, 512)
    first, *rest = pictures(2)
    first.save(tmp_path / "two.jpg", "MPO", save_all=True, append_images=rest)
    reader, frames = read(tmp_path / "two.jpg")
    assert len(frames) == 1
    assert reader.warnings == ["the file holds 2 pictures: number 1, the one that is shown, was read"]


def test_the_pages_of_a_tiff_are_frames(tmp_path: Path) -> None:
    first, *rest = pictures(5)
    first.save(tmp_path / "a.tif", save_all=True, append_images=rest)
    reader, frames = read(tmp_path / "a.tif")
    assert all(difference(f.image, image) == 0 for f, image in zip(frames, carphone_frames()[:5], strict=True))
    assert reader.warnings == ["the file has no times: 25 frames a second are assumed"]


def test_a_tiffs_preview_is_no_page(tmp_path: Path) -> None:
    first, second = pictures(2)
    second.encoderinfo = {"tiffinfo": {254: 1}}
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second])
    reader, frames = read(tmp_path / "a.tif")
    assert (len(frames), reader.warnings, reader.info.frame_rate) == (1, [], 0.0)


def test_the_hidden_picture_of_an_animated_png_is_no_frame(tmp_path: Path) -> None:
    first, *rest = pictures(6)
    first.save(tmp_path / "a.png", save_all=True, append_images=rest, duration=50, default_image=True)
    reader, frames = read(tmp_path / "a.png")
    assert [round(frame.time_s, 6) for frame in frames] == [0.0, 0.05, 0.1, 0.15, 0.2]
    assert difference(frames[0].image, carphone_frames()[1]) == 0
    assert reader.info.frame_rate == pytest.approx(20.0)


@pytest.mark.parametrize("name", ["a.webp", "a.gif"])
def test_an_animation_that_breaks_off_gives_the_frames_there_are(tmp_path: Path, name: str) -> None:
    first, *rest = pictures(10)
    first.save(tmp_path / name, save_all=True, append_images=rest, duration=40)
    whole, data = read(tmp_path / name)[1], (tmp_path / name).read_bytes()
    ends = {len(data) * 6 // 10}
    if name.endswith("gif"):
        ends.add(data.index(b"\0\x21\xf9\4", len(data) // 2) + 1)  # between two frames
    for end in ends:
        (tmp_path / name).write_bytes(data[:end])
        reader, frames = read(tmp_path / name)
        assert 2 <= len(frames) < 10
        assert not reader.complete
        assert reader.warnings
        for frame, before in zip(frames, whole, strict=False):
            np.testing.assert_array_equal(frame.image, before.image)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx265", "yuv420p"),
        ("a.wmv", "wmv2", "yuv420p"),
        ("a.avi", "msmpeg4", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_damage_inside_a_frame_is_told(tmp_path: Path, name: str, codec: str, pix_fmt: str, seed: int) -> None:
    prepare = quiet if codec == "libx265" else None
    path = encode_video(tmp_path / name, carphone_frames()[:24], codec=codec, pix_fmt=pix_fmt, prepare=prepare)
    before, whole = read(path)
    assert (before.complete, before.warnings) == (True, [])
    damage_packets(path, [random.Random(seed).randrange(1, 6)])
    try:
        reader, frames = read(path)
    except NoFrames:
        return
    same = len(frames) == 24 and all(same_picture(a, b) for a, b in zip(frames, whole, strict=True))
    assert same or reader.warnings


def test_an_h265_with_damage_inside_its_frames_keeps_them_and_tells(tmp_path: Path) -> None:
    path = encode_video(tmp_path / "a.mp4", carphone_frames()[:24], codec="libx265", prepare=quiet)
    whole = read(path)[1]
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size > 400]
    told, sound = 0, path.read_bytes()
    for seed in range(12):  # Not each one shows: arithmetic coding makes pictures of nearly anything.
        chance, data = random.Random(seed), bytearray(sound)
        at, size = chance.choice(packets)
        assert at is not None
        begin = at + chance.randrange(20, size // 2)
        data[begin : min(begin + 512, at + size)] = bytes(min(512, at + size - begin))
        path.write_bytes(data)
        reader, frames = read(path)
        assert len(frames) == len(whole)
        assert not all(same_picture(a, b) for a, b in zip(frames, whole, strict=True))
        told += not reader.complete
    assert told >= 2


def test_a_damaged_motion_jpeg_keeps_its_frame(tmp_path: Path) -> None:
    path = encode_video(tmp_path / "a.avi", carphone_frames()[:8], codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data, (at, size) = bytearray(path.read_bytes()), packets[3]
    assert at is not None
    begin = at + 8 + size // 2
    data[begin : begin + 400] = random.Random(1).randbytes(400)
    path.write_bytes(data)
    reader, frames = read(path)
    assert len(frames) == 8
    assert reader.warnings == ["1 of 8 frames are damaged"]
