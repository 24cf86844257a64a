"""Do points stay? ``python -m benchmarks.answers record OUT CLIP...`` before a change, ``compare OUT CLIP...`` after.

The first 500 frames of each clip go through the library's tracker, up to two faces; a comparison fails where a face is
missing, has another id, or one of its points lies more than 0.001 px elsewhere.
"""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from red_align.media.reader import DecodeLimits, open_media
from red_align.tracking.tracker import Tracker

FRAMES, FACES, BOUND_PX = 500, 2, 0.001


def answers(clip: Path) -> dict[str, NDArray[np.generic]]:
    """Frame number, track id, points [L, 2] and confidence [L] of every face of every frame, one row a face."""
    rows = []
    reader = open_media(clip, DecodeLimits())
    with Tracker(FACES) as tracker:
        for frame in islice(reader.frames(), FRAMES):
            rows += [(frame.index, face) for face in tracker.process(frame).faces]
    reader.close()
    return {
        "index": np.array([index for index, _ in rows]),
        "ids": np.array([face.track_id for _, face in rows]),
        "points": np.array([face.landmarks.points for _, face in rows], np.float64),
        "confidence": np.array([face.landmarks.confidence for _, face in rows], np.float32),
    }


def compare(name: str, now: dict[str, NDArray[np.generic]], before: Path) -> bool:
    """Whether the answers are the recorded ones; prints how far apart they are."""
    kept = np.load(before)
    same = np.array_equal(now["index"], kept["index"]) and np.array_equal(now["ids"], kept["ids"])
    apart = float(np.abs(now["points"] - kept["points"]).max()) if same else float("inf")
    print(f"{name:<40}{len(now['index']):>6} faces, at most {apart:.6f} px apart", flush=True)
    return apart <= BOUND_PX


def main(arguments: list[str]) -> int:
    """Record or compare; 1 where a comparison fails."""
    what, folder, *clips = arguments
    good = True
    for clip in map(Path, clips):
        path, now = Path(folder) / f"{clip.stem}.npz", answers(clip)
        if what == "record":
            np.savez_compressed(path, **now)  # type: ignore[arg-type]
        else:
            good &= compare(clip.name, now, path)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
