"""The figures of the evaluation against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.metrics import (
    area_under_curve,
    calibration_error,
    lag_frames,
    point_errors,
    region_points,
    second_differences,
    smoothed,
    without_head_motion,
)
from red_align.datasets.protocol import auroc
from red_align.geometry import Similarity
from red_align.schemes import IBUG7, IBUG68


def test_errors_are_shares_of_the_outer_eye_distance() -> None:
    truth = IBUG68.mean_shape
    eyes = IBUG68.eye_distance(truth)
    found = truth.copy()
    found[3] += (0.03 * eyes, 0.04 * eyes)
    errors = point_errors(found, truth, IBUG68)
    assert errors[3] == pytest.approx(0.05)
    assert errors.sum() == pytest.approx(0.05)


def test_regions_hold_every_point_once_and_a_smaller_scheme_has_those_it_has() -> None:
    assert sorted(i for ids in region_points(IBUG68).values() for i in ids) == list(range(68))
    assert region_points(IBUG7) == {"nose": [4], "eyes": [0, 1, 2, 3], "mouth": [5, 6]}


def test_area_under_the_curve() -> None:
    assert area_under_curve(np.zeros(3)) == 1.0
    assert area_under_curve(np.array([0.04, np.inf])) == pytest.approx(0.25)
    errors = np.random.default_rng(0).gamma(4, 0.01, 4000)
    steps = np.linspace(0, 0.08, 2001)
    by_hand = np.trapezoid([(errors <= s).mean() for s in steps], steps) / 0.08
    assert area_under_curve(errors) == pytest.approx(by_hand, abs=1e-3)


def test_jitter_is_nothing_for_steady_motion_and_counts_trembling() -> None:
    steady = IBUG68.mean_shape + np.arange(6)[:, None, None] * np.array([2.0, -1.0])
    eyes = np.full(6, 50.0)
    assert second_differences(steady, eyes) == pytest.approx(0.0)
    trembling = steady + (np.arange(6) % 2)[:, None, None] * np.array([0.3, 0.4])
    assert second_differences(trembling, eyes) == pytest.approx(np.full(4, 1.0 / 50.0))


@pytest.mark.parametrize("lag", [-1.0, 0.0, 0.5, 1.0])
def test_a_lag_is_found_whatever_the_constant_difference(lag: float) -> None:
    def path(t: NDArray[np.float64]) -> NDArray[np.float64]:
        path = np.stack([20 * np.cos(t / 7), 15 * np.sin(t / 5)], axis=-1)
        return np.asarray(IBUG68.mean_shape[None] + path[:, None])

    times = np.arange(60.0)
    assert lag_frames(path(times - lag) + 3.0, path(times)) == pytest.approx(lag, abs=0.051)
    still = np.repeat(IBUG68.mean_shape[None], 9, axis=0)
    assert lag_frames(still, still) == 0.0


@pytest.mark.parametrize("lag", [0.0, 0.3, 1.0])
def test_a_lag_is_found_against_a_reference_that_trembles(lag: float) -> None:
    rng = np.random.default_rng(0)
    times = np.arange(75.0)

    def path(t: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
        path = np.stack([3 * np.cos(t / 7), 2 * np.sin(t / 5)], axis=-1)
        return np.asarray(IBUG68.mean_shape[None] + path[:, None] + rng.normal(0, noise, (75, 68, 2)))

    track, reference = path(times - lag, 0.2), path(times, 0.5)
    assert lag_frames(smoothed(track, 1.5), smoothed(reference, 1.5)) == pytest.approx(lag, abs=0.11)
    assert lag or lag_frames(track, reference) > 0.2  # what smoothing is for


def test_smoothing_keeps_lines_and_shortens_by_its_edges() -> None:
    line = np.arange(40.0)[:, None, None] * np.ones((1, 68, 2))
    np.testing.assert_allclose(smoothed(line, 1.5), line[5:-5], atol=1e-9)


def test_expression_is_what_a_moving_head_leaves() -> None:
    mean, rng = IBUG68.mean_shape, np.random.default_rng(0)
    transforms = [Similarity(rng.uniform(0.9, 1.1), rng.normal(0, 0.2), *rng.normal(0, 9, 2)) for _ in range(12)]
    rigid = np.stack([transform.apply(mean) for transform in transforms])
    still = without_head_motion(rigid)
    assert np.abs(still - still.mean(0)).max() < 0.6  # px: the mean of turned faces is a little smaller than they
    open_mouth = mean.copy()
    open_mouth[55:60] += (0.0, 8.0)
    speaking = np.stack([transform.apply(open_mouth if t % 2 else mean) for t, transform in enumerate(transforms)])
    left = without_head_motion(speaking)
    assert np.abs(left[1::2, 55:60, 1].mean() - left[::2, 55:60, 1].mean()) == pytest.approx(
        7.0, abs=0.5
    )  # a part is taken for a larger face


def test_calibration_error_is_the_mean_gap_between_said_and_right() -> None:
    said = np.repeat([0.1, 0.9], 1000)
    right = np.concatenate([np.arange(1000) < 100, np.arange(1000) < 900])
    assert calibration_error(said, right) == pytest.approx(0.0, abs=1e-9)
    assert calibration_error(said, np.ones(2000, bool)) == pytest.approx(0.5)
    assert calibration_error(np.ones(4), np.array([True, True, True, False])) == pytest.approx(0.25)


def test_auroc_counts_pairs_and_ties_by_half() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 40).astype(float), rng.integers(2, 11, 30).astype(float)
    pairs = (a[:, None] > b).mean() + 0.5 * (a[:, None] == b).mean()
    assert auroc(a, b) == pytest.approx(pairs)
    assert auroc(np.array([0.9]), np.array([0.1])) == 1.0
