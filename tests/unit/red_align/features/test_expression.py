"""Expression from points, and blinks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from red_align import Pose
from red_align.features.blinks import LONGEST_S, Eyes, blinks
from red_align.features.expression import USUAL, Neutral, coefficients, frontal, measures
from red_align.features.pose import FIRST, head_shape, project
from red_align.features.values import COEFFICIENTS

UP, LOWER_LIP = -1.0, (55, 56, 57, 58, 59, 65, 66, 67)


def moved(points: tuple[int, ...], right: float = 0.0, down: float = 0.0) -> NDArray[np.float64]:
    """The standard head with some points moved, mm."""
    shape = head_shape().copy()
    shape[np.array(points) - FIRST] += (right, down, 0.0)
    return shape


def shares(shape: NDArray[np.float64], yaw: float = 0.0, pitch: float = 0.0) -> dict[str, float]:
    pose = Pose(yaw, pitch, 10.0, np.array([20.0, -30.0, 700.0]), 640.0)
    points = np.zeros((68, 2))
    points[FIRST:] = project(shape, pose, 640, 480)
    return coefficients(measures(frontal(points, pose, 640, 480)), neutral())


def neutral() -> NDArray[np.float64]:
    pose = Pose(0.0, 0.0, 10.0, np.array([20.0, -30.0, 700.0]), 640.0)
    points = np.zeros((68, 2))
    points[FIRST:] = project(moved(LOWER_LIP, down=UP * 4.0), pose, 640, 480)
    return measures(frontal(points, pose, 640, 480))


@pytest.mark.parametrize(
    ("points", "right", "down", "names"),
    [
        ((43, 44), 0.0, 4.0, ("eyeBlinkLeft",)),
        ((37, 38), 0.0, 4.0, ("eyeBlinkRight",)),
        ((43, 44), 0.0, -3.0, ("eyeWideLeft",)),
        ((21, 22), 0.0, -8.0, ("browInnerUp",)),
        ((22, 23, 24), 0.0, 6.0, ("browDownLeft",)),
        ((17, 18, 19), 0.0, -8.0, ("browOuterUpRight",)),
        ((54,), 2.0, -7.0, ("mouthSmileLeft",)),
        ((48,), -2.0, -7.0, ("mouthSmileRight",)),
        ((54,), 0.0, 8.0, ("mouthFrownLeft",)),
        (LOWER_LIP, 0.0, 20.0, ("jawOpen",)),
    ],
)
def test_points_that_move_give_the_coefficient_of_their_name_on_their_side(
    points: tuple[int, ...], right: float, down: float, names: tuple[str, ...]
) -> None:
    rest, found = shares(head_shape()), shares(moved(points, right, down))
    grown = {name: found[name] - rest[name] for name in COEFFICIENTS}
    assert max(grown, key=grown.__getitem__) in names
    assert grown[names[0]] > 0.3
    sides = [name for name in COEFFICIENTS if name.removesuffix("Left").removesuffix("Right") in names[0]]
    others = [name for name in sides if name not in names]
    assert all(grown[name] < 0.5 * grown[names[0]] for name in others)


def test_a_turned_head_hardly_changes_its_expression() -> None:
    smiling = moved((48, 54), 0.0, -6.0)
    straight = shares(smiling)
    for yaw, pitch in ((25.0, 0.0), (-25.0, 0.0), (0.0, 15.0), (15.0, -15.0)):
        turned = shares(smiling, yaw, pitch)
        assert {name: turned[name] for name in COEFFICIENTS} == pytest.approx(straight, abs=0.12)


def test_all_coefficients_are_from_0_to_1_whatever_the_points() -> None:
    rng = np.random.default_rng(1)
    for _ in range(30):
        found = shares(head_shape() + rng.normal(0.0, 8.0, head_shape().shape))
        assert tuple(found) == COEFFICIENTS
        assert all(0.0 <= value <= 1.0 for value in found.values())


def test_the_neutral_face_follows_the_person_and_stays_in_bounds() -> None:
    rest = Neutral()
    person = USUAL + 0.02
    for _ in range(1500):
        values = rest.update(person, 0.04)
    assert values[2:11] == pytest.approx(person[2:11], abs=0.005)
    for _ in range(5000):
        values = rest.update(USUAL + 1.0, 0.04)
    assert (values <= USUAL + 0.13).all(), "a grimace that lasts does not become neutral"


def test_a_blink_shuts_the_neutral_eye_no_further() -> None:
    rest = Neutral()
    shut = USUAL.copy()
    shut[:2] *= 0.75
    for frame in range(250):
        values = rest.update(shut if frame % 50 < 4 else USUAL, 0.04)
    assert values[:2] == pytest.approx(USUAL[:2], abs=0.01)


def test_a_blink_has_a_beginning_and_an_end_and_trembling_is_none() -> None:
    closure = [0.0, 0.1, 0.7, 0.9, 0.55, 0.5, 0.2, 0.0, 0.58, 0.3, 0.0]
    times = [i / 25 for i in range(len(closure))]
    found = blinks(closure, closure, times)
    assert [(blink.start_s, blink.end_s, blink.closure) for blink in found] == [(2 / 25, 6 / 25, 0.9)]


def test_eyes_that_stay_shut_are_shut_but_no_blink() -> None:
    eyes, frames = Eyes(), round(LONGEST_S * 25) + 5
    for frame in range(frames):
        assert eyes.update(0.9, 0.2, frame / 25) is None
        assert (eyes.left, eyes.right) == (True, False)
    assert eyes.update(0.0, 0.0, frames / 25) is None
    assert eyes.count == 0
