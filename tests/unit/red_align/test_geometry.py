"""Similarities, boxes, and the pixel-centre convention to the last digit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from red_align.geometry import GRID_STEPS, FaceBox, FaceRegion, Similarity, fit_similarity

SOME = [
    Similarity(1.0, 0.0, 0.0, 0.0),
    Similarity(2.5, 0.3, -7.0, 11.0),
    Similarity(0.04, -2.9, 640.0, -3.5),
    Similarity(1.0, math.pi / 2, 5.0, 0.0),
]
POINTS = np.array([[0.0, 0.0], [10.0, 0.0], [3.5, -4.25], [-100.0, 77.0]])


def test_a_positive_angle_turns_from_plus_x_towards_plus_y() -> None:
    turned = Similarity(2.0, math.pi / 2, 10.0, 20.0).apply(np.array([1.0, 0.0]))
    np.testing.assert_allclose(turned, [10.0, 22.0], atol=1e-12)


def test_apply_takes_any_leading_dimensions_and_gives_float64() -> None:
    transform = SOME[1]
    stacked = transform.apply(np.stack([POINTS, POINTS + 1]).astype(np.float32))
    assert stacked.dtype == np.float64
    np.testing.assert_allclose(stacked[1], transform.apply(POINTS + 1), atol=1e-5)


@pytest.mark.parametrize("transform", SOME)
def test_the_inverse_undoes_a_similarity_from_both_sides(transform: Similarity) -> None:
    np.testing.assert_allclose(transform.inverse().apply(transform.apply(POINTS)), POINTS, atol=1e-9)
    np.testing.assert_allclose(transform.apply(transform.inverse().apply(POINTS)), POINTS, atol=1e-9)


@pytest.mark.parametrize("first", SOME)
@pytest.mark.parametrize("then", SOME)
def test_after_applies_the_first_and_then_the_second(first: Similarity, then: Similarity) -> None:
    np.testing.assert_allclose(then.after(first).apply(POINTS), then.apply(first.apply(POINTS)), atol=1e-9)


@pytest.mark.parametrize("transform", SOME)
def test_fit_similarity_recovers_a_known_transform(transform: Similarity) -> None:
    found = fit_similarity(POINTS, transform.apply(POINTS))
    np.testing.assert_allclose(found.matrix, transform.matrix, atol=1e-9)
    np.testing.assert_allclose(
        [found.scale, math.cos(found.angle)], [transform.scale, math.cos(transform.angle)], atol=1e-9
    )


def test_fit_similarity_is_the_least_squares_answer_under_noise() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(0, 30, (68, 2))
    target = Similarity(1.3, 0.4, 5.0, -9.0).apply(source) + rng.normal(0, 2.0, source.shape)
    # scale * cos, scale * sin, tx, ty are linear in the targets: lstsq is an independent solution.
    ones, zeros = np.ones(68), np.zeros(68)
    rows_x = np.stack([source[:, 0], -source[:, 1], ones, zeros], axis=1)
    rows_y = np.stack([source[:, 1], source[:, 0], zeros, ones], axis=1)
    wanted = np.linalg.lstsq(np.concatenate([rows_x, rows_y]), target.T.reshape(-1), rcond=None)[0]
    m = fit_similarity(source, target).matrix
    np.testing.assert_allclose([m[0, 0], m[1, 0], m[0, 2], m[1, 2]], wanted, atol=1e-9)


def test_fit_similarity_never_reflects() -> None:
    mirrored = POINTS * (-1.0, 1.0)
    m = fit_similarity(POINTS, mirrored).matrix[:, :2]
    assert np.linalg.det(m) > 0


@pytest.mark.parametrize("value", [0.0, 0.1, 0.7, 33.3, 101.7])
@pytest.mark.parametrize("count", [1, 3, 7, 68])
def test_coinciding_source_points_give_a_pure_shift(value: float, count: int) -> None:
    source = np.full((count, 2), value)
    target = np.random.default_rng(count).normal(50, 20, (count, 2))
    found = fit_similarity(source, target)
    assert (found.scale, found.angle) == (1.0, 0.0)
    np.testing.assert_allclose(found.apply(source[0]), target.mean(0), atol=1e-9)


def test_two_points_on_a_line_still_fix_scale_and_angle() -> None:
    found = fit_similarity(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[5.0, 5.0], [5.0, 8.0]]))
    np.testing.assert_allclose([found.scale, found.angle, found.tx, found.ty], [3.0, math.pi / 2, 5.0, 5.0], atol=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        (FaceBox(0, 0, 10, 10), FaceBox(0, 0, 10, 10), 1.0),
        (FaceBox(0, 0, 10, 10), FaceBox(5, 0, 10, 10), 50 / 150),
        (FaceBox(0, 0, 10, 10), FaceBox(2, 3, 4, 5), 20 / 100),
        (FaceBox(0, 0, 10, 10), FaceBox(10, 0, 10, 10), 0.0),
        (FaceBox(0, 0, 10, 10), FaceBox(15, 15, 10, 10), 0.0),
        (FaceBox(0, 0, 0, 0), FaceBox(0, 0, 0, 0), 0.0),
        (FaceBox(0, 0, -5, -5), FaceBox(-5, -5, 5, 5), 0.0),
    ],
)
def test_iou_of_two_boxes(a: FaceBox, b: FaceBox, wanted: float) -> None:
    assert a.iou(b) == pytest.approx(wanted)
    assert b.iou(a) == pytest.approx(wanted)


def test_the_box_around_points_touches_the_outermost() -> None:
    assert FaceBox.around(POINTS) == FaceBox(-100.0, -4.25, 110.0, 81.25)


@pytest.mark.parametrize("size", [1, 7, 128])
def test_a_region_as_large_as_the_crop_about_its_middle_pixel_is_the_identity(size: int) -> None:
    middle = (size - 1) / 2
    region = FaceRegion(middle, middle, size, 0.0)
    np.testing.assert_array_equal(region.to_frame(size).matrix, [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(region.to_crop(size).matrix, [[1, 0, 0], [0, 1, 0]], atol=1e-15)


def test_edges_not_pixel_centres_of_the_crop_meet_the_edges_of_the_region() -> None:
    # Frame pixels 0 to 255 cover [-0.5, 255.5]; halved to 128 px, crop pixel 0 covers frame pixels 0 and 1.
    to_frame = FaceRegion(127.5, 127.5, 256.0, 0.0).to_frame(128)
    np.testing.assert_allclose(to_frame.apply(np.array([-0.5, 127.5])), [-0.5, 255.5], atol=1e-12)
    np.testing.assert_allclose(to_frame.apply(np.array([0.0, 127.0])), [0.5, 254.5], atol=1e-12)


def test_a_region_turned_by_a_quarter_puts_crop_right_at_frame_bottom() -> None:
    region = FaceRegion(100.0, 50.0, 20.0, math.pi / 2)
    np.testing.assert_allclose(region.to_frame(11).apply(np.array([5.0, 5.0])), [100.0, 50.0], atol=1e-12)
    np.testing.assert_allclose(region.to_frame(11).apply(np.array([10.5, 5.0])), [100.0, 60.0], atol=1e-12)


def test_to_crop_undoes_to_frame() -> None:
    region = FaceRegion(301.25, -17.0, 93.0, -0.7)
    np.testing.assert_allclose(region.to_crop(128).apply(region.to_frame(128).apply(POINTS)), POINTS, atol=1e-9)


def test_a_region_on_the_grid_is_at_most_half_a_step_away_and_stays() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        cx, cy = rng.uniform(-500, 1500, 2)
        region = FaceRegion(cx, cy, rng.uniform(13, 900), rng.uniform(-3, 3))
        near = region.on_grid(128)
        half_step = near.side / (128 * GRID_STEPS) / 2 * (1 + 1e-9)
        assert abs(near.cx - region.cx) <= half_step
        assert abs(near.cy - region.cy) <= half_step
        assert abs(near.side - region.side) / 2 <= half_step * 1.01
        assert abs(near.angle - region.angle) * near.side / 2 <= half_step
        again = near.on_grid(128)
        np.testing.assert_allclose(
            [again.cx, again.cy, again.side, again.angle], [near.cx, near.cy, near.side, near.angle], rtol=1e-12
        )


@pytest.mark.parametrize("values", [(math.nan, 1, 50, 0), (1, math.inf, 50, 0), (1, 1, math.nan, 0), (1, 1, 0, 0)])
def test_a_region_that_is_none_stays_as_it_is(values: tuple[float, float, float, float]) -> None:
    region = FaceRegion(*values)
    assert region.on_grid(128) is region
