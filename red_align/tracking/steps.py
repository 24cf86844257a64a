"""Network steps of several faces side by side, so that they share a batch of the engine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from red_align.contract import CROP_SIZE
from red_align.crop import Picture, crop_face
from red_align.engine.base import Array, Engine, StepRequest, StepResult
from red_align.errors import RedAlignError
from red_align.geometry import FaceRegion
from red_align.tracking.options import TrackingOptions
from red_align.tracking.rules import SAME_ABOVE, appearance_descriptor, differs_much, likeness
from red_align.tracking.track import Track

Image = NDArray[np.uint8]
DOUBTFUL = 0.4
"""Score below which a found face may hang upside down: one in the tests has 0.25 as an upright one, 0.87 turned."""
WIDER = 1.5
"""Side of the region in which a face is looked for that the step has missed, over that of the last one."""


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

    A doubtful one is looked for upside down as well: detectors find some such faces, and take them for upright ones.

    Args:
        engine: Who runs the network.
        image: RGB uint8 [H, W, 3], or planes.
        regions: Where to look, in frame pixels.

    Returns:
        A track a region, without id and appearance; whether there is a face is for its score to say.
    """
    tracks = _settled(engine, image, regions)
    doubtful = [i for i, track in enumerate(tracks) if track.score < DOUBTFUL]
    over = [replace(regions[i], angle=regions[i].angle + math.pi) for i in doubtful]
    for i, track in zip(doubtful, _settled(engine, image, over), strict=True):
        if track.score > tracks[i].score:
            tracks[i] = track
    return tracks


def _settled(engine: Engine, image: Picture, regions: Sequence[FaceRegion]) -> list[Track]:
    tracks = _found(engine, image, regions)
    again = [i for i, track in enumerate(tracks) if differs_much(regions[i], track.region)]
    for i, track in zip(again, _found(engine, image, [tracks[i].region for i in again]), strict=True):
        tracks[i] = track
    return tracks


def recover(
    engine: Engine, image: Picture, moved: Sequence[tuple[Track, Image]], options: TrackingOptions
) -> set[Track]:
    """The tracks that are alive, those among them that seemed lost and were acquired once more in the same crop.

    A quick movement may have left the prior behind, so the second try is without it.

    Args:
        engine: Who runs the network.
        image: RGB uint8 [H, W, 3], or planes.
        moved: Tracks after a step, with the crops that it saw.
        options: Thresholds.

    Returns:
        The alive ones.
    """
    lost = [pair for pair in moved if pair[0].is_lost(image, options.track_lost_threshold)]
    alive = {track for track, _ in moved} - {track for track, _ in lost}
    again = acquire(engine, [crop for _, crop in lost], [track.memory for track, _ in lost])
    for (track, _), result in zip(lost, again, strict=True):
        track.update(result)
        if not track.is_lost(image, options.track_activation_threshold):
            track.starts = True
            alive.add(track)
    return alive


def find_again(
    engine: Engine, image: Picture, track: Track, regions: Sequence[FaceRegion], last: FaceRegion, threshold: float
) -> Track | None:
    """Look for a face that the step has missed, as a camera that turns quickly makes it.

    Args:
        engine: Who runs the network.
        image: RGB uint8 [H, W, 3], or planes.
        track: The face as it was in the last frame.
        regions: Where to look, in frame pixels.
        last: Region of the last frame; a wider one around it is looked at as well.
        threshold: Least score, 0 to 1.

    Returns:
        A track without id that looks like it; None where there is none.
    """
    found = find_faces(engine, image, [*regions, last.scaled(WIDER)])
    for candidate in sorted(found, key=lambda face: face.score, reverse=True):
        if candidate.is_lost(image, threshold):
            continue
        candidate.appearance = appearance_descriptor(image, candidate.region)
        if likeness(track.appearance, candidate.appearance) >= SAME_ABOVE:
            return candidate
    return None


def _found(engine: Engine, image: Picture, regions: Sequence[FaceRegion]) -> list[Track]:
    results = acquire(engine, [crop_face(image, region) for region in regions], [None] * len(regions))
    scheme = engine.info.scheme
    return [Track.found(result, region, scheme) for result, region in zip(results, regions, strict=True)]
