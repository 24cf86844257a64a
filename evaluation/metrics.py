"""The figures of the field, as pure functions of points and scores."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from red_align.geometry import fit_similarity
from red_align.schemes import PointScheme

Array = NDArray[np.float64]
FAILURE = 0.08
"""A face whose mean error exceeds this share of the eye distance is a failure."""
REGIONS = {
    "jaw": range(17),
    "brows": range(17, 27),
    "nose": range(27, 36),
    "eyes": range(36, 48),
    "mouth": range(48, 68),
}
"""Parts of the face by iBUG point, 0-based."""


def point_errors(points: Array, truth: Array, scheme: PointScheme) -> Array:
    """Error of each point over the outer eye distance of the truth.

    Args:
        points: [L, 2], in the pixels of the truth.
        truth: [L, 2].
        scheme: What the points are.

    Returns:
        [L], shares of the eye distance.
    """
    return np.asarray(np.linalg.norm(points - truth, axis=1) / scheme.eye_distance(truth))


def region_points(scheme: PointScheme) -> dict[str, list[int]]:
    """Indices of the scheme's points in each region that it has points of."""
    found = {name: [i for i, k in enumerate(scheme.of_ibug68) if k in part] for name, part in REGIONS.items()}
    return {name: ids for name, ids in found.items() if ids}


def area_under_curve(errors: Array, limit: float = FAILURE) -> float:
    """Area under the cumulative error distribution, over the limit: 1 is perfect.

    Exact: a face of error e adds (limit - e) / limit.

    Args:
        errors: [N], NME of each face; infinity for a missed one.
        limit: Where the curve ends, share of the eye distance.

    Returns:
        0 to 1.
    """
    return float(np.clip(1.0 - np.asarray(errors) / limit, 0.0, None).mean())


def second_differences(points: Array, eyes: Array) -> Array:
    """Jitter of a track: |p(t+1) - 2 p(t) + p(t-1)|, mean over the points, over the eye distance.

    Args:
        points: [T, L, 2], frame pixels.
        eyes: [T], eye distance in pixels.

    Returns:
        [T - 2].
    """
    bend = np.linalg.norm(points[2:] - 2.0 * points[1:-1] + points[:-2], axis=2).mean(1)
    return np.asarray(bend / eyes[1:-1])


def lag_frames(points: Array, reference: Array, reach: float = 2.0) -> float:
    """By how many frames a track runs behind a reference: the delay of the reference that fits it best.

    The reference is interpolated linearly; a constant difference does not count. Resolution 0.05 frames.

    Args:
        points: [T, L, 2], frame pixels.
        reference: [T, L, 2], of the same frames.
        reach: Largest delay that is tried, frames.

    Returns:
        Frames; 0 where nothing moves.
    """
    edge = math.ceil(reach)
    inner = points[edge:-edge]
    if len(inner) < 3:
        return 0.0
    times = np.arange(edge, len(points) - edge)
    delays = np.arange(-reach, reach + 1e-9, 0.05)
    costs = []
    for delay in delays:
        low = np.floor(times - delay).astype(int)
        share = (times - delay - low)[:, None, None]
        high = np.minimum(low + 1, len(reference) - 1)
        difference = inner - ((1 - share) * reference[low] + share * reference[high])
        costs.append(float(np.square(difference - difference.mean(0)).sum()))
    if max(costs) - min(costs) <= 1e-9 * (1.0 + max(costs)):
        return 0.0
    return float(delays[int(np.argmin(costs))])


def smoothed(points: Array, sigma: float) -> Array:
    """Points under a symmetric Gaussian, which delays nothing; its edges are left out.

    For lag against a reference that trembles: between two of its frames its noise averages out, and by that
    alone half a frame would fit better than none.

    Args:
        points: [T, L, 2].
        sigma: Standard deviation, frames.

    Returns:
        [T - 2 ceil(3 sigma), L, 2].
    """
    reach = math.ceil(3 * sigma)
    kernel = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / sigma))
    windows = np.lib.stride_tricks.sliding_window_view(points, 2 * reach + 1, axis=0)
    return np.asarray(windows @ (kernel / kernel.sum()))


def without_head_motion(points: Array) -> Array:
    """Points [T, L, 2] with each frame taken onto their mean by a similarity: what is left is expression."""
    mean = points.mean(0)
    return np.stack([fit_similarity(frame, mean).apply(frame) for frame in points])


def calibration_error(confidence: Array, right: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error (Naeini et al. 2015): equal-width bins, weighted by their counts.

    Args:
        confidence: Any shape, 0 to 1.
        right: The same shape; whether the point was right.
        bins: Number of bins.

    Returns:
        0 to 1; 0 is perfect.
    """
    number = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1).ravel()
    confidence, hit = np.asarray(confidence).ravel(), np.asarray(right, np.float64).ravel()
    gaps = [abs(confidence[number == b].mean() - hit[number == b].mean()) * (number == b).mean() for b in set(number)]
    return float(sum(gaps))
