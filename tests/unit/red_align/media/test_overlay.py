"""Pictures and videos with the landmarks drawn on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from red_align.clip.tracking import track
from red_align.errors import InvalidRequest, UnreadableMedia
from red_align.frames import Face, FrameResult, Landmarks, VideoInfo
from red_align.geometry import FaceBox
from red_align.media.overlay import OverlayWriter, draw, write_overlay
from red_align.schemes import IBUG68
from tests.support.media import Image, carphone_frames, write_video

GREY = np.full((120, 160, 3), 100, np.uint8)
INFO = VideoInfo(160, 120, 25.0)


def result_with(points: list[tuple[float, float]], confidence: list[float], index: int = 0) -> FrameResult:
    box = FaceBox(30.0, 20.0, 100.0, 80.0)
    face = Face(7, box, 0.9, Landmarks(np.array(points), np.array(confidence)))
    return FrameResult(index, index / 25, faces=(face,))


def changed(image: Image, scale: int = 1) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    plain = np.full((120 * scale, 160 * scale, 3), 100, np.uint8)
    return np.asarray((image != plain).any(axis=2))


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clips") / "short.mp4", list(carphone_frames()[:10]))


@pytest.mark.parametrize("scale", [1, 4])
def test_a_point_is_where_it_says_in_the_enlarged_picture(scale: int) -> None:
    drawn = draw(GREY, result_with([(80.25, 60.5)], [1.0]), scale=scale, boxes=False, labels=False)
    assert drawn.shape == (120 * scale, 160 * scale, 3)
    rows, columns = np.nonzero(changed(drawn, scale))
    # A pixel of the frame becomes scale x scale pixels; its centre stays in their middle.
    assert columns.mean() == pytest.approx((80.25 + 0.5) * scale - 0.5, abs=0.3)
    assert rows.mean() == pytest.approx((60.5 + 0.5) * scale - 0.5, abs=0.3)


def test_a_point_is_green_where_it_is_sure_and_red_where_it_is_not() -> None:
    drawn = draw(GREY, result_with([(60, 60), (100, 60)], [1.0, 0.0]), boxes=False, labels=False)
    assert drawn[60, 60].tolist() == [64, 255, 96]
    assert drawn[60, 100].tolist() == [255, 64, 64]


def test_lines_join_the_points_of_a_face_and_can_be_left_out() -> None:
    points = IBUG68.mean_shape * 0.9
    face = Face(0, FaceBox.around(points), 0.9, Landmarks(points, np.full(68, 1.0)))
    result = FrameResult(0, 0.0, faces=(face,))
    lined, plain = (
        changed(draw(GREY, result, scale=8, boxes=False, labels=False, lines=lines), 8) for lines in (True, False)
    )
    middle_of_bridge = (points[27] + points[28]) / 2
    between_eyes = (points[39] + points[42]) / 2 + (0, -4)
    for (x, y), drawn in ((middle_of_bridge, True), (between_eyes, False)):
        row, column = round((y + 0.5) * 8), round((x + 0.5) * 8)
        assert lined[row - 3 : row + 4, column - 3 : column + 4].any() == drawn
        assert not plain[row - 3 : row + 4, column - 3 : column + 4].any()


def test_a_line_has_the_colour_of_its_ends() -> None:
    points = IBUG68.mean_shape * 0.9
    confidence = np.ones(68)
    confidence[27:31] = 0.0
    face = Face(0, FaceBox.around(points), 0.9, Landmarks(points, confidence))
    drawn = draw(GREY, FrameResult(0, 0.0, faces=(face,)), scale=8, boxes=False, labels=False)
    row, column = np.round(((points[27] + points[28]) / 2 + 0.5)[::-1] * 8).astype(int)
    red, green, _ = drawn[row - 2 : row + 3, column - 2 : column + 3].reshape(-1, 3).astype(int).T
    assert (red - green).max() > 150


def test_frames_of_another_size_are_drawn_in_that_of_the_first(tmp_path: Path) -> None:
    with OverlayWriter(tmp_path / "out.mp4", VideoInfo(640, 480, 25.0)) as overlay:
        for index, size in enumerate(((480, 640), (240, 320))):
            overlay.frame(np.full((*size, 3), 90, np.uint8), FrameResult(index, index / 25))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [frame.to_ndarray(format="rgb24").shape for frame in container.decode(video=0)] == [(480, 640, 3)] * 2


def test_box_and_label_are_drawn_where_they_are_wanted() -> None:
    result = result_with([(80, 60)], [1.0])
    bare, boxed, labelled = (
        changed(draw(GREY, result, boxes=boxes, labels=labels))
        for boxes, labels in ((False, False), (True, False), (True, True))
    )
    assert not bare[18:22].any()
    assert boxed[20, 30:130].all()
    assert boxed[20:100, 130].all()
    assert not boxed[:17].any()
    assert labelled[5:17, 30:90].sum() > 30


def test_the_frame_itself_stays_as_it_is_and_may_be_read_only() -> None:
    image = GREY.copy()
    image.setflags(write=False)
    drawn = draw(image, result_with([(80, 60)], [1.0]))
    assert drawn.flags.writeable
    assert np.array_equal(image, GREY)
    assert np.array_equal(draw(image, FrameResult(0, 0.0)), GREY)


def test_lines_and_letters_grow_with_the_picture() -> None:
    large = np.full((2400, 3200, 3), 100, np.uint8)
    box = FaceBox(600.0, 400.0, 2000.0, 1600.0)
    face = Face(7, box, 0.9, Landmarks(np.array([(1600.0, 1200.0)]), np.array([1.0])))
    drawn = draw(large, FrameResult(0, 0.0, faces=(face,)), labels=False)
    assert (drawn[600, :1600] != 100).any(axis=1).sum() >= 5, "the left edge"


@pytest.mark.parametrize(
    ("image", "scale"), [(GREY[:, :, 0], 1), (GREY.astype(np.float32), 1), (GREY[:0], 1), (GREY, 0)]
)
def test_what_is_no_frame_or_scale_is_refused(image: Image, scale: int) -> None:
    with pytest.raises(InvalidRequest):
        draw(image, FrameResult(0, 0.0), scale=scale)


def test_the_clip_decoded_again_has_its_results_on_it_and_its_times(short: Path, tmp_path: Path) -> None:
    with track(short, stride=3) as clip:
        results = list(clip)
    taken: list[int] = []

    def streamed() -> Iterator[FrameResult]:
        for result in results:
            taken.append(result.index)
            yield result

    write_overlay(short, streamed(), tmp_path / "out.mkv")
    assert taken == [0, 3, 6, 9]
    with av.open(str(tmp_path / "out.mkv")) as container:
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx([0, 0.12, 0.24, 0.36], abs=0.002)
    first = frames[0].to_ndarray(format="rgb24")
    plain = cv2.resize(carphone_frames()[0], (528, 432), interpolation=cv2.INTER_CUBIC)
    difference = cv2.absdiff(plain, first).max(axis=2) > 90
    box = results[0].faces[0].box
    near = difference[
        int(3 * box.y - 24) : int(3 * (box.y + box.h) + 8), int(3 * box.x - 8) : int(3 * (box.x + box.w) + 40)
    ]
    assert 100 < near.sum() > 0.9 * difference.sum()


def test_a_picture_has_the_first_frame(short: Path, tmp_path: Path) -> None:
    with track(short) as clip:
        write_overlay(short, list(clip), tmp_path / "out.PNG")
    assert cv2.imread(str(tmp_path / "out.PNG")).shape == (432, 528, 3)  # type: ignore[union-attr]
    assert [path.name for path in tmp_path.iterdir()] == ["out.PNG"]


def test_odd_sides_and_times_that_do_not_grow_can_be_written(tmp_path: Path) -> None:
    with OverlayWriter(tmp_path / "out.mp4", VideoInfo(501, 333, 0.0)) as overlay:
        for index, time_s in enumerate((0.0, 0.04, 0.04, 0.02, 0.2)):
            overlay.frame(np.zeros((333, 501, 3), np.uint8), FrameResult(index, time_s))
    with av.open(str(tmp_path / "out.mp4")) as container:
        frames = list(container.decode(video=0))
    assert (frames[0].width, frames[0].height, len(frames)) == (500, 332, 5)
    assert frames[-1].time == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("name", ["out.mp4", "out.png"])
def test_an_error_leaves_nothing_and_keeps_what_was_there(name: str, tmp_path: Path) -> None:
    out = tmp_path / name
    out.write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        half_written(out)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert out.read_bytes() == b"before"


def half_written(out: Path) -> None:
    with OverlayWriter(out, INFO) as overlay:
        overlay.frame(GREY, FrameResult(0, 0.0))
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["out.xyz", "out"])
def test_a_kind_of_file_that_cannot_be_written_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no overlay can be written as"):
        OverlayWriter(tmp_path / name, INFO)
    assert list(tmp_path.iterdir()) == []


def test_missing_folders_and_clips_are_errors_of_their_own(short: Path, tmp_path: Path) -> None:
    for name in ("out.mp4", "out.png"):
        with pytest.raises(FileNotFoundError):
            OverlayWriter(tmp_path / "none" / name, INFO)
    (tmp_path / "text.mp4").write_text("no clip\n" * 20)
    with pytest.raises(UnreadableMedia):
        write_overlay(tmp_path / "text.mp4", [], tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["text.mp4"]
