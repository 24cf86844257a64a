"""The prior's share in the answer, and labels by their conventions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from red.data.augment import mirrored
from red.data.labels import PEOPLE_SHIFT_OF_EYES, PEOPLE_SHIFT_PX, by_machine, by_people
from red.models.edge.fusion import MAX_MOTION_PX, Fused, PriorFusion, carried_along
from red.training.label_offset import fit, label_offsets
from red_align.contract import CROP_SIZE
from red_align.geometry import Similarity, fit_similarity
from red_align.schemes import IBUG68
from red_align.tracking.rules import region_from_landmarks
from tests.support.faces import astronaut_face
from tests.support.networks import lively_network

MEAN = torch.tensor(IBUG68.mean_shape).float()


def shapes(seed: int, noise: float = 2.0) -> torch.Tensor:
    return MEAN + noise * torch.randn(3, 68, 2, generator=torch.Generator().manual_seed(seed))


def fusion(motion_share: float, point_share: float) -> PriorFusion:
    part = PriorFusion(68, 4).eval()
    shares = torch.tensor([motion_share] + [point_share] * 68)
    with torch.no_grad():
        part.shares.bias.copy_(torch.logit(shares, eps=1e-7))
    return part


def test_the_prior_is_carried_by_the_best_similarity() -> None:
    prior, measured = shapes(0), shapes(1) + 5.0
    for before, now, found in zip(prior, measured, carried_along(prior, measured), strict=True):
        wanted = fit_similarity(before.double().numpy(), now.double().numpy()).apply(before.double().numpy())
        np.testing.assert_allclose(found.numpy(), wanted, atol=1e-3)


def test_a_prior_in_one_spot_gives_finite_points() -> None:
    assert torch.isfinite(carried_along(torch.full((1, 68, 2), 60.0), shapes(0)[:1])).all()


def fused(part: PriorFusion, measured: torch.Tensor, ahead: torch.Tensor, motion: float = 0.0) -> Fused:
    answer: Fused = part(measured, ahead, torch.full((3, 68, 2), motion), torch.zeros(3, 68), torch.zeros(3, 4))
    return answer


@torch.no_grad()
def test_rigid_motion_is_followed_at_once_however_large_the_points_shares() -> None:
    way = Similarity(1.05, 0.1, 6.0, -4.0)
    prior = shapes(0)
    measured = torch.from_numpy(way.apply(prior.numpy())).float()
    found = fused(fusion(0.0, 1.0), measured, prior).points
    torch.testing.assert_close(found, measured, atol=2e-3, rtol=0)


@torch.no_grad()
def test_shares_of_nothing_give_what_was_measured_and_of_all_the_prior() -> None:
    prior, measured = shapes(0), shapes(1)
    torch.testing.assert_close(fused(fusion(0.0, 0.0), measured, prior).points, measured, atol=1e-3, rtol=0)
    torch.testing.assert_close(fused(fusion(1.0, 1.0), measured, prior).points, prior, atol=1e-3, rtol=0)
    half = fused(fusion(0.0, 0.5), measured, prior).points
    torch.testing.assert_close(half, (measured + carried_along(prior, measured)) / 2, atol=1e-3, rtol=0)


@torch.no_grad()
def test_a_steady_motion_is_learned_and_then_followed_without_lag() -> None:
    part = fusion(0.5, 0.5)
    step = torch.tensor([1.0, -0.5])
    points, motion = MEAN.expand(3, -1, -1), torch.zeros(3, 68, 2)
    for t in range(1, 60):
        points, motion = part(
            (MEAN + t * step).expand(3, -1, -1), points + motion, motion, torch.zeros(3, 68), torch.zeros(3, 4)
        )
    behind = (MEAN + 59 * step - points).norm(dim=-1).max()
    without = step.norm()  # where half of the way is left at each frame
    assert behind < 0.3 * without
    assert (motion - step).norm(dim=-1).max() < 0.3


@torch.no_grad()
def test_wild_measurements_make_no_wild_motion() -> None:
    motion = fused(fusion(0.1, 0.1), shapes(0) + 1e4, shapes(1)).motion
    assert motion.abs().max() <= MAX_MOTION_PX


def test_the_offset_of_labels_is_found_whatever_the_networks_own_errors() -> None:
    """An untrained network finds something anywhere; what a shift of the labels adds must come out all the same."""
    network = lively_network("ibug68")
    faces = [astronaut_face(7 * i, 3 * i) for i in range(3)]
    shifted = [replace(face, points=face.points + (1.5, -0.5)) for face in faces]
    region = region_from_landmarks  # The crop goes with the labels, so only the difference of both is exact.
    before, _ = label_offsets(network, faces)
    patched = {id(s): region(f.points, IBUG68) for s, f in zip(shifted, faces, strict=True)}
    with pytest.MonkeyPatch.context() as patch:
        order = iter(shifted)
        patch.setattr(
            "red.training.label_offset.region_from_landmarks", lambda points, scheme: patched[id(next(order))]
        )
        after, eyes = label_offsets(network, shifted)
    np.testing.assert_allclose(after - before, [[1.5, -0.5]] * 3, atol=1e-6)
    assert eyes == pytest.approx([IBUG68.eye_distance(f.points) for f in faces])


def test_a_symmetric_answer_gives_the_shift_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = astronaut_face()
    inside = region_from_landmarks(truth.points, IBUG68).to_crop(CROP_SIZE).apply(truth.points)
    answers = iter([inside[None], mirrored(inside)[None]])  # a network that finds the same points in the mirror
    monkeypatch.setattr("red.training.label_offset.find", lambda network, crops: next(answers))
    offsets, _ = label_offsets(lively_network("ibug68"), [truth])
    np.testing.assert_allclose(offsets, 0.0, atol=1e-6)


def test_the_fit_is_not_led_by_wild_labels() -> None:
    eyes = np.linspace(20, 110, 60)
    values = 0.4 + 0.02 * eyes
    values[::10] += 30.0
    assert fit(values, eyes) == pytest.approx((0.4, 0.02), abs=0.02)


def test_peoples_labels_stay_and_machines_are_moved_to_their_convention() -> None:
    face = astronaut_face()
    eyes = IBUG68.eye_distance(face.points)
    people, machine = by_people(face), by_machine(face)
    assert people.label_shift == PEOPLE_SHIFT_PX
    np.testing.assert_array_equal(people.points, face.points)
    assert machine.label_shift == pytest.approx(PEOPLE_SHIFT_OF_EYES * eyes)
    left, up = (face.points - machine.points).mean(0)
    assert left == pytest.approx(0.37 + 0.0185 * eyes - machine.label_shift)
    assert up == pytest.approx(0.73 - 0.0064 * eyes)
