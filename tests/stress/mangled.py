"""Mangled clips: cut at every tenth, bytes flipped, sizes that lie, bombs. Each must get a true answer."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from tests.support.media import carphone_frames, png, write_video

FRAMES = 40
HANG_S = 10.0


@dataclass(frozen=True)
class Mangled:
    """A file, whether part of it is gone, and how many frames it had."""

    name: str
    data: bytes
    cut: bool
    frames: int = FRAMES


def mangled_clips(folder: Path, seed: int = 0) -> Iterator[Mangled]:
    """200 and more of them."""
    rng = random.Random(seed)
    frames = list(carphone_frames()[:FRAMES])
    for name in ("a.mp4", "a.mkv", "a.avi", "a.flv", "a.mov"):
        data = write_video(folder / name, frames, rate=30).read_bytes()
        for tenth in range(1, 10):
            yield Mangled(f"{name} cut at {tenth}/10", data[: len(data) * tenth // 10], cut=True)
        for number in range(24):
            yield Mangled(f"{name} flipped {number}", flipped(data, rng), cut=False)
        for number in range(6):
            yield Mangled(f"{name} with a wrong size {number}", resized(data, rng), cut=False)
    yield from bombs()


def flipped(data: bytes, rng: random.Random) -> bytes:
    """Some bytes are others."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 4, 32, 256))):
        out[rng.randrange(len(out))] = rng.randrange(256)
    return bytes(out)


def resized(data: bytes, rng: random.Random) -> bytes:
    """A four-byte number somewhere in the first or last kilobyte is a very large or a small one."""
    out = bytearray(data)
    at = rng.randrange(min(1024, len(out) - 4)) if rng.random() < 0.5 else rng.randrange(len(out) - 1024, len(out) - 4)
    out[at : at + 4] = struct.pack(rng.choice(("<I", ">I")), rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x10000)))
    return bytes(out)


def bombs() -> Iterator[Mangled]:
    """Small files that unfold to a lot."""
    for side in (12_000, 30_000, 65_535):
        rows = zlib.compress(b"\0" * (1024 * 1024), 9)
        head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        chunks = b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
        )
        yield Mangled(f"png bomb {side}", b"\x89PNG\r\n\x1a\n" + chunks, cut=False)
    large = png(np.zeros((6000, 8000, 3), np.uint8))
    yield Mangled("png of 48 megapixels", large, cut=False, frames=1)
    yield Mangled("playlist", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", cut=False)
    yield Mangled("concat script", b"ffconcat version 1.0\nfile /etc/passwd\n", cut=False)
    yield Mangled("sdp", b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n", cut=False)


def untrue(clip: Mangled, response: httpx.Response, seconds: float) -> str:
    """What is wrong with an answer; empty where it tells the truth."""
    if seconds > HANG_S:
        return f"took {seconds:.1f} s"
    if response.status_code >= 500:
        return f"{response.status_code}: {response.text[:200]}"
    if response.status_code != 200:
        return "" if response.json()["error"]["reason"] else "an error without a reason"
    body = response.json()
    if body["frame_count"] != len(body["frames"]):
        return f"says {body['frame_count']} frames and has {len(body['frames'])}"
    if clip.cut and body["complete"] and len(body["frames"]) < clip.frames:
        return f"says complete with {len(body['frames'])} of {clip.frames} frames"
    if not body["complete"] and not body["warnings"]:
        return "incomplete, and does not say why"
    return ""
