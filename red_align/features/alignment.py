"""The similarity that brings a face to the place where networks for face recognition want it, and the crop itself.

The five places in the 112x112 crop (eyes, nose tip, mouth corners) are those of InsightFace's ArcFace models, MIT licence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from red_align.crop import Picture, crop_face
from red_align.features.subsets import five_points
from red_align.frames import Alignment
from red_align.geometry import FaceRegion, Points, Similarity, fit_similarity

ALIGNED_SIZE = 112
"""Side of the aligned crop, pixels."""
_PLACES = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])


def alignment(points: Points, image: Picture | None = None) -> Alignment:
    """How a face is aligned.

    Args:
        points: [68, 2], any float dtype, pixels of the frame.
        image: The frame, RGB uint8 [H, W, 3], or planes, where the aligned crop is wanted.

    Returns:
        The least-squares similarity to the five places, and the crop where there is an image: bilinear, black outside
        the frame, large faces averaged down first.
    """
    to_crop = fit_similarity(five_points(points), _PLACES)
    crop = None if image is None else aligned_crop(image, to_crop)
    return Alignment(to_crop.matrix, crop)


def aligned_crop(image: Picture, to_crop: Similarity) -> NDArray[np.uint8]:
    """The crop that a similarity leads to, RGB uint8 [112, 112, 3].

    Args:
        image: RGB uint8 [H, W, 3], or planes.
        to_crop: From pixels of the frame to those of the crop.
    """
    centre = to_crop.inverse().apply(np.full(2, (ALIGNED_SIZE - 1) / 2.0))
    region = FaceRegion(float(centre[0]), float(centre[1]), ALIGNED_SIZE / to_crop.scale, -to_crop.angle)
    return crop_face(image, region, ALIGNED_SIZE)
