"""Opens images that Pillow does not open by itself."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from red_align.media.stills.kinds import is_heif

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
_ANIMATION_FLAG = 0x02


def open_image(path: Path, head: bytes) -> tuple[Image.Image, str]:
    """Open an image.

    Args:
        path: The file.
        head: Its first bytes.

    Returns:
        The image, not decoded yet, and what is missing of the file as a sentence.

    Raises:
        Exception: Whatever Pillow raises for what it cannot open.
    """
    if is_heif(head):
        # PyAV gives the tiles of a telephone's photograph one by one and does not say where they belong.
        from pi_heif import HeifImageFile

        return HeifImageFile(path), ""
    try:
        return Image.open(path, formats=FORMATS), ""
    except OSError:
        there = whole_frames(path.read_bytes()) if head[:4] == b"RIFF" else None
        if there is None:
            raise
        return Image.open(io.BytesIO(there), formats=("WEBP",)), "the file breaks off"


def whole_frames(data: bytes) -> bytes | None:
    """An animated WebP that breaks off, without its last frame: the decoder takes whole files alone.

    Args:
        data: The file, or what there is of it.

    Returns:
        A file with the frames that are there; None where it is no animation or has none.
    """
    at, chunks, frames = 12, [], 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + size + size % 2
        if end > len(data):
            break
        chunks.append(data[at:end])
        frames += data[at : at + 4] == b"ANMF"
        at = end
    if not frames or chunks[0][:4] != b"VP8X" or not chunks[0][8] & _ANIMATION_FLAG:
        return None
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + len(body).to_bytes(4, "little") + body
