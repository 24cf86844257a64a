"""Makes the clip that ships with the page from scikit-image's astronaut, a portrait by NASA in the public domain.

``python -m tests.web.sample [FILE]``: the portrait moves, turns and nods; a mirrored one comes and goes beside it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.media import Image, astronaut, write_video

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "service" / "web" / "static" / "sample.mp4"
WIDTH, HEIGHT, FRAMES, RATE = 640, 480, 200, 25
_CENTRE = np.array([224.0, 118.0])
"""Of the face in the portrait, pixels."""


def turned(at: tuple[float, float], scale: float, roll: float, yaw: float, pitch: float) -> NDArray[np.float64]:
    """A matrix of 3x3 that shows the portrait as a picture turned in space.

    Args:
        at: Where its face's centre comes, pixels.
        scale: Its size.
        roll: Degrees, as the clock runs.
        yaw: Degrees.
        pitch: Degrees.
    """
    a, b, c = np.deg2rad([roll, yaw, pitch])
    rolled = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    yawed = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    pitched = np.array([[1, 0, 0], [0, np.cos(c), -np.sin(c)], [0, np.sin(c), np.cos(c)]])
    far = 900.0
    centred = np.array([[1, 0, -_CENTRE[0]], [0, 1, -_CENTRE[1]], [0, 0, 1.0]])
    plane = (rolled @ yawed @ pitched)[:, [0, 1, 2]] * np.array([scale, scale, 1.0])
    plane[:, 2] = [0, 0, far]
    seen = np.array([[far, 0, 0], [0, far, 0], [0, 0, 1.0]]) @ plane
    placed = np.array([[1, 0, at[0]], [0, 1, at[1]], [0, 0, 1.0]])
    return np.asarray(placed @ seen @ centred, np.float64)


def frame(number: int) -> Image:
    """One frame, RGB uint8 [480, 640, 3]."""
    portrait = astronaut()
    wall = cv2.GaussianBlur(cv2.resize(portrait, (WIDTH, HEIGHT)), (0, 0), 40)
    image = np.asarray(wall * 0.55, np.uint8)
    t = number / RATE
    first = turned(
        (205 + 45 * np.sin(0.9 * t), 190 + 14 * np.sin(1.7 * t)),
        1.35 + 0.12 * np.sin(0.6 * t),
        14 * np.sin(1.1 * t),
        24 * np.sin(0.8 * t + 0.4),
        10 * np.sin(1.4 * t),
    )
    second = turned(
        (505 + 420 * max(0.0, abs(t - 4.4) - 1.9) ** 1.5, 215 + 16 * np.sin(1.3 * t)),
        0.95,
        -10 + 9 * np.sin(1.5 * t),
        18 * np.sin(1.2 * t),
        6 * np.sin(t),
    )
    _paste(image, portrait, first)
    flipped = np.ascontiguousarray(portrait[:, ::-1])
    mirror = np.array([[-1, 0, 511.0], [0, 1, 0], [0, 0, 1]])
    _paste(image, flipped, second @ mirror)
    return image


def _paste(image: Image, portrait: Image, matrix: NDArray[np.float64]) -> None:
    """Draw head and shoulders with a soft edge."""
    mask: NDArray[Any] = np.zeros((512, 512), np.float32)
    x = _CENTRE[0] if portrait is astronaut() else 511 - _CENTRE[0]
    cv2.ellipse(mask, (int(x), 162), (118, 132), 0, 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(mask, (0, 0), 10)
    size = (WIDTH, HEIGHT)
    shown = cv2.warpPerspective(portrait, matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    share = cv2.warpPerspective(soft, matrix, size)[..., None]
    image[:] = np.asarray(image * (1 - share) + shown * share, np.uint8)


def make(path: Path) -> Path:
    """Write the clip.

    Args:
        path: Where to.
    """
    options = {"crf": "27", "preset": "veryslow", "tune": "film"}
    return write_video(
        path, [frame(i) for i in range(FRAMES)], rate=RATE, codec_options=options, options={"movflags": "faststart"}
    )


if __name__ == "__main__":
    print(make(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE))
