"""MediaPipe FaceMesh in video mode: 468 points of one face."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import mediapipe

from benchmarks.peers import wire


def begin(path: str) -> Callable[[], Iterator[int]]:
    """See wire.serve."""
    mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1)

    def run() -> Iterator[int]:
        for image in wire.frames(path):
            found = mesh.process(image).multi_face_landmarks
            yield len(found or ())
        mesh.close()

    return run


wire.serve({"mediapipe": mediapipe.__version__}, begin)
