"""MediaPipe FaceMesh in video mode on one core, driven by lines on stdin; run in an environment of its own.

``time``: one round over the clip, milliseconds a frame. ``jitter``: mean second difference of its 468 points over
the distance of the outer eye corners, percent.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import cv2
import mediapipe
import numpy as np
from numpy.typing import NDArray

OUTER_EYES = (33, 263)
FRAMES = 150


def frames(path: str, limit: int) -> list[NDArray[np.uint8]]:
    """The clip's first frames, RGB."""
    clip = cv2.VideoCapture(path)
    found: list[NDArray[np.uint8]] = []
    while len(found) < limit:
        ok, bgr = clip.read()
        if not ok:
            break
        found.append(np.ascontiguousarray(bgr[:, :, ::-1], np.uint8))
    return found


def jitter(mesh: Any, images: list[NDArray[np.uint8]]) -> float:
    """Percent of the eye distance."""
    height, width = images[0].shape[:2]
    bends: list[float] = []
    run: list[NDArray[np.float64]] = []
    for image in images:
        faces = mesh.process(image).multi_face_landmarks
        if not faces:
            run = []
            continue
        run.append(np.array([(p.x * width, p.y * height) for p in faces[0].landmark]))
        if len(run) >= 3:
            eyes = np.linalg.norm(run[-2][OUTER_EYES[0]] - run[-2][OUTER_EYES[1]])
            bends.append(float(np.linalg.norm(run[-1] - 2 * run[-2] + run[-3], axis=1).mean() / eyes))
    return 100 * float(np.mean(bends))


def main() -> None:
    """Answer until stdin ends."""
    os.sched_setaffinity(0, {int(sys.argv[2])})
    mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1)
    images = frames(sys.argv[1], FRAMES)
    for image in images[:20]:
        mesh.process(image)
    for line in sys.stdin:
        if line.strip() == "time":
            began = time.perf_counter()
            for image in images:
                mesh.process(image)
            print((time.perf_counter() - began) / len(images) * 1e3, flush=True)
        else:
            fresh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1)
            print(jitter(fresh, frames(sys.argv[1], 10**6)), flush=True)


main()
