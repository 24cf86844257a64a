"""Alignment, subsets, and steadier points."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import simplejpeg

from red_align.errors import InvalidRequest
from red_align.features.alignment import SIDE, TEMPLATE, align_face
from red_align.features.look_ahead import steady
from red_align.features.one_euro import OneEuro
from red_align.features.options import FeatureOptions
from red_align.features.subsets import SUBSETS, five_points, subset_of
from red_align.geometry import Similarity
from red_align.schemes import IBUG7, IBUG68
from red_align.yuv import YuvImage
from tests.support.faces import ASTRONAUT_POINTS
from tests.support.media import Image, astronaut

RATE = 25.0


def test_a_turned_and_moved_template_is_brought_back_exactly() -> None:
    there = Similarity(2.5, 0.4, 120.0, 80.0)
    points = np.zeros((68, 2))
    places = there.apply(TEMPLATE)
    points[36:42], points[42:48], points[30], points[48], points[54] = places
    assert five_points(points) == pytest.approx(places)
    assert align_face(points).matrix == pytest.approx(there.inverse().matrix, abs=1e-9)
    assert align_face(points).crop == b""


def test_the_crop_is_what_opencv_cuts_with_the_matrix() -> None:
    image = astronaut()
    found = align_face(ASTRONAUT_POINTS, image)
    crop = decoded(found.crop)
    assert crop.shape == (SIDE, SIDE, 3)
    wanted = cv2.warpAffine(image, found.matrix, (SIDE, SIDE))
    assert np.abs(crop.astype(int) - wanted).mean() < 3.0
    eyes = Similarity(1.0, 0.0, 0.0, 0.0).apply(
        five_points(ASTRONAUT_POINTS) @ found.matrix[:, :2].T + found.matrix[:, 2]
    )
    assert np.linalg.norm(eyes - TEMPLATE, axis=1).max() < 6.0


def test_a_crop_of_planes_looks_as_one_of_pixels() -> None:
    image = astronaut()
    packed = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), np.uint8).reshape(-1)
    planes = np.split(packed, [512 * 512, 512 * 512 * 5 // 4])
    yuv = YuvImage(planes[0].reshape(512, 512), planes[1].reshape(256, 256), planes[2].reshape(256, 256))
    a, b = (decoded(align_face(ASTRONAUT_POINTS, picture).crop) for picture in (image, yuv))
    assert np.abs(a.astype(int) - b).mean() < 4.0


@pytest.mark.parametrize("count", [5, 7, 51])
def test_subsets_are_points_of_the_68_with_names_of_their_own(count: int) -> None:
    subset = subset_of(count, IBUG68)
    assert subset is not None
    assert subset.num_points == count
    found = subset.points(IBUG68.mean_shape)
    assert found.shape == (count, 2)
    assert subset.confidence(np.full(68, 0.5)) == pytest.approx(np.full(count, 0.5))
    if count == 7:
        assert found == pytest.approx(IBUG7.mean_shape)
    if count == 51:
        assert found == pytest.approx(IBUG68.mean_shape[17:])
    assert len({s.name for s in SUBSETS.values()}) == len(SUBSETS)


def test_numbers_of_points_that_there_are_not_are_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidRequest, match="points is 6, it must be one of 5, 7, 51, 68"):
        subset_of(6, IBUG68)
    with pytest.raises(InvalidRequest, match="it must be one of 7"):
        subset_of(5, IBUG7)
    assert subset_of(68, IBUG68) is subset_of(0, IBUG68) is subset_of(7, IBUG7) is None


@pytest.mark.parametrize(
    ("names", "smooth", "message"),
    [
        ("pose,expresion", "none", "there is no feature 'expresion'; did you mean 'expression'?"),
        ("pose", "lookahead", "there is no smoothing 'lookahead'; did you mean 'look_ahead'?"),
        ("zzz", "none", "there is no feature 'zzz'; there are alignment, crop, expression, pose"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_nearest_right_one(names: str, smooth: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        FeatureOptions.of(names, smooth=smooth)
    assert raised.value.message == message


@pytest.mark.parametrize("focal", [-1.0, float("nan"), float("inf"), 1e9])
def test_a_focal_length_out_of_range_is_refused(focal: float) -> None:
    with pytest.raises(InvalidRequest, match="focal_px"):
        FeatureOptions.of("pose", focal_px=focal)


def decoded(data: bytes) -> Image:
    """A JPEG as RGB."""
    return simplejpeg.decode_jpeg(data)  # type: ignore[no-any-return]


def trembling(frames: int, sigma: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rng = np.random.default_rng(0)
    return IBUG68.mean_shape + rng.normal(0.0, sigma, (frames, 68, 2))


def ahead(
    points: np.ndarray[tuple[int, ...], np.dtype[np.float64]], unit: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    times = np.arange(len(points)) / RATE
    return np.stack([steady(points, times, i, unit) for i in range(len(points))])


def test_both_filters_make_a_still_face_steadier() -> None:
    unit = IBUG68.eye_distance(IBUG68.mean_shape)
    points = trembling(80, 0.003 * unit)
    before = (points - IBUG68.mean_shape).std()
    euro = OneEuro()
    filtered = np.stack([euro.update(p, unit, i / RATE) for i, p in enumerate(points)])
    assert (filtered[10:] - IBUG68.mean_shape).std() < 0.75 * before
    assert (ahead(points, unit) - IBUG68.mean_shape).std() < 0.75 * before


def test_looking_ahead_delays_nothing_and_keeps_a_fast_blink() -> None:
    unit = IBUG68.eye_distance(IBUG68.mean_shape)
    height = 0.08 * unit * np.exp(-0.5 * ((np.arange(60) - 30) / 1.2) ** 2)  # shut for three frames
    points = IBUG68.mean_shape + np.zeros((60, 68, 2))
    points[:, 37:39, 1] += height[:, None]
    found = ahead(points, unit)[:, 37, 1] - IBUG68.mean_shape[37, 1]
    assert int(np.argmax(found)) == 30
    assert found.max() > 0.9 * height.max()


def test_looking_ahead_keeps_a_steady_motion_exactly() -> None:
    unit = IBUG68.eye_distance(IBUG68.mean_shape)
    points = IBUG68.mean_shape + 3.0 * np.arange(30)[:, None, None]
    assert ahead(points, unit) == pytest.approx(points, abs=1e-6)


def test_one_euro_lags_a_fast_motion_by_less_than_a_frame() -> None:
    unit = IBUG68.eye_distance(IBUG68.mean_shape)
    speed, euro = 0.05 * unit, OneEuro()
    for i in range(40):
        found = euro.update(IBUG68.mean_shape + speed * i, unit, i / RATE)
    lag = (IBUG68.mean_shape + speed * 39 - found).max() / speed
    assert 0.0 < lag < 1.0


def test_one_euro_begins_anew_after_a_pause() -> None:
    euro = OneEuro()
    euro.update(IBUG68.mean_shape, 60.0, 0.0)
    later = euro.update(IBUG68.mean_shape + 5.0, 60.0, 2.0)
    assert later == pytest.approx(IBUG68.mean_shape + 5.0)
