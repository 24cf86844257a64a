"""Short sequences made from stills: smooth random motion and light, crops as the tracker would cut them.

The still is moved by a similarity M_t a frame; the tracker's region in the moved frame, taken back by M_t,
is a region of the still. So no frame has to be rendered, and the crops see exactly one interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from red.data.augment import as_jpeg, blurred, mirrored, occluded, relit
from red.data.expressions import Expression
from red_align.contract import CROP_SIZE
from red_align.crop import crop_face
from red_align.datasets.labelled_faces import LabelledFace
from red_align.geometry import FaceRegion, Similarity
from red_align.schemes import IBUG68
from red_align.tracking.rules import region_from_landmarks


@dataclass(frozen=True)
class Look:
    """What a camera does to a sequence: gain and blur (sigma, px of the crop) of each frame, noise, JPEG quality."""

    gain: NDArray[np.float64]
    blur: NDArray[np.float64]
    noise: float = 0.0
    quality: int | None = None

    @classmethod
    def random(cls, frames: int, rng: Generator) -> Look:
        """A good camera, by which points tremble as on real clips, or, in a sixth of the sequences, a bad one.

        With bad ones alone a network takes the small motions of good ones for noise.
        """
        bad = rng.random() < 1 / 6
        drift = np.cumsum(rng.normal(0, 0.05 if bad else 0.01, frames)) if rng.random() < 0.5 else np.zeros(frames)
        waves = 1.0 + np.sin(np.arange(frames) * rng.uniform(0.3, 1.2) + rng.uniform(0, 2 * np.pi))
        blur = waves * rng.uniform(0.2, 0.9) if bad else np.full(frames, rng.uniform(0.0, 0.8))
        quality = int(rng.uniform(30, 90) if bad else rng.uniform(70, 98)) if rng.random() < 0.5 else None
        return cls(np.exp(drift), blur, float(rng.uniform(0, 6) if bad else rng.uniform(0, 1.5)), quality)

    def of(self, t: int, crop: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
        """The crop as frame t has it; noise is fresh each time."""
        if self.blur[t] > 0.2:
            crop = np.asarray(cv2.GaussianBlur(crop, (0, 0), float(self.blur[t])), np.uint8)
        if self.noise > 0.3 or self.gain[t] != 1.0:
            noisy = crop * self.gain[t] + rng.normal(0, max(self.noise, 1e-3), crop.shape)
            crop = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        return crop if self.quality is None else as_jpeg(crop, self.quality)


@dataclass
class MovingFace:
    """One still in motion: a frame at a time, seen through whatever region the tracker asks for."""

    image: NDArray[np.uint8]
    still: NDArray[np.float64]
    motion: list[Similarity]
    expression: Expression
    look: Look
    rng: Generator

    @classmethod
    def random(cls, face: LabelledFace, frames: int, rng: Generator) -> MovingFace:
        """A face with a random smooth motion, often almost none, an expression, and one light and quality."""
        image, points = face.image, face.points
        if rng.random() < 0.5:
            image = np.ascontiguousarray(image[:, ::-1])
            points = mirrored(points, np.array([face.label_shift, 0.0])) + (image.shape[1] - CROP_SIZE, 0.0)
        if rng.random() < 0.3:
            image = blurred(image, rng)
        return cls(
            relit(image, rng),
            points,
            smooth_motion(points, frames, rng),
            Expression.random(points, frames, rng),
            Look.random(frames, rng),
            rng,
        )

    def truth(self, t: int) -> NDArray[np.float64]:
        """True points [68, 2] in frame t."""
        return self.motion[t].apply(self.expression.moved(t, self.still))

    def crop(self, t: int, region: FaceRegion) -> NDArray[np.uint8]:
        """What the region of frame t shows, with fresh noise; sometimes something passes before the face."""
        back = self.motion[t].inverse()
        cx, cy = back.apply(np.array([region.cx, region.cy]))
        still = FaceRegion(float(cx), float(cy), region.side * back.scale, region.angle + back.angle)
        crop = self.expression.warp(t, crop_face(self.image, still), still.to_frame(CROP_SIZE))
        if self.rng.random() < 0.02:
            crop = occluded(crop, self.rng)
        return self.look.of(t, crop, self.rng)


def smooth_motion(points: NDArray[np.float64], frames: int, rng: Generator) -> list[Similarity]:
    """Similarities about the face's middle: velocities that drift, the first one the identity.

    A quarter hardly moves; the others do by 0.2 to 5 % of the face a frame, slow motion as often as fast.
    """
    size = float(np.ptp(points, axis=0).max())
    still = rng.random() < 0.25
    share = float(rng.uniform(0.0, 0.002) if still else np.exp(rng.uniform(np.log(0.002), np.log(0.05))))
    speed = share * size
    direction = rng.uniform(0, 2 * np.pi)
    velocity = speed * np.array([np.cos(direction), np.sin(direction)])
    calm = min(1.0, 0.1 + share / 0.03)
    turn_speed, zoom_speed = calm * np.deg2rad(rng.normal(0, 1.5)), calm * rng.normal(0, 0.01)
    middle = points.mean(0)
    shift, turn, zoom = np.zeros(2), 0.0, 0.0
    motion = []
    for _ in range(frames):
        around = Similarity(float(np.exp(zoom)), turn, 0.0, 0.0)
        tx, ty = middle + shift - around.apply(middle)
        motion.append(Similarity(around.scale, turn, float(tx), float(ty)))
        velocity = 0.9 * velocity + rng.normal(0, 0.25 * speed + 0.002 * calm * size, 2)
        shift, turn, zoom = shift + velocity, turn + turn_speed, zoom + zoom_speed
    return motion


def next_region(points: NDArray[np.float64]) -> FaceRegion:
    """The tracker's region for the next frame."""
    return region_from_landmarks(points, IBUG68)
