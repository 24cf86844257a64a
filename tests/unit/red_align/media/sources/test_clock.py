"""Times of a live source: its own, and growing whatever it sends."""

from __future__ import annotations

from fractions import Fraction

import pytest

from red_align.media.sources.clock import Backlog, LiveClock


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


def left_out(decoding_s: float, packets: int = 400) -> list[int]:
    """Numbers of the packets that are left out: one each 40 ms, every 25th a key frame, decoded in that time."""
    now = 0.0
    backlog = Backlog(lambda: now)
    found = []
    for i in range(packets):
        backlog.ask()
        now = max(now, 0.04 * i)
        if backlog.skips(0.04 * i, key=i % 25 == 0):
            found.append(i)
        else:
            now += decoding_s
    return found


def test_no_packet_is_left_out_while_decoding_keeps_up() -> None:
    assert left_out(0.03) == []


def test_where_decoding_is_too_slow_packets_are_left_out_up_to_a_key_frame() -> None:
    found = left_out(0.06)
    assert 50 < len(found) < 300
    after = [i for i in range(1, 400) if i - 1 in found and i not in found]
    assert after
    assert all(i % 25 == 0 for i in after), "decoding begins again at key frames alone"


def test_a_clock_of_the_source_that_is_slow_leaves_out_nothing() -> None:
    now = 0.0
    backlog = Backlog(lambda: now)
    for i in range(6000):
        backlog.ask()
        now = 0.0404 * i  # It is a second behind after 2500 frames, and further later.
        assert not backlog.skips(0.04 * i, key=i % 25 == 0)
