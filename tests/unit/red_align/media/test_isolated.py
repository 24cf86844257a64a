"""Decoding in a process of its own: the same frames, and what a crash, a hang or a greedy file leaves standing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from red_align.errors import (
    BadFrame,
    DecoderLost,
    InvalidRequest,
    NoVideoStream,
    RedAlignError,
    TooLarge,
    UnreadableMedia,
)
from red_align.media.decode_pool import DecodePool
from red_align.media.decode_process import DecodeProcess
from red_align.media.reader import DecodeLimits, open_media
from tests.support.media import carphone_frames, carphone_path, png, write_sound, write_video
from tests.support.rest import wait_until

LIMITS = DecodeLimits(threads=1)


@pytest.fixture
def pool() -> Iterator[DecodePool]:
    made = DecodePool(timeout_s=10.0)
    yield made
    made.close()
    assert not workers()


def workers() -> list[psutil.Process]:
    """Decoding processes of this one that are alive."""
    return [p for p in psutil.Process().children() if "red_align.media.decode_worker" in " ".join(p.cmdline())]


@pytest.mark.parametrize("stride", [1, 3])
def test_frames_are_those_of_the_reader_itself(pool: DecodePool, stride: int) -> None:
    ours, theirs = pool.open_media(carphone_path(), LIMITS, stride), open_media(carphone_path(), LIMITS)
    assert ours.info == theirs.info
    for one, other in zip(ours.frames(stride), theirs.frames(stride), strict=True):
        assert (one.index, one.time_s) == (other.index, other.time_s)
        assert one.image is not None
        np.testing.assert_array_equal(one.image, other.image)
    assert (ours.complete, ours.count, ours.warnings) == (True, 120, [])
    theirs.close()


def test_planes_are_those_of_the_reader_itself(pool: DecodePool) -> None:
    ours, theirs = pool.open_media(carphone_path(), LIMITS, planes=True), open_media(carphone_path(), LIMITS)
    for one, other in zip(ours.frames(planes=True), theirs.frames(planes=True), strict=True):
        assert one.planes is not None
        assert other.planes is not None
        for name in ("y", "u", "v"):
            np.testing.assert_array_equal(getattr(one.planes, name), getattr(other.planes, name))
    assert (ours.complete, ours.count) == (True, 120)
    theirs.close()
    rgb = pool.open_media(carphone_path(), LIMITS)
    with pytest.raises(InvalidRequest, match="planes"):
        next(rgb.frames(planes=True))
    rgb.close()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 17, 40])
def test_a_process_is_used_again_whatever_the_length(pool: DecodePool, tmp_path: Path, count: int) -> None:
    path = write_video(tmp_path / "a.mp4", list(carphone_frames()[:count]), rate=30)
    pids = set()
    for _ in range(3):
        reader = pool.open_media(path, LIMITS)
        assert len(list(reader.frames())) == count
        pids |= {p.pid for p in workers()}
        reader.close()
    assert len(pids) == 1


def test_a_frame_stays_while_two_more_are_taken(pool: DecodePool) -> None:
    wanted = carphone_frames()
    reader = pool.open_media(carphone_path(), LIMITS)
    kept = []
    for frame in reader.frames():
        kept.append(frame)
        for old in kept[-3:]:
            assert old.image is not None
            np.testing.assert_array_equal(old.image, wanted[old.index])
        if len(kept) == 60:
            break
    reader.close()


def test_errors_come_through_as_they_are(pool: DecodePool, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_bytes(b"no video at all")
    (tmp_path / "a.png").write_bytes(png(carphone_frames()[0]))
    with pytest.raises(UnreadableMedia):
        pool.open_media(tmp_path / "text.mp4", LIMITS)
    with pytest.raises(TooLarge) as refused:
        pool.open_media(carphone_path(), DecodeLimits(max_frame_pixels=1000))
    assert refused.value.metadata == {"limit": "max_frame_pixels"}
    assert len(list(pool.open_media(tmp_path / "a.png", LIMITS).frames())) == 1
    with pytest.raises(NoVideoStream):
        pool.open_media(write_sound(tmp_path / "sound.m4a"), LIMITS)
    assert len(workers()) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_crash_in_mid_clip_is_reported_and_the_next_clip_decodes(
    pool: DecodePool, number: int, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "long.mp4", list(carphone_frames()) * 3, rate=30)
    reader = pool.open_media(path, LIMITS)
    seen = 0
    for _ in reader.frames():
        seen += 1
        if seen == 5:
            os.kill(workers()[0].pid, number)
    assert 5 <= seen < 360  # what was decoded ahead still came
    assert not reader.complete
    told = "was killed" if number == signal.SIGKILL else "crashed"
    assert reader.warnings == [f"the decoder {told}, after frame {seen - 1}"]
    again = pool.open_media(path, LIMITS)
    assert len(list(again.frames())) == 360


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_died_while_idle_is_replaced_and_the_file_opens(pool: DecodePool, number: int) -> None:
    for _ in range(2):
        pool.warm_up()
        (idle,) = workers()
        os.kill(idle.pid, number)
        wait_until(lambda: idle.status() == psutil.STATUS_ZOMBIE)  # noqa: B023 - called at once
        assert len(list(pool.open_media(carphone_path(), LIMITS).frames())) == 120
        assert [process.pid for process in workers()] != [idle.pid]


class Doomed(DecodePool):
    """Its first processes get a signal as soon as they have a request; ``made`` counts all of them."""

    doomed, number, made = 0, signal.SIGKILL, 0

    def _new(self) -> DecodeProcess:
        self.made += 1
        process = super()._new()
        if self.made <= self.doomed:
            inner = process.send

            def send(request: bytes) -> None:
                inner(request)
                (newest,) = [p for p in workers() if p.status() != psutil.STATUS_ZOMBIE]
                newest.send_signal(self.number)

            process.send = send  # type: ignore[method-assign]
        return process


@pytest.mark.parametrize("kind", ["clip", "frame", "index"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_what_a_process_died_of_is_tried_once_more_in_another(kind: str, number: signal.Signals) -> None:
    pool = Doomed(timeout_s=10.0)
    pool.doomed, pool.number = 1, number
    match kind:
        case "clip":
            assert len(list(pool.open_media(carphone_path(), LIMITS).frames())) == 120
        case "index":
            index = pool.index_clip(carphone_path(), LIMITS)
            assert index is not None
            assert index.frame_count == 120
        case _:
            with pool.begin_frame(png(carphone_frames()[0]), LIMITS) as frame:
                np.testing.assert_array_equal(frame.image(), carphone_frames()[0])
    assert pool.made == 2
    pool.close()
    assert not workers()


@pytest.mark.parametrize(
    ("number", "told"), [(signal.SIGKILL, DecoderLost), (signal.SIGSEGV, UnreadableMedia)], ids=["killed", "crashed"]
)
def test_two_deaths_are_the_files_fault_only_where_its_codec_crashed(
    number: signal.Signals, told: type[RedAlignError]
) -> None:
    pool = Doomed(timeout_s=10.0)
    pool.doomed, pool.number = 2, number
    with pytest.raises(told) as refused:
        pool.open_media(carphone_path(), LIMITS)
    assert isinstance(refused.value, InvalidRequest) == (number == signal.SIGSEGV)
    pool.made = 0
    with pool.begin_frame(png(carphone_frames()[0]), LIMITS) as frame, pytest.raises(RedAlignError) as missed:
        frame.image()
    assert isinstance(missed.value, BadFrame) == (number == signal.SIGSEGV)
    assert pool.made == 2
    assert len(list(pool.open_media(carphone_path(), LIMITS).frames())) == 120
    pool.close()


def test_a_decoder_that_hangs_is_given_up(tmp_path: Path) -> None:
    pool = DecodePool(timeout_s=2.5)
    path = write_video(tmp_path / "long.mp4", list(carphone_frames()) * 3, rate=30)
    reader = pool.open_media(path, LIMITS)
    frames = reader.frames()
    next(frames)
    os.kill(workers()[0].pid, signal.SIGSTOP)
    seen = 1 + len(list(frames))
    assert seen < 360
    assert "did not answer within 2.5 s" in reader.warnings[0]
    assert not reader.complete
    assert not workers()
    pool.close()


def test_a_file_that_needs_too_much_memory_is_refused(tmp_path: Path) -> None:
    large = np.zeros((4000, 6000, 3), np.uint8)
    (tmp_path / "large.png").write_bytes(png(large))
    pool = DecodePool(memory_bytes=600 * 1024**2)
    with pytest.raises((TooLarge, UnreadableMedia)):
        list(pool.open_media(tmp_path / "large.png", LIMITS).frames())
    reader = pool.open_media(carphone_path(), LIMITS)
    assert len(list(reader.frames())) == 120
    pool.close()


def test_a_reader_that_is_closed_early_leaves_no_process(pool: DecodePool) -> None:
    reader = pool.open_media(carphone_path(), LIMITS)
    next(reader.frames())
    reader.close()
    reader.close()
    assert not workers()
    assert list(reader.frames()) == []


@pytest.mark.parametrize("limits", [DecodeLimits(max_frames=119), DecodeLimits(max_s=3.9)])
def test_a_clip_that_says_it_is_too_long_is_refused_at_once(pool: DecodePool, limits: DecodeLimits) -> None:
    with pytest.raises(TooLarge) as refused:
        pool.open_media(carphone_path(), limits)
    assert refused.value.metadata["limit"] in ("max_clip_frames", "max_clip_s")
    fits = DecodeLimits(max_frames=120, max_s=4.1)
    assert len(list(pool.open_media(carphone_path(), fits).frames())) == 120


def test_a_clip_that_hides_its_length_is_cut_at_the_limit_and_says_so(pool: DecodePool, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", list(carphone_frames()[:50]), rate=25)
    reader = pool.open_media(path, DecodeLimits(max_frames=20))
    assert len(list(reader.frames())) == 20
    assert not reader.complete
    assert "exceeds the limit of 20" in reader.warnings[0]
