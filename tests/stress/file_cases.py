"""Whole files of many kinds, with the times and the size that each of their frames has: nothing of them is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from tests.stress.file_makers import (
    AV1,
    FRAMES,
    H264,
    HEVC,
    JPEG,
    MPEG2,
    RATE,
    SIZE,
    Make,
    copied,
    covered,
    encoded,
    exif_video,
    heic,
    joined,
    large_picture,
    saved,
    several,
)

Times = tuple[float, ...]
UNEVEN = "settb=1/90000,setpts='(N*40+mod(N,3)*13)*90'"
VARIABLE = ("-fps_mode", "passthrough", "-enc_time_base", "1:90000")
NO_TIMES = "no times: 25 frames a second are assumed"


@dataclass(frozen=True)
class FileCase:
    """A file and what is true of it.

    Attributes:
        name: What it is.
        make: Writes it into a folder.
        times_s: Of its frames.
        size: Upright width and height.
        told: What a warning must hold; "" where there must be none.
        stream: The stream that the other reader reads; "" for the one it chooses; None where it cannot read the file.
        form: Format that the other reader must be told.
        like: Name of the case whose frames these are too, bit by bit; "" for none.
        brief: Whether the short form has it.
    """

    name: str
    make: Make
    times_s: Times
    size: tuple[int, int] = SIZE
    told: str = ""
    stream: str | None = "0:v:0"
    form: str = ""
    like: str = ""
    brief: bool = True


def even(count: int = FRAMES, rate: float = RATE) -> Times:
    """Times at a constant rate."""
    return tuple(index / rate for index in range(count))


def cases() -> Iterator[FileCase]:
    """All of them."""
    yield from containers()
    yield from codecs()
    yield from timings()
    yield from joints()
    yield from shapes()
    yield from stills()


def containers() -> Iterator[FileCase]:
    """The same packets in several containers."""
    for codec, source, kinds in (
        ("H.264", encoded("h264.mp4", *H264), ("mov", "mkv", "ts", "flv", "3gp", "avi", "m4v", "h264")),
        ("H.265", encoded("hevc.mp4", *HEVC), ("mkv", "ts", "mov", "hevc")),
    ):
        first = f"{codec} in mp4"
        yield FileCase(first, source, even())
        for kind in kinds:
            told = NO_TIMES if kind in ("h264", "hevc") else ""
            yield FileCase(f"{codec} in {kind}", copied(source, f"{codec}.{kind}"), even(), told=told, like=first)


def codecs() -> Iterator[FileCase]:
    """Other codecs; those that the short form leaves out are behind None."""
    kinds: dict[str, tuple[str, ...] | None] = {
        "mpeg2.mpg": (*MPEG2, "-bf", "2"),
        "mpeg2.mxf": (*MPEG2, "-bf", "2"),
        "mpeg4.avi": ("-c:v", "mpeg4", "-q:v", "3", "-bf", "2"),
        "msmpeg4.avi": ("-c:v", "msmpeg4", "-q:v", "3"),
        "wmv2.wmv": ("-c:v", "wmv2", "-q:v", "3"),
        "vp8.webm": ("-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "12", "-b:v", "300k"),
        "vp9.webm": ("-c:v", "libvpx-vp9", "-b:v", "300k", "-deadline", "realtime", "-cpu-used", "8"),
        "mjpeg.avi": JPEG,
        "theora.ogv": ("-c:v", "libtheora", "-q:v", "7"),
        "moving.gif": (),
        "moving.apng": ("-plays", "0"),
        "moving.webp": ("-c:v", "libwebp_anim", "-q:v", "90"),
        "rest": None,
        "mpeg1.mpg": ("-c:v", "mpeg1video", "-q:v", "3"),
        "mpeg2.ts": (*MPEG2, "-bf", "2"),
        "mpeg4.mp4": ("-c:v", "mpeg4", "-q:v", "3", "-bf", "2"),
        "xvid.avi": ("-c:v", "libxvid", "-q:v", "3"),
        "wmv1.wmv": ("-c:v", "wmv1", "-q:v", "3"),
        "flv1.flv": ("-c:v", "flv", "-q:v", "3"),
        "h263.3gp": ("-c:v", "h263", "-q:v", "3"),
        "vp9.ivf": ("-c:v", "libvpx-vp9", "-b:v", "300k", "-deadline", "realtime", "-cpu-used", "8"),
        "av1.mp4": AV1,
        "av1.webm": AV1,
        "mjpeg.mov": JPEG,
        "prores.mov": ("-c:v", "prores_ks"),
        "huffyuv.avi": ("-c:v", "huffyuv", "-pix_fmt", "yuv422p"),
        "png.mov": ("-c:v", "png"),
        "ten.mkv": ("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none"),
    }
    brief = True
    for name, options in kinds.items():
        if options is None:
            brief = False
            continue
        yield FileCase(name, encoded(name, *options), even(), brief=brief)
    yield FileCase("moving.avif", encoded("moving.avif", *AV1), even(), stream="0:v:1")
    raw = encoded("raw.mjpeg", *JPEG)
    yield FileCase("motion JPEG without a container", raw, even(), told=NO_TIMES, form="mjpeg")
    for count in ("0", "2"):
        laced = encoded(f"laced{count}.ts", *H264, "-flags", "+ilme+ildct", "-bf", count)
        yield FileCase(f"interlaced H.264 in ts, {count} B-frames", laced, even(), brief=count == "2")


def timings() -> Iterator[FileCase]:
    """Beginnings, rates and lengths."""
    wmv, webm = ("-c:v", "wmv2"), ("-c:v", "libvpx")
    kinds = {"mkv": H264, "webm": webm, "wmv": wmv, "mp4": H264, "ts": H264, "flv": H264}
    for kind, options in kinds.items():
        late = encoded(f"late.{kind}", *options, "-output_ts_offset", "40")
        yield FileCase(f"times from 40 s on in {kind}", late, even(), brief=kind in ("mkv", "wmv"))
    sounds = {"mkv": H264, "webm": webm, "wmv": wmv, "mp4": H264, "ts": H264, "avi": H264, "flv": ("-c:v", "flv")}
    for kind, options in (sounds | {"ogv": ("-c:v", "libtheora", "-c:a", "libvorbis")}).items():
        sine = ("-f", "lavfi", "-i", "sine=duration=10")
        long = encoded(f"long.{kind}", "-map", "1:v", "-map", "0:a", *options, before=sine)
        yield FileCase(f"sound of 10 s in {kind}", long, even(), brief=kind in ("webm", "flv"))
    uneven = tuple((index * 40 + index % 3 * 13) / 1000 for index in range(FRAMES))
    for kind in ("mp4", "mkv", "ts", "flv"):
        varied = encoded(f"uneven.{kind}", "-vf", UNEVEN, *VARIABLE, *H264)
        yield FileCase(f"uneven times in {kind}", varied, uneven, brief=kind in ("mp4", "mkv"))
    for rate in ("30000/1001", "120", "1", "1000"):
        for kind in ("mp4", "mkv"):
            name = f"rate{rate.replace('/', '_')}.{kind}"
            made = encoded(name, "-vf", f"settb=1/90000,setpts=N*90000/({rate})", *VARIABLE, *H264)
            times = even(rate=float(Fraction(rate)))
            yield FileCase(f"{rate} frames a second in {kind}", made, times, brief=kind == "mkv")
    wraps = encoded("wraps.ts", *H264, "-output_ts_offset", "95443.2")
    yield FileCase("ts whose clock wraps", wraps, even())


def joints() -> Iterator[FileCase]:
    """Recordings one after another."""
    told = "times jump at frame 24"
    for kind, options in (("ts", H264), ("mpg", MPEG2)):
        part, later = encoded(f"part.{kind}", *options), encoded(f"l.{kind}", *options, "-output_ts_offset", "5000")
        yield FileCase(f"2 {kind} files joined", joined(part, part), even(2 * FRAMES), told=told)
        yield FileCase(f"3 {kind} files joined", joined(part, part, part), even(3 * FRAMES), told=told, brief=False)
        yield FileCase(f"{kind} joined with one of much later times", joined(part, later), even(2 * FRAMES), told=told)


def shapes() -> Iterator[FileCase]:
    """Turned, mirrored and stretched pictures, and what lies beside them."""
    plain, aside = encoded("h264.mp4", *H264), SIZE[::-1]
    for degrees in (90, 180, 270):
        for kind in ("mp4", "mov", "mkv"):
            turned = copied(plain, f"turned{degrees}.{kind}", "-display_rotation", str(degrees))
            size = SIZE if degrees == 180 else aside
            yield FileCase(f"turned by {degrees} in {kind}", turned, even(), size, brief=degrees == 90)
    yield FileCase("mirrored", copied(plain, "mirrored.mp4", "-display_hflip"), even())
    for orientation in (1, 6, 5):
        for kind in ("avi", "mov", "mkv"):
            made, size = exif_video(f"exif{orientation}.{kind}", orientation), SIZE if orientation == 1 else aside
            name = f"motion JPEG with EXIF orientation {orientation} in {kind}"
            yield FileCase(name, made, even(), size, brief=orientation == 6)
    yield FileCase("pixels of 16:11", encoded("stretched.mp4", *H264, "-vf", "setsar=16/11"), even())
    two = encoded("two.mkv", "-map", "0", "-map", "0", *H264)
    yield FileCase("two videos", two, even(), told="the file holds 2 videos: stream 0")
    yield FileCase("a cover beside the video", covered(plain), even())


def stills() -> Iterator[FileCase]:
    """Pictures, which have no rate, and pages."""
    large = large_picture()
    size = large.shape[1], large.shape[0]
    for kind in ("jpg", "png", "bmp", "webp", "avif", "tif", "gif"):
        yield FileCase(f"picture in {kind}", saved(f"still.{kind}", large), (0.0,), size, brief=kind in ("avif", "jpg"))
    for kind in ("jpg", "png", "webp"):
        made = saved(f"turned.{kind}", large, 6)
        yield FileCase(f"picture with EXIF orientation 6 in {kind}", made, (0.0,), size[::-1], brief=kind == "jpg")
    for tile in (0, 256, 512):
        for orientation in (1, 6):
            pieces = f"in tiles of {tile}" if tile else "in one piece"
            made = heic(f"still{tile}_{orientation}.heic", large, tile, orientation)
            upright = size if orientation == 1 else size[::-1]
            name = f"HEIC {pieces}, EXIF orientation {orientation}"
            yield FileCase(name, made, (0.0,), upright, stream="", brief=tile != 256)
    yield FileCase("pages of a TIFF", several("pages.tif", "TIFF"), even(), told=NO_TIMES, stream=None)
    hidden = several("hidden.png", "PNG", duration=50, default_image=True)
    yield FileCase("APNG with a picture that is no frame", hidden, even(FRAMES - 1, 20))
    two = several("two.jpg", "MPO", 2)
    yield FileCase("photograph with a second one", two, (0.0,), told="the file holds 2 pictures")
