"""Harder crops: still crops, still in their place, and not all hidden."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray

from red.data.harder import erased, low_resolution, shaded
from red_align.crop import crop_face
from red_align.geometry import FaceRegion
from tests.support.faces import dots, dotted_face
from tests.support.media import astronaut

Crop = NDArray[np.uint8]
FACE = crop_face(astronaut(), FaceRegion(222.0, 113.0, 150.0, 0.0))


def hidden(crop: Crop, rng: Generator) -> Crop:
    return erased(crop, 255 - crop, rng)


@pytest.mark.parametrize("change", [shaded, hidden, low_resolution])
def test_a_harder_crop_is_a_crop_and_depends_on_the_generator_alone(change: Callable[[Crop, Generator], Crop]) -> None:
    before = FACE.copy()
    for seed in range(20):
        one, same = (change(FACE, np.random.default_rng(seed)) for _ in range(2))
        assert one.shape == FACE.shape
        assert one.dtype == np.uint8
        assert np.array_equal(one, same)
        assert not np.array_equal(one, FACE)
    assert np.array_equal(FACE, before)


def test_what_is_hidden_is_a_part_of_the_crop() -> None:
    shares = []
    for seed in range(60):
        crop = erased(FACE, 255 - FACE, np.random.default_rng(seed))
        shares.append((np.abs(crop.astype(int) - FACE).max(-1) > 8).mean())
    assert min(shares) > 0.0
    assert max(shares) < 0.4
    assert 0.08 < np.mean(shares) < 0.2


def test_light_is_uneven_and_neither_all_dark_nor_all_white() -> None:
    ratios = []
    for seed in range(40):
        crop = shaded(np.full((128, 128, 3), 100, np.uint8), np.random.default_rng(seed))
        ratios.append(crop.max() / max(crop.min(), 1))
        assert 50 < np.median(crop) < 200
    assert np.median(ratios) > 1.5


def test_a_small_face_enlarged_stays_in_its_place() -> None:
    crop = crop_face(dotted_face(sigma=6.0).image, FaceRegion(222.0, 113.0, 150.0, 0.0))
    before = np.stack(dots(crop))
    for seed in range(10):
        after = np.stack(dots(low_resolution(crop, np.random.default_rng(seed))))
        np.testing.assert_allclose(after, before, atol=0.35)
