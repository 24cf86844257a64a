"""Where two chunks that share frames are joined, and which tracks go through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from red_align.frames import Face, FrameResult

SAME_FACE_IOU = 0.4
"""Two boxes of a frame that overlap more than this show the same face."""


@dataclass(frozen=True, slots=True)
class Joint:
    """How two chunks are joined.

    Attributes:
        last: Number of the last frame that the earlier chunk answers.
        same: Track ids of the earlier chunk by those of the later one.
        difference: Mean distance of the points there over the side of the face's box, the largest of all faces; 0
            without a face.
    """

    last: int
    same: Mapping[int, int]
    difference: float


def join(before: Sequence[FrameResult], after: Sequence[FrameResult]) -> Joint | None:
    """Join two chunks by the frames that both have processed.

    The joint is where their points differ least: in a still moment, where a viewer sees it least.

    Args:
        before: Results of the earlier chunk, to its last frame.
        after: Results of the later one.

    Returns:
        The joint; None where they share no frame, or the earlier chunk follows a face that the later one does not.
    """
    later = {result.index: result for result in after}
    shared = [(result, later[result.index]) for result in before if result.index in later]
    if not shared:
        return None
    same = _same_faces(*shared[-1])
    if same is None:
        return None
    best = Joint(shared[-1][0].index, same, _difference(*shared[-1], same) or 0.0)
    for one, other in shared:
        difference = _difference(one, other, same)
        if difference is not None and difference < best.difference:
            best = Joint(one.index, same, difference)
    return best


def _same_faces(before: FrameResult, after: FrameResult) -> dict[int, int] | None:
    """Track ids of the earlier chunk by those of the later one; None where the later one lacks a face."""
    pairs = [(one.box.iou(other.box), one.track_id, other.track_id) for one in before.faces for other in after.faces]
    same: dict[int, int] = {}
    for overlap, one, other in sorted(pairs, reverse=True):
        if overlap > SAME_FACE_IOU and other not in same and one not in same.values():
            same[other] = one
    return same if len(same) == len(before.faces) else None


def _difference(before: FrameResult, after: FrameResult, same: Mapping[int, int]) -> float | None:
    """See Joint; None where other faces are in the frame than those that go through."""
    others = {same.get(face.track_id): face for face in after.faces}
    if {face.track_id for face in before.faces} != set(others) or len(before.faces) != len(same):
        return None
    return max((_distance(face, others[face.track_id]) for face in before.faces), default=0.0)


def _distance(one: Face, other: Face) -> float:
    side = float(np.sqrt(max(one.box.area, 1.0)))
    return float(np.linalg.norm(one.landmarks.points - other.landmarks.points, axis=1).mean()) / side


class TrackNames:
    """The clip's track ids, by those of the chunk that is answered now.

    Args:
        same: Ids of tracks that go through the joint; None for the first chunk, whose ids are the clip's.
        next_id: The clip's next free id.
    """

    def __init__(self, same: Mapping[int, int] | None = None, next_id: int = 0) -> None:
        self._known, self._first, self.next_id = dict(same or {}), same is None, next_id

    def renamed(self, result: FrameResult) -> FrameResult:
        """A result with the clip's ids, faces in their order."""
        if self._first:
            self.next_id = max([self.next_id, *(face.track_id + 1 for face in result.faces)])
            return result
        faces = [replace(face, track_id=self._of(face.track_id)) for face in result.faces]
        return replace(result, faces=tuple(sorted(faces, key=lambda face: face.track_id)))

    def through(self, joint: Joint) -> TrackNames:
        """The ids in the chunk after a joint."""
        return TrackNames({new: self._of(old) for new, old in joint.same.items()}, self.next_id)

    def _of(self, track_id: int) -> int:
        if self._first:
            return track_id
        if track_id not in self._known:
            self._known[track_id], self.next_id = self.next_id, self.next_id + 1
        return self._known[track_id]
