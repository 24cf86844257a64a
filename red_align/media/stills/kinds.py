"""What a file is, by its first bytes: an image, an animation that decodes like a video, or neither."""

from __future__ import annotations

STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*")
PICTURES = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"avif"})
"""Brands of HEIF and AVIF files with pictures."""
SEQUENCES = frozenset({b"hevc", b"hevx", b"hevm", b"hevs", b"msf1", b"avis"})
"""Brands of HEIF and AVIF files with a track, as in MP4."""


def is_image(head: bytes) -> bool:
    """Whether a file is an image.

    Args:
        head: Its first 64 bytes, or all it has.

    Returns:
        True where they are those of an image format.
    """
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    return head.startswith(STARTS) or bool(brands(head) & PICTURES)


def is_sequence(head: bytes) -> bool:
    """Whether a file says that it holds a HEIF or AVIF track beside its pictures; it need not be true."""
    return bool(brands(head) & SEQUENCES)


def is_heif(head: bytes) -> bool:
    """Whether a file is a HEIF picture that is no AVIF."""
    return bool(brands(head) & (PICTURES - {b"avif"})) and b"avif" not in brands(head)


def brands(head: bytes) -> frozenset[bytes]:
    """The brands of a file of boxes, such as MP4 and HEIF; none for any other file."""
    if head[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return frozenset({head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))})
