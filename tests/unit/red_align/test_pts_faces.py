"""Reading annotations and data sets: what is read, and that what is refused is named by its path."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from red_align.datasets.labelled_faces import read_faces
from red_align.datasets.pts import BadAnnotation, read_pts, write_pts
from red_align.schemes import IBUG68

POINTS = IBUG68.mean_shape


def picture(value: int = 90, width: int = 160, height: int = 140) -> NDArray[np.uint8]:
    """A BGR picture with a red patch, so that colour order and content can be reported."""
    image = np.full((height, width, 3), value, np.uint8)
    image[10:40, 20:60] = (0, 0, 250)
    return image


def labelled(folder: Path, name: str, points: NDArray[np.float64] = POINTS, value: int = 90) -> Path:
    """Write a picture with its points and give the picture's path."""
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / name), picture(value))
    write_pts((folder / name).with_suffix(".pts"), points)
    return folder / name


def broken(text: str, old: str, new: str) -> str:
    """The text with its first occurrence of ``old`` replaced; it must be there."""
    assert old in text
    return text.replace(old, new, 1)


def test_points_survive_writing_and_reading(tmp_path: Path) -> None:
    write_pts(tmp_path / "a.pts", POINTS)
    np.testing.assert_allclose(read_pts(tmp_path / "a.pts"), POINTS, atol=5e-4)


def test_a_file_counts_from_one_and_we_from_zero(tmp_path: Path) -> None:
    path = tmp_path / "a.pts"
    path.write_text("version: 1\nn_points:  2\n{\n1.000 1.000\n\n  10.5\t21\n}\n")
    np.testing.assert_array_equal(read_pts(path, 2), [[0.0, 0.0], [9.5, 20.0]])
    write_pts(path, np.array([[0.0, 4.25], [9.5, 20.0]]))
    assert path.read_text().split("{")[1].split() == ["1.000", "5.250", "10.500", "21.000", "}"]
    assert "n_points: 2" in path.read_text()


def test_line_ends_of_other_systems_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pts"
    path.write_bytes(b"version: 1\r\nn_points: 2\r\n{\r\n1 2\r\n3 4\r\n}\r\n")
    np.testing.assert_array_equal(read_pts(path, 2), [[0.0, 1.0], [2.0, 3.0]])


@pytest.mark.parametrize(
    "content",
    [
        "",
        "version: 1\nn_points: 2\n1 2\n3 4\n",
        "}\n1 2\n3 4\n{",
        "{\n}",
        "{\n1 2\n}",
        "{\n1 2\n3 4\n5 6\n}",
        "{\n1 2 3\n4 5 6\n}",
        "{\n1 2\n3\n}",
        "{\n1 2\n3 x4\n}",
        "{\n1 2\n3 nan\n}",
        "{\n1 2\ninf 4\n}",
        "\x89PNG\udcff",
    ],
)
def test_a_damaged_file_is_refused_by_its_path(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.pts"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadAnnotation) as caught:
        read_pts(path, 2)
    assert str(caught.value).startswith(f"{path}: ")


def test_pictures_with_points_are_read_in_rgb_sorted_by_path(tmp_path: Path) -> None:
    second, first = labelled(tmp_path / "b", "x.png"), labelled(tmp_path / "a" / "deep", "y.PNG")
    cv2.imwrite(str(tmp_path / "unlabelled.png"), picture())
    faces = read_faces(tmp_path)
    assert [f.path for f in faces] == [first, second]
    assert {f.person for f in faces} == {None}
    np.testing.assert_array_equal(faces[0].image, picture()[:, :, ::-1])
    np.testing.assert_allclose(faces[0].points, POINTS, atol=5e-4)


@pytest.mark.parametrize("kind", ["points", "image", "outside", "tiny"])
def test_a_bad_face_is_left_out_and_named_and_refused_when_strict(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    good, bad = labelled(tmp_path, "good.png"), labelled(tmp_path, "bad.png")
    named = bad
    if kind == "points":
        named = bad.with_suffix(".pts")
        named.write_text(broken(named.read_text(), "}", ""))
    elif kind == "image":
        bad.write_bytes(b"not a picture")
    elif kind == "outside":
        write_pts(bad.with_suffix(".pts"), POINTS + (200.0, 0.0))
    else:
        write_pts(bad.with_suffix(".pts"), POINTS * 0.01 + 60.0)
    assert [f.path for f in read_faces(tmp_path)] == [good]
    assert [r.getMessage() for r in caplog.records if str(named) in r.getMessage()]
    with pytest.raises(BadAnnotation) as caught:
        read_faces(tmp_path, strict=True)
    assert str(caught.value).startswith(f"{named}: ")


def test_a_face_partly_outside_its_image_is_learned(tmp_path: Path) -> None:
    labelled(tmp_path, "cut.png", POINTS - (50.0, 0.0))
    assert len(read_faces(tmp_path, strict=True)) == 1


def test_the_first_folder_below_the_root_names_the_person(tmp_path: Path) -> None:
    for name in ("Ann/0/a0.jpg", "Ann/1/a1.jpg", "Bob/0/b0.jpg"):
        labelled((tmp_path / name).parent, Path(name).name)
    assert [f.person for f in read_faces(tmp_path, with_person=True)] == ["Ann", "Ann", "Bob"]


def test_a_picture_that_lies_in_no_folder_is_of_nobody(tmp_path: Path) -> None:
    labelled(tmp_path, "a.png")
    assert [f.person for f in read_faces(tmp_path, with_person=True)] == [None]


def test_limit_counts_good_faces_alone(tmp_path: Path) -> None:
    labelled(tmp_path, "0.png").write_bytes(b"")
    wanted = [labelled(tmp_path, f"{i}.png") for i in range(1, 5)][:2]
    assert [f.path for f in read_faces(tmp_path, limit=2)] == wanted
    assert read_faces(tmp_path, limit=0) == []


def test_a_root_that_is_no_folder_is_an_error_not_an_empty_set(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_faces(tmp_path / "nowhere")


def write_300vw(folder: Path, frames: int, annotated: list[int]) -> None:
    """A clip as in 300-VW: frame n (from 1) has 8 n in blue and, where annotated, points shifted by n px."""
    (folder / "annot").mkdir(parents=True)
    writer = cv2.VideoWriter(str(folder / "vid.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (160, 140))
    assert writer.isOpened()
    for number in range(1, frames + 1):
        writer.write(np.full((140, 160, 3), (8 * number, 90, 200), np.uint8))
        if number in annotated:
            write_pts(folder / "annot" / f"{number:06d}.pts", POINTS + number)
    writer.release()


@pytest.mark.parametrize(("stride", "wanted"), [(1, [1, 2, 3, 5, 7, 9]), (2, [1, 3, 5, 7, 9]), (4, [1, 5, 9])])
def test_every_nth_annotated_frame_of_a_300vw_clip_is_read(tmp_path: Path, stride: int, wanted: list[int]) -> None:
    write_300vw(tmp_path / "007", 10, [1, 2, 3, 5, 7, 9])
    faces = read_faces(tmp_path, vw_stride=stride, with_person=True)
    assert [f.path.name for f in faces] == [f"{n:06d}.pts" for n in wanted]
    assert {f.person for f in faces} == {"007"}
    for number, face in zip(wanted, faces, strict=True):
        np.testing.assert_allclose(face.points, POINTS + number, atol=5e-4)
        np.testing.assert_allclose(face.image.mean((0, 1)), (200, 90, 8 * number), atol=4)


def test_a_clip_that_does_not_decode_is_named_and_refused_when_strict(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_300vw(tmp_path / "007", 2, [1, 2])
    video = tmp_path / "007" / "vid.avi"
    video.write_bytes(b"no video")
    assert read_faces(tmp_path) == []
    assert str(video) in caplog.text
    with pytest.raises(BadAnnotation, match="no frame decodes"):
        read_faces(tmp_path, strict=True)
