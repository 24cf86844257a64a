"""Frames as messages, and what is said of those that are none."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest

from red_align.client.wire.pictures import Pictures
from red_align.errors import InvalidRequest, TooLarge
from tests.support.media import carphone_frames, jpeg, png

RGB = carphone_frames()[0]
BGR = np.ascontiguousarray(RGB[:, :, ::-1])


def test_arrays_travel_as_raw_rgb_whatever_their_order_and_memory() -> None:
    for pictures, image in ((Pictures(), RGB), (Pictures(colour="bgr"), BGR), (Pictures(), BGR[:, :, ::-1])):
        message = pictures.message(image)
        assert (message.raw.width, message.raw.height) == (176, 144)
        assert message.raw.rgb == RGB.tobytes()


def test_arrays_travel_as_jpeg_where_asked_for() -> None:
    for pictures, image in ((Pictures(jpeg_quality=95), RGB), (Pictures(jpeg_quality=95, colour="bgr"), BGR)):
        data = np.frombuffer(pictures.message(image).encoded, np.uint8)
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
        assert decoded is not None
        assert np.abs(decoded.astype(int) - RGB).mean() < 4
        assert data.size < RGB.size / 4


def test_files_travel_as_they_are() -> None:
    for data in (jpeg(RGB), png(RGB)):
        assert Pictures().message(data).encoded == data
        assert Pictures().message(bytearray(data)).encoded == data


def test_times_are_given_or_those_of_a_rate_or_of_the_clock() -> None:
    now = iter([5.0, 5.25, 6.0])
    clock = Pictures(clock=lambda: next(now))
    assert [clock.message(RGB).time_s for _ in range(3)] == [0.0, 0.25, 1.0]
    rate = Pictures(frame_rate=25)
    assert [rate.message(RGB).time_s for _ in range(3)] == [0.0, 0.04, 0.08]
    assert Pictures(frame_rate=25).message((RGB, 7.5)).time_s == 7.5
    assert Pictures(max_age_ms=40).message((RGB, np.float64(2))).max_age_ms == 40


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (RGB.astype(np.float32) / 255, "float32, it must be uint8 of 0 to 255: .astype(numpy.uint8) (values of 0 to 1"),
        (RGB.astype(np.int64), "int64, it must be uint8"),
        (RGB[:, :, 0], "the shape [144, 176], it must be [H, W, 3]; grey becomes that with cv2.cvtColor"),
        (np.zeros((4, 4, 4), np.uint8), "the fourth channel goes with frame[:, :, :3]"),
        (RGB.transpose(2, 0, 1), "channels come last"),
        (RGB[None], "frames go one by one"),
        (RGB[:0], "the shape [0, 176, 3]"),
        (b"RIFF....", "neither a JPEG nor a PNG file"),
        ("clip.mp4", "a str, and not a NumPy array or the bytes of a JPEG or PNG; a whole file goes to Client.align"),
        (None, "did the camera give no picture?"),
        ((RGB, "now"), "a tuple, and not of a picture and its time"),
        ((True, RGB), "a tuple, and not of a picture and its time"),
    ],
)
def test_what_is_no_frame_is_refused_with_what_to_do(frame: object, says: str) -> None:
    pictures = Pictures()
    pictures.message(RGB)
    with pytest.raises(InvalidRequest, match=re.escape(says)) as refused:
        pictures.message(frame)
    assert refused.value.message.startswith("frame 1 ")


def test_a_frame_that_no_message_holds_is_refused_with_what_to_do() -> None:
    with pytest.raises(TooLarge, match=r"messages of up to 50000: send it smaller, or as JPEG"):
        Pictures(max_bytes=50_000).message(RGB)
    assert Pictures(max_bytes=50_000, jpeg_quality=90).message(RGB).encoded


@pytest.mark.parametrize("values", [{"colour": "hsv"}, {"jpeg_quality": 0}, {"frame_rate": 0.0}, {"max_age_ms": -1}])
def test_choices_out_of_range_are_refused_by_name(values: dict[str, object]) -> None:
    (name,) = values
    with pytest.raises(InvalidRequest, match=f"{name} is "):
        Pictures(**values)  # type: ignore[arg-type]
