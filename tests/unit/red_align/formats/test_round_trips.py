"""What a format wrote is read again, by others' readers where there are some, with the same values."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from red_align.datasets.pts import read_pts
from red_align.errors import InvalidRequest
from red_align.features.pose import head_pose
from red_align.formats.names import FORMATS, format_of
from red_align.frames import FrameResult, StreamEnd
from red_align.geometry import openface_angles, rotation_of
from red_align.media.serialization import frame_from_values
from red_align.schemes import IBUG68
from tests.unit.red_align.formats.made import END, VIDEO, five_frames

OPENFACE = [
    *("frame", "face_id", "timestamp", "confidence", "success"),
    *("pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz"),
    *(f"x_{i}" for i in range(68)),
    *(f"y_{i}" for i in range(68)),
]
"""Columns of OpenFace's files for 2D points and pose, in its order."""


def written(name: str, frames: Sequence[FrameResult], end: StreamEnd = END, features: Sequence[str] = ()) -> bytes:
    writer = format_of(name).make(IBUG68, features)
    return b"".join([writer.begin(VIDEO), *map(writer.frame, frames), writer.finish(end)])


def same_faces(read: FrameResult, given: FrameResult) -> None:
    assert (read.index, read.time_s, read.status) == (given.index, given.time_s, given.status)
    assert [face.track_id for face in read.faces] == [face.track_id for face in given.faces]
    for one, other in zip(read.faces, given.faces, strict=True):
        assert np.abs(one.landmarks.points - other.landmarks.points).max() <= 0.0051
        assert np.abs(one.landmarks.confidence - other.landmarks.confidence).max() <= 0.00051
        assert one.score == pytest.approx(other.score, abs=0.00051)


def test_json_is_read_again_with_the_same_values() -> None:
    answer = json.loads(written("json", five_frames(), StreamEnd(False, 5, ("it breaks off",))))
    assert answer["scheme"] == "ibug68"
    assert (answer["complete"], answer["warnings"]) == (False, ["it breaks off"])
    for values, given in zip(answer["frames"], five_frames(), strict=True):
        same_faces(frame_from_values(values), given)


def test_ndjson_is_read_again_line_by_line() -> None:
    header, *frames, end = map(json.loads, written("ndjson", five_frames()).splitlines())
    assert (header["type"], header["video"]["width"]) == ("header", 640)
    assert [frame["type"] for frame in frames] == ["frame"] * 3 + ["error", "frame"]
    for values, given in zip(frames, five_frames(), strict=True):
        same_faces(frame_from_values(values), given)
    assert end == {"type": "end", "complete": True, "warnings": [], "frame_count": 5}


def test_csv_has_openface_s_columns_in_its_order_and_is_read_by_their_names() -> None:
    text = written("csv", five_frames()).decode()
    table = pd.read_csv(io.StringIO(text))
    assert list(table.columns) == [*OPENFACE, "reacquired"]
    assert table["frame"].tolist() == [1, 2, 2, 3, 4, 5]
    assert table["face_id"].tolist() == [0, 0, 3, 0, 0, 3]
    assert table["success"].tolist() == [1, 1, 1, 0, 0, 1]
    assert table["timestamp"].tolist() == [0.0, 0.04, 0.04, 0.08, 0.12, 0.16]
    rows = table[table["success"] == 1]
    faces = [face for result in five_frames() for face in result.faces]
    for (_, row), face in zip(rows.iterrows(), faces, strict=True):
        xy = row[[f"x_{i}" for i in range(68)]].to_numpy(), row[[f"y_{i}" for i in range(68)]].to_numpy()
        assert np.abs(np.stack(xy, axis=1).astype(np.float64) - face.landmarks.points).max() <= 0.0051
        assert row["confidence"] == pytest.approx(face.score, abs=0.00051)
    lost = table[table["success"] == 0]
    assert (lost[["confidence", "pose_Tz", "x_0", "y_67"]] == 0).all().all()


def test_the_pose_of_a_csv_is_in_openface_s_units_and_axes() -> None:
    (row, *_) = csv.DictReader(io.StringIO(written("csv", five_frames()).decode()))
    pose = head_pose(five_frames()[0].faces[0].landmarks.points, 640, 480)
    assert pose is not None
    assert [float(row[f"pose_T{a}"]) for a in "xyz"] == pytest.approx(pose.translation.tolist(), abs=0.06)
    assert float(row["pose_Tz"]) > 0, "in front of the camera"
    angles = [float(row[f"pose_R{a}"]) for a in "xyz"]
    assert angles == pytest.approx(openface_angles(pose.rotation), abs=0.00051)


@pytest.mark.parametrize(
    ("turn", "axis", "sign"),
    [((0, 20, 0), 0, -1), ((25, 0, 0), 1, -1), ((0, 0, 30), 2, 1)],
    ids=["looks up", "turns to the right of the picture", "rolls clockwise"],
)
def test_openface_s_angles_have_its_signs(turn: tuple[float, float, float], axis: int, sign: int) -> None:
    found = np.degrees(openface_angles(rotation_of(*turn)))
    assert found[axis] == pytest.approx(sign * max(turn))
    assert np.delete(found, axis) == pytest.approx([0, 0], abs=1e-9)


def test_openface_s_angles_make_the_rotation_again() -> None:
    rotation = rotation_of(31.0, -12.0, 17.0)
    x, y, z = openface_angles(rotation)
    sin, cos = np.sin, np.cos
    about_x = np.array([[1, 0, 0], [0, cos(x), -sin(x)], [0, sin(x), cos(x)]])
    about_y = np.array([[cos(y), 0, sin(y)], [0, 1, 0], [-sin(y), 0, cos(y)]])
    about_z = np.array([[cos(z), -sin(z), 0], [sin(z), cos(z), 0], [0, 0, 1]])
    assert about_x @ about_y @ about_z == pytest.approx(rotation)


def test_pts_files_are_300_vw_s_and_a_second_face_has_a_folder_of_its_own(tmp_path: Path) -> None:
    data = written("pts", five_frames())
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        assert file.namelist() == [
            *("annot/000001.pts", "annot/000002.pts", "annot_2/000002.pts"),
            "annot_2/000005.pts",
        ]
        file.extractall(tmp_path)
    for name, index, which in (("annot/000002", 1, 0), ("annot_2/000002", 1, 1), ("annot_2/000005", 4, 0)):
        points = read_pts(tmp_path / f"{name}.pts")
        assert np.abs(points - five_frames()[index].faces[which].landmarks.points).max() <= 0.00051


def test_parquet_holds_every_value_exactly_and_null_where_there_is_no_face() -> None:
    data = written("parquet", five_frames(), StreamEnd(False, 5, ("it breaks off",)))
    about = json.loads(pq.read_metadata(io.BytesIO(data)).metadata[b"red_align"])
    assert about["scheme"] == "ibug68"
    assert (about["video"]["height"], about["complete"], about["warnings"]) == (480, False, ["it breaks off"])
    table = pq.read_table(io.BytesIO(data)).to_pandas()
    assert set(OPENFACE) <= set(table.columns)
    assert table["status"].tolist() == ["ok", "ok", "ok", "ok", "error", "ok"]
    found = table[table["success"] == 1]
    for (_, row), face in zip(found.iterrows(), [f for r in five_frames() for f in r.faces], strict=True):
        assert [row[f"x_{i}"] for i in range(68)] == face.landmarks.points[:, 0].tolist()
        assert [row[f"y_{i}"] for i in range(68)] == face.landmarks.points[:, 1].tolist()
        assert [row[f"confidence_{i}"] for i in range(68)] == face.landmarks.confidence.tolist()
        assert (row["confidence"], row["box_w"], row["face_id"]) == (face.score, face.box.w, face.track_id)
    assert table[table["success"] == 0][["face_id", "x_0", "pose_Tx"]].isna().all().all()


def test_parquet_is_written_in_groups_while_frames_come() -> None:
    writer = format_of("parquet").make(IBUG68)
    pieces = [writer.begin(VIDEO)]
    pieces += [writer.frame(FrameResult(i, i / 25, faces=five_frames()[0].faces)) for i in range(2100)]
    assert sum(map(len, pieces)) > 10_000, "not all waits for the end"
    pieces.append(writer.finish(END))
    file = pq.ParquetFile(io.BytesIO(b"".join(pieces)))
    assert file.metadata.num_row_groups == 3
    assert file.read(["frame"])["frame"].to_pylist() == list(range(1, 2101))


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_a_table_has_no_room_for_crops(name: str) -> None:
    with pytest.raises(InvalidRequest, match="no room for crops"):
        format_of(name).make(IBUG68, ("alignment", "crop"))


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.writer])
def test_a_clip_without_a_face_is_written_too(name: str) -> None:
    data = written(name, [FrameResult(0, 0.0), FrameResult(1, 0.04)], StreamEnd(True, 2))
    if name == "srt":
        assert data == b""
    else:
        assert data
