"""dlib's 68 points in YuNet's box, found in each frame (reduced to 640 pixels); arguments: core, YuNet's file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import cv2
import dlib
import face_recognition_models
import numpy as np

from benchmarks.peers import wire

LONGER_SIDE = 640


def begin(path: str) -> Callable[[], Iterator[int]]:
    """See wire.serve."""

    def run() -> Iterator[int]:
        for image in wire.frames(path):
            height, width = image.shape[:2]
            scale = min(1.0, LONGER_SIDE / max(height, width))
            size = (round(width * scale), round(height * scale))
            small = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
            if size != (width, height):
                small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
            detector.setInputSize(size)
            _, rows = detector.detect(small)
            if rows is None:
                yield 0
                continue
            x, y, w, h = (int(v) for v in rows[np.argmax(rows[:, 2] * rows[:, 3])][:4] / scale)
            shape = predictor(image, dlib.rectangle(x, y, x + w, y + h))
            yield int(shape.num_parts == 68)

    return run


cv2.setNumThreads(1)
detector = cv2.FaceDetectorYN.create(sys.argv[2], "", (320, 320), 0.6)
predictor = dlib.shape_predictor(face_recognition_models.pose_predictor_model_location())
wire.serve({"dlib": dlib.__version__}, begin)
