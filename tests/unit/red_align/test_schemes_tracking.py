"""Point schemes, the box rule, and when a face is given up."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from red_align.contract import CROP_SIZE
from red_align.crop import crop_face
from red_align.geometry import GRID_STEPS, FaceBox, Similarity
from red_align.schemes import IBUG7, IBUG68, SCHEMES, PointScheme
from red_align.tracking.rules import (
    DESCRIPTOR_SIZE,
    REGION_MARGIN,
    appearance_descriptor,
    face_score,
    is_identity_switch,
    is_lost,
    region_from_landmarks,
    upright_region,
)

BOTH = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES.keys())
FRAME = (640, 480)
TRANSFORMS = [
    Similarity(1.0, 0.0, 0.0, 0.0),
    Similarity(1.7, 0.0, 300.0, -20.0),
    Similarity(0.35, 0.6, 40.0, 90.0),
    Similarity(2.0, -2.8, 700.0, 500.0),
]


def face_at(x: float, y: float, scale: float = 1.0) -> NDArray[np.float64]:
    """The mean face with its box's top-left corner at (x, y)."""
    shape = IBUG68.mean_shape * scale
    return np.asarray(shape - shape.min(0) + (x, y))


@BOTH
def test_mirroring_twice_gives_every_point_back(scheme: PointScheme) -> None:
    assert [scheme.mirror[m] for m in scheme.mirror] == list(range(scheme.num_points))


@BOTH
def test_mirroring_swaps_the_outer_eye_corners(scheme: PointScheme) -> None:
    assert scheme.mirror[scheme.outer_eyes[0]] == scheme.outer_eyes[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 17), (9, 9), (18, 27), (31, 31), (32, 36), (37, 46), (40, 43), (42, 47), (49, 55), (58, 58), (61, 65)],
)
def test_ibug68_mirror_pairs_by_their_official_numbers(one: int, other: int) -> None:
    assert IBUG68.mirror[one - 1] == other - 1


def test_ibug7_is_the_papers_choice_by_official_numbers() -> None:
    assert [i + 1 for i in IBUG7.of_ibug68] == [37, 40, 43, 46, 31, 49, 55]
    np.testing.assert_array_equal(IBUG7.mean_shape, IBUG68.mean_shape[list(IBUG7.of_ibug68)])


def test_ibug7_mirror_and_outer_eyes_agree_with_those_of_ibug68() -> None:
    of68 = IBUG7.of_ibug68
    assert [of68[m] for m in IBUG7.mirror] == [IBUG68.mirror[i] for i in of68]
    assert tuple(of68[i] for i in IBUG7.outer_eyes) == IBUG68.outer_eyes


@BOTH
def test_the_mean_shape_is_symmetric_and_inside_the_crop(scheme: PointScheme) -> None:
    mean = scheme.mean_shape
    assert mean.shape == (scheme.num_points, 2)
    np.testing.assert_allclose(mean[list(scheme.mirror)] * (-1, 1) + (CROP_SIZE - 1, 0), mean, atol=2e-3)
    assert mean.min() > 10
    assert mean.max() < CROP_SIZE - 11


@BOTH
def test_the_mean_shape_cannot_be_changed(scheme: PointScheme) -> None:
    with pytest.raises(ValueError, match="read-only"):
        scheme.mean_shape[:] = 0.0
    assert scheme.mean_shape.min() > 10


def test_the_points_of_the_mean_face_stand_as_in_a_face() -> None:
    eye_corner, other_eye_corner, nose_tip, mouth_corner, other_mouth_corner = IBUG68.mean_shape[[36, 45, 30, 48, 54]]
    assert eye_corner[0] < nose_tip[0] < other_eye_corner[0]
    assert mouth_corner[0] < nose_tip[0] < other_mouth_corner[0]
    assert eye_corner[1] < nose_tip[1] < mouth_corner[1]


@BOTH
def test_the_eye_distance_scales_with_the_face(scheme: PointScheme) -> None:
    assert scheme.eye_distance(TRANSFORMS[2].apply(scheme.mean_shape)) == pytest.approx(
        0.35 * np.linalg.norm(IBUG68.mean_shape[45] - IBUG68.mean_shape[36])
    )


@BOTH
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_the_region_moves_turns_and_grows_with_the_face(scheme: PointScheme, transform: Similarity) -> None:
    points = scheme.mean_shape + np.random.default_rng(3).normal(0, 2, (scheme.num_points, 2))
    before, after = region_from_landmarks(points, scheme), region_from_landmarks(transform.apply(points), scheme)
    corners = np.array([[0.0, 0.0], [127.0, 0.0], [0.0, 127.0]])
    # Position, side and angle are each up to half a step beside what was asked for, before and after.
    np.testing.assert_allclose(
        after.to_frame(CROP_SIZE).apply(corners),
        transform.apply(before.to_frame(CROP_SIZE).apply(corners)),
        atol=3 * after.side / (CROP_SIZE * GRID_STEPS),
    )


@BOTH
def test_points_that_differ_by_rounding_give_the_very_same_region(scheme: PointScheme) -> None:
    rng = np.random.default_rng(5)
    same = 0
    for _ in range(200):
        points = Similarity(rng.uniform(0.3, 5), rng.uniform(-3, 3), *rng.uniform(0, 900, 2)).apply(scheme.mean_shape)
        nearly = points + rng.normal(0, 1e-6, points.shape)
        same += region_from_landmarks(points, scheme) == region_from_landmarks(nearly, scheme)
    assert same >= 198  # at the border of a step they may not


@BOTH
def test_the_mean_face_asks_for_nearly_the_crop_that_it_lies_in(scheme: PointScheme) -> None:
    # Nearly: the mean of many faces' boxes is a little larger than the box of their mean.
    region = region_from_landmarks(scheme.mean_shape, scheme)
    np.testing.assert_allclose([region.cx, region.cy], (CROP_SIZE - 1) / 2, atol=1.5)
    assert region.side == pytest.approx(CROP_SIZE, abs=5.0)
    assert region.angle == pytest.approx(0.0, abs=1e-6)


def test_a_seven_point_face_is_cut_like_the_same_face_with_all_points() -> None:
    seven = region_from_landmarks(TRANSFORMS[2].apply(IBUG7.mean_shape), IBUG7)
    full = region_from_landmarks(TRANSFORMS[2].apply(IBUG68.mean_shape), IBUG68)
    np.testing.assert_allclose(
        [seven.cx, seven.cy, seven.side, seven.angle], [full.cx, full.cy, full.side, full.angle], atol=1e-6
    )


def test_the_region_is_the_margin_times_the_longer_side_about_the_boxs_middle() -> None:
    region = upright_region(np.array([[10.0, 20.0], [50.0, 20.0], [10.0, 100.0]]), 0.0)
    assert (region.cx, region.cy, region.angle) == (30.0, 60.0, 0.0)
    assert region.side == pytest.approx(REGION_MARGIN * 80.0)


def test_the_score_of_a_face_is_the_mean_of_its_confidences() -> None:
    assert face_score(np.array([0.0, 0.5, 1.0, 0.9], np.float32)) == pytest.approx(0.6)


def test_a_face_well_inside_the_frame_with_a_good_score_is_kept() -> None:
    assert not is_lost(0.3, FaceBox.around(face_at(200, 100)), FRAME, track_lost_threshold=0.3)


def test_a_score_under_the_threshold_or_nan_loses_the_face() -> None:
    assert is_lost(0.29, FaceBox.around(face_at(200, 100)), FRAME, track_lost_threshold=0.3)
    assert is_lost(float("nan"), FaceBox.around(face_at(200, 100)), FRAME, track_lost_threshold=0.3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_point_that_is_not_finite_loses_the_face(value: float) -> None:
    points = face_at(200, 100)
    points[17, 1] = value
    assert is_lost(0.9, FaceBox.around(points), FRAME, track_lost_threshold=0.3)


def test_a_face_too_small_to_be_one_is_lost() -> None:
    extent = float(np.ptp(IBUG68.mean_shape, axis=0).max())
    assert is_lost(
        0.9, FaceBox.around(face_at(200, 100, 11.0 / REGION_MARGIN / extent)), FRAME, track_lost_threshold=0.3
    )
    assert not is_lost(
        0.9, FaceBox.around(face_at(200, 100, 13.0 / REGION_MARGIN / extent)), FRAME, track_lost_threshold=0.3
    )


@pytest.mark.parametrize(("x", "y"), [(-500, 100), (700, 100), (200, -300), (200, 600), (5000, 5000)])
def test_a_face_gone_from_the_frame_is_lost(x: float, y: float) -> None:
    assert is_lost(0.9, FaceBox.around(face_at(x, y)), FRAME, track_lost_threshold=0.3)


@pytest.mark.parametrize("axis", [0, 1])
def test_points_on_one_upright_or_level_line_are_no_face(axis: int) -> None:
    points = face_at(200, 100)
    points[:, axis] = 5000.0
    assert is_lost(0.9, FaceBox.around(points), FRAME, track_lost_threshold=0.3)


@pytest.mark.parametrize(("outside", "lost"), [(0.55, False), (0.65, True)])
@pytest.mark.parametrize("edge", ["left", "right", "top", "bottom"])
def test_a_face_is_lost_when_over_sixty_percent_lie_outside(edge: str, outside: float, lost: bool) -> None:
    box = FaceBox.around(face_at(0, 0))
    x, y = {
        "left": (-0.5 - outside * box.w, 100.0),
        "right": (FRAME[0] - 0.5 - (1 - outside) * box.w, 100.0),
        "top": (200.0, -0.5 - outside * box.h),
        "bottom": (200.0, FRAME[1] - 0.5 - (1 - outside) * box.h),
    }[edge]
    assert is_lost(0.9, FaceBox.around(face_at(x, y)), FRAME, track_lost_threshold=0.3) is lost


def scene(seed: int) -> NDArray[np.uint8]:
    small = np.random.default_rng(seed).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(small, (640, 480), interpolation=cv2.INTER_CUBIC), np.uint8)


@BOTH
def test_an_appearance_has_mean_0_and_length_1_whatever_the_light(scheme: PointScheme) -> None:
    points = scheme.mean_shape * 2.0 + (100.0, 80.0)
    descriptor = appearance_descriptor(scene(0), region_from_landmarks(points, scheme))
    assert descriptor.shape == (DESCRIPTOR_SIZE * DESCRIPTOR_SIZE,)
    assert descriptor.dtype == np.float32
    assert descriptor.mean() == pytest.approx(0.0, abs=1e-6)
    assert np.linalg.norm(descriptor) == pytest.approx(1.0, abs=1e-5)
    dimmed = appearance_descriptor((scene(0) * 0.5 + 20).astype(np.uint8), region_from_landmarks(points, scheme))
    assert float(descriptor @ dimmed) > 0.99


def test_an_appearance_goes_with_the_face() -> None:
    points = IBUG68.mean_shape * 2.0 + (100.0, 80.0)
    moved = np.roll(scene(0), (7, -20), axis=(0, 1))
    before, after = (region_from_landmarks(points + shift, IBUG68) for shift in ((0, 0), (-20, 7)))
    descriptor = appearance_descriptor(scene(0), before)
    same, stayed = descriptor @ appearance_descriptor(moved, after), descriptor @ appearance_descriptor(moved, before)
    assert same > 0.99 > 0.8 > stayed


def test_an_appearance_comes_from_the_last_crop_where_that_shows_it() -> None:
    points = IBUG68.mean_shape * 2.0 + (100.0, 80.0)
    before = region_from_landmarks(points, IBUG68)
    crop = crop_face(scene(0), before)
    nowhere = np.zeros((480, 640, 3), np.uint8)
    for shift, within in (((0, 0), True), ((12, -9), True), ((60, 0), False)):
        after = region_from_landmarks(points + shift, IBUG68)
        direct = appearance_descriptor(scene(0), after)
        assert float(direct @ appearance_descriptor(nowhere if within else scene(0), after, (crop, before))) > 0.97
    # Beyond the crop the image is what counts.
    assert float(np.abs(appearance_descriptor(nowhere, after, (crop, before))).max()) == 0.0


def test_another_scene_is_a_cut_and_the_same_or_an_empty_one_is_not() -> None:
    points = IBUG68.mean_shape * 2.0 + (100.0, 80.0)
    one, other = (appearance_descriptor(scene(seed), region_from_landmarks(points, IBUG68)) for seed in (0, 1))
    empty = appearance_descriptor(np.full((480, 640, 3), 90, np.uint8), region_from_landmarks(points, IBUG68))
    assert is_identity_switch(one, other, 0.04)
    assert not is_identity_switch(one, one, 0.04)
    assert not is_identity_switch(one, empty, 0.04)
    assert not is_identity_switch(empty, one, 0.04)


def test_frames_that_lie_apart_may_differ_more() -> None:
    one = np.zeros(4, np.float32)
    one[0] = 1.0
    for likeness, next_frame, apart in ((0.8, False, False), (0.6, True, False), (0.3, True, True)):
        other = np.array([likeness, np.sqrt(1 - likeness**2), 0, 0], np.float32)
        assert (is_identity_switch(one, other, 0.04), is_identity_switch(one, other, 1.0)) == (next_frame, apart)


@pytest.mark.parametrize("scheme", [IBUG68, IBUG7], ids=lambda scheme: scheme.name)
def test_contours_join_points_of_the_face_alike_on_both_sides(scheme: PointScheme) -> None:
    segments = {frozenset(pair) for contour in scheme.contours for pair in contour.segments}
    assert {scheme.mirror[i] for pair in segments for i in pair} <= set(range(scheme.num_points))
    assert {frozenset(scheme.mirror[i] for i in pair) for pair in segments} == segments
    closed = {contour.name: len(contour.segments) for contour in scheme.contours if contour.closed}
    assert closed == ({"right eye": 6, "left eye": 6, "outer lips": 12, "inner lips": 8} if scheme is IBUG68 else {})
