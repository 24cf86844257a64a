"""YuNet on real pictures, and its mapping to the region that the network expects."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from red_align.errors import ConfigurationError
from red_align.geometry import FaceBox
from red_align.tracking.detector import YuNetDetector, packaged_yunet, region_from_detection
from tests.support.media import astronaut


@pytest.fixture(scope="module")
def detector() -> YuNetDetector:
    return YuNetDetector()


def test_the_astronaut_has_one_face_where_it_is(detector: YuNetDetector) -> None:
    found = detector.detect(astronaut())
    assert len(found) == 1
    assert found[0].box.iou(FaceBox(176, 63, 92, 120)) > 0.6
    assert found[0].score > 0.8
    assert abs(found[0].region.angle) < 0.3


@pytest.mark.parametrize("degrees", [-30, 20, 45])
def test_a_turned_face_is_found_where_it_is(detector: YuNetDetector, degrees: float) -> None:
    still = detector.detect(astronaut())[0].region
    turn = cv2.getRotationMatrix2D((255.5, 255.5), -degrees, 1.0)  # OpenCV's positive is counter-clockwise
    turned = np.asarray(cv2.warpAffine(astronaut(), turn, (512, 512)), np.uint8)
    region = detector.detect(turned)[0].region
    where = turn @ np.array([still.cx, still.cy, 1.0])
    assert np.hypot(region.cx - where[0], region.cy - where[1]) < 0.3 * still.side
    assert region.side == pytest.approx(still.side, rel=0.25)
    assert region.angle * degrees > 0, "at least the right way, if by far too little"


def test_a_large_frame_gives_frame_pixels(detector: YuNetDetector) -> None:
    large = cv2.resize(astronaut(), (2048, 2048), interpolation=cv2.INTER_LINEAR)
    one, four = detector.detect(astronaut())[0].region, detector.detect(np.asarray(large, np.uint8))[0].region
    assert four.side == pytest.approx(4 * one.side, rel=0.1)
    assert np.hypot(four.cx - 4 * one.cx, four.cy - 4 * one.cy) < 0.1 * four.side


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (500, 3), (64, 64)])
def test_frames_without_a_face_of_any_shape_give_nothing(detector: YuNetDetector, shape: tuple[int, int]) -> None:
    assert detector.detect(np.zeros((*shape, 3), np.uint8)) == []


def test_threads_may_share_a_detector(detector: YuNetDetector) -> None:
    images = [np.ascontiguousarray(astronaut()[: 400 + 20 * (i % 5)]) for i in range(20)]
    alone = [detector.detect(image)[0].box for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = [found[0].box for found in pool.map(detector.detect, images)]
    assert together == alone


def test_the_roll_comes_from_eyes_and_mouth_and_survives_a_profile() -> None:
    box = FaceBox(0, 0, 100, 100)
    frontal = np.array([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]], float)
    assert region_from_detection(box, frontal).angle == pytest.approx(0)
    profile = np.array([[50, 40], [50, 40], [70, 60], [50, 80], [50, 80]], float)
    assert region_from_detection(box, profile).angle == pytest.approx(0)
    upside_down = 100 - frontal
    assert abs(region_from_detection(box, upside_down).angle) == pytest.approx(np.pi)


def test_a_missing_or_wrong_model_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="RED_DETECTOR_PATH"):
        YuNetDetector(tmp_path / "none.onnx")
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"not a network")
    with pytest.raises(ConfigurationError, match=r"wrong\.onnx"):
        YuNetDetector(wrong)
    assert packaged_yunet().is_file()
