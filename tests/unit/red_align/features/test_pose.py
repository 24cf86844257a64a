"""Head pose: signs, frames and sizes by projection, and a rendered head that is turned by known angles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from red_align import Pose, Tracker
from red_align.features.pose import FIRST, head_pose, head_shape, project
from red_align.geometry import angles_of, rotation_of
from tests.support.heads import SIDE, Head
from tests.support.media import astronaut

WIDTH, HEIGHT = 640, 480


def seen(pose: Pose) -> NDArray[np.float64]:
    points = np.zeros((68, 2))
    points[FIRST:] = project(head_shape(), pose, WIDTH, HEIGHT)
    return points


def test_a_projected_head_gives_the_angles_and_the_place_it_was_projected_with() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        yaw, pitch, roll = rng.uniform((-60, -35, -80), (60, 35, 80)).tolist()
        place, focal = rng.uniform((-150, -100, 300), (150, 100, 1500)), float(rng.uniform(400, 1200))
        found = head_pose(seen(Pose(yaw, pitch, roll, place, focal)), WIDTH, HEIGHT, focal)
        assert found is not None
        assert (found.yaw, found.pitch, found.roll) == pytest.approx((yaw, pitch, roll), abs=1e-4)
        assert found.translation == pytest.approx(place, abs=1e-3)
        assert angles_of(found.rotation) == pytest.approx((yaw, pitch, roll), abs=1e-4)


def test_the_focal_length_is_the_longer_side_where_none_is_given() -> None:
    found = head_pose(seen(Pose(0.0, 0.0, 0.0, np.array([0.0, 0.0, 640.0]), 640.0)), WIDTH, HEIGHT)
    assert found is not None
    assert found.focal_px == 640.0
    assert found.translation == pytest.approx([0.0, 0.0, 640.0], abs=0.01)


def test_signs_are_as_documented() -> None:
    forward = np.array([0.0, 0.0, -1.0])  # from the face, in the head's frame; the camera looks along +z
    left, up = rotation_of(20.0, 0.0, 0.0) @ forward, rotation_of(0.0, 20.0, 0.0) @ forward
    assert left[0] > 0.3, "yaw above 0: to the right of the picture"
    assert up[1] < -0.3, "pitch above 0: upwards, where y falls"
    top = rotation_of(0.0, 0.0, 20.0) @ np.array([0.0, -1.0, 0.0])
    assert top[0] > 0.3, "roll above 0: the top of the head moves clockwise, to the right"


def test_what_is_no_face_has_no_pose() -> None:
    assert head_pose(np.full((68, 2), 50.0), WIDTH, HEIGHT) is None
    assert head_pose(np.full((68, 2), np.nan), WIDTH, HEIGHT) is None


def test_a_rendered_head_that_the_network_finds_has_the_angles_it_was_turned_by() -> None:
    turns = [(20, 0, 0), (-20, 0, 0), (0, 15, 0), (0, -15, 0), (0, 0, 25), (-10, 10, -20)]
    head = Head(face_points(astronaut()))
    straight = head_pose(face_points(head.turned(0, 0, 0)), SIDE, SIDE)
    assert straight is not None
    errors = []
    for turn in turns:
        found = head_pose(face_points(head.turned(*turn)), SIDE, SIDE)
        assert found is not None
        wanted = angles_of(rotation_of(*turn) @ straight.rotation)
        errors.append(np.subtract((found.yaw, found.pitch, found.roll), wanted))
    assert np.abs(errors).mean() < 4.0
    assert np.abs(errors).max() < 10.0, "and no sign is wrong"


def face_points(image: NDArray[np.uint8]) -> NDArray[np.floating[Any]]:
    with Tracker() as tracker:
        return tracker.track(image).faces[0].landmarks.points
