"""Clips through the client are the clips of the library: the same values, errors and ends, from a real server."""

from __future__ import annotations

import asyncio
import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import red_align
from red_align.client.errors import ServerError
from red_align.client.remote import track_at
from red_align.features.options import FeatureOptions
from tests.support.media import astronaut, carphone_frames, carphone_path, png, write_sound, write_video
from tests.support.servers import RunningServer


@pytest.fixture
def client(server: RunningServer) -> Iterator[red_align.Client]:
    with red_align.Client(f"grpc://{server.grpc}") as client:
        yield client


APPROXIMATE = ("pose", "alignment", "expression")
"""Carried as float32, and made of float64."""


def check_same(theirs: red_align.ClipLandmarks, ours: red_align.ClipLandmarks) -> None:
    """Field by field; what the messages carry as float32 is compared as float32, bit for bit."""
    for field in dataclasses.fields(ours):
        a, b = getattr(theirs, field.name), getattr(ours, field.name)
        if field.name in APPROXIMATE:
            check_near(a, b)
        elif isinstance(b, np.ndarray):
            assert (a.shape, a.dtype) == (b.shape, b.dtype), field.name
            if field.name in ("points", "boxes", "scores"):
                a, b = a.astype(np.float32), b.astype(np.float32)
            equal = np.array_equal(a, b, equal_nan=True) if b.dtype.kind == "f" else np.array_equal(a, b)
            assert equal, field.name
        else:
            assert a == b, field.name


def check_near(theirs: object, ours: object) -> None:
    """Arrays, or arrays by name, as far as float32 carries them."""
    if isinstance(ours, dict):
        assert isinstance(theirs, dict)
        assert list(theirs) == list(ours)
        for name in ours:
            check_near(theirs[name], ours[name])
    elif isinstance(ours, np.ndarray):
        assert isinstance(theirs, np.ndarray)
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-4)
    else:
        assert theirs is ours is None


@pytest.mark.parametrize(
    "features", ["pose,expression", "alignment,crop", FeatureOptions(points=51, smooth="one_euro")]
)
def test_a_clip_has_the_features_that_are_asked_for(client: red_align.Client, features: str | FeatureOptions) -> None:
    ours = red_align.align(carphone_path(), stride=5, features=features)
    check_same(client.align(carphone_path(), stride=5, features=features), ours)


def test_a_live_stream_has_the_features_that_are_asked_for(client: red_align.Client) -> None:
    wanted = FeatureOptions(("pose", "expression"), points=5)
    with client.stream(carphone_frames()[:6], frame_rate=30, features=wanted) as stream:
        faces = [face for result in stream for face in result.faces]
    assert len(faces) == 6
    assert all(face.landmarks.points.shape == (5, 2) and face.pose and face.expression for face in faces)


def test_a_misspelt_feature_is_refused_before_anything_is_sent(client: red_align.Client) -> None:
    with pytest.raises(red_align.InvalidRequest, match="did you mean 'pose'"):
        client.align(carphone_path(), features="pise")


@pytest.mark.parametrize("choices", [{}, {"max_faces": 2, "stride": 3}])
def test_a_clip_has_the_values_of_the_library(client: red_align.Client, choices: dict[str, int]) -> None:
    ours = red_align.align(carphone_path(), **choices)  # type: ignore[arg-type]
    assert np.isfinite(ours.points[:, 0]).all()
    check_same(client.align(carphone_path(), **choices), ours)  # type: ignore[arg-type]


def test_paths_bytes_and_open_files_are_the_same_clip(client: red_align.Client) -> None:
    data = png(astronaut())
    wanted = client.align(data, max_faces=2)
    assert wanted.track_ids.tolist() == [[0, -1]]
    check_same(client.align(io.BytesIO(data), max_faces=2), wanted)
    check_same(client.align(bytearray(data), max_faces=2), wanted)


def test_a_clip_that_breaks_off_ends_as_in_the_library(client: red_align.Client, tmp_path: Path) -> None:
    path = write_video(tmp_path / "cut.mkv", list(carphone_frames()[:40]))
    path.write_bytes(path.read_bytes()[:-4000])
    ours = red_align.align(path)
    assert not ours.complete
    assert ours.warnings
    check_same(client.align(path), ours)


def test_results_come_frame_by_frame_with_the_frames_of_the_file(client: red_align.Client) -> None:
    with client.track(carphone_path(), stride=7) as theirs, red_align.track(carphone_path(), stride=7) as ours:
        assert isinstance(theirs, red_align.ClipTrack)
        assert (theirs.video, theirs.scheme) == (ours.video, ours.scheme)
        assert not theirs.end.complete
        for number, (a, b) in enumerate(zip(theirs, ours, strict=True)):
            assert (a.index, a.time_s, a.status) == (b.index, b.time_s, b.status)
            assert np.array_equal(a.faces[0].landmarks.points, b.faces[0].landmarks.points.astype(np.float32))
            if number % 5 == 0:
                assert np.array_equal(theirs.image, ours.image)
        assert theirs.end == ours.end
        assert number == 17


def test_images_are_those_of_a_path_alone(client: red_align.Client) -> None:
    with client.track(png(astronaut())) as clip:
        with pytest.raises(red_align.InvalidRequest, match="no frame was processed"):
            _ = clip.image
        next(clip)
        with pytest.raises(red_align.InvalidRequest, match="sent as a path"):
            _ = clip.image


def test_a_clip_can_be_left_in_the_middle_and_the_next_one_is_served(client: red_align.Client) -> None:
    with client.track(carphone_path()) as clip:
        next(clip)
    assert next(clip, None) is None
    assert not clip.end.complete
    assert client.align(png(astronaut())).complete


def test_segments_of_a_named_stream_go_on(client: red_align.Client) -> None:
    for wanted in range(5):
        with client.track(png(astronaut()), stream_id="segments") as clip:
            (result,) = clip
        assert (result.index, result.faces[0].track_id) == (wanted, 0)
    (result,) = client.track(png(astronaut()), resume_token=clip.end.resume_token)
    assert result.index == 5


def test_one_call_tracks_a_clip_at_an_address(server: RunningServer) -> None:
    with track_at(server.grpc, carphone_path(), stride=30) as clip:
        assert [result.index for result in clip] == [0, 30, 60, 90]
    assert clip.end.complete


def refused_clips(folder: Path) -> list[tuple[object, dict[str, int], type[Exception], str]]:
    (folder / "notes.txt").write_text("a text, whatever its name\n" * 9)
    return [
        (folder / "notes.txt", {}, red_align.UnreadableMedia, "."),
        (write_sound(folder / "sound.m4a"), {}, red_align.NoVideoStream, "the file holds no video, only audio"),
        (folder / "none.mp4", {}, FileNotFoundError, "none.mp4"),
        (carphone_path(), {"max_faces": 99}, red_align.InvalidRequest, "max_faces is 99, it must be 1 to 8"),
        (carphone_path(), {"max_faces": 0}, red_align.InvalidRequest, "max_faces is 0, it must be 1 or more"),
        (carphone_path(), {"stride": 0}, red_align.InvalidRequest, "stride is 0, it must be 1 or more"),
        (Torn(), {}, ConnectionError, "the source is gone"),
    ]


class Torn(io.RawIOBase):
    """A source that fails in the middle."""

    def __init__(self) -> None:
        self._left = 3

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size:
            self._left -= 1
        if self._left == 0:
            raise ConnectionError("the source is gone")
        return b"x" * size


def test_what_is_refused_has_the_class_and_the_words_of_the_library(client: red_align.Client, tmp_path: Path) -> None:
    for source, choices, cls, says in refused_clips(tmp_path):
        with pytest.raises(cls, match=says):
            client.align(source, **choices)  # type: ignore[arg-type]


async def test_for_an_event_loop_all_of_it_is_the_same(server: RunningServer, tmp_path: Path) -> None:
    async with red_align.AsyncClient(server.grpc) as client:
        assert (await client.info()).scheme == "ibug68"
        both = await asyncio.gather(client.align(carphone_path()), client.align(carphone_path(), stride=5))
        check_same(both[0], red_align.align(carphone_path()))
        check_same(both[1], red_align.align(carphone_path(), stride=5))
        async with await client.track(carphone_path(), stride=50) as clip:
            assert [result.index async for result in clip] == [0, 50, 100]
        assert clip.end.complete
        async with await client.track(carphone_path()) as left:
            assert (await anext(left)).index == 0
        assert [result async for result in left] == []
        for source, choices, cls, says in refused_clips(tmp_path):
            with pytest.raises(cls, match=says):
                await client.align(source, **choices)  # type: ignore[arg-type]


def test_a_server_says_what_it_is(client: red_align.Client) -> None:
    info = client.info()
    assert (info.version, info.num_points, info.points.name) == (red_align.__version__, 68, "ibug68")
    assert (info.engine, info.providers, info.max_faces) == ("embedded", ("cpu",), 8)


def test_words_that_a_client_does_not_know_are_kept() -> None:
    error = ServerError("a new thing", "DATA_LOSS", "NEW_THING", limit="x")
    assert (error.code, error.reason, error.metadata) == ("DATA_LOSS", "NEW_THING", {"limit": "x"})
