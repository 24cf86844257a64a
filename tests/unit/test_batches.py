"""Batches and made sequences: the same for the same seed, and points that stay with their pictures."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from landmarks.contract import CROP_SIZE
from landmarks.crop import cut_face
from landmarks.geometry import FaceRegion
from landmarks.schemes import IBUG68
from red.augment import BoxError, blurred, face_crop, mirrored
from red.batches import StillBatch, StillRecipe, TrainingSet, make_batch, perturbed_prior, still_batches
from red.sequences import MovingFace, next_region, smooth_motion
from tests.unit.faces import ASTRONAUT_POINTS, astronaut_face, dots, dotted_face

ANN, BOB = astronaut_face(0, 0, "Ann"), astronaut_face(30, 10, "Bob")
RECIPE = StillRecipe(
    sets=[
        TrainingSet([astronaut_face(8, 4)], 0.6, 1.0),
        TrainingSet([ANN, BOB, astronaut_face(9, 9, "Unknown")], 0.4, 0.4),
    ],
    scheme="ibug68",
    persons={"Ann": 0, "Bob": 1},
    batch=40,
    background_share=0.25,
)


def batch_of(recipe: StillRecipe, seed: int = 0) -> StillBatch:
    return make_batch(recipe, np.random.default_rng(seed))


def same(a: StillBatch, b: StillBatch) -> bool:
    names = ("crop", "points", "prior", "weight", "face", "person")
    return all(torch.equal(getattr(a, n), getattr(b, n)) for n in names)


@pytest.mark.parametrize(("scheme", "points"), [("ibug68", 68), ("ibug7", 7)])
def test_a_batch_has_the_promised_shapes_and_types(scheme: str, points: int) -> None:
    batch = batch_of(replace(RECIPE, scheme=scheme))
    wanted = {
        "crop": ((40, 128, 128, 3), torch.uint8),
        "points": ((40, points, 2), torch.float32),
        "prior": ((40, points, 2), torch.float32),
        "weight": ((40,), torch.float32),
        "face": ((40,), torch.float32),
        "person": ((40,), torch.int64),
    }
    found = {n: (tuple(getattr(batch, n).shape), getattr(batch, n).dtype) for n in wanted}
    assert found == wanted
    assert batch.acquire == 40 - 12
    assert torch.isfinite(batch.points).all()
    assert torch.isfinite(batch.prior).all()


def test_rows_say_what_they_are() -> None:
    batch = batch_of(RECIPE)
    rows = set(zip(batch.face.tolist(), batch.weight.tolist(), batch.person.tolist(), strict=True))
    loose = torch.tensor(0.4).item()
    # Background is nobody and without weight; a person that is not in the list is nobody either.
    assert rows == {(0.0, 0.0, -1), (1.0, 1.0, -1), (1.0, loose, -1), (1.0, loose, 0), (1.0, loose, 1)}


def test_a_batch_depends_on_its_seed_alone() -> None:
    assert same(batch_of(RECIPE, 3), batch_of(RECIPE, 3))
    assert not same(batch_of(RECIPE, 3), batch_of(RECIPE, 4))


def test_the_stream_goes_on_where_it_stopped_with_any_number_of_threads() -> None:
    small = replace(RECIPE, batch=4)
    whole = list(islice(still_batches(small, seed=5, first=0), 4))
    rest = list(islice(still_batches(small, seed=5, first=2, threads=2), 2))
    assert all(same(a, b) for a, b in zip(whole[2:], rest, strict=True))
    assert not same(whole[0], whole[1])


def test_the_prior_of_a_tracked_row_is_near_its_points_but_not_on_them() -> None:
    errors = []
    for seed in range(50):
        prior = perturbed_prior(IBUG68.mean_shape, np.random.default_rng(seed))
        errors.append(np.linalg.norm(prior - IBUG68.mean_shape, axis=1).mean())
    assert 0.1 < min(errors) < 2.0
    assert 2.0 < np.mean(errors) < 8.0
    assert max(errors) < 20.0


def test_mirrored_points_lie_on_the_mirrored_picture_under_their_counterparts_numbers() -> None:
    face = dotted_face()
    region = FaceRegion(222.0, 113.0, 150.0, 0.2)
    red, blue = dots(np.ascontiguousarray(cut_face(dotted_face().image, region)[:, ::-1]))
    points = mirrored(region.to_crop(CROP_SIZE).apply(face.points))
    np.testing.assert_allclose(points[45], red, atol=0.05)
    np.testing.assert_allclose(points[36], blue, atol=0.05)
    np.testing.assert_allclose(mirrored(points), region.to_crop(CROP_SIZE).apply(face.points), atol=1e-9)


def test_a_training_crops_points_lie_on_its_picture_mirrored_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("red.augment.spoil", lambda crop, rng: crop)
    face, swapped = dotted_face(), []
    for seed in range(16):
        crop, points = face_crop(face.image, face.points, BoxError(shift=0.02), np.random.default_rng(seed))
        red, blue = dots(crop)
        swapped.append(bool(red[0] > blue[0]))
        right, left = (blue, red) if swapped[-1] else (red, blue)
        np.testing.assert_allclose(points[36], right, atol=0.1)
        np.testing.assert_allclose(points[45], left, atol=0.1)
    assert 3 < sum(swapped) < 13


def test_blur_does_not_move_what_it_blurs() -> None:
    region = FaceRegion(222.0, 113.0, 150.0, 0.0)
    crop = cut_face(dotted_face().image, region)
    before = np.stack(dots(crop))
    for seed in range(60):
        after = np.stack(dots(blurred(crop, np.random.default_rng(seed))))
        np.testing.assert_allclose(after, before, atol=0.1)


@pytest.fixture
def moving(monkeypatch: pytest.MonkeyPatch) -> MovingFace:
    """The two dots in motion, with nothing before them and no noise."""
    monkeypatch.setattr("red.sequences.occluded", lambda crop, rng: crop)
    face, rng = dotted_face(), np.random.default_rng(7)
    return MovingFace(face.image, face.points, smooth_motion(face.points, 8, rng), 0.0, rng)


def test_truth_and_picture_stay_put_in_a_region_that_follows_the_face(moving: MovingFace) -> None:
    first = next_region(moving.truth(0)).to_crop(CROP_SIZE).apply(moving.truth(0))
    picture = moving.crop(0, next_region(moving.truth(0))).astype(int)
    for t in range(1, 8):
        region = next_region(moving.truth(t))
        np.testing.assert_allclose(region.to_crop(CROP_SIZE).apply(moving.truth(t)), first, atol=1e-6)
        assert np.abs(moving.crop(t, region) - picture).max() <= 1
    assert np.abs(moving.truth(7) - moving.truth(0)).max() > 2.0


def test_in_a_region_that_stands_still_the_picture_moves_with_the_truth(moving: MovingFace) -> None:
    region = FaceRegion(222.0, 113.0, 220.0, 0.3)
    for t in range(8):
        truth = region.to_crop(CROP_SIZE).apply(moving.truth(t))
        np.testing.assert_allclose(np.stack(dots(moving.crop(t, region))), truth[[36, 45]], atol=0.1)


def test_a_motion_begins_at_the_still_and_is_smooth() -> None:
    size = np.ptp(ASTRONAUT_POINTS, axis=0).max()
    for seed in range(20):
        motion = smooth_motion(ASTRONAUT_POINTS, 6, np.random.default_rng(seed))
        shapes = np.stack([m.apply(ASTRONAUT_POINTS) for m in motion])
        np.testing.assert_allclose(shapes[0], ASTRONAUT_POINTS, atol=1e-9)
        steps = np.linalg.norm(np.diff(shapes.mean(1), axis=0), axis=1)
        assert 0.0 < steps.max() < 0.12 * size


def test_a_random_moving_faces_points_lie_on_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("red.sequences.relit", lambda image, rng: image)
    reds_left = set()
    for seed in range(8):
        face = MovingFace.random(dotted_face(), 2, np.random.default_rng(seed))
        red, blue = dots(face.image)
        reds_left.add(bool(red[0] < blue[0]))
        right, left = sorted([red, blue], key=lambda p: float(p[0]))
        np.testing.assert_allclose(face.still[[36, 45]], [right, left], atol=0.1)
    assert reds_left == {True, False}
