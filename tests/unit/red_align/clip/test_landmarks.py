"""A whole clip as arrays, and as a table."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from red_align.clip.landmarks import ClipLandmarks, Columns, align
from red_align.clip.tracking import track
from red_align.formats.openface import CsvWriter
from red_align.frames import Face, FrameResult, FrameStatus, Landmarks, StreamEnd, VideoInfo
from red_align.geometry import FaceBox
from red_align.schemes import IBUG68
from tests.support.media import astronaut, carphone_frames, carphone_path, png, write_video

MEAN = IBUG68.mean_shape
BOX = FaceBox.around(MEAN)


def face(track_id: int) -> Face:
    """A face whose points say which track it is of."""
    points = MEAN + 1000.0 * track_id
    return Face(track_id, FaceBox.around(points), 0.5, Landmarks(points, np.full(68, 0.5, np.float32)))


def collected(*ids: tuple[int, ...] | None, max_faces: int = 2) -> ClipLandmarks:
    """Frames with these tracks; None is a frame that could not be processed."""
    columns = Columns(max_faces, 68)
    for index, tracks in enumerate(ids):
        status = FrameStatus.ERROR if tracks is None else FrameStatus.OK
        columns.add(FrameResult(index, index / 25, status, tuple(face(t) for t in tracks or ())))
    return columns.landmarks(VideoInfo(640, 480, 25.0), StreamEnd(True, len(ids)))


def test_the_arrays_are_what_the_frames_say() -> None:
    clip = align(carphone_path(), max_faces=2, stride=20)
    results = list(track(carphone_path(), max_faces=2, stride=20))
    assert clip.points.shape == (6, 2, 68, 2)
    arrays = (clip.points, clip.boxes, clip.scores, clip.confidence, clip.track_ids, clip.index)
    assert [str(array.dtype) for array in arrays] == ["float64"] * 3 + ["float32"] + ["int64"] * 2
    assert (clip.confidence.shape, clip.boxes.shape, clip.scores.shape) == ((6, 2, 68), (6, 2, 4), (6, 2))
    assert clip.index.tolist() == [0, 20, 40, 60, 80, 100]
    assert clip.times.tolist() == [result.time_s for result in results]
    assert clip.status.tolist() == ["ok"] * 6
    assert (clip.video.width, clip.complete, clip.warnings) == (176, True, ())
    for row, result in enumerate(results):
        found = result.faces[0]
        assert np.array_equal(clip.points[row, 0], found.landmarks.points)
        assert np.array_equal(clip.confidence[row, 0], found.landmarks.confidence)
        assert clip.boxes[row, 0].tolist() == [found.box.x, found.box.y, found.box.w, found.box.h]
        assert clip.scores[row, 0] == found.score
        assert clip.track_ids[row].tolist() == [found.track_id, -1]
    assert np.isnan(clip.points[:, 1]).all()
    assert np.isnan(clip.scores[:, 1]).all()
    assert np.isnan(clip.boxes[:, 1]).all()
    assert np.isnan(clip.confidence[:, 1]).all()


def test_a_track_keeps_its_column_and_a_new_one_takes_the_first_that_is_free() -> None:
    clip = collected((0, 1), (1,), (1, 2), (2,), (3, 2), ())
    assert clip.track_ids.tolist() == [[0, 1], [-1, 1], [2, 1], [2, -1], [2, 3], [-1, -1]]
    assert np.array_equal(clip.points[clip.track_ids == 2], np.stack([MEAN + 2000.0] * 3))
    assert np.isnan(clip.points[clip.track_ids == -1]).all()


def test_a_cut_to_another_face_goes_on_in_the_same_column() -> None:
    assert collected((0,), (0,), (1,), max_faces=1).track_ids.tolist() == [[0], [0], [1]]


def test_a_frame_that_could_not_be_processed_frees_no_column() -> None:
    clip = collected((0, 1), (1,), None, (1, 2))
    assert clip.track_ids.tolist() == [[0, 1], [-1, 1], [-1, -1], [2, 1]]
    assert clip.status.tolist() == ["ok", "ok", "error", "ok"]
    assert (clip.status == FrameStatus.ERROR).tolist() == [False, False, True, False]


def test_an_image_is_a_clip_of_one_frame(tmp_path: Path) -> None:
    (tmp_path / "face.png").write_bytes(png(astronaut()))
    clip = align(tmp_path / "face.png")
    assert clip.points.shape == (1, 1, 68, 2)
    assert clip.times.tolist() == [0.0]
    assert 200 < clip.points[0, 0, 30, 0] < 245, "her nose"
    assert 90 < clip.points[0, 0, 30, 1] < 140


def test_an_animated_image_is_a_clip(tmp_path: Path) -> None:
    frames = [Pillow.fromarray(image) for image in carphone_frames()[:4]]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], duration=50, lossless=True)
    clip = align(tmp_path / "a.webp")
    assert clip.points.shape == (4, 1, 68, 2)
    assert clip.times == pytest.approx([0, 0.05, 0.1, 0.15])
    assert (clip.track_ids == 0).all()


def test_a_clip_without_a_face_is_all_nan(tmp_path: Path) -> None:
    clip = align(write_video(tmp_path / "grey.mp4", [np.full((96, 96, 3), 128, np.uint8)] * 5))
    assert clip.points.shape == (5, 1, 68, 2)
    assert np.isnan(clip.points).all()
    assert clip.complete
    assert clip.to_pandas()["success"].tolist() == [0] * 5


def test_a_cut_clip_says_so(tmp_path: Path) -> None:
    data = write_video(tmp_path / "w.mp4", list(carphone_frames()), options={"movflags": "faststart"}).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    clip = align(tmp_path / "cut.mp4", stride=10)
    assert not clip.complete
    assert "broke off" in clip.warnings[-1]
    assert 0 < len(clip.times) < 12


def test_the_table_has_the_columns_and_values_of_the_csv_file() -> None:
    clip = collected((0, 1), (1,), (), (2, 1))
    table = clip.to_pandas()
    writer = CsvWriter(IBUG68)
    text = writer.begin(clip.video)
    for index, tracks in enumerate(((0, 1), (1,), (), (2, 1))):
        text += writer.frame(FrameResult(index, index / 25, faces=tuple(face(t) for t in tracks)))
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    assert list(table.columns) == list(rows[0])
    assert table["frame"].tolist() == [1, 1, 2, 3, 4, 4]
    assert table["face_id"].tolist() == [0, 1, 1, -1, 2, 1]
    assert table["success"].tolist() == [1, 1, 1, 0, 1, 1]
    assert table["frame"].tolist() == [int(row["frame"]) for row in rows]
    assert [str(dtype) for dtype in table.dtypes[:5]] == ["int64", "int64", "float64", "float64", "int64"]
    for i, row in enumerate(rows):
        if row["success"] == "0":
            assert table.loc[i].iloc[5:-1].isna().all()
            assert table.loc[i, "reacquired"] == 0
            continue
        for name in ("timestamp", "confidence", "x_0", "x_67", "y_0", "y_67"):
            assert table.loc[i, name] == pytest.approx(float(row[name]), abs=0.006)
