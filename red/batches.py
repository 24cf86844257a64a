"""Batches of still crops, made ahead of time by a few threads (OpenCV works outside the interpreter lock)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from landmarks.contract import CROP_SIZE
from landmarks.schemes import IBUG68, SCHEMES
from landmarks.tracking import region_from_landmarks
from red.augment import BoxError, background_crop, face_crop
from red.faces import LabelledFace


@dataclass(frozen=True)
class TrainingSet:
    """Faces with the share of a batch they fill and the weight of their labels (loose labels weigh less)."""

    faces: list[LabelledFace]
    share: float
    weight: float


@dataclass(frozen=True)
class StillBatch:
    """Crops [N, 128, 128, 3] uint8 and points [N, L, 2] in them; the first ``acquire`` rows begin tracks.

    ``weight`` [N] is the labels' weight (0 where no face is), ``face`` [N] 1 or 0, ``person`` [N] the class
    or -1, ``prior`` [N, L, 2] the points a tracked row starts from.
    """

    crop: Tensor
    points: Tensor
    prior: Tensor
    weight: Tensor
    face: Tensor
    person: Tensor
    acquire: int


@dataclass(frozen=True)
class StillRecipe:
    """What a batch is made of."""

    sets: list[TrainingSet]
    scheme: str
    persons: dict[str, int]
    batch: int = 32
    tracked_share: float = 0.3
    background_share: float = 0.08
    error: BoxError = field(default_factory=BoxError)

    @property
    def acquire(self) -> int:
        """Rows that begin a track."""
        return self.batch - round(self.batch * self.tracked_share)


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


def make_batch(recipe: StillRecipe, rng: Generator) -> StillBatch:
    """One batch from one generator."""
    shares = np.array([s.share for s in recipe.sets])
    crops, points, priors, weights, is_face, persons = [], [], [], [], [], []
    ids = list(SCHEMES[recipe.scheme].of_ibug68)
    for _ in range(recipe.batch):
        chosen = recipe.sets[int(rng.choice(len(shares), p=shares / shares.sum()))]
        face = chosen.faces[int(rng.integers(len(chosen.faces)))]
        background = rng.random() < recipe.background_share
        if background:
            crops.append(background_crop(face.image, face.points, rng))
            inside = region_from_landmarks(face.points, IBUG68).to_crop(CROP_SIZE).apply(face.points)
        else:
            crop, inside = face_crop(face.image, face.points, recipe.error, rng)
            crops.append(crop)
        points.append(inside[ids])
        priors.append(perturbed_prior(inside, rng)[ids])
        weights.append(0.0 if background else chosen.weight)
        is_face.append(0.0 if background else 1.0)
        known = not background and face.person is not None
        persons.append(recipe.persons.get(face.person or "", -1) if known else -1)
    return StillBatch(
        torch.from_numpy(np.stack(crops)),
        torch.from_numpy(np.stack(points)).float(),
        torch.from_numpy(np.stack(priors)).float(),
        torch.tensor(weights),
        torch.tensor(is_face),
        torch.tensor(persons),
        recipe.acquire,
    )


def perturbed_prior(points: np.ndarray, rng: Generator) -> np.ndarray:
    """Points [68, 2] as a last frame might have left them: moved as a whole, and part of the way to the mean."""
    middle = points.mean(0)
    turn = np.deg2rad(rng.normal(0, 3.0))
    scale = np.exp(rng.normal(0, 0.03))
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    shift = rng.normal(0, 2.5, 2)
    wrong = points + rng.uniform(0, 0.6) * (IBUG68.mean_shape - points) * (rng.random() < 0.6)
    wrong = (wrong - middle) @ np.array([[c, -s], [s, c]]).T + middle + shift
    return np.asarray(wrong + rng.normal(0, rng.uniform(0, 1.2), points.shape))
