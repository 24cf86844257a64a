"""Joining two chunks by the frames that both processed."""

from __future__ import annotations

import numpy as np

from red_align.clip.joints import TrackNames, join
from red_align.frames import Face, FrameResult, Landmarks
from red_align.geometry import FaceBox
from red_align.schemes import IBUG68


def face(track_id: int, x: float, off: float = 0.0) -> Face:
    points = IBUG68.mean_shape + (x + off, 20.0)
    return Face(track_id, FaceBox.around(points), 0.9, Landmarks(points, np.full(68, 0.9, np.float32)))


def frames(*faces: list[Face], begin: int = 10) -> list[FrameResult]:
    return [FrameResult(begin + i, (begin + i) / 25, faces=tuple(f)) for i, f in enumerate(faces)]


def test_the_joint_is_where_points_differ_least() -> None:
    before = frames(*[[face(3, 0)] for _ in range(4)])
    after = frames([face(0, 0, 2.0)], [face(0, 0, 0.25)], [face(0, 0, 1.0)], [face(0, 0, 0.5)])
    joint = join(before, after)
    assert joint is not None
    assert (joint.last, joint.same) == (11, {0: 3})
    assert 0 < joint.difference < 0.01


def test_faces_are_matched_by_where_they_are() -> None:
    before = frames([face(1, 0), face(4, 300)])
    after = frames([face(0, 301), face(1, 1), face(2, 700)])
    joint = join(before, after)
    assert joint is not None
    assert joint.same == {0: 4, 1: 1}


def test_a_face_that_the_later_chunk_lacks_is_no_joint() -> None:
    assert join(frames([face(0, 0)]), frames([face(0, 300)])) is None
    assert join(frames([face(0, 0), face(1, 300)]), frames([face(0, 0)])) is None
    assert join(frames([face(0, 0)]), []) is None


def test_chunks_without_a_face_are_joined() -> None:
    joint = join(frames([], []), frames([], []))
    assert joint is not None
    assert (joint.last, dict(joint.same)) == (10, {}) or joint.last == 11


def test_ids_go_through_joints_and_new_ones_are_never_used_again() -> None:
    first = TrackNames()
    begun = first.renamed(frames([face(0, 0), face(2, 300)])[0])
    assert [f.track_id for f in begun.faces] == [0, 2], "the first chunk has the clip's ids"
    joint = join(frames([face(2, 300)]), frames([face(0, 300)]))
    assert joint is not None
    second = first.through(joint)
    later = second.renamed(frames([face(1, 700), face(0, 300)])[0])
    assert [f.track_id for f in later.faces] == [2, 3]
    joint = join(frames([face(1, 700)]), frames([face(5, 700)]))
    assert joint is not None
    third = second.through(joint)
    assert [f.track_id for f in third.renamed(frames([face(5, 700), face(6, 0)])[0]).faces] == [3, 4]
