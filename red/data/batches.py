"""Batches of still crops, made ahead of time by a few threads (OpenCV works outside the interpreter lock)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from red.data.augment import BoxError, View, background_crop, face_view
from red_align.contract import CROP_SIZE
from red_align.datasets.labelled_faces import LabelledFace
from red_align.schemes import IBUG68, SCHEMES
from red_align.tracking.rules import region_from_landmarks


@dataclass(frozen=True)
class TrainingSet:
    """Faces with the share of a batch they fill and the weight of their labels (loose labels weigh less)."""

    faces: list[LabelledFace]
    share: float
    weight: float

    @cached_property
    def kin(self) -> dict[tuple[Path, str | None], list[LabelledFace]]:
        """The pictures of known persons by folder and person: frames of one video, in the layout of YTF."""
        found: dict[tuple[Path, str | None], list[LabelledFace]] = {}
        for face in self.faces:
            if face.person is not None:
                found.setdefault((face.path.parent, face.person), []).append(face)
        return found


@dataclass(frozen=True)
class StillBatch:
    """Crops [N, 128, 128, 3] uint8 and points [N, L, 2] in them.

    The first ``acquire`` rows begin tracks; row ``acquire + k`` is another view of row k's face, which goes on
    from the points found there: ``carry`` [N - acquire, 2, 3] takes points of the first crop into the second,
    with the motion between them, and ``spoilt`` [N - acquire] is how far they then go to the mean shape.
    ``weight`` [N] is the labels' weight (0 where no face is), ``face`` [N] 1 or 0, ``person`` [N] the class or -1.
    """

    crop: Tensor
    points: Tensor
    weight: Tensor
    face: Tensor
    person: Tensor
    carry: Tensor
    spoilt: Tensor
    acquire: int


@dataclass(frozen=True)
class StillRecipe:
    """What a batch is made of: ``batch`` first views, and second views of ``tracked_share`` of them.

    ``same_look`` of these have the light and the blur of the first view; where there are other frames of the
    person's video, ``other_frame`` of them show one of those.
    """

    sets: list[TrainingSet]
    scheme: str
    persons: dict[str, int]
    batch: int = 32
    tracked_share: float = 0.4
    background_share: float = 0.08
    same_look: float = 0.7
    other_frame: float = 0.5
    error: BoxError = field(default_factory=BoxError)


def still_batches(recipe: StillRecipe, seed: int, first: int, threads: int = 1) -> Iterator[StillBatch]:
    """Endless batches; batch number n depends on (seed, n) alone, so that a run resumes where it stopped."""
    with ThreadPoolExecutor(threads) as pool:
        ahead: list[Future[StillBatch]] = []
        number = first
        while True:
            while len(ahead) < 4 * threads:
                ahead.append(pool.submit(make_batch, recipe, np.random.default_rng([seed, number])))
                number += 1
            yield ahead.pop(0).result()


@dataclass(frozen=True)
class _Row:
    view: View
    weight: float
    face: bool
    person: int


def make_batch(recipe: StillRecipe, rng: Generator) -> StillBatch:
    """One batch from one generator."""
    tracked = round(recipe.batch * recipe.tracked_share)
    rows: list[_Row] = []
    seconds: list[_Row] = []
    carry = []
    for number in range(recipe.batch):
        chosen, face = pick(recipe.sets, rng)
        mirror, look = bool(rng.random() < 0.5), int(rng.integers(2**62))
        rows.append(_row(recipe, chosen, face, mirror, look, rng))
        if number < tracked:
            if rng.random() > recipe.same_look:
                look = int(rng.integers(2**62))
            then = _then(recipe, chosen, face, rng)
            seconds.append(_row(recipe, chosen, then, mirror, look, rng))
            carry.append(carried(rows[-1].view, seconds[-1].view, rng, between(face, then)))
    # One in ten first views has misled the track.
    spoilt = np.where(rng.random(tracked) < 0.1, rng.uniform(0, 0.6, tracked), 0.0)
    rows += seconds
    ids = list(SCHEMES[recipe.scheme].of_ibug68)
    return StillBatch(
        crop=torch.from_numpy(np.stack([r.view.crop for r in rows])),
        points=torch.from_numpy(np.stack([r.view.points[ids] for r in rows])).float(),
        weight=torch.tensor([r.weight for r in rows]),
        face=torch.tensor([float(r.face) for r in rows]),
        person=torch.tensor([r.person for r in rows]),
        carry=torch.from_numpy(np.reshape(carry, (tracked, 2, 3))).float(),
        spoilt=torch.from_numpy(spoilt).float(),
        acquire=recipe.batch,
    )


def pick(sets: list[TrainingSet], rng: Generator) -> tuple[TrainingSet, LabelledFace]:
    """A set by the shares, and one of its faces."""
    shares = np.array([s.share for s in sets])
    chosen = sets[int(rng.choice(len(shares), p=shares / shares.sum()))]
    return chosen, chosen.faces[int(rng.integers(len(chosen.faces)))]


def _row(recipe: StillRecipe, chosen: TrainingSet, face: LabelledFace, mirror: bool, look: int, rng: Generator) -> _Row:
    if rng.random() < recipe.background_share:
        region = region_from_landmarks(face.points, IBUG68).to_crop(CROP_SIZE)
        view = View(background_crop(face.image, face.points, rng), region.apply(face.points), region.matrix)
        return _Row(view, 0.0, False, -1)
    view = face_view(face, recipe.error, rng, mirror=mirror, look=look)
    return _Row(view, chosen.weight, True, recipe.persons.get(face.person or "", -1))


def _then(recipe: StillRecipe, chosen: TrainingSet, face: LabelledFace, rng: Generator) -> LabelledFace:
    """The picture of a second view: the same, or another frame of the same person's video."""
    kin = chosen.kin.get((face.path.parent, face.person), [])
    if len(kin) < 2 or rng.random() > recipe.other_frame:
        return face
    return kin[int(rng.integers(len(kin)))]


def between(face: LabelledFace, then: LabelledFace) -> NDArray[np.float64]:
    """The way [3, 3] from one picture to another that a tracker would take its points by: size and place alone."""
    if then is face:
        return np.eye(3)
    size = float(np.ptp(then.points, axis=0).max() / np.ptp(face.points, axis=0).max())
    shift = then.points.mean(0) - size * face.points.mean(0)
    return np.array([[size, 0.0, shift[0]], [0.0, size, shift[1]], [0.0, 0.0, 1.0]])


def carried(first: View, second: View, rng: Generator, move: NDArray[np.float64]) -> NDArray[np.float64]:
    """The way [2, 3] of the last frame's points from their crop into the next one, moved on by some motion.

    ``move`` [3, 3] takes pixels of the first picture to the second's; then the face turns by N(0, 3) degrees,
    grows by N(0, 3 %) and goes N(0, 2.5) px in each direction.
    """
    there = _square(second.way) @ move @ np.linalg.inv(_square(first.way))
    turn, scale = np.deg2rad(rng.normal(0, 3.0)), np.exp(rng.normal(0, 0.03))
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    middle = second.points.mean(0)
    motion = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    motion[:2, 2] = middle + rng.normal(0, 2.5, 2) - motion[:2, :2] @ middle
    return np.asarray((motion @ there)[:2])


def _square(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.vstack([matrix, [0.0, 0.0, 1.0]])
