"""Augmentation: how a labelled face becomes a training crop. All random choices come from one generator."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from red.data.harder import erased, low_resolution, shaded
from red_align.contract import CROP_SIZE
from red_align.crop import crop_face
from red_align.datasets.labelled_faces import LabelledFace
from red_align.geometry import FaceRegion
from red_align.schemes import IBUG68
from red_align.tracking.rules import REGION_MARGIN, region_from_landmarks

Crop = NDArray[np.uint8]


@dataclass(frozen=True)
class BoxError:
    """Error of the box: standard deviation of the shift (share of the box), scale and rotation ranges."""

    shift: float = 0.05
    scale: float = 0.12
    turn_deg: float = 14.0
    wide_turn_deg: float = 40.0
    wide_share: float = 0.4
    """This share of the crops turns up to ``wide_turn_deg``: faces whose roll is not yet known."""


def moved(region: FaceRegion, error: BoxError, rng: Generator) -> FaceRegion:
    """A region with a random box error."""
    box = region.side / REGION_MARGIN
    dx, dy = rng.normal(0.0, error.shift, 2) * box
    limit = error.wide_turn_deg if rng.random() < error.wide_share else error.turn_deg
    scale = np.exp(rng.uniform(-error.scale, error.scale))
    turn = np.deg2rad(rng.uniform(-limit, limit))
    return FaceRegion(region.cx + dx, region.cy + dy, region.side * scale, region.angle + turn)


@dataclass(frozen=True)
class View:
    """One crop of a labelled face: uint8 [128, 128, 3], its points [68, 2], and the way from the frame into it."""

    crop: Crop
    points: NDArray[np.float64]
    way: NDArray[np.float64]  # [2, 3], frame pixels to crop pixels, the mirror included


def face_view(face: LabelledFace, error: BoxError, rng: Generator, *, mirror: bool, look: int) -> View:
    """Cut, mirror and spoil one face; ``look`` is the seed of how it is spoilt."""
    region = moved(region_from_landmarks(face.points, IBUG68), error, rng)
    crop = crop_face(face.image, region)
    way = region.to_crop(CROP_SIZE)
    matrix, points = way.matrix, way.apply(face.points)
    if mirror:
        crop = np.ascontiguousarray(crop[:, ::-1])
        points = mirrored(points, matrix[:, :2] @ (face.label_shift, 0.0))
        matrix = _MIRROR[:, :2] @ matrix + [[0.0, 0.0, _MIRROR[0, 2]], [0.0, 0.0, 0.0]]
    return View(spoil(crop, np.random.default_rng(look)), points, matrix)


_MIRROR = np.array([[-1.0, 0.0, CROP_SIZE - 1.0], [0.0, 1.0, 0.0]])


def mirrored(points: NDArray[np.float64], shift: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Points [68, 2] of the left-right mirrored crop, renamed to their counterparts.

    ``shift`` [2] is by how much the labels lie beside the place that mirror symmetry gives them (crop pixels,
    see red_align.datasets.labelled_faces): people who label do so in every picture, so a mirrored one has the
    shift to the same side.
    """
    dx, dy = (0.0, 0.0) if shift is None else shift
    return np.asarray((points - (dx, dy))[list(IBUG68.mirror)] * (-1.0, 1.0) + (CROP_SIZE - 1.0 + dx, -dy))


def spoil(crop: Crop, rng: Generator) -> Crop:
    """Light, colour, blur, low resolution, noise, JPEG and what hides the face, each with some probability."""
    plain, crop = crop, relit(crop, rng)
    if rng.random() < 0.20:
        crop = shaded(crop, rng)
    if rng.random() < 0.10:
        crop = np.repeat(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    if rng.random() < 0.35:
        crop = occluded(crop, rng)
    if rng.random() < 0.15:
        crop = erased(crop, plain, rng)
    if rng.random() < 0.20:
        crop = blurred(crop, rng)
    if rng.random() < 0.04:
        crop = low_resolution(crop, rng)
    if rng.random() < 0.20:
        side = int(rng.uniform(32, 96))
        small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
        crop = np.asarray(cv2.resize(small, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR), np.uint8)
    if rng.random() < 0.20:
        noise = rng.normal(0.0, rng.uniform(2, 14), crop.shape)
        crop = np.clip(crop + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.20:
        crop = as_jpeg(crop, int(rng.uniform(12, 70)))
    return np.ascontiguousarray(crop)


def as_jpeg(crop: Crop, quality: int) -> Crop:
    """What JPEG of this quality leaves of a crop."""
    _, data = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def relit(crop: Crop, rng: Generator) -> Crop:
    """Gain, offset, gamma and colour cast as one look-up table a channel."""
    levels = np.arange(256) / 255.0
    gamma = np.exp(rng.uniform(-0.5, 0.5))
    gain, offset = np.exp(rng.normal(0, 0.2)), rng.normal(0, 0.08)
    cast = np.exp(rng.normal(0, 0.08, 3))
    table = np.stack([gain * c * levels**gamma + offset for c in cast], axis=-1)
    table = np.clip(table * 255.0, 0, 255).astype(np.uint8)[None]
    return np.asarray(cv2.LUT(crop, table), np.uint8)


def blurred(crop: Crop, rng: Generator) -> Crop:
    """Gaussian blur, or the blur of a motion along a random direction."""
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(crop, (0, 0), float(rng.uniform(0.6, 2.2))), np.uint8)
    # The kernel is odd and symmetric, else it would move the picture away from its points.
    length = 2 * int(rng.integers(1, 5)) + 1
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    middle = length // 2
    dx, dy = np.cos(angle) * middle, np.sin(angle) * middle
    ends = [(round(middle - dx), round(middle - dy)), (round(middle + dx), round(middle + dy))]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    kernel = kernel + kernel[::-1, ::-1]
    return np.asarray(cv2.filter2D(crop, -1, kernel / kernel.sum()), np.uint8)


def occluded(crop: Crop, rng: Generator) -> Crop:
    """One to three patches: plain colour, noise, or a piece of the same crop from elsewhere."""
    crop = crop.copy()
    for _ in range(int(rng.integers(1, 4))):
        w, h = (int(v) for v in rng.uniform(10, 56, 2))
        x, y = (int(v) for v in rng.uniform(-10, CROP_SIZE - 10, 2))
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + w, CROP_SIZE), min(y + h, CROP_SIZE)
        target = crop[y0:y1, x0:x1]
        kind = rng.random()
        if kind < 0.4:
            target[:] = rng.integers(0, 256, 3)
        elif kind < 0.6:
            target[:] = rng.integers(0, 256, target.shape)
        else:
            sy = int(rng.integers(0, CROP_SIZE - target.shape[0] + 1))
            sx = int(rng.integers(0, CROP_SIZE - target.shape[1] + 1))
            target[:] = crop[sy : sy + target.shape[0], sx : sx + target.shape[1]].copy()
    return crop


def background_crop(image: NDArray[np.uint8], points: NDArray[np.float64], rng: Generator) -> Crop:
    """A crop that holds no whole face: beside it, mostly beside it, a tiny part of it, or the face hidden."""
    region = region_from_landmarks(points, IBUG68)
    kind = rng.random()
    if kind < 0.55:  # half-shifted and beyond
        angle = rng.uniform(0, 2 * np.pi)
        reach = rng.uniform(0.55, 1.1) * region.side / REGION_MARGIN
        region = FaceRegion(
            region.cx + np.cos(angle) * reach,
            region.cy + np.sin(angle) * reach,
            region.side * np.exp(rng.uniform(-0.5, 0.2)),
            region.angle + rng.uniform(-1, 1),
        )
    elif kind < 0.75:  # a piece of skin, hair or background
        height, width = image.shape[:2]
        side = region.side * rng.uniform(0.12, 0.3)
        region = FaceRegion(rng.uniform(0, width), rng.uniform(0, height), side, rng.uniform(-1, 1))
    else:  # the whole scene, the face painted over by a piece of its surroundings
        image = image.copy()
        low, high = points.min(0).astype(int), points.max(0).astype(int)
        pad = ((high - low) * 0.15).astype(int)
        x0, y0 = np.maximum(low - pad, 0)
        x1, y1 = np.minimum(high + pad, (image.shape[1], image.shape[0]))
        strip = image[:, : max(int(x0), 8)] if rng.random() < 0.5 else image[:, min(int(x1), image.shape[1] - 8) :]
        image[y0:y1, x0:x1] = cv2.resize(strip, (int(x1 - x0), int(y1 - y0)), interpolation=cv2.INTER_LINEAR)
    crop = crop_face(image, region)
    return spoil(crop, rng)
