"""Files of which something is missing or changed: what differs from the whole file must be said."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av

from tests.stress.file_makers import AV1, H264, HEVC, JPEG, MPEG2, encoded

HIDES = frozenset({"libx264", "libx265", "libvpx", "libvpx-vp9"})
"""Arithmetic coding: any bytes within a frame may decode to some picture, and no decoder can tell. It often can."""
HIDES_ALL = frozenset({"libvpx"})
"""VP8 decodes even a frame of zeros."""
SHORT_GOP = ("-g", "8")


@dataclass(frozen=True)
class Damaged:
    """A damaged file.

    Attributes:
        name: What was done to what.
        whole: The file as it was.
        path: The file as it is.
        shows: Whether the format lets anybody see the damage.
        told: What a warning must hold; "" for any.
    """

    name: str
    whole: Path
    path: Path
    shows: bool = True
    told: str = ""


def damaged(folder: Path, seeds: int) -> Iterator[Damaged]:
    """All of them; ``seeds`` files are made for each kind of chance damage."""
    sources = {
        "cut.mkv": H264, "cut.ts": H264, "cut.flv": H264, "cut.avi": H264, "hevc.ts": HEVC, "cut.wmv": ("-c:v", "wmv2"),
        "cut.webm": ("-c:v", "libvpx", "-b:v", "300k"), "jpeg.avi": JPEG, "cut.gif": (), "cut.apng": (), "cut.webp": (),
        "mpeg2.mpg": MPEG2,
    }  # fmt: skip
    for name, options in sources.items():
        whole = encoded(f"whole_{name}", *options, *(SHORT_GOP if options else ()))(folder)
        for share in (0.35, 0.7) if seeds > 1 else (0.7,):
            yield Damaged(f"{name} cut at {share:.0%}", whole, cut(whole, 0.0, share))
    for name, options in (("head.ts", H264), ("head.mpg", MPEG2), ("headh.ts", HEVC)):
        whole = encoded(f"whole_{name}", *options, *SHORT_GOP)(folder)
        yield Damaged(f"{name} without its beginning", whole, cut(whole, 0.4, 1.0), told="begins in the middle")
    inside = {
        "in.mp4": H264, "in.mkv": H264, "in5.mp4": HEVC, "in.wmv": ("-c:v", "wmv2"), "in1.wmv": ("-c:v", "wmv1"),
        "in3.avi": ("-c:v", "msmpeg4"), "in4.avi": ("-c:v", "mpeg4"), "inj.avi": JPEG, "inp.mov": ("-c:v", "prores_ks"),
        "in.webm": ("-c:v", "libvpx"), "in9.webm": ("-c:v", "libvpx-vp9", "-cpu-used", "8"), "inav1.mp4": AV1,
    }  # fmt: skip
    for name, options in inside.items():
        whole = encoded(f"whole_{name}", *options)(folder)
        for seed in range(seeds):
            for kind in ("zeros", "packet"):
                shows = options[1] not in (HIDES_ALL if kind == "packet" else HIDES)
                yield Damaged(f"{name} {kind} {seed}", whole, overwritten(whole, kind, seed), shows)


def cut(whole: Path, start: float, end: float) -> Path:
    """A part of a file's bytes."""
    data = whole.read_bytes()
    path = whole.with_name(f"cut{whole.suffix}")
    path.write_bytes(data[int(len(data) * start) : int(len(data) * end)])
    return path


def overwritten(whole: Path, kind: str, seed: int) -> Path:
    """A run of zeros in one of a file's larger packets, or all of it."""
    rng = random.Random(seed)
    with av.open(str(whole)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size and p.pos is not None]
    large = sorted(packets, key=lambda packet: -packet[1])[: len(packets) // 2]
    at, size = rng.choice(large)
    data = bytearray(whole.read_bytes())
    begin = at + (8 if kind == "packet" else 12 + rng.randrange(size // 4, size // 2))
    stop = at + size if kind == "packet" else min(begin + 512, at + size)
    data[begin:stop] = bytes(stop - begin)
    path = whole.with_name(f"damaged{whole.suffix}")
    path.write_bytes(data)
    return path
