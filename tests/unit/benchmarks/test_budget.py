"""From the milliseconds of runs to the parts of a frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from benchmarks.budget import LIVE, UPLOAD, budget, describe
from benchmarks.support.picture import draw

MS = {
    "decode file": 0.80,
    "read file": 1.00,
    "read file, own process": 1.15,
    "decode jpeg": 1.2,
    "decode jpeg, own process": 1.4,
    "first face": 0.10,
    "crop": 0.20,
    "step": 2.50,
    "engine": 2.60,
    "tracker": 3.40,
    f"serialise, {UPLOAD}": 0.02,
    f"serialise, {LIVE}": 0.03,
    UPLOAD: 5.50,
    LIVE: 6.00,
}


def test_a_part_is_the_difference_of_two_runs_and_the_rest_is_the_wire() -> None:
    parts = budget(UPLOAD, MS).parts
    expected = {
        "decode": 0.80,
        "reader": 0.20,
        "own process": 0.15,
        "detect, acquire": 0.10,
        "crop": 0.20,
        "queue": 0.10,
        "step": 2.50,
        "rules": 0.60,
        "serialise": 0.02,
        "threads, loop, wire": 0.83,
    }
    assert list(parts) == list(expected)
    assert parts == pytest.approx(expected)


@pytest.mark.parametrize("kind", [UPLOAD, LIVE])
def test_the_parts_add_up_to_the_whole(kind: str) -> None:
    found = budget(kind, MS)
    assert sum(found.parts.values()) == pytest.approx(found.whole) == pytest.approx(MS[kind])


def test_overhead_is_what_comes_on_top_of_decode_crop_and_step() -> None:
    share, over = budget(UPLOAD, MS).overhead()
    assert (share, over) == pytest.approx((2.0 / 3.5, 2.0))
    share, over = budget(UPLOAD, MS).overhead("reader")
    assert (share, over) == pytest.approx((1.8 / 3.7, 1.8))


def test_the_bars_need_both_share_and_milliseconds() -> None:
    assert "57 % (bar 15 %), 2.00 ms (bar 0.5): NOT met" in describe("upload", budget(UPLOAD, MS))
    told = describe("upload", budget(UPLOAD, MS | {"tracker": 2.8, UPLOAD: 3.95}))
    assert "13 % (bar 15 %), 0.45 ms (bar 0.5): met" in told


def test_the_picture_shows_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "budget.png"
    draw({kind: budget(kind, MS).parts for kind in (UPLOAD, LIVE)}, "640x480", path)
    image = cv2.imread(str(path))
    assert image is not None
    assert image.shape[1] > 800
    assert image.std() > 20
