"""``python -m evaluation`` over a folder with labelled pictures, a 300-VW video and a plain clip."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from evaluation.main import main
from evaluation.motion import moved
from red_align.datasets.pts import write_pts
from tests.support.faces import ASTRONAUT_POINTS, astronaut_face
from tests.support.media import astronaut, carphone_path, write_video

LABELLED = 6


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What was printed, and the folder of what was written."""
    root = tmp_path_factory.mktemp("evaluation")
    data, out = root / "data", root / "out"
    for i in range(2):
        face = astronaut_face(9 * i, 4 * i)
        path = data / "stills" / f"a{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), cv2.cvtColor(face.image, cv2.COLOR_RGB2BGR))
        write_pts(path.with_suffix(".pts"), face.points)
    (data / "stills" / "broken.jpg").write_bytes(b"no picture")
    write_pts(data / "stills" / "broken.pts", ASTRONAUT_POINTS)
    video = data / "001"
    (video / "annot").mkdir(parents=True)
    shifts = [np.array([2.0 * t, 0.5 * t]) for t in range(LABELLED)]
    write_video(video / "vid.mp4", [moved(astronaut(), shift) for shift in shifts])
    for t, shift in enumerate(shifts):
        write_pts(video / "annot" / f"{t + 1:06d}.pts", ASTRONAUT_POINTS + shift)
    shutil.copyfile(carphone_path(), data / "car.mp4")
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("builtins.print", lambda *values, **_: lines.append(" ".join(str(v) for v in values)))
        main([str(data), "--out", str(out), "--draws", "2", "--offset"])
    return "\n".join(lines), out


def test_pictures_are_evaluated_by_the_protocol_and_through_the_service(report: tuple[str, Path]) -> None:
    text, _ = report
    assert "2 pictures, 2 draws" in text, "the broken one is left out"
    for name in ("box of the truth, roll known", "box of the truth, axis-aligned", "POST /align"):
        found = re.search(rf"{name} +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)\n +jaw", text)
        assert found, name
        # Her points are the mean shape laid over her: not the truth, but near it.
        assert 3.0 < float(found[1]) < 40.0

    def error(name: str) -> float:
        found = re.search(rf"{name} +([\d.]+)", text)
        assert found, name
        return float(found[1])

    assert error("offsets taken out") < 0.6 * error("roll known")


def test_confidence_motion_and_return_are_reported(report: tuple[str, Path]) -> None:
    text, _ = report
    assert re.search(r"ECE 0\.\d+; AUROC against background [\d.]+, half-shifted [\d.]+", text)
    rows = re.findall(r"^ +(\d) % of the face a frame +([\d.]+) +([\d.]+) +([\d.]+) +(-?[\d.]+) +(\d)$", text, re.M)
    assert [row[0] for row in rows] == ["1", "2", "3", "5"]
    assert all(abs(float(row[4])) < 1.0 and row[5] == "0" for row in rows)
    assert re.search(r"face gone, lost +frame 1\.00 on average, 1 at the latest", text)
    assert re.search(r"back, found +frame [12]\.\d+ on average, [12] at the latest", text)


def test_videos_are_followed_with_errors_where_they_have_labels(report: tuple[str, Path]) -> None:
    text, _ = report
    assert re.search(r"^001/vid\.mp4 +6 +0 +1 ", text, re.M)
    assert re.search(rf"NME [\d.]+ % on {LABELLED} labelled frames, 0 missed; .* the labels' own jitter 0\.00 %", text)
    assert re.search(r"^car\.mp4 +120 +0 +1 +[\d.]+ +[\d.]+", text, re.M)


def test_the_pictures_can_be_opened(report: tuple[str, Path]) -> None:
    _, out = report
    curves, worst = cv2.imread(str(out / "errors.png")), cv2.imread(str(out / "worst.png"))
    assert curves is not None
    assert worst is not None
    assert worst.shape == (320, 1280, 3)
    assert worst[:, :640].std() > 20 > worst[:, 640:].std()


def test_a_folder_with_nothing_to_evaluate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no labelled picture and no video"):
        main([str(tmp_path)])
