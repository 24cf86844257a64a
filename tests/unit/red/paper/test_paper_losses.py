"""The paper's losses: what the true classes are, what weighs how much, and that a fixed batch is learned."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from red.data.batches import StillRecipe, TrainingSet, make_batch
from red.models.paper.network import PaperNetwork
from red.models.paper.spatial import SpatialRecurrence
from red.training.paper.losses import BACKGROUND, offset_loss, person_loss, pixel_classes, pixel_loss
from red.training.paper.stages import STAGES, set_stage, still_loss
from red_align.schemes import IBUG7, IBUG68
from tests.support.faces import astronaut_face
from tests.support.paper import THIN

TRUTH = torch.tensor(IBUG68.mean_shape).float().unsqueeze(0)
ONE = torch.ones(1)


def test_true_classes_are_squares_around_the_points() -> None:
    classes = pixel_classes(torch.tensor([[[20.3, 59.6], [89.5, 100.2]], [[0.0, 0.0], [300.0, -9.0]]]), 5.0)
    wanted = torch.zeros(2, 128, 128, dtype=torch.int64)
    wanted[0, 58:63, 18:23], wanted[0, 98:103, 88:93], wanted[1, :3, :3] = 1, 2, 1
    assert torch.equal(classes, wanted)


def test_a_pixel_in_two_squares_belongs_to_the_nearer_point() -> None:
    classes = pixel_classes(torch.tensor([[[50.0, 50.0], [54.0, 50.0]]]), 7.0)[0]
    assert classes[50, 46:59].tolist() == [0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 0]


@pytest.mark.parametrize(("size", "limit"), [(7.0, 1.2), (5.0, 1.0), (3.0, 0.8)])
def test_the_centres_of_the_true_classes_are_near_the_points(size: float, limit: float) -> None:
    maps = torch.nn.functional.one_hot(pixel_classes(TRUTH, size), 69).permute(0, 3, 1, 2).float()
    centres = SpatialRecurrence(68).centres(maps, torch.full_like(TRUTH, 1e3))
    assert (centres - TRUTH).norm(dim=-1).max() < limit


def logits(classes: Tensor, sure: float, points: int = 2) -> Tensor:
    """Maps that favour these classes by ``sure``."""
    return sure * torch.nn.functional.one_hot(classes, points + 1).permute(0, 3, 1, 2).float()


def test_background_as_a_whole_weighs_as_much_as_all_points() -> None:
    classes = pixel_classes(torch.tensor([[[30.0, 30.0], [90.0, 60.0]]]), 3.0)
    assert int((classes > 0).sum()) == 18
    unsure = logits(classes, 0.0)
    assert pixel_loss(unsure, classes, ONE).item() == pytest.approx(math.log(3), rel=1e-5)
    wrong = torch.full((), 30.0)
    ground, point = unsure.clone(), unsure.clone()
    ground[0, 1][classes[0] == 0] = wrong  # every background pixel wrong, every point pixel unsure
    point[0, 0][classes[0] > 0] = wrong  # the other way round
    losses = [pixel_loss(maps, classes, ONE).item() for maps in (ground, point)]
    assert losses == pytest.approx([BACKGROUND * 30 + (1 - BACKGROUND) * math.log(3)] * 2, rel=1e-4)


def test_the_pixel_loss_is_lowest_at_the_truth_and_skips_rows_without_weight() -> None:
    points = torch.tensor([[[30.0, 30.0], [90.0, 60.0]]])
    classes = pixel_classes(points, 3.0)
    losses = [pixel_loss(logits(pixel_classes(points + d, 3.0), 20.0), classes, ONE).item() for d in (0.0, 1.0, 9.0)]
    assert losses[0] == pytest.approx(0.0, abs=1e-3)
    assert losses[0] + 1 < losses[1] < losses[2]
    both = torch.cat([logits(classes, 20.0), -logits(classes, 20.0)])
    pair = torch.cat([classes, classes])
    assert pixel_loss(both, pair, torch.tensor([1.0, 0.0])).item() == pytest.approx(0.0, abs=1e-3)
    assert pixel_loss(both, pair, torch.zeros(2)).item() == 0.0


def test_the_offset_loss_is_half_the_squared_distance_in_crop_sides() -> None:
    moved = TRUTH + torch.tensor([3.0, -4.0])
    assert offset_loss(moved, TRUTH, ONE).item() == pytest.approx(0.5 * 68 * 25 / 128**2, rel=1e-5)
    assert offset_loss(TRUTH, TRUTH, ONE).item() == 0.0
    rows, truth = torch.cat([moved, TRUTH + 99.0]), TRUTH.repeat(2, 1, 1)
    alone = offset_loss(rows, truth, torch.tensor([1.0, 0.0])).item()
    assert alone == pytest.approx(offset_loss(moved, TRUTH, ONE).item(), rel=1e-5)
    assert offset_loss(rows, truth, torch.zeros(2)).item() == 0.0


def test_the_person_loss_hears_known_rows_alone() -> None:
    scores = torch.tensor([[0.0, 4.0, 0.0], [9.0, -9.0, 3.0]], requires_grad=True)
    known = person_loss(scores, torch.tensor([1, -1]))
    assert known.item() == pytest.approx(math.log(1 + 2 * math.exp(-4)), rel=1e-4)
    nobody = person_loss(scores, torch.tensor([-1, -1]))
    nobody.backward()
    assert nobody.item() == 0.0
    assert scores.grad is not None
    assert scores.grad.abs().max() == 0


@pytest.mark.parametrize("scheme", [IBUG68, IBUG7], ids=lambda s: s.name)
@pytest.mark.slow
def test_the_losses_of_one_batch_fall(scheme: object) -> None:
    sets = [TrainingSet([astronaut_face(0, 0, "Ann"), astronaut_face(20, 9, "Bob")], 1.0, 1.0)]
    name = scheme.name  # type: ignore[attr-defined]
    recipe = StillRecipe(sets, name, {"Ann": 0, "Bob": 1}, batch=4, tracked_share=0.0, background_share=0.0)
    batch = make_batch(recipe, np.random.default_rng(0))
    torch.manual_seed(0)
    network = PaperNetwork(replace(THIN, scheme=name, identities=2, square_px=(7.0,)))
    optimiser = torch.optim.Adam(set_stage(network, STAGES[3]), lr=3e-3)
    seen: list[dict[str, float]] = []
    for _ in range(12):
        loss, parts = still_loss(network, batch, STAGES[3])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen.append(parts)
    assert set(seen[0]) == {"pixels", "offsets", "confidence", "identity"}
    assert seen[-1]["pixels"] < 0.9 * seen[0]["pixels"]
    assert min(p["offsets"] for p in seen) < 0.9 * seen[0]["offsets"]
    assert seen[-1]["identity"] < seen[0]["identity"]
