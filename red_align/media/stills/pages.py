"""Which pictures of an image file are frames, and for how long each is shown."""

from __future__ import annotations

from typing import Any

from PIL import Image

GIF_DEFAULT_S = 0.1
"""Players show a GIF frame without a delay, or with one of up to GIF_LEAST_S, for this long."""
GIF_LEAST_S = 0.01
PAGE_S = 0.04
"""Pages of a TIFF have no times."""
ANIMATED = ("PNG", "GIF", "WEBP")
_NEW_SUBFILE, _OLD_SUBFILE = 254, 255
"""Tags of a TIFF's page: what it is."""


def frames_of(image: Image.Image) -> list[int]:
    """Numbers of the pictures that are frames, for ``Image.seek``.

    Args:
        image: An opened image.

    Returns:
        One number for a still image; none where an animation has no frame.
    """
    count = int(getattr(image, "n_frames", 1))
    if image.format == "TIFF":
        return [page for page in range(count) if not _is_reduced(image, page)] or [0]
    if image.format not in ANIMATED:
        return [image.tell()]
    # An APNG may have a picture for viewers that show no animation.
    hidden = 1 if image.format == "PNG" and getattr(image, "default_image", False) and count > 1 else 0
    return list(range(hidden, count))


def others_of(image: Image.Image) -> str:
    """What pictures a still image's file holds beside it, as a sentence; empty where there are none."""
    count = int(getattr(image, "n_frames", 1))
    if image.format in (*ANIMATED, "TIFF") or count < 2:
        return ""
    return f"the file holds {count} pictures: number {image.tell() + 1}, the one that is shown, was read"


def duration_s(image: Image.Image) -> float:
    """How long the picture that was sought last is shown, seconds."""
    if image.format == "TIFF":
        return PAGE_S
    seconds = float(image.info.get("duration") or 0.0) / 1000.0
    return seconds if seconds > (GIF_LEAST_S if image.format == "GIF" else 0.0) else GIF_DEFAULT_S


def _is_reduced(image: Any, page: int) -> bool:
    """Whether a TIFF's page is another one's preview or mask."""
    image.seek(page)
    kind = int(image.tag_v2.get(_NEW_SUBFILE) or 0)
    return bool(kind & 0b101) or image.tag_v2.get(_OLD_SUBFILE) == 2
