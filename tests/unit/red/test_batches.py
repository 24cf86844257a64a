"""Batches and made sequences: the same for the same seed, and points that stay with their pictures."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from red.data.augment import BoxError, View, blurred, face_view, mirrored
from red.data.batches import StillBatch, StillRecipe, TrainingSet, between, carried, make_batch, still_batches
from red.data.expressions import Expression
from red.data.sequences import Look, MovingFace, next_region, smooth_motion
from red.training.still_stage import next_prior
from red_align.contract import CROP_SIZE
from red_align.crop import crop_face
from red_align.geometry import FaceRegion
from tests.support.faces import ASTRONAUT_POINTS, astronaut_face, dots, dotted_face

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
    names = ("crop", "points", "weight", "face", "person", "carry", "spoilt")
    return all(torch.equal(getattr(a, n), getattr(b, n)) for n in names)


@pytest.mark.parametrize(("scheme", "points"), [("ibug68", 68), ("ibug7", 7)])
def test_a_batch_has_the_promised_shapes_and_types(scheme: str, points: int) -> None:
    batch = batch_of(replace(RECIPE, scheme=scheme))
    wanted = {
        "crop": ((56, 128, 128, 3), torch.uint8),
        "points": ((56, points, 2), torch.float32),
        "weight": ((56,), torch.float32),
        "face": ((56,), torch.float32),
        "person": ((56,), torch.int64),
        "carry": ((16, 2, 3), torch.float32),
        "spoilt": ((16,), torch.float32),
    }
    found = {n: (tuple(getattr(batch, n).shape), getattr(batch, n).dtype) for n in wanted}
    assert found == wanted
    assert batch.acquire == 40
    assert torch.isfinite(batch.points).all()
    assert torch.isfinite(batch.carry).all()


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


def test_second_views_show_the_faces_of_the_first() -> None:
    batch = batch_of(replace(RECIPE, background_share=0.0, error=BoxError(0.01, 0.01, 1.0, 1.0)))
    seconds = slice(batch.acquire, None)
    assert torch.equal(batch.person[: len(batch.carry)], batch.person[seconds])
    assert torch.equal(batch.weight[: len(batch.carry)], batch.weight[seconds])
    moved = next_prior(batch.points[: len(batch.carry)], batch.carry, torch.zeros(16), torch.zeros(68, 2))
    away = (moved - batch.points[seconds]).norm(dim=-1).mean(-1)
    assert away.min() > 0.5  # a next frame's prior is near its points, but not on them
    assert 2.0 < away.mean() < 6.0
    assert away.max() < 15.0


def test_points_carried_without_motion_are_those_of_the_next_crop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("red.data.augment.spoil", lambda crop, rng: crop)
    face, rng = dotted_face(), np.random.default_rng(4)
    calm = CalmGenerator()
    for mirror in (False, True):
        first, second = (face_view(face, BoxError(), rng, mirror=mirror, look=0) for _ in range(2))
        way = carried(first, second, calm, np.eye(3))
        np.testing.assert_allclose(first.points @ way[:, :2].T + way[:, 2], second.points, atol=1e-6)


def test_the_second_view_of_a_person_may_be_another_frame_of_the_same_video(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("red.data.augment.spoil", lambda crop, rng: crop)
    video = [replace(astronaut_face(0, 0, "Ann"), path=Path(f"Ann/0/a{i}.jpg")) for i in range(2)]
    video[1] = replace(video[1], image=255 - video[1].image, points=video[1].points * 1.2)
    stranger = replace(astronaut_face(0, 0, "Bob"), path=Path("Bob/0/a0.jpg"))
    some = TrainingSet([*video, stranger], 1.0, 1.0)
    assert [len(kin) for kin in some.kin.values()] == [2, 1]
    recipe = StillRecipe([some], "ibug68", {}, batch=24, tracked_share=1.0, background_share=0.0, other_frame=1.0)
    batch = batch_of(recipe)
    inverted = [(crop.float().mean() > 128).item() for crop in batch.crop]
    assert any(a != b for a, b in zip(inverted[:24], inverted[24:], strict=True))
    assert any(a == b for a, b in zip(inverted[:24], inverted[24:], strict=True))


def test_between_two_frames_size_and_place_are_followed() -> None:
    face = astronaut_face()
    then = replace(face, points=face.points * 1.3 + (40.0, -9.0))
    way = between(face, then)
    np.testing.assert_allclose(face.points @ way[:2, :2].T + way[:2, 2], then.points, atol=1e-9)
    np.testing.assert_array_equal(between(face, face), np.eye(3))


class CalmGenerator(np.random.Generator):
    """Every normal draw is its mean: no motion."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        return loc if size is None else np.full(size, loc)


def test_a_misled_prior_goes_towards_the_mean_shape() -> None:
    points, mean = torch.full((1, 68, 2), 10.0), torch.full((68, 2), 60.0)
    same = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    torch.testing.assert_close(next_prior(points, same, torch.tensor([0.4]), mean), torch.full((1, 68, 2), 30.0))


def test_labels_that_lean_to_the_right_do_so_in_the_mirror_too() -> None:
    points = np.random.default_rng(0).uniform(20, 100, (68, 2))
    leaning = points + (0.7, 0.2)
    expected = mirrored(points) + (0.7, -0.2)
    np.testing.assert_allclose(mirrored(leaning, np.array([0.7, 0.2])), expected, atol=1e-9)


def test_mirrored_points_lie_on_the_mirrored_picture_under_their_counterparts_numbers() -> None:
    face = dotted_face()
    region = FaceRegion(222.0, 113.0, 150.0, 0.2)
    red, blue = dots(np.ascontiguousarray(crop_face(dotted_face().image, region)[:, ::-1]))
    points = mirrored(region.to_crop(CROP_SIZE).apply(face.points))
    np.testing.assert_allclose(points[45], red, atol=0.05)
    np.testing.assert_allclose(points[36], blue, atol=0.05)
    np.testing.assert_allclose(mirrored(points), region.to_crop(CROP_SIZE).apply(face.points), atol=1e-9)


@pytest.mark.parametrize("mirror", [False, True])
def test_a_views_points_lie_on_its_picture_mirrored_or_not(monkeypatch: pytest.MonkeyPatch, mirror: bool) -> None:
    monkeypatch.setattr("red.data.augment.spoil", lambda crop, rng: crop)
    face = dotted_face()
    for seed in range(6):
        rng = np.random.default_rng(seed)
        view: View = face_view(face, BoxError(shift=0.02), rng, mirror=mirror, look=0)
        red, blue = dots(view.crop)
        assert (red[0] > blue[0]) == mirror
        right, left = (blue, red) if mirror else (red, blue)
        np.testing.assert_allclose(view.points[36], right, atol=0.1)
        np.testing.assert_allclose(view.points[45], left, atol=0.1)
        by_way = face.points[[36, 45]] @ view.way[:, :2].T + view.way[:, 2]
        np.testing.assert_allclose(by_way, [red, blue], atol=0.1)


def test_blur_does_not_move_what_it_blurs() -> None:
    region = FaceRegion(222.0, 113.0, 150.0, 0.0)
    crop = crop_face(dotted_face().image, region)
    before = np.stack(dots(crop))
    for seed in range(60):
        after = np.stack(dots(blurred(crop, np.random.default_rng(seed))))
        np.testing.assert_allclose(after, before, atol=0.1)


def still_look(frames: int) -> Look:
    return Look(np.ones(frames), np.zeros(frames))


@pytest.fixture
def moving(monkeypatch: pytest.MonkeyPatch) -> MovingFace:
    """The two dots in motion, with nothing before them and no noise."""
    monkeypatch.setattr("red.data.sequences.occluded", lambda crop, rng: crop)
    face, rng = dotted_face(), np.random.default_rng(7)
    plain = Expression(np.zeros((0, 2)), np.zeros(0), np.zeros((8, 0, 2)))
    return MovingFace(face.image, face.points, smooth_motion(face.points, 8, rng), plain, still_look(8), rng)


def test_truth_and_picture_stay_put_in_a_region_that_follows_the_face(moving: MovingFace) -> None:
    first = next_region(moving.truth(0)).to_crop(CROP_SIZE).apply(moving.truth(0))
    picture = moving.crop(0, next_region(moving.truth(0))).astype(int)
    for t in range(1, 8):
        region = next_region(moving.truth(t))
        # Regions lie on a grid of 1/16 px.
        np.testing.assert_allclose(region.to_crop(CROP_SIZE).apply(moving.truth(t)), first, atol=0.15)
        assert np.abs(moving.crop(t, region) - picture).mean() < 1.0
    assert np.abs(moving.truth(7) - moving.truth(0)).max() > 0.5


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
    monkeypatch.setattr("red.data.sequences.relit", lambda image, rng: image)
    reds_left = set()
    for seed in range(8):
        face = MovingFace.random(dotted_face(), 2, np.random.default_rng(seed))
        red, blue = dots(face.image)
        reds_left.add(bool(red[0] < blue[0]))
        right, left = sorted([red, blue], key=lambda p: float(p[0]))
        np.testing.assert_allclose(face.still[[36, 45]], [right, left], atol=0.1)
    assert reds_left == {True, False}


def test_an_expression_moves_picture_and_points_alike() -> None:
    face = dotted_face()
    size = np.ptp(face.points, axis=0).max()
    push = np.array([[[0.0, 0.0], [0.0, 0.0]], [[0.0, 6.0], [-5.0, 3.0]]])
    bumps = Expression(face.points[[36, 45]] + (4.0, 2.0), np.full(2, 0.16 * size), push)
    region = FaceRegion(222.0, 113.0, 170.0, 0.2)
    crop = crop_face(face.image, region)
    for t in (0, 1):
        points = region.to_crop(CROP_SIZE).apply(bumps.moved(t, face.points))
        found = np.stack(dots(bumps.warp(t, crop, region.to_frame(CROP_SIZE))))
        np.testing.assert_allclose(found, points[[36, 45]], atol=0.5)
    assert np.abs(bumps.moved(1, face.points) - face.points)[[36, 45]].max() > 4.0


def test_random_expressions_are_smooth_and_leave_most_of_the_face() -> None:
    size = np.ptp(ASTRONAUT_POINTS, axis=0).max()
    reached = []
    for seed in range(40):
        face = Expression.random(ASTRONAUT_POINTS, 8, np.random.default_rng(seed))
        shapes = np.stack([face.moved(t, ASTRONAUT_POINTS) for t in range(8)])
        reached.append(np.abs(shapes - ASTRONAUT_POINTS).max() / size)
        assert np.abs(np.diff(shapes, axis=0)).max() < 0.08 * size
    assert min(reached) == 0.0
    assert 0.03 < max(reached) < 0.13


def test_a_look_changes_light_blur_and_noise_but_moves_nothing() -> None:
    crop = crop_face(dotted_face().image, FaceRegion(222.0, 113.0, 150.0, 0.0))
    before = np.stack(dots(crop))
    rng = np.random.default_rng(0)
    look = Look(np.array([1.0, 0.6, 1.0]), np.array([0.0, 0.0, 1.4]))
    frames = [look.of(t, crop, rng) for t in range(3)]
    assert np.array_equal(frames[0], crop)
    assert frames[1].max() < 0.65 * crop.max() < frames[2].max() / 1.1 + 60
    assert frames[2].max() < crop.max()
    for frame in frames:
        np.testing.assert_allclose(np.stack(dots(frame)), before, atol=0.2)
    noisy = Look(np.ones(2), np.zeros(2), noise=5.0, quality=40)
    one, other = (noisy.of(0, crop, rng) for _ in range(2))
    assert not np.array_equal(one, other)
