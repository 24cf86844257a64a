"""Decoding of whole videos: upright RGB frames with their times."""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream

from red_align.conversion import to_rgb
from red_align.errors import TooLarge
from red_align.frames import Frame
from red_align.media.reader import DecodeLimits, Reader, open_media
from red_align.yuv import YuvImage
from tests.support.media import Image, carphone_frames, carphone_path, encode_video, write_video

UNEVEN_S = [0.0, 0.01, 0.5, 0.51, 0.9, 2.0, 2.04, 3.5, 3.55, 10.0]


def read(path: Path, stride: int = 1, limits: DecodeLimits | None = None) -> tuple[Reader, list[Frame]]:
    reader = open_media(path, limits or DecodeLimits())
    try:
        return reader, list(reader.frames(stride))
    finally:
        reader.close()


def images(path: Path) -> list[Image]:
    return [frame.image for frame in read(path)[1] if frame.image is not None]


def planes_of(path: Path) -> list[YuvImage]:
    reader = open_media(path, DecodeLimits())
    frames = list(reader.frames(planes=True))
    reader.close()
    assert all(frame.image is None for frame in frames)
    return [frame.planes for frame in frames if frame.planes is not None]


def difference(a: Image, b: Image) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(float) - b).mean())


def some(count: int) -> list[Image]:
    return list(carphone_frames()[:count])


def test_the_car_phone_clip_gives_all_frames_with_their_times() -> None:
    reader, frames = read(carphone_path())
    assert [f.index for f in frames] == list(range(120))
    assert np.allclose([f.time_s for f in frames], np.arange(120) * 1001 / 30_000, atol=1e-6)
    assert (reader.info.width, reader.info.height) == (176, 144)
    assert reader.info.frame_rate == pytest.approx(30_000 / 1001)
    assert (reader.complete, reader.warnings) == (True, [])
    for frame, expected in zip(frames, carphone_frames(), strict=True):
        assert frame.image is not None
        assert np.array_equal(frame.image, expected)


def test_frames_are_writable_rows_of_rgb_bytes() -> None:
    image = images(carphone_path())[0]
    assert image.dtype == np.uint8
    assert image.shape == (144, 176, 3)
    assert image.flags.c_contiguous


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_turned_video_comes_as_a_player_shows_it(tmp_path: Path, degrees: int) -> None:
    path = write_video(tmp_path / "turned.mp4", some(8), rotation=degrees)
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0))
        assert stored.rotation % 360 == degrees
        shown = np.rot90(stored.to_ndarray(format="rgb24"), degrees // 90)  # both count counter-clockwise
    player = cv2.VideoCapture(str(path))
    ok, bgr = player.read()
    player.release()
    assert ok
    assert difference(np.asarray(bgr[..., ::-1], np.uint8), np.asarray(shown, np.uint8)) < 2.0
    reader, frames = read(path)
    assert (reader.info.height, reader.info.width) == shown.shape[:2]
    assert len(frames) == 8
    assert frames[0].image is not None
    assert np.array_equal(frames[0].image, shown)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_mirrored_display_matrix_mirrors_the_turned_picture(tmp_path: Path, degrees: int) -> None:
    def prepare(stream: VideoStream) -> None:
        stream.set_display_rotation(degrees, hflip=True)

    path = encode_video(tmp_path / "mirrored.mp4", some(3), prepare=prepare)
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24")
    shown = np.fliplr(np.rot90(stored, degrees // 90))
    assert np.array_equal(images(path)[0], shown)


@pytest.mark.parametrize("hflip", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_planes_are_turned_as_the_picture_is(tmp_path: Path, degrees: int, hflip: bool) -> None:
    def prepare(stream: VideoStream) -> None:
        stream.set_display_rotation(degrees, hflip=hflip)

    path = encode_video(tmp_path / "turned.mp4", some(3), prepare=prepare)
    for image, planes in zip(images(path), planes_of(path), strict=True):
        assert planes.shape == image.shape
        assert difference(to_rgb(planes), image) < 2.0


def test_full_range_video_keeps_its_contrast(tmp_path: Path) -> None:
    grey = [np.repeat(np.linspace(0, 255, 64).round().astype(np.uint8)[None, :, None], 64, 0).repeat(3, 2)] * 3
    path = tmp_path / "full.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25, options={"q": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        for image in grey:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    for planes in planes_of(path):
        assert planes.full_range
        assert difference(to_rgb(planes), grey[0]) < 4.0


@pytest.mark.parametrize(("size", "pix_fmt"), [((175, 144), "yuv444p"), ((176, 144), "yuv422p")])
def test_what_has_no_quartered_chroma_is_given_as_rgb(tmp_path: Path, size: tuple[int, int], pix_fmt: str) -> None:
    path = tmp_path / "other.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        picture = np.ascontiguousarray(carphone_frames()[0][:, : size[0]])
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    reader = open_media(path, DecodeLimits())
    (frame,) = reader.frames(planes=True)
    reader.close()
    assert frame.planes is None
    assert frame.image is not None
    assert difference(frame.image, picture) < 4.0


@pytest.mark.parametrize("name", ["uneven.mp4", "uneven.mkv", "uneven.mov"])
def test_a_variable_rate_keeps_the_written_times(tmp_path: Path, name: str) -> None:
    _, frames = read(write_video(tmp_path / name, some(10), times=UNEVEN_S))
    assert np.allclose([f.time_s for f in frames], UNEVEN_S, atol=1e-3)


def test_times_count_from_the_first_frame(tmp_path: Path) -> None:
    late = [t + 3.0 for t in UNEVEN_S]
    reader, frames = read(write_video(tmp_path / "late.mp4", some(10), times=late))
    assert np.allclose([f.time_s for f in frames], UNEVEN_S, atol=1e-3)
    assert reader.complete


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "name"),
    [
        ("libx264", "yuv420p10le", "ten.mp4"),
        ("libx265", "yuv420p10le", "ten.mp4"),
        ("ffv1", "yuv420p10le", "ten.mkv"),
        ("libvpx-vp9", "yuv420p", "eight.webm"),
        ("mjpeg", "yuvj420p", "full_range.avi"),
    ],
)
def test_ten_bits_and_other_codecs_come_as_rgb_close_to_the_original(
    tmp_path: Path, codec: str, pix_fmt: str, name: str
) -> None:
    path = encode_video(tmp_path / name, some(6), codec=codec, pix_fmt=pix_fmt)
    decoded = images(path)
    assert len(decoded) == 6
    for image, original in zip(decoded, some(6), strict=True):
        assert difference(image, original) < 8.0


def _full_range(stream: VideoStream) -> None:
    stream.codec_context.color_range = 2


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "name"),
    [("ffv1", "gray", "grey.mkv"), ("ffv1", "gray10le", "grey.mkv"), ("libx264", "gray", "grey.mp4")],
)
def test_grey_comes_as_three_equal_channels(tmp_path: Path, codec: str, pix_fmt: str, name: str) -> None:
    path = encode_video(tmp_path / name, some(4), codec=codec, pix_fmt=pix_fmt, prepare=_full_range)
    decoded = images(path)
    assert len(decoded) == 4
    for image, original in zip(decoded, some(4), strict=True):
        assert np.ptp(image.astype(int), axis=2).max() <= 1
        assert difference(image[..., 0], np.asarray(cv2.cvtColor(original, cv2.COLOR_RGB2GRAY), np.uint8)) < 3.0


def test_stride_gives_every_nth_frame_with_its_own_index_and_time() -> None:
    _, every = read(carphone_path())
    _, fifth = read(carphone_path(), stride=5)
    assert [f.index for f in fifth] == list(range(0, 120, 5))
    for frame in fifth:
        same = every[frame.index]
        assert frame.time_s == same.time_s
        assert frame.image is not None
        assert same.image is not None
        assert np.array_equal(frame.image, same.image)


def test_a_stride_beyond_the_end_gives_the_first_frame() -> None:
    _, frames = read(carphone_path(), stride=10_000)
    assert [f.index for f in frames] == [0]


def test_an_edit_list_that_hides_decoding_delay_leaves_the_clip_complete(tmp_path: Path) -> None:
    path = write_video(tmp_path / "delay.mp4", some(60))
    with av.open(str(path)) as container:
        assert min(p.dts for p in container.demux(video=0) if p.dts is not None) < 0
    reader, frames = read(path)
    assert len(frames) == 60
    assert frames[0].time_s == 0.0
    assert (reader.complete, reader.warnings) == (True, [])


def test_a_clip_cut_by_an_edit_list_is_complete_and_shows_the_cut_alone(tmp_path: Path) -> None:
    path = write_video(tmp_path / "trimmed.mp4", some(120))
    whole = images(path)
    data = bytearray(path.read_bytes())
    entry = data.index(b"elst") + 12  # behind the name: version and flags, number of entries
    _, delay = struct.unpack_from(">Ii", data, entry)
    struct.pack_into(">Ii", data, entry, 2000, delay + 90_000)  # 2000 ms are shown, from 1 s on
    path.write_bytes(data)
    reader, frames = read(path)
    assert (reader.complete, reader.warnings) == (True, [])
    assert len(frames) == 50
    assert frames[0].time_s == 0.0
    assert frames[0].image is not None
    assert np.array_equal(frames[0].image, whole[25])


def test_a_frame_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "large.mp4", some(5))
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start : start + 3000] = bytes(3000)  # decoding would end in another error
    path.write_bytes(data)
    with pytest.raises(TooLarge, match="176x144") as caught:
        open_media(path, DecodeLimits(max_frame_pixels=176 * 144 - 1))
    assert caught.value.metadata == {"limit": "max_frame_pixels"}
    read(carphone_path(), limits=DecodeLimits(max_frame_pixels=176 * 144))


def test_a_header_that_understates_the_size_does_not_pass_the_limit(tmp_path: Path) -> None:
    path = write_video(tmp_path / "liar.mp4", some(5))
    data = bytearray(path.read_bytes())
    struct.pack_into(">HH", data, data.index(b"avc1", data.index(b"stsd")) + 28, 16, 16)
    path.write_bytes(data)
    with pytest.raises(TooLarge):
        open_media(path, DecodeLimits(max_frame_pixels=176 * 144 - 1))


def test_a_reader_may_be_closed_while_a_thread_decodes(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (720, 1280, 3), np.uint8)
    path = write_video(tmp_path / "heavy.mp4", [np.roll(noise, 9 * i, axis=1) for i in range(8)])
    for _ in range(5):
        reader = open_media(path, DecodeLimits())
        frames = reader.frames()
        with ThreadPoolExecutor(1) as pool:
            next(frames)
            rest = pool.submit(list, frames)
            reader.close()
            assert len(rest.result(timeout=30)) < 8
        reader.close()
