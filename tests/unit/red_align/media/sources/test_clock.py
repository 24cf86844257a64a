"""Times of a live source: its own, and growing whatever it sends."""

from __future__ import annotations

from fractions import Fraction

import pytest

from red_align.media.sources.clock import LiveClock


def times(stamps: list[int | None], arrivals: list[float] | None = None) -> list[float]:
    """Of frames with these stamps, in milliseconds, that arrived then, in seconds."""
    now = iter(arrivals or [0.04 * i for i in range(len(stamps))])
    clock = LiveClock(Fraction(1, 1000), 25.0, lambda: next(now))
    return [round(clock.time(stamp), 3) for stamp in stamps]


def test_times_are_the_sources_own_from_its_first_frame() -> None:
    assert times([5000, 5040, 5100, 5101]) == [0.0, 0.04, 0.1, 0.101]


def test_a_pause_of_the_source_is_a_pause() -> None:
    assert times([0, 40, 20_040], [0.0, 0.04, 20.04]) == [0.0, 0.04, 20.04]


@pytest.mark.parametrize("jump", [0, 40, 10, 9_000_000])
def test_a_clock_that_was_set_goes_on_one_step_later(jump: int) -> None:
    assert times([0, 40, jump, jump + 40]) == [0.0, 0.04, 0.08, 0.12]


def test_frames_without_a_time_follow_one_another() -> None:
    assert times([None, None, None]) == [0.0, 0.04, 0.08]
