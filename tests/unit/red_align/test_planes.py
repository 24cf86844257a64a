"""Frames in planes: the same faces as in RGB, from half the bytes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from red_align.conversion import reduced_bgr, to_rgb
from red_align.crop import crop_face
from red_align.frames import Frame
from red_align.geometry import FaceRegion
from red_align.tracking.detector import Detection, YuNetDetector, detect
from red_align.tracking.tracker import Tracker
from red_align.yuv import YuvImage, split
from tests.support.media import Image, astronaut, carphone_frames

REGIONS = [
    FaceRegion(224.0, 110.0, 150.0, 0.3),  # hardly reduced
    FaceRegion(230.5, 130.25, 420.0, -0.4),  # averaged by 3; chroma by 1
    FaceRegion(240.0, 200.0, 620.0, 0.1),  # beyond the edges
    FaceRegion(5000.0, 90.0, 300.0, 0.0),  # outside
]


def in_planes(image: Image, *, full_range: bool = False) -> YuvImage:
    height, width = image.shape[:2]
    packed = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), np.uint8).reshape(-1)
    y, u, v = (plane.copy() for plane in split(packed, height, width))
    if full_range:
        y = np.clip((y.astype(float) - 16) * 255 / 219, 0, 255).round().astype(np.uint8)
        u, v = (np.clip((c.astype(float) - 128) * 255 / 224 + 128, 0, 255).round().astype(np.uint8) for c in (u, v))
    return YuvImage(y, u, v, full_range)


def difference(a: Image, b: Image) -> float:
    return float(np.abs(a.astype(float) - b).mean())


@pytest.mark.parametrize("full_range", [False, True])
def test_a_whole_frame_comes_back_in_its_colours(full_range: bool) -> None:
    planes = in_planes(astronaut(), full_range=full_range)
    assert planes.shape == astronaut().shape
    assert difference(to_rgb(planes), astronaut()) < 3.0  # halved chroma
    shrunk = cv2.resize(astronaut(), (200, 120), interpolation=cv2.INTER_AREA)
    assert difference(reduced_bgr(planes, 200, 120)[..., ::-1], np.asarray(shrunk, np.uint8)) < 2.5


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("size", [128, 24])
def test_a_crop_of_planes_is_the_crop_of_the_picture(region: FaceRegion, size: int, full_range: bool) -> None:
    planes = in_planes(astronaut(), full_range=full_range)
    # Halved chroma: 64 samples across a crop of 128 pixels, 12 across one of 24.
    limit = {128: 3.0, 24: 5.0}[size]
    assert difference(crop_face(planes, region, size), crop_face(to_rgb(planes), region, size)) < limit


def test_chroma_lies_where_luma_does() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    image[80:120, 80:120] = (255, 0, 0)
    crop = crop_face(in_planes(image), FaceRegion(99.5, 99.5, 64.0, 0.0))
    red = crop[..., 0].astype(float) - crop[..., 1:].mean(-1)
    rows, columns = np.nonzero(red > 100)
    assert (rows.mean(), columns.mean()) == pytest.approx((63.5, 63.5), abs=0.6)


def test_outside_is_black() -> None:
    for full_range in (False, True):
        crop = crop_face(in_planes(astronaut(), full_range=full_range), REGIONS[3])
        assert crop.max() == 0


def test_the_detector_finds_the_same_face() -> None:
    detector = YuNetDetector()
    (one,), (other,) = detector.detect(astronaut()), detect(detector, in_planes(astronaut()))
    assert one.box.iou(other.box) > 0.9


def test_a_detector_of_ones_own_is_given_rgb() -> None:
    class Own:
        def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
            assert image.shape == (512, 512, 3)
            return []

    assert detect(Own(), in_planes(astronaut())) == []


def test_points_differ_from_those_of_rgb_by_less_than_a_pixel() -> None:
    with Tracker() as one, Tracker() as other:
        for index, image in enumerate(carphone_frames()[:10]):
            planes = in_planes(image)
            a = one.process(Frame(index, index / 30, to_rgb(planes)))
            b = other.process(Frame(index, index / 30, None, planes=planes))
            gap = a.faces[0].landmarks.points - b.faces[0].landmarks.points
            assert np.linalg.norm(gap, axis=1).max() < 0.5


def test_a_frame_in_planes_of_another_size_is_refused() -> None:
    with Tracker() as tracker:
        tracker.process(Frame(0, 0.0, None, planes=in_planes(astronaut())))
        result = tracker.process(Frame(1, 0.1, None, planes=in_planes(carphone_frames()[0])))
        assert "176x144" in str(result.error)
