"""The face as recognition networks take it: the similarity to ArcFace's template, and the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from red_align.crop import Picture, crop_face
from red_align.features.subsets import five_points
from red_align.features.values import Alignment
from red_align.geometry import FaceRegion, Points, Similarity, fit_similarity

SIDE = 112
"""Side of the aligned crop, pixels."""
JPEG_QUALITY = 95
TEMPLATE: NDArray[np.float64] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Where eyes, nose tip and mouth corners come to lie (Deng et al. 2019, ArcFace), crop pixels, float64 [5, 2]."""
TEMPLATE.setflags(write=False)


def align_face(points: Points, picture: Picture | None = None) -> Alignment:
    """The alignment of one face.

    Args:
        points: [68, 2], iBUG's, any float dtype, pixels of the upright frame.
        picture: The frame, RGB uint8 [H, W, 3] or planes, where the crop is wanted.

    Returns:
        The similarity from the frame to the crop, fitted to five points by least squares (Umeyama 1991), and the crop.
    """
    similarity = fit_similarity(five_points(points), TEMPLATE)
    crop = aligned_crop(picture, similarity) if picture is not None else b""
    return Alignment(similarity.matrix, crop)


def aligned_image(picture: Picture, similarity: Similarity) -> NDArray[np.uint8]:
    """The aligned picture of a face.

    Args:
        picture: The frame, RGB uint8 [H, W, 3] or planes.
        similarity: From the frame to the crop.

    Returns:
        RGB uint8 [112, 112, 3], black outside the frame; a large face is averaged down, so that it does not alias.
    """
    inverse = similarity.inverse()
    centre = inverse.apply(np.full(2, (SIDE - 1) / 2.0))
    return crop_face(picture, FaceRegion(float(centre[0]), float(centre[1]), SIDE * inverse.scale, inverse.angle), SIDE)


def aligned_crop(picture: Picture, similarity: Similarity) -> bytes:
    """As ``aligned_image``, as a JPEG without subsampled colour."""
    image: Any = np.ascontiguousarray(aligned_image(picture, similarity))
    data: bytes = simplejpeg.encode_jpeg(image, quality=JPEG_QUALITY, colorspace="RGB", colorsubsampling="444")
    return data
