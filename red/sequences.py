"""Short sequences made from stills: smooth random motion and light, crops as the tracker would cut them.

The still is moved by a similarity M_t a frame; the tracker's region in the moved frame, taken back by M_t,
is a region of the still. So no frame has to be rendered, and the crops see exactly one interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from landmarks.contract import CROP_SIZE
from landmarks.crop import cut_face
from landmarks.geometry import FaceRegion, Similarity
from landmarks.schemes import IBUG68
from landmarks.tracking import region_from_landmarks
from red.augment import blurred, mirrored, occluded, relit
from red.faces import LabelledFace


@dataclass
class MovingFace:
    """One still in motion: a frame at a time, seen through whatever region the tracker asks for."""

    image: NDArray[np.uint8]
    still: NDArray[np.float64]
    motion: list[Similarity]
    noise: float
    rng: Generator

    @classmethod
    def random(cls, face: LabelledFace, frames: int, rng: Generator) -> MovingFace:
        """A face with a random smooth motion of up to about 5 % of the face a frame, and one light."""
        image, points = face.image, face.points
        if rng.random() < 0.5:
            image = np.ascontiguousarray(image[:, ::-1])
            width = image.shape[1]
            points = mirrored(points) + (width - CROP_SIZE, 0.0)
        if rng.random() < 0.3:
            image = blurred(image, rng)
        motion = smooth_motion(points, frames, rng)
        return cls(relit(image, rng), points, motion, float(rng.uniform(0, 6)), rng)

    def truth(self, t: int) -> NDArray[np.float64]:
        """True points [68, 2] in frame t."""
        return self.motion[t].apply(self.still)

    def crop(self, t: int, region: FaceRegion) -> NDArray[np.uint8]:
        """What the region of frame t shows, with fresh noise; sometimes something passes before the face."""
        back = self.motion[t].inverse()
        cx, cy = back.apply(np.array([region.cx, region.cy]))
        still = FaceRegion(float(cx), float(cy), region.side * back.scale, region.angle + back.angle)
        crop = cut_face(self.image, still)
        if self.rng.random() < 0.1:
            crop = occluded(crop, self.rng)
        if self.noise > 1.0:
            noisy = crop + self.rng.normal(0, self.noise, crop.shape)
            crop = np.clip(noisy, 0, 255).astype(np.uint8)
        return crop


def smooth_motion(points: NDArray[np.float64], frames: int, rng: Generator) -> list[Similarity]:
    """Similarities about the face's middle: velocities that drift, the first one the identity."""
    size = float(np.ptp(points, axis=0).max())
    speed = rng.uniform(0.0, 0.05) * size
    direction = rng.uniform(0, 2 * np.pi)
    velocity = speed * np.array([np.cos(direction), np.sin(direction)])
    turn_speed, zoom_speed = np.deg2rad(rng.normal(0, 1.5)), rng.normal(0, 0.01)
    middle = points.mean(0)
    shift, turn, zoom = np.zeros(2), 0.0, 0.0
    motion = []
    for _ in range(frames):
        around = Similarity(float(np.exp(zoom)), turn, 0.0, 0.0)
        tx, ty = middle + shift - around.apply(middle)
        motion.append(Similarity(around.scale, turn, float(tx), float(ty)))
        velocity = 0.9 * velocity + rng.normal(0, 0.25 * speed + 0.002 * size, 2)
        shift, turn, zoom = shift + velocity, turn + turn_speed, zoom + zoom_speed
    return motion


def next_region(points: NDArray[np.float64]) -> FaceRegion:
    """The tracker's region for the next frame."""
    return region_from_landmarks(points, IBUG68)
