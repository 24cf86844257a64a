"""Makers of files of many kinds: each writes one into a folder and gives its path."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from PIL import Image as Pillow

from tests.support.ffmpeg import ffmpeg
from tests.support.media import Image, carphone_frames, carphone_path

Make = Callable[[Path], Path]
FRAMES, RATE = 24, 25
SIZE = 176, 144
ORIENTATION, MAKER = 0x0112, 0x010F
H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "fast")
HEVC = ("-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params", "log-level=none")
AV1 = ("-c:v", "libaom-av1", "-cpu-used", "8", "-pix_fmt", "yuv420p")
JPEG = ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p")
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "3")


def base(folder: Path) -> Path:
    """The clip of which all are made: lossless, with square pixels."""
    path = folder / "base.mkv"
    if not path.exists():
        square = f"setsar=1,setpts=N/{RATE}/TB"
        ffmpeg("-i", carphone_path(), "-frames:v", str(FRAMES), "-vf", square, "-r", str(RATE), "-c:v", "ffv1", path)
    return path


def encoded(name: str, *options: str, before: tuple[str, ...] = ()) -> Make:
    """The clip, encoded with FFmpeg's options; ``before`` are those of another input."""

    def make(folder: Path) -> Path:
        path = folder / name
        if not path.exists():
            ffmpeg(*before, "-i", base(folder), *options, path)
        return path

    return make


def copied(source: Make, name: str, *before: str) -> Make:
    """A file's packets in another container; ``before`` are options of the input."""

    def make(folder: Path) -> Path:
        path = folder / name
        ffmpeg(*before, "-i", source(folder), "-c", "copy", path)
        return path

    return make


def joined(*parts: Make) -> Make:
    """Files one after another."""

    def make(folder: Path) -> Path:
        paths = [part(folder) for part in parts]
        path = paths[0].with_name("joined_" + "_".join(p.stem for p in paths) + paths[0].suffix)
        path.write_bytes(b"".join(p.read_bytes() for p in paths))
        return path

    return make


def covered(source: Make) -> Make:
    """An MP4 with a cover before its video."""

    def make(folder: Path) -> Path:
        cover, path = folder / "cover.png", folder / "covered.mp4"
        Pillow.fromarray(carphone_frames()[0]).resize((640, 480)).save(cover)
        ways = ("-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic")
        ffmpeg("-i", cover, "-i", source(folder), *ways, path)
        return path

    return make


def exif_video(name: str, orientation: int) -> Make:
    """Motion JPEG whose frames carry EXIF, as cameras write them."""

    def make(folder: Path) -> Path:
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("mjpeg", rate=RATE)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuvj420p"
            for index, image in enumerate(carphone_frames()[:FRAMES]):
                data = io.BytesIO()
                Pillow.fromarray(image).save(data, "JPEG", quality=95, exif=_exif(orientation))
                packet = av.Packet(data.getvalue())
                packet.pts = packet.dts = index
                packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, RATE), stream, True
                container.mux(packet)
        return folder / name

    return make


def saved(name: str, image: Image, orientation: int = 1) -> Make:
    """A picture through Pillow, turned by EXIF."""

    def make(folder: Path) -> Path:
        if orientation == 1:
            Pillow.fromarray(image).save(folder / name)
        else:
            Pillow.fromarray(image).save(folder / name, exif=_exif(orientation))
        return folder / name

    return make


def several(name: str, form: str, count: int = FRAMES, **options: object) -> Make:
    """Frames through Pillow, as pages or as an animation."""

    def make(folder: Path) -> Path:
        first, *rest = [Pillow.fromarray(image) for image in carphone_frames()[:count]]
        first.save(folder / name, form, save_all=True, append_images=rest, **options)
        return folder / name

    return make


def heic(name: str, image: Image, tile: int, orientation: int) -> Make:
    """A telephone's photograph: in tiles of some side (0 for one piece), with EXIF."""

    def make(folder: Path) -> Path:
        import pillow_heif

        file = pillow_heif.from_pillow(Pillow.fromarray(image))
        file.info["exif"] = _exif(orientation).tobytes()
        file.save(folder / name, quality=80, **({"tile_size": tile} if tile else {}))
        return folder / name

    return make


def large_picture() -> Image:
    """Twenty-five times the first frame, RGB uint8 [720, 880, 3]."""
    return np.tile(carphone_frames()[0], (5, 5, 1))


def _exif(orientation: int) -> Pillow.Exif:
    exif = Pillow.Exif()
    exif[ORIENTATION], exif[MAKER] = orientation, "Maker"
    return exif
