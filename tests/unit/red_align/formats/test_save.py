"""``save``: a clip to a file, in the form that its name says."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest

import red_align
from red_align.datasets.pts import read_pts
from red_align.errors import InvalidRequest, UnreadableMedia
from tests.support.media import carphone_frames, write_video


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clips") / "short.mp4", list(carphone_frames()[:6]))


def test_frames_and_arrays_are_saved_alike(short: Path, tmp_path: Path) -> None:
    wanted = ("pose", "expression", "alignment", "crop")
    assert red_align.save(red_align.track(short, features=wanted), tmp_path / "a.json").complete
    red_align.save(red_align.align(short, features=wanted), tmp_path / "b.json")
    one, other = (json.loads((tmp_path / name).read_text()) for name in ("a.json", "b.json"))
    for frame in (*one["frames"], *other["frames"]):
        del frame["faces"][0]["pose"]["focal_px"]  # Arrays do not keep it.
    assert one == other


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".vtt", ".ndjson", ".srt"])
def test_each_suffix_writes_its_format(short: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    red_align.save(red_align.align(short), out)
    if suffix == ".csv":
        assert pd.read_csv(out)["frame"].tolist() == [1, 2, 3, 4, 5, 6]
    elif suffix == ".parquet":
        assert pd.read_parquet(out)["frame"].tolist() == [1, 2, 3, 4, 5, 6]
    else:
        assert out.is_file()
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_points_go_to_a_zip_or_to_a_folder(short: Path, tmp_path: Path) -> None:
    clip = red_align.align(short)
    red_align.save(clip, tmp_path / "out.zip")
    red_align.save(clip, tmp_path / "folder", "pts")
    with zipfile.ZipFile(tmp_path / "out.zip") as file:
        names = sorted(file.namelist())
        assert names == [f"annot/{i + 1:06d}.pts" for i in range(6)]
        for name in names:
            assert file.read(name) == (tmp_path / "folder" / name).read_bytes()
    points = read_pts(tmp_path / "folder" / "annot" / "000003.pts")
    assert np.abs(points - clip.points[2, 0]).max() < 0.001


def test_an_overlay_is_the_clip_with_lines_on_it(short: Path, tmp_path: Path) -> None:
    red_align.save(red_align.track(short), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        drawn = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(drawn) == 6
    plain = cv2.resize(carphone_frames()[0], None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    assert (cv2.absdiff(plain, drawn[0]).max(axis=2) > 90).sum() > 100


def test_what_cannot_be_saved_is_said_before_any_work(short: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"save what red_align\.track gives"):
        red_align.save(red_align.align(short), tmp_path / "out.mp4")
    with pytest.raises(InvalidRequest, match="does not say in which format"):
        red_align.save(red_align.track(short), tmp_path / "out.doc")
    with pytest.raises(InvalidRequest, match="is a folder, and cannot be written as a file"):
        red_align.save(red_align.track(short), tmp_path, "json")
    with pytest.raises(InvalidRequest, match="there is no folder"):
        red_align.save(red_align.track(short), tmp_path / "none" / "out.json")
    with pytest.raises(InvalidRequest, match="there is no format 'cvs'; did you mean 'csv'"):
        red_align.save(red_align.track(short), tmp_path / "out.json", "cvs")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_what_was_there(short: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    out.write_text("before")
    clip = red_align.track(short)

    def broken() -> None:
        raise UnreadableMedia("made up")

    clip._tracked = broken  # type: ignore[method-assign]
    with pytest.raises(UnreadableMedia):
        red_align.save(clip, out)
    assert out.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
