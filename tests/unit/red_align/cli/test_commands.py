"""Completion, doctor, what is said while clips are tracked, and live sources that are refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import av.error
import numpy as np
import pytest

from red_align.cli import doctor
from red_align.cli.completion import SHELLS, script
from red_align.cli.main import COMMANDS, main
from red_align.cli.parser import align_parser
from red_align.cli.reports import BarReport, JsonReport
from red_align.errors import CameraRefused, UnreadableMedia
from red_align.frames import StreamEnd, VideoInfo
from red_align.media.live import opening as live
from red_align.media.live.reader import LiveReader
from red_align.media.reader import DecodeLimits
from tests.support.media import Image

CHECK = DecodeLimits().check


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_knows_every_option_and_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    for option in align_parser().option_names():
        assert (f"-l {option[2:]}" if shell == "fish" else option) in text
    assert all(command in text for command in COMMANDS)
    if program := shutil.which(shell):
        assert subprocess.run([program, "-n"], input=text, text=True, capture_output=True).returncode == 0


def test_bash_completes_options_words_and_commands(tmp_path: Path) -> None:
    (tmp_path / "double.mp4").touch()
    source = tmp_path / "completion.bash"
    source.write_text(script("bash", tuple(COMMANDS)))

    def completed(*words: str) -> set[str]:
        line = " ".join(f"'{word}'" for word in ("red-align", *words))
        code = f"source {source}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _shtab_red_align; "
        done = subprocess.run(
            ["bash", "-c", code + 'printf "%s\\n" "${COMPREPLY[@]}"'], capture_output=True, text=True, cwd=tmp_path
        )
        return set(done.stdout.split())

    assert completed("--str") == {"--stride"}
    assert completed("--format", "p") == {"parquet", "pts"}
    assert completed("do") == {"doctor", "double.mp4"}


def test_completion_without_shtab_or_for_a_shell_that_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["completion", "fisch"])
    assert "there is no shell 'fisch'; did you mean 'fish'?" in capsys.readouterr().err


def test_doctor_says_what_is_here_and_how_fast_a_step_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["faults"] == []
    assert found["runs on"] == "cpu"
    assert "h264" in found["reads"]
    assert found["writes overlays with"] == "libx264"
    assert "ms, the first" in found["a step of one face"]
    assert {"GPU", "model", "Python", "extra parquet", "server"} <= set(found)


def test_doctor_names_what_is_missing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package in ("pyarrow", "orjson"):
            raise PackageNotFoundError
        return "1"

    monkeypatch.setattr(doctor, "version", version)
    assert main(["doctor", "--model", "/nowhere"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("! orjson") and "pip install orjson" in line for line in lines)
    assert any(line.startswith("  extra parquet") and 'pip install "red-align[parquet]"' in line for line in lines)
    assert any(line.startswith("! engine") for line in lines)


def test_json_logs_are_an_object_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("red_align.cli.reports.PROGRESS_S", 0.0)
    report = JsonReport()
    report.begin("a.mp4", 4)
    report.frame()
    report.end("a.mp4", StreamEnd(False, 1, ("it breaks off",)), "fp32 on cpu")
    report.failed("b.mp4", UnreadableMedia("no video"))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["begin", "progress", "warning", "end", "error"]
    assert all({"time", "level", "event"} <= set(line) for line in lines)
    assert lines[1]["left_s"] >= 0
    assert (lines[3]["complete"], lines[4]["reason"], lines[4]["level"]) == (False, "UNREADABLE_MEDIA", "error")


def test_the_bar_shows_the_time_left_and_errors_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    report = BarReport(quiet=False, several=True)
    report.begin("a.mp4", 4)
    report.frame()
    report.end("a.mp4", StreamEnd(True, 1), "fp32 on cpu")
    report.failed("b.txt", UnreadableMedia("b.txt is no video"))
    shown = capsys.readouterr().err
    assert "0/4 [00:00<?" in shown
    assert "1 frames in" in shown
    assert (
        "red-align: b.txt: b.txt is no video. Give a video or a picture; `ffprobe FILE` shows what a file is." in shown
    )


def test_a_camera_that_is_not_there_or_may_not_be_opened_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(CameraRefused, match=r"there is no camera 93 \(/dev/video93\)"):
        live.open_camera(93, CHECK)
    monkeypatch.setattr(Path, "exists", lambda _: True)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(CameraRefused, match="may not be opened by this user: join the group"):
        live.open_camera(93, CHECK)
    monkeypatch.setattr("os.access", lambda *_: True)
    with pytest.raises(CameraRefused, match="gives no picture: does another program use it"):
        live.open_camera(93, CHECK)


def test_a_live_source_gives_every_stride_th_frame_until_it_is_stopped_or_breaks_off() -> None:
    released: list[bool] = []

    def pictures(count: int) -> Iterator[tuple[Image, float]]:
        for i in range(count):
            yield np.zeros((8, 8, 3), np.uint8), i / 10
        raise av.error.EOFError(1, "gone")

    def reader(count: int) -> LiveReader:
        return LiveReader(pictures(count), VideoInfo(8, 8, 10.0), lambda: released.append(True), CHECK)

    broken = reader(5)
    assert [(frame.index, frame.time_s) for frame in broken.frames(2)] == [(0, 0.0), (2, 0.2), (4, 0.4)]
    assert (broken.complete, broken.count) == (False, 5)
    assert "breaks off after frame 4" in broken.warnings[0]
    stopped, seen = reader(5), []
    for frame in stopped.frames():
        seen.append(frame.index)
        if frame.index == 1:
            stopped.stop()
    assert (seen, stopped.complete) == ([0, 1], True)
    stopped.close()
    assert released == [True]


def test_a_stream_that_does_not_answer_says_so_without_its_password() -> None:
    with pytest.raises(CameraRefused, match=r"rtsp://127\.0\.0\.1:1/live cannot be opened .*is the address right"):
        live.open_stream("rtsp://me:secret@127.0.0.1:1/live", CHECK)
