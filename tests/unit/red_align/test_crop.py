"""The one crop: where a bright blob lands, that large faces do not alias, and what lies outside the image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from red_align.contract import CROP_SIZE
from red_align.crop import crop_face
from red_align.geometry import FaceRegion
from tests.support.media import astronaut

Image = NDArray[np.uint8]


def blob_image(width: int, height: int, x: float, y: float, sigma: float) -> Image:
    """A black image with one white Gaussian blob, exactly at (x, y)."""
    along_x = np.exp(-0.5 * ((np.arange(width) - x) / sigma) ** 2)
    along_y = np.exp(-0.5 * ((np.arange(height) - y) / sigma) ** 2)
    blob = np.round(255 * along_y[:, None] * along_x).astype(np.uint8)
    return np.repeat(blob[:, :, None], 3, axis=2)


def centroid(crop: Image) -> NDArray[np.float64]:
    """Centre of brightness (x, y) in pixels."""
    weight = crop[:, :, 0].astype(np.float64)
    y, x = np.mgrid[: crop.shape[0], : crop.shape[1]]
    total = weight.sum()
    return np.array([(weight * x).sum() / total, (weight * y).sum() / total])


# The crop is averaged down first from 256 px on; 255.9 and 256 are the two sides of that branch.
@pytest.mark.parametrize("side", [64.0, 128.0, 200.0, 255.9, 256.0, 300.0, 700.0, 1500.0])
@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0])
def test_a_blob_lands_at_the_predicted_crop_pixel(side: float, angle: float) -> None:
    region = FaceRegion(612.3, 587.8, side, angle)
    where = region.to_frame(CROP_SIZE).apply(np.array([71.37, 52.81]))
    image = blob_image(1301, 1203, where[0], where[1], sigma=3.0 * side / CROP_SIZE)
    crop = crop_face(image, region)
    assert crop.max() > 200
    np.testing.assert_allclose(centroid(crop), [71.37, 52.81], atol=0.05)


@pytest.mark.parametrize("side", [128.0, 700.0])
def test_a_mirrored_image_gives_the_mirrored_crop(side: float) -> None:
    image = blob_image(1300, 1200, 640.4, 611.7, sigma=2.5 * side / CROP_SIZE)
    region = FaceRegion(600.2, 600.9, side, 0.3)
    there = centroid(crop_face(image, region))
    mirrored = FaceRegion(1299 - region.cx, region.cy, side, -region.angle)
    back = centroid(crop_face(np.ascontiguousarray(image[:, ::-1]), mirrored))
    np.testing.assert_allclose(back, [CROP_SIZE - 1 - there[0], there[1]], atol=0.05)


@pytest.mark.parametrize("side", [300.0, 700.0])
def test_a_blob_near_the_top_left_corner_lands_right_where_the_averaged_part_is_clipped(side: float) -> None:
    region = FaceRegion(side / 4, side / 5, side, 0.2)
    image = blob_image(1000, 900, side / 3, side / 6, sigma=2.5 * side / CROP_SIZE)
    wanted = region.to_crop(CROP_SIZE).apply(np.array([side / 3, side / 6]))
    np.testing.assert_allclose(centroid(crop_face(image, region)), wanted, atol=0.05)


def test_the_identity_region_gives_the_image_itself() -> None:
    image = np.ascontiguousarray(astronaut()[40:168, 160:288])
    np.testing.assert_array_equal(crop_face(image, FaceRegion(63.5, 63.5, 128.0, 0.0)), image)


def test_a_whole_shift_copies_pixels() -> None:
    crop = crop_face(astronaut(), FaceRegion(160 + 63.5, 40 + 63.5, 128.0, 0.0))
    np.testing.assert_array_equal(crop, astronaut()[40:168, 160:288])


def test_a_half_turn_copies_pixels_in_reverse() -> None:
    crop = crop_face(astronaut(), FaceRegion(160 + 63.5, 40 + 63.5, 128.0, math.pi))
    np.testing.assert_array_equal(crop, astronaut()[40:168, 160:288][::-1, ::-1])


def test_a_region_twice_the_crop_averages_two_by_two_pixels() -> None:
    image = np.ascontiguousarray(astronaut()[:256, 100:356])
    blocks = image.astype(np.float64).reshape(128, 2, 128, 2, 3).mean((1, 3))
    crop = crop_face(image, FaceRegion(127.5, 127.5, 256.0, 0.0))
    np.testing.assert_allclose(crop, blocks, atol=0.51)


@pytest.mark.parametrize("side", [256.0, 512.0, 777.0, 1024.0])
def test_a_one_pixel_checkerboard_becomes_grey(side: float) -> None:
    y, x = np.mgrid[:1200, :1200]
    board = np.repeat(((x + y) % 2 * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    inner = crop_face(board, FaceRegion(600.0, 600.0, side, 0.1))[4:-4, 4:-4]
    # A factor of 3 leaves 5 of 9 pixels bright: 255 / 18 off grey at most.
    assert np.abs(inner.astype(int) - 127).max() <= 15


@pytest.mark.parametrize("size", [16, 64, 128])
def test_the_crop_has_the_asked_size_and_colour_order(size: int) -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[:] = (200, 100, 50)
    crop = crop_face(image, FaceRegion(50.0, 50.0, 40.0, 0.5), size)
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    np.testing.assert_array_equal(crop[size // 2, size // 2], (200, 100, 50))


@pytest.mark.parametrize("side", [20.0, 128.0, 300.0, 2000.0])
@pytest.mark.parametrize(("cx", "cy"), [(-9e3, 50.0), (50.0, 9e3), (1e7, -1e7), (-3e9, 3e9)])
def test_a_region_wholly_outside_the_image_is_black(side: float, cx: float, cy: float) -> None:
    white = np.full((100, 120, 3), 255, np.uint8)
    assert crop_face(white, FaceRegion(cx, cy, side, 0.3)).max() == 0


@pytest.mark.parametrize("factor", [1, 2, 5, 11])
def test_a_region_that_hardly_touches_the_image_is_black_but_for_its_rim(factor: int) -> None:
    side = float(CROP_SIZE * factor)
    white = np.full((4, 4, 3), 255, np.uint8)
    crop = crop_face(white, FaceRegion(side / 2, side / 2, side, 0.0))
    assert crop.shape == (CROP_SIZE, CROP_SIZE, 3)
    assert crop[8:].max() == 0
    assert crop[:, 8:].max() == 0


def test_the_part_of_a_large_region_outside_the_image_is_black_and_the_rest_is_not() -> None:
    white = np.full((600, 600, 3), 255, np.uint8)
    crop = crop_face(white, FaceRegion(600.0, 300.0, 512.0, 0.0))
    assert crop[:, :62].min() == 255
    assert crop[:, 66:].max() == 0
