"""Single frames decode in processes of their own too: the same pictures, and what a crash or a hang leaves standing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from red_align.errors import BadFrame, TooLarge
from red_align.media.decode_pool import KEPT_BYTES, DecodePool
from red_align.media.images import decode_frame
from red_align.media.reader import DecodeLimits
from tests.support.media import Image, astronaut, carphone_frames, carphone_path, jpeg, png
from tests.unit.red_align.media.test_isolated import workers

LIMITS = DecodeLimits(threads=1)


def decoded(pool: DecodePool, data: bytes, limits: DecodeLimits) -> Image:
    """The picture, copied out of the memory that its process writes again."""
    with pool.begin_frame(data, limits) as frame:
        return frame.image().copy()


@pytest.fixture
def pool() -> Iterator[DecodePool]:
    made = DecodePool(timeout_s=10.0, kept=2)
    yield made
    made.close()
    assert not workers()


@pytest.mark.parametrize("image", [carphone_frames()[0], astronaut(), np.zeros((1, 1, 3), np.uint8)])
def test_pictures_are_those_of_the_decoder_itself(pool: DecodePool, image: Image) -> None:
    for data in (jpeg(image), png(image)):
        np.testing.assert_array_equal(decoded(pool, data, LIMITS), decode_frame(data, LIMITS.check))


def test_a_picture_stays_until_it_is_released(pool: DecodePool) -> None:
    first, second = (pool.begin_frame(png(frame), LIMITS) for frame in carphone_frames()[:2])
    for frame, wanted in ((second, 1), (first, 0)):
        image = frame.image()
        np.testing.assert_array_equal(image, carphone_frames()[wanted])
        assert not image.flags.writeable
    for frame in (first, second):
        frame.release()
        frame.release()
    assert len(workers()) == 2


def test_no_more_frames_than_allowed_decode_ahead_and_they_hold_up_nobody(pool: DecodePool) -> None:
    data = png(carphone_frames()[0])
    ahead = [pool.begin_frame_ahead(data, LIMITS) for _ in range(3)]
    assert [frame is None for frame in ahead] == [False, False, True]
    assert decoded(pool, data, LIMITS).shape == (144, 176, 3)
    for frame in ahead[:2]:
        assert frame is not None
        frame.release()
    again = pool.begin_frame_ahead(data, LIMITS)
    assert again is not None
    np.testing.assert_array_equal(again.image(), carphone_frames()[0])
    again.release()


def test_frames_and_clips_use_the_same_processes_side_by_side(pool: DecodePool) -> None:
    frames = carphone_frames()

    def decode(number: int) -> bool:
        if number % 10 == 0:
            return len(list(pool.open_media(carphone_path(), LIMITS).frames())) == 120
        return bool((decoded(pool, png(frames[number]), LIMITS) == frames[number]).all())

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(decode, range(40)))
    assert 1 <= len(workers()) <= 2


def test_errors_come_through_as_they_are(pool: DecodePool) -> None:
    with pytest.raises(BadFrame, match="not an image"):
        decoded(pool, b"no picture", LIMITS)
    with pytest.raises(TooLarge) as refused:
        decoded(pool, jpeg(carphone_frames()[0]), DecodeLimits(max_frame_pixels=1000))
    assert refused.value.metadata == {"limit": "max_frame_pixels"}
    assert len(workers()) == 1


def test_a_process_that_died_while_idle_is_replaced_and_the_frame_decodes(pool: DecodePool) -> None:
    for number in (signal.SIGKILL, signal.SIGSEGV):
        pool.warm_up()
        for process in workers():
            process.send_signal(number)
        assert decoded(pool, jpeg(carphone_frames()[0]), LIMITS).shape == (144, 176, 3)


@pytest.mark.parametrize("size", [100, 5_000_000])
def test_a_decoder_that_hangs_is_given_up_whether_it_reads_or_not(size: int) -> None:
    """More bytes than fit between two processes would hold up who sends them."""
    pool = DecodePool(timeout_s=0.5)
    pool.warm_up()
    os.kill(workers()[0].pid, signal.SIGSTOP)
    with pytest.raises(BadFrame, match=r"did not answer within 0\.5 s"):
        decoded(pool, b"x" * size, LIMITS)
    assert not workers()
    pool.close()


def test_a_frame_that_needs_too_much_memory_is_refused() -> None:
    pool = DecodePool(memory_bytes=600 * 1024**2)
    with pytest.raises((TooLarge, BadFrame)):
        decoded(pool, png(np.zeros((6000, 8000, 3), np.uint8)), LIMITS)
    assert decoded(pool, png(carphone_frames()[0]), LIMITS).shape == (144, 176, 3)
    pool.close()


def test_a_process_that_shared_much_memory_is_not_kept(pool: DecodePool) -> None:
    large = png(np.zeros((5000, 5000, 3), np.uint8))
    assert decoded(pool, large, LIMITS).nbytes > KEPT_BYTES
    assert not workers()
