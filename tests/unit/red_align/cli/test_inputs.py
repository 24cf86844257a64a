"""What the command line takes for clips, which files their results go to, and how wrong words are met."""

from __future__ import annotations

from pathlib import Path

import pytest

from red_align.cli.clips import Clip, UnknownClip, find_clips
from red_align.cli.outputs import BadPattern, Output, plan_outputs
from red_align.cli.parser import align_parser
from red_align.errors import InvalidRequest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a.mp4", "b.MOV", "notes.txt", "more/c.png", ".hidden/d.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*arguments: str) -> list[str]:
    return [clip.name for clip in find_clips(arguments)]


def test_clips_are_files_folders_patterns_streams_and_cameras(folder: Path) -> None:
    assert names("notes.txt", "a.mp4") == ["notes.txt", "a.mp4"]
    assert names(".") == ["a.mp4", "b.MOV", "more/c.png"]
    assert names("*.m*") == ["a.mp4"]
    assert names("**/*.png") == ["more/c.png"]
    assert names("-", "0", "rtsp://camera/live") == ["-", "0", "rtsp://camera/live"]
    kinds = [(clip.is_live, clip.is_camera) for clip in find_clips(["-", "0", "rtsp://camera/live", "a.mp4"])]
    assert kinds == [(False, False), (True, True), (True, False), (False, False)]
    (folder / "7").write_text("x")
    assert find_clips(["7"]) == [Clip("7", Path("7"))], "a file that is called like a camera"


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("a.mp", "no file a.mp; did you mean 'a.mp4'?"),
        ("docter", "did you mean the command 'red-align doctor'?"),
        ("x/a.mp4", "no file x/a.mp4: there is no folder x"),
        ("*.avi", "no file is called like *.avi"),
        ("empty", "the folder empty holds no video and no picture"),
        ("qqqq", "no file qqqq"),
    ],
)
def test_what_is_no_clip_is_refused_with_what_may_be_meant(folder: Path, argument: str, told: str) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(UnknownClip) as refused:
        find_clips([argument], ("info", "doctor"))
    assert told in str(refused.value)


def plan(clips: list[str], *outputs: str, form: str | None = None, overlay: str | None = None) -> list[list[Output]]:
    return plan_outputs(find_clips(clips), outputs, form, overlay)


def files(plans: list[list[Output]]) -> list[tuple[str, str]]:
    return [(str(output.path), output.format.name) for plan in plans for output in plan]


def test_a_pattern_names_the_file_of_each_clip_and_makes_its_folder(folder: Path) -> None:
    assert files(plan(["a.mp4", "b.MOV"], "out/{stem}.csv")) == [("out/a.csv", "csv"), ("out/b.csv", "csv")]
    assert (folder / "out").is_dir()
    assert files(plan(["more/c.png"], "{parent}/{index}-{name}-{suffix}.json")) == [("more/1-c.png-png.json", "json")]
    assert files(plan(["-"], "{stem}.json")) == [("stdin.json", "json")]
    assert files(plan(["2"], "{stem}.json")) == [("camera2.json", "json")]


def test_a_folder_takes_a_file_for_each_clip(folder: Path) -> None:
    assert files(plan(["a.mp4", "b.MOV"], "out/")) == [("out/a.json", "json"), ("out/b.json", "json")]
    assert files(plan(["a.mp4", "b.MOV"], "out", form="pts")) == [("out/a", "pts"), ("out/b", "pts")]
    assert files(plan(["a.mp4"], "points", form="pts")) == [("points", "pts")]
    assert files(plan(["a.mp4"], "more", form="csv")) == [("more/a.csv", "csv")]


def test_several_outputs_and_an_overlay_are_written_at_once(folder: Path) -> None:
    found = files(plan(["a.mp4"], "o.json", "o.vtt", overlay="o.mkv"))
    assert found == [("o.json", "json"), ("o.vtt", "vtt"), ("o.mkv", "overlay")]
    assert files(plan(["a.mp4"])) == [("None", "json")]
    assert files(plan(["a.mp4"], "-", form="ndjson")) == [("None", "ndjson")]
    assert files(plan(["a.mp4"], "plain")) == [("plain", "json")]


@pytest.mark.parametrize(
    ("clips", "outputs", "told"),
    [
        (["a.mp4", "b.MOV"], ["o.json"], "a.mp4 and b.MOV would both be written as o.json"),
        (["a.mp4", "b.MOV"], [], "several clips need a file each: write -o 'out/{stem}.json'"),
        (["a.mp4"], ["{stam}.json"], "there is no field '{stam}'; did you mean '{stem}'?"),
        (["a.mp4"], ["a.mp4"], "a.mp4 is a clip itself"),
        (["a.mp4"], ["-", "-"], "the standard output takes one answer"),
    ],
)
def test_outputs_that_cannot_be_are_refused(folder: Path, clips: list[str], outputs: list[str], told: str) -> None:
    with pytest.raises(BadPattern) as refused:
        plan(clips, *outputs)
    assert told in str(refused.value)


def test_a_suffix_of_no_format_is_refused_with_the_nearest(folder: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"'\.jsn'; did you mean '\.json'"):
        plan(["a.mp4"], "out.jsn")
    with pytest.raises(BadPattern, match="an overlay is a file"):
        plan(["a.mp4"], form="overlay")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a.mp4", "--strid", "2"], "there is no option '--strid'; did you mean '--stride'?"),
        (["a.mp4", "--overlai=x"], "there is no option '--overlai'; did you mean '--overlay'?"),
        (["a.mp4", "--format", "jsn"], "there is no format 'jsn'; did you mean 'json'?"),
        (["a.mp4", "--precision", "fp-16"], "did you mean 'fp16'?"),
        (["a.mp4", "--smooth", "look-ahead"], "did you mean 'look_ahead'?"),
        (["a.mp4", "--stride", "0"], "'0' is not a whole number of 1 or more"),
        ([], "give a clip"),
    ],
)
def test_wrong_options_are_status_2_with_the_nearest_right_word(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        align_parser().parse(arguments)
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert told in shown
    assert shown.startswith("usage: red-align [OPTION ...] CLIP [CLIP ...]\n")


def test_options_and_clips_come_in_any_order_and_help_fits_a_terminal() -> None:
    options = align_parser().parse(["a.mp4", "-q", "b.mp4", "-o", "x.json", "c.mp4", "-o", "y.csv"])
    assert (options.clip, options.output, options.quiet) == (["a.mp4", "b.mp4", "c.mp4"], ["x.json", "y.csv"], True)
    parser = align_parser()
    text = parser.format_help()
    assert set(parser.option_names()) <= set(text.replace(",", " ").replace("]", " ").split())
    assert max(map(len, text.splitlines())) <= 100
    assert all(action.help for action in parser._actions)
