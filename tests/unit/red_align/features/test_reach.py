"""Features in the library: results, arrays, tables, and what they cost where none are asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest

import red_align
from red_align.errors import InvalidRequest
from red_align.features.values import COEFFICIENTS
from red_align.formats.names import format_of
from red_align.frames import FrameResult, VideoInfo
from red_align.media.serialization import COLUMNS, frame_from_values, frame_values
from red_align.schemes import IBUG68
from tests.support.media import carphone_frames, carphone_path, write_video

ALL = "pose,expression,crop"


@pytest.fixture(scope="module")
def results() -> list[FrameResult]:
    with red_align.track(carphone_path(), stride=12, features=ALL) as clip:
        return list(clip)


def test_without_features_nothing_of_them_is_loaded_and_faces_have_none(tmp_path: Path) -> None:
    code = (
        "import sys, red_align\n"
        f"clip = red_align.align({str(carphone_path())!r}, stride=40)\n"
        "print(clip.pose, clip.expression, clip.alignment, clip.crops)\n"
        "print(sorted(n for n in sys.modules if n.startswith('red_align.features.')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "None None None None",
        "['red_align.features.options', 'red_align.features.values']",
    ]


def test_points_are_the_same_with_features_as_without(results: list[FrameResult]) -> None:
    with red_align.track(carphone_path(), stride=12) as clip:
        plain = list(clip)
    for a, b in zip(results, plain, strict=True):
        assert np.array_equal(a.faces[0].landmarks.points, b.faces[0].landmarks.points)
        assert [b.faces[0].pose, b.faces[0].expression, b.faces[0].alignment] == [None] * 3


def test_every_face_has_what_was_asked_for(results: list[FrameResult]) -> None:
    for result in results:
        face = result.faces[0]
        assert face.pose is not None
        assert face.expression is not None
        assert face.alignment is not None
        assert tuple(face.expression.coefficients) == COEFFICIENTS
        assert face.alignment.crop.startswith(b"\xff\xd8")
    opened = [r.faces[0].expression.coefficients["jawOpen"] for r in results if r.faces[0].expression]
    assert max(opened) - min(opened) > 0.3, "he talks"


def test_json_has_them_and_they_come_back(results: list[FrameResult]) -> None:
    values = orjson.loads(orjson.dumps(frame_values(results[3])))
    face, back = results[3].faces[0], frame_from_values(values).faces[0]
    assert set(values["faces"][0]["pose"]) == {"yaw", "pitch", "roll", "translation", "focal_px"}
    assert face.pose is not None
    assert back.pose is not None
    assert face.expression is not None
    assert back.expression is not None
    assert face.alignment is not None
    assert back.alignment is not None
    assert back.pose.yaw == pytest.approx(face.pose.yaw, abs=0.006)
    assert back.pose.translation == pytest.approx(face.pose.translation, abs=0.06)
    assert back.expression.coefficients == face.expression.coefficients
    assert back.alignment.matrix == pytest.approx(face.alignment.matrix, abs=1e-6)
    assert back.alignment.crop == face.alignment.crop


def test_a_table_has_columns_of_them_and_zeros_where_there_is_no_face(results: list[FrameResult]) -> None:
    writer = format_of("csv").make(IBUG68, ("pose", "expression", "alignment"))
    names = writer.begin(VideoInfo(176, 144, 30.0)).decode().strip().split(",")
    more = [*COLUMNS["pose"], *COLUMNS["expression"], *COLUMNS["alignment"]]
    assert names[-len(more) - 1 :] == ["reacquired", *more]
    row = writer.frame(results[3]).decode().strip().split(",")
    none = writer.frame(FrameResult(0, 0.0)).decode().strip().split(",")
    assert len(row) == len(none) == len(names)
    assert float(row[names.index("pose_yaw")]) == pytest.approx(results[3].faces[0].pose.yaw, rel=1e-4)  # type: ignore[union-attr]
    with pytest.raises(InvalidRequest, match="no room for crops"):
        format_of("csv").make(IBUG68, ("crop",))


def test_arrays_and_pandas_have_them() -> None:
    clip = red_align.align(carphone_path(), max_faces=2, stride=30, features="pose,expression,crop")
    assert clip.pose is not None
    assert clip.expression is not None
    assert clip.alignment is not None
    assert clip.crops is not None
    assert clip.pose.shape == (4, 2, 6)
    assert clip.alignment.shape == (4, 2, 2, 3)
    assert set(clip.expression) == set(COLUMNS["expression"])
    assert np.isnan(clip.pose[:, 1]).all()
    assert np.isfinite(clip.pose[:, 0]).all()
    assert [bool(crop) for row in clip.crops for crop in row] == [True, False] * 4
    table = clip.to_pandas()
    assert table["pose_yaw"].to_numpy() == pytest.approx(clip.pose[:, 0, 0])
    assert table["jawOpen"].to_numpy() == pytest.approx(clip.expression["jawOpen"][:, 0])


@pytest.mark.parametrize("isolated", [False, True])
def test_looking_ahead_gives_every_frame_once_in_order_with_its_image(isolated: bool, tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", list(carphone_frames()[:12]))
    with red_align.track(path) as plain:
        images = [(r.index, plain.image.copy(), r.faces[0].landmarks.points) for r in plain]
    options = red_align.FeatureOptions(smooth="look_ahead")
    with red_align.track(path, features=options, isolated=isolated) as clip:
        for result, (index, image, points) in zip(clip, images, strict=True):
            assert result.index == index
            assert np.array_equal(clip.image, image)
            assert 0.0 < np.abs(result.faces[0].landmarks.points - points).max() < 2.0
        assert clip.end.complete
        assert clip.end.frame_count == 12


def test_fewer_points_are_those_of_the_68(results: list[FrameResult]) -> None:
    with red_align.track(carphone_path(), stride=12, features=red_align.FeatureOptions(points=51)) as clip:
        assert (clip.scheme.name, clip.scheme.num_points) == ("ibug51", 51)
        for a, b in zip(clip, results, strict=True):
            assert np.array_equal(a.faces[0].landmarks.points, b.faces[0].landmarks.points[17:])
            assert a.faces[0].box == b.faces[0].box


def test_a_clip_in_parts_has_the_features_of_one_part(tmp_path: Path) -> None:
    frames = [carphone_frames()[i % 120] for i in range(400)]
    path = write_video(tmp_path / "long.mp4", frames)
    parts = red_align.align(path, parallel=2, features="pose,alignment")
    one = red_align.align(path, features="pose,alignment")
    assert parts.pose is not None
    assert one.pose is not None
    assert parts.pose.shape == one.pose.shape == (400, 1, 6)
    assert np.nanmedian(np.abs(parts.pose - one.pose)[:, :, :3]) < 0.5


def test_a_live_tracker_takes_one_euro_and_refuses_to_look_ahead() -> None:
    with pytest.raises(InvalidRequest, match="no frames to look ahead"):
        red_align.Tracker(features=red_align.FeatureOptions(smooth="look_ahead"))
    with (
        red_align.Tracker() as plain,
        red_align.Tracker(features=red_align.FeatureOptions(("pose",), smooth="one_euro")) as smooth,
    ):
        for frame in carphone_frames()[:6]:
            a, b = plain.track(frame).faces[0], smooth.track(frame).faces[0]
        assert b.pose is not None
        assert 0.0 < np.abs(a.landmarks.points - b.landmarks.points).max() < 3.0
        state = smooth.state()
        with red_align.Tracker.from_state(state, features="expression") as again:
            assert again.track(carphone_frames()[6]).faces[0].expression is not None
