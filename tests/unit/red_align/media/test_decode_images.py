"""Decoding of images and animated images: upright, RGB, with the times of their frames."""

from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image as Pillow

from red_align.errors import BadFrame, RedAlignError, TooLarge, UnreadableMedia
from red_align.frames import Frame
from red_align.media.images import decode_frame
from red_align.media.reader import DecodeLimits, Reader, open_media
from tests.support.media import Image, astronaut, carphone_frames, jpeg, png

LIMITS = DecodeLimits()
DURATIONS_MS = [40, 120, 200, 80, 40, 500]
STARTS_S = [0.0, 0.04, 0.16, 0.36, 0.44, 0.48]
ORIENTATION = 0x0112

# How the picture is stored, by EXIF orientation: showing it must undo this (EXIF 2.32, figure of tag Orientation).
STORED = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


def read(path: Path, stride: int = 1) -> tuple[Reader, list[Frame]]:
    reader = open_media(path, LIMITS)
    try:
        return reader, list(reader.frames(stride))
    finally:
        reader.close()


def only_image(path: Path) -> Image:
    reader, frames = read(path)
    assert reader.complete
    assert [(f.index, f.time_s) for f in frames] == [(0, 0.0)]
    image = frames[0].image
    assert image is not None
    assert (reader.info.height, reader.info.width) == image.shape[:2]
    return image


def animation(path: Path) -> list[Image]:
    """Six frames of the car phone clip as GIF, PNG or WebP (by the name)."""
    frames = list(carphone_frames()[:6])
    first, *rest = [Pillow.fromarray(f) for f in frames]
    # Formats but WebP do not know the option.
    first.save(path, save_all=True, append_images=rest, duration=DURATIONS_MS, lossless=True)
    return frames


def turned_jpeg(upright: Image, orientation: int) -> bytes:
    exif = Pillow.Exif()
    exif[ORIENTATION] = orientation
    data = io.BytesIO()
    stored = np.ascontiguousarray(STORED[orientation](upright))
    Pillow.fromarray(stored).save(data, "JPEG", quality=95, exif=exif)
    return data.getvalue()


@pytest.mark.parametrize("behind", [False, True], ids=["before the pixels", "behind the pixels"])
def test_a_png_turned_by_exif_comes_upright_wherever_that_stands(behind: bool) -> None:
    upright = carphone_frames()[0]
    exif = Pillow.Exif()
    exif[ORIENTATION] = 6
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
    stored = png(np.ascontiguousarray(STORED[6](upright)))
    at = stored.rindex(b"IEND") - 4 if behind else 33  # 8 bytes of signature, 25 of IHDR
    np.testing.assert_array_equal(decode_frame(stored[:at] + chunk + stored[at:], LIMITS.check), upright)


@pytest.mark.parametrize("orientation", STORED)
def test_a_jpeg_turned_by_exif_comes_upright(tmp_path: Path, orientation: int) -> None:
    upright = carphone_frames()[0]
    path = tmp_path / "turned.jpg"
    path.write_bytes(turned_jpeg(upright, orientation))
    image = only_image(path)
    assert image.shape == upright.shape
    assert np.abs(image.astype(int) - upright).mean() < 4.0
    assert np.array_equal(decode_frame(path.read_bytes(), LIMITS.check), image)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 2}, {"progressive": True}], ids=str)
def test_an_upright_jpeg_decodes_into_the_room_it_is_given_to_the_pixels_of_pillow(
    mode: str, options: dict[str, int]
) -> None:
    data = io.BytesIO()
    Pillow.fromarray(astronaut()).convert(mode).save(data, "JPEG", quality=85, **options)
    memory = np.zeros(astronaut().nbytes, np.uint8)
    image = decode_frame(data.getvalue(), LIMITS.check, lambda shape: memory.reshape(shape))
    assert np.shares_memory(image, memory)
    np.testing.assert_array_equal(image, np.asarray(Pillow.open(data).convert("RGB")))


def test_a_jpeg_with_a_fault_that_pillow_lets_pass_is_a_picture() -> None:
    data = jpeg(astronaut())
    at = data.index(b"\xff\xda")  # stray bytes before a marker: libjpeg warns and goes on
    faulty = data[:at] + b"\0\0\0" + data[at:]
    with pytest.raises(ValueError, match="extraneous"):
        simplejpeg.decode_jpeg(faulty)
    np.testing.assert_array_equal(decode_frame(faulty, LIMITS.check), decode_frame(data, LIMITS.check))


@pytest.mark.parametrize("name", ["moving.gif", "moving.png", "moving.webp"])
def test_an_animated_image_gives_its_frames_at_their_times(tmp_path: Path, name: str) -> None:
    originals = animation(tmp_path / name)
    reader, frames = read(tmp_path / name)
    assert reader.complete
    assert [f.index for f in frames] == [0, 1, 2, 3, 4, 5]
    assert np.allclose([f.time_s for f in frames], STARTS_S, atol=1e-3)
    for frame, original in zip(frames, originals, strict=True):
        assert frame.image is not None
        assert np.abs(frame.image.astype(int) - original).mean() < (3.0 if name.endswith("gif") else 0.01)


@pytest.mark.parametrize("name", ["moving.gif", "moving.png", "moving.webp"])
def test_stride_of_an_animated_image_keeps_indices_and_times(tmp_path: Path, name: str) -> None:
    animation(tmp_path / name)
    _, frames = read(tmp_path / name, stride=2)
    assert [f.index for f in frames] == [0, 2, 4]
    assert np.allclose([f.time_s for f in frames], STARTS_S[::2], atol=1e-3)


def test_a_gif_without_delays_runs_at_ten_frames_a_second(tmp_path: Path) -> None:
    first, *rest = [Pillow.fromarray(f) for f in carphone_frames()[:3]]
    first.save(tmp_path / "plain.gif", save_all=True, append_images=rest)
    reader, frames = read(tmp_path / "plain.gif")
    assert np.allclose([f.time_s for f in frames], [0.0, 0.1, 0.2])
    assert reader.info.frame_rate == pytest.approx(10.0)


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path, name: str) -> None:
    grey = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2GRAY)
    Pillow.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / name)
    assert np.array_equal(only_image(tmp_path / name), np.dstack([grey] * 3))


def test_alpha_is_left_out_and_the_colours_stay(tmp_path: Path) -> None:
    see_through = np.zeros((512, 512, 1), np.uint8)
    Pillow.fromarray(np.dstack([astronaut(), see_through])).save(tmp_path / "alpha.png")
    assert np.array_equal(only_image(tmp_path / "alpha.png"), astronaut())


@pytest.mark.parametrize(("mode", "name"), [("P", "a.png"), ("L", "a.png"), ("LA", "a.png"), ("CMYK", "a.jpg")])
def test_every_mode_of_a_picture_comes_as_rgb(tmp_path: Path, mode: str, name: str) -> None:
    source = Pillow.fromarray(astronaut()).convert(mode)
    source.save(tmp_path / name)
    image = only_image(tmp_path / name)
    assert image.shape == (512, 512, 3)
    assert np.abs(image.astype(int) - np.asarray(source.convert("RGB"))).mean() < 4.0


@pytest.mark.parametrize("name", ["a.bmp", "a.tif", "a.png", "a.webp"])
def test_lossless_formats_come_as_they_are(tmp_path: Path, name: str) -> None:
    Pillow.fromarray(astronaut()).save(tmp_path / name, lossless=True)  # an option of WebP alone
    assert np.array_equal(only_image(tmp_path / name), astronaut())


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.99])
@pytest.mark.parametrize("encode", [jpeg, png])
def test_a_cut_picture_is_an_error_not_half_a_picture(tmp_path: Path, encode: object, share: float) -> None:
    assert callable(encode)
    data = encode(astronaut())
    cut = data[: int(len(data) * share)]
    path = tmp_path / "cut"
    path.write_bytes(cut)
    with pytest.raises(UnreadableMedia):
        open_media(path, LIMITS)
    with pytest.raises(BadFrame):
        decode_frame(cut, LIMITS.check)


@pytest.mark.parametrize("name", ["moving.gif", "moving.png"])
def test_a_cut_animation_gives_the_frames_that_are_there(tmp_path: Path, name: str) -> None:
    originals = animation(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * 0.6)])
    reader, frames = read(tmp_path / name)
    assert 0 < len(frames) < 6
    assert not reader.complete
    assert f"broke off at frame {len(frames)}" in reader.warnings[0]
    assert frames[0].image is not None
    assert np.abs(frames[0].image.astype(int) - originals[0]).mean() < 3.0


@pytest.mark.parametrize("name", ["large.gif", "large.png", "large.webp", "large.jpg"])
def test_a_picture_above_the_limit_is_refused(tmp_path: Path, name: str) -> None:
    Pillow.fromarray(carphone_frames()[0]).save(tmp_path / name)
    open_media(tmp_path / name, DecodeLimits(max_frame_pixels=176 * 144)).close()
    with pytest.raises(TooLarge, match="176x144"):
        open_media(tmp_path / name, DecodeLimits(max_frame_pixels=176 * 144 - 1))


def test_a_decompression_bomb_is_too_large(tmp_path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(TooLarge):
        open_media(tmp_path / "bomb.png", LIMITS)
    with pytest.raises(TooLarge):
        decode_frame(bomb, LIMITS.check)


@pytest.mark.parametrize("name", ["moving.gif", "moving.png", "moving.webp", "a.jpg", "a.bmp", "a.tif"])
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's remarks on damaged TIFF tags
def test_any_damage_ends_in_frames_or_in_our_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.startswith("moving"):
        animation(path)
    else:
        Pillow.fromarray(carphone_frames()[0]).save(path)
    sound = path.read_bytes()
    chance = random.Random(5)
    ends: set[str] = set()
    for _ in range(120):
        data = bytearray(sound)
        for _ in range(chance.choice([1, 3])):
            data[chance.randrange(min(len(data), chance.choice([40, 1000, len(data)])))] = chance.choice([0, 0xFF, 7])
        path.write_bytes(data)
        try:
            read(path)
            ends.add("frames")
        except RedAlignError as error:
            ends.add(error.reason)
    assert ends <= {"frames", "UNREADABLE_MEDIA", "TOO_LARGE", "NO_FRAMES", "NO_VIDEO_STREAM"}
    assert len(ends) > 1
