"""The README's picture: frames of the demo's overlay side by side. ``python examples/overlay_picture.py OUT``"""

from __future__ import annotations

import sys

import av
import cv2
import numpy as np

WANTED = (0, 45, 62, 90)


def main() -> None:
    """Read out/demo.mp4, write the picture."""
    with av.open("out/demo.mp4") as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    rows = [np.hstack([frames[i] for i in WANTED[:2]]), np.hstack([frames[i] for i in WANTED[2:]])]
    cv2.imwrite(sys.argv[1], np.vstack(rows))


if __name__ == "__main__":
    main()
