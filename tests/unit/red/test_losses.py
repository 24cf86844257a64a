"""The losses: low at the truth, growing away from it, and blind to what they must not see."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from red.training.losses import (
    confidence_loss,
    coordinate_loss,
    detection_loss,
    eye_px,
    identity_loss,
    map_targets,
)
from red_align.schemes import IBUG7, IBUG68

TRUTH = torch.tensor(IBUG68.mean_shape).float().repeat(2, 1, 1)
EYES = torch.tensor([50.0, 50.0])
ONES = torch.ones(2)


def test_the_eye_distance_is_that_of_the_outer_corners_and_never_vanishes() -> None:
    truth = torch.zeros(2, 7, 2)
    truth[0, IBUG7.outer_eyes[1]] = torch.tensor([30.0, 40.0])
    assert eye_px(truth, IBUG7).tolist() == [50.0, 8.0]


def test_coordinate_loss_is_zero_at_the_truth_and_grows_away_from_it() -> None:
    losses = [coordinate_loss(TRUTH + shift, TRUTH, ONES, EYES).item() for shift in (0.0, 0.5, 2.0, 10.0, 20.0)]
    # Smooth L1 of both coordinates: half a square up to 1 px, then linear.
    assert losses == pytest.approx([0.0, 0.25, 3.0, 19.0, 39.0], rel=1e-4)


def test_coordinate_loss_counts_by_the_eye_distance_within_bounds() -> None:
    scales = [coordinate_loss(TRUTH + 2.0, TRUTH, ONES, torch.full((2,), e)).item() / 3.0 for e in (10, 40, 50, 200)]
    assert scales == pytest.approx([1.6, 1.25, 1.0, 0.7], rel=1e-4)


def test_background_rows_do_not_enter_the_coordinate_loss() -> None:
    points = (TRUTH + torch.tensor([1.0, 500.0])[:, None, None]).requires_grad_()
    loss = coordinate_loss(points, TRUTH, torch.tensor([1.0, 0.0]), EYES)
    loss.backward()
    assert loss.item() == pytest.approx(1.0, rel=1e-4)
    assert points.grad is not None
    assert points.grad[1].abs().max() == 0
    assert points.grad[0].abs().min() > 0
    assert coordinate_loss(points, TRUTH, torch.zeros(2), EYES).item() == 0.0


def test_loose_labels_weigh_less() -> None:
    points = TRUTH + torch.tensor([2.0, 0.0])[:, None, None]
    tight, loose = (coordinate_loss(points, TRUTH, torch.tensor(w), EYES) for w in ((1.0, 0.4), (0.4, 1.0)))
    assert (tight / loose).item() == pytest.approx(2.5, rel=1e-4)


def test_map_targets_share_every_cell_among_all_classes() -> None:
    classes, pixels = map_targets(TRUTH)
    assert classes.shape == (2, 69, 32, 32)
    assert pixels.shape == (2, 32, 32)
    assert classes.min() >= 0
    torch.testing.assert_close(classes.sum(1), torch.ones(2, 32, 32))
    assert pixels.min().item() == pytest.approx(0.2, abs=1e-3)
    assert pixels.max() <= 1.2


def test_a_lone_point_has_its_own_cell_and_the_rest_is_background() -> None:
    far = -1000.0
    truth = torch.tensor([[[4 * 7 + 1.5, 4 * 20 + 1.5], [far, far]]])
    classes, pixels = map_targets(truth)
    assert classes[0, :, 20, 7].tolist() == pytest.approx([0.0, 1.0, 0.0], abs=1e-6)
    assert classes[0, :, 2, 30].tolist() == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)
    assert classes[0, 1, 20, 8].item() == pytest.approx(math.exp(-0.5), abs=1e-6)
    assert pixels[0, 20, 7].item() == pytest.approx(1.2)


def test_points_in_one_place_share_it() -> None:
    classes, _ = map_targets(torch.full((1, 2, 2), 61.5))
    assert classes[0, :, 15, 15].tolist() == pytest.approx([0.0, 0.5, 0.5], abs=1e-6)


def test_detection_loss_is_lowest_at_the_targets_and_skips_rows_without_weight() -> None:
    classes, pixels = map_targets(TRUTH)
    right = torch.log(classes.clamp(min=1e-6))
    moved, far = right.roll(1, dims=3), right.roll(8, dims=3)
    losses = [detection_loss(maps, classes, pixels, ONES).item() for maps in (right, moved, far)]
    assert losses[0] + 0.1 < losses[1] < losses[2]
    mixed = torch.cat([right[:1], far[1:]])
    only_first = detection_loss(mixed, classes, pixels, torch.tensor([1.0, 0.0])).item()
    assert only_first == pytest.approx(losses[0], rel=1e-4)


def test_identity_loss_without_a_known_person_is_zero_and_moves_nothing() -> None:
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = identity_loss(logits, torch.full((4,), -1))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert logits.grad.abs().max() == 0


def test_identity_loss_hears_known_rows_alone_and_prefers_the_right_person() -> None:
    person = torch.tensor([2, -1])
    right, wrong, unsure = torch.zeros(2, 5), torch.zeros(2, 5), torch.zeros(2, 5)
    right[0, 2], wrong[0, 1] = 4.0, 4.0
    assert identity_loss(unsure, person).item() == pytest.approx(math.log(5), rel=1e-4)
    assert identity_loss(right, person) < identity_loss(unsure, person) < identity_loss(wrong, person)
    other = right.clone()
    other[1] = torch.tensor([9.0, -9.0, 0.0, 3.0, 1.0])
    assert identity_loss(other, person).item() == identity_loss(right, person).item()


def sureness(logit: float, shift: float, face: float, weight: float = 1.0) -> Tensor:
    """Confidence loss of one row whose points are all ``shift`` px off at an eye distance of 50 px."""
    points = TRUTH[:1] + torch.tensor([shift, 0.0])
    logits = torch.full((1, 68), logit)
    row = torch.ones(1)
    return confidence_loss(logits, points, TRUTH[:1], EYES[:1], row * face, row * weight)


@pytest.mark.parametrize(
    ("shift", "face", "right"),
    [(0.0, 1.0, True), (2.4, 1.0, True), (2.6, 1.0, False), (40.0, 1.0, False), (0.0, 0.0, False)],
)
def test_a_point_is_right_within_five_percent_of_the_eye_distance_and_never_on_background(
    shift: float, face: float, right: bool
) -> None:
    weight = face  # background comes with weight 0 and counts all the same
    assert sureness(9.0 if right else -9.0, shift, face, weight).item() == pytest.approx(0.0, abs=1e-3)
    assert sureness(-9.0 if right else 9.0, shift, face, weight).item() == pytest.approx(9.0, abs=1e-3)


def test_confidence_loss_weighs_loose_labels_less_than_background() -> None:
    logits = torch.full((2, 68), 9.0)
    logits[1] = -9.0
    face, weight = torch.tensor([0.0, 1.0]), torch.tensor([0.0, 0.4])
    # Row 0 is background and wrongly sure (9), row 1 a face with a loose label, wrongly unsure (9).
    both = confidence_loss(logits, TRUTH, TRUTH, EYES, face, weight)
    background = confidence_loss(logits.abs(), TRUTH, TRUTH, EYES, face, weight)
    assert both.item() == pytest.approx(9.0, abs=1e-3)
    assert background.item() == pytest.approx(9.0 / 1.4, abs=1e-3)


def test_confidence_does_not_pull_at_the_points() -> None:
    points = TRUTH.clone().requires_grad_()
    logits = torch.zeros(2, 68, requires_grad=True)
    confidence_loss(logits, points, TRUTH, EYES, ONES, ONES).backward()
    assert points.grad is None
    assert logits.grad is not None
    assert logits.grad.abs().min() > 0
