"""Network steps of several faces side by side, so that they share a batch of the engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from red_align.contract import CROP_SIZE
from red_align.crop import Picture, crop_face
from red_align.engine.base import Array, Engine, StepRequest, StepResult
from red_align.errors import RedAlignError
from red_align.geometry import FaceRegion
from red_align.tracking.rules import differs_much
from red_align.tracking.track import Track

Image = NDArray[np.uint8]


def step(engine: Engine, pairs: Sequence[tuple[Track, Image]]) -> list[StepResult | RedAlignError]:
    """One step of each track from the crop of its region; see Engine.run for what it returns."""
    requests = []
    for track, crop in pairs:
        prior = track.region.to_frame(CROP_SIZE).inverse().apply(track.points).astype(np.float32)
        requests.append(StepRequest(crop, prior, track.memory, track.sequence, track.starts))
    return engine.run(requests)


def acquire(engine: Engine, crops: Sequence[Image], memories: Sequence[Array | None]) -> list[StepResult]:
    """The points of faces without a last frame.

    Args:
        engine: Who runs the network.
        crops: RGB uint8 [128, 128, 3], one a face.
        memories: float32 [S] of each face, None for a fresh one.

    Raises:
        RedAlignError: What the engine raised for any of them.
    """
    prior = engine.info.scheme.mean_shape.astype(np.float32)
    results = []
    for answer in engine.run([StepRequest(c, prior, m) for c, m in zip(crops, memories, strict=True)]):
        if isinstance(answer, RedAlignError):
            raise answer
        results.append(answer)
    return results


def find_faces(engine: Engine, image: Picture, regions: Sequence[FaceRegion]) -> list[Track]:
    """Acquire a face in each region; where its points ask for a rather different region, once more in that.

    Args:
        engine: Who runs the network.
        image: RGB uint8 [H, W, 3], or planes.
        regions: Where to look, in frame pixels.

    Returns:
        A track a region, without id and appearance; whether there is a face is for its score to say.
    """
    tracks = _found(engine, image, regions)
    again = [i for i, track in enumerate(tracks) if differs_much(regions[i], track.region)]
    for i, track in zip(again, _found(engine, image, [tracks[i].region for i in again]), strict=True):
        tracks[i] = track
    return tracks


def _found(engine: Engine, image: Picture, regions: Sequence[FaceRegion]) -> list[Track]:
    results = acquire(engine, [crop_face(image, region) for region in regions], [None] * len(regions))
    scheme = engine.info.scheme
    return [Track.found(result, region, scheme) for result, region in zip(results, regions, strict=True)]
