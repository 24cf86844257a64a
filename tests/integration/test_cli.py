"""The command ``red-align`` as users run it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import av
import cv2
import pytest

from tests.support.media import Image, astronaut, carphone_frames, carphone_path, write_video


def red_align(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "red_align.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


@pytest.fixture(scope="module")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clips") / "short.mp4", list(carphone_frames()[:20]))


def test_a_clip_becomes_json_with_a_progress_bar_and_an_overlay(tmp_path: Path) -> None:
    out, overlay = tmp_path / "out.json", tmp_path / "out.mp4"
    done = red_align(carphone_path(), "-o", out, "--overlay", overlay)
    assert done.returncode == 0, done.stderr
    answer = json.loads(out.read_text())
    assert answer["frame_count"] == 120
    assert all(frame["faces"] for frame in answer["frames"])
    assert "frames" in done.stderr
    assert "a second" in done.stderr
    with av.open(str(overlay)) as container:
        drawn = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(drawn) == 120
    assert drawn[0].shape == (432, 528, 3)
    # The overlay shows the enlarged frame with something drawn on it, near the face alone.
    plain = enlarged(carphone_frames()[0], 3)
    changed = cv2.absdiff(plain, drawn[0]).max(axis=2) > 90
    x, y, w, h = (3 * v for v in answer["frames"][0]["faces"][0]["box"])
    inside = changed[int(y - 24) : int(y + h + 8), int(x - 8) : int(x + w + 40)].sum()
    assert 100 < changed.sum() < 12000
    assert inside > 0.9 * changed.sum()


def test_info_says_what_runs_and_a_clip_where_it_ran(short_clip: Path, tmp_path: Path) -> None:
    done = red_align("info", "--providers", "cpu")
    assert done.returncode == 0, done.stderr
    values = dict(line.split(maxsplit=2)[0::2] for line in done.stdout.splitlines() if line.startswith("runs"))
    assert values == {"runs": "cpu"}
    assert "providers present     cpu" in done.stdout
    done = red_align(short_clip, "-o", tmp_path / "out.json", "--providers", "cpu")
    assert "(fp32 on cpu)" in done.stderr
    done = red_align(short_clip, "-o", tmp_path / "none.json", "--providers", "directml")
    assert done.returncode == 1
    assert "red-align: execution provider 'directml' is missing" in done.stderr
    assert not (tmp_path / "none.json").exists()


def enlarged(image: Image, factor: int) -> Image:
    size = (image.shape[1] * factor, image.shape[0] * factor)
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]


def test_the_form_follows_the_output_s_name(short_clip: Path, tmp_path: Path) -> None:
    for name in ("a.csv", "a.ndjson", "a.json"):
        assert red_align(short_clip, "-q", "-o", tmp_path / name).returncode == 0
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    lines = [json.loads(line) for line in (tmp_path / "a.ndjson").read_text().splitlines()]
    answer = json.loads((tmp_path / "a.json").read_text())
    assert [line["type"] for line in lines] == ["header", *["frame"] * 20, "end"]
    assert [row["frame"] for row in rows] == [str(i + 1) for i in range(20)]
    first = answer["frames"][0]["faces"][0]["landmarks"]
    assert lines[1]["faces"][0]["landmarks"] == first
    assert [float(rows[0]["x_0"]), float(rows[0]["y_0"])] == first[:2]


def test_without_an_output_json_goes_to_stdout_alone(short_clip: Path) -> None:
    done = red_align(short_clip, "--stride", "5")
    assert [frame["index"] for frame in json.loads(done.stdout)["frames"]] == [0, 5, 10, 15]


def test_an_image_gets_a_picture_as_overlay(tmp_path: Path) -> None:
    picture = tmp_path / "astronaut.png"
    cv2.imwrite(str(picture), cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR))
    done = red_align(picture, "-q", "-o", tmp_path / "a.json", "--overlay", tmp_path / "drawn.png")
    assert done.returncode == 0, done.stderr
    drawn = cv2.imread(str(tmp_path / "drawn.png"))
    assert drawn is not None
    assert drawn.shape == (512, 512, 3)


def test_a_cut_clip_gives_its_frames_a_warning_and_status_3(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", list(carphone_frames()), options={"movflags": "faststart"}).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    done = red_align(tmp_path / "cut.mp4", "-q", "-o", tmp_path / "a.json")
    assert done.returncode == 3
    answer = json.loads((tmp_path / "a.json").read_text())
    assert 10 < answer["frame_count"] < 120
    assert answer["complete"] is False
    assert answer["warnings"][0] in done.stderr


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "empty"), (b"a text, whatever its name\n" * 9, "no video")], ids=["empty", "text"]
)
def test_what_is_no_clip_is_reported_in_one_line_and_leaves_no_output(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    done = red_align(tmp_path / "clip.mp4", "-o", tmp_path / "out.json")
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4"]


@pytest.mark.parametrize(
    ("output", "overlay", "message"),
    [("none/out.json", "out.mp4", "none"), ("out.json", "none/out.mp4", "none"), ("out.json", "out.xyz", ".xyz")],
)
def test_what_cannot_be_written_is_reported_in_one_line_and_leaves_nothing(
    short_clip: Path, tmp_path: Path, output: str, overlay: str, message: str
) -> None:
    done = red_align(short_clip, "-q", "-o", tmp_path / output, "--overlay", tmp_path / overlay)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_what_was_there_before(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "long.mp4", list(carphone_frames()) * 10)
    out, overlay = tmp_path / "out.json", tmp_path / "out.mp4"
    out.write_text("before")
    command = [sys.executable, "-m", "red_align.cli.main", str(clip), "-o", str(out), "--overlay", str(overlay)]
    # As from a terminal: what a shell starts in the background ignores interrupts, and so would its children.
    started = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=started) as process:
        deadline = time.monotonic() + 60
        part = out.with_name("out.json.part")
        while time.monotonic() < deadline and not (part.exists() and part.stat().st_size > 20_000):
            time.sleep(0.02)
        assert part.exists()
        assert overlay.with_name("out.part.mp4").exists()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.mp4", "out.json"]
    assert out.read_text() == "before"


def test_a_reader_that_leaves_is_no_traceback() -> None:
    command = [sys.executable, "-m", "red_align.cli.main", str(carphone_path()), "-q"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert os.read(process.stdout.fileno(), 10) == b'{"scheme":'
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.parametrize("arguments", [[], ["none.mp4"], ["x", "--stride", "0"], ["serve", "--what"]])
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    done = red_align(*arguments)
    assert done.returncode == 2
    assert "usage: red-align" in done.stderr


@pytest.mark.parametrize("option", ["-o", "--overlay"])
def test_what_cannot_be_written_is_said_in_a_sentence_before_any_work(tmp_path: Path, option: str) -> None:
    done = red_align(carphone_path(), option, tmp_path / "no" / "x.mp4")
    assert done.returncode == 1
    assert f"there is no folder {tmp_path / 'no'}" in done.stderr
    assert "Traceback" not in done.stderr
    assert ".part" not in done.stderr
