"""The command ``red-align`` with several clips, streams, servers and formats, as users run it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import av
import pandas as pd
import pytest

from service.security.credentials import hash_of, new_key
from tests.support.live.rtsp import camera
from tests.support.media import carphone_frames, carphone_path, png, write_video
from tests.support.servers import RunningServer, running_server

COMMAND = [sys.executable, "-m", "red_align.cli.main"]


def red_align(
    *arguments: str | Path, given: bytes | None = None, folder: Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=given,
        capture_output=True,
        timeout=100,
        cwd=folder,
        env=os.environ | env,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_video(folder / "a.mp4", list(carphone_frames()[:12]))
    write_video(folder / "b.mp4", list(carphone_frames()[40:48]))
    (folder / "c.png").write_bytes(png(carphone_frames()[0]))
    return folder


def test_a_folder_of_clips_goes_to_a_file_each_with_a_bar_of_each(clips: Path, tmp_path: Path) -> None:
    done = red_align(clips, "-o", "out/{stem}.csv", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {path.name: len(list(csv.DictReader(path.open()))) for path in (tmp_path / "out").iterdir()}
    assert rows == {"a.csv": 12, "b.csv": 8, "c.csv": 1}
    assert f"{clips / 'a.mp4'}: 100%" in done.stderr


def test_one_bad_clip_of_several_stops_none_of_the_others(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_text("no video at all")
    done = red_align(clips / "a.mp4", tmp_path / "x.mp4", clips / "b.mp4", "-q", "-o", tmp_path / "{stem}.json")
    assert done.returncode == 1
    assert f"red-align: {tmp_path / 'x.mp4'}: " in done.stderr
    assert "`ffprobe FILE` shows what a file is" in done.stderr
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["a.json", "b.json"]


def test_every_format_is_written_at_once(clips: Path, tmp_path: Path) -> None:
    names = ["o.json", "o.ndjson", "o.csv", "o.parquet", "o.zip", "o.vtt", "o.srt", "o.mkv"]
    outputs = [word for name in names for word in ("-o", name)]
    done = red_align(clips / "a.mp4", "-q", *outputs, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert len(json.loads((tmp_path / "o.json").read_text())["frames"]) == 12
    assert pd.read_parquet(tmp_path / "o.parquet")["frame"].tolist() == list(range(1, 13))
    with zipfile.ZipFile(tmp_path / "o.zip") as file:
        assert len(file.namelist()) == 12
    assert (tmp_path / "o.vtt").read_text().startswith("WEBVTT\n\n")
    with av.open(str(tmp_path / "o.mkv")) as container:
        assert len(list(container.decode(video=0))) == 12


def test_points_go_to_a_folder_in_300_vw_s_layout(clips: Path, tmp_path: Path) -> None:
    assert red_align(clips / "b.mp4", "-q", "-o", tmp_path / "b", "--format", "pts").returncode == 0
    assert sorted(path.name for path in (tmp_path / "b" / "annot").iterdir()) == [f"{i:06d}.pts" for i in range(1, 9)]


def test_features_and_fewer_points_reach_the_answer(clips: Path) -> None:
    done = red_align(clips / "c.png", "-q", "--features", "pose,expression", "--points", "51", "--focal-px", "300")
    answer = json.loads(done.stdout)
    (face,) = answer["frames"][0]["faces"]
    assert answer["scheme"] == "ibug51"
    assert len(face["landmarks"]) == 102
    assert face["pose"]["focal_px"] == 300
    assert "jawOpen" in face["expression"]["coefficients"]
    done = red_align(clips / "c.png", "--features", "posse")
    assert (done.returncode, "there is no feature 'posse'; did you mean 'pose'?" in done.stderr) == (1, True)


def test_the_standard_input_is_a_clip(clips: Path, tmp_path: Path) -> None:
    done = red_align("-", "-q", "-o", "{stem}.json", given=(clips / "b.mp4").read_bytes(), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "stdin.json").read_text())["frame_count"] == 8
    done = red_align("-", "-q", given=b"")
    assert (done.returncode, "nothing came on the standard input" in done.stderr) == (1, True)


def test_json_logs_are_all_that_is_on_the_standard_error(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_text("no video at all")
    done = red_align(clips / "b.mp4", tmp_path / "x.mp4", "--json-logs", "-o", "{stem}.json", folder=tmp_path)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["begin", "end", "error"]
    assert (lines[0]["expected_frames"], lines[1]["frames"], lines[1]["ran"]) == (8, 8, "fp32 on cpu")
    done = red_align(clips / "b.mp4", "--json-logs", "-o", tmp_path / "no" / "x.json")
    assert json.loads(done.stderr)["reason"] == "INVALID_REQUEST"


def test_a_network_camera_is_followed_until_it_ends(tmp_path: Path) -> None:
    with camera(list(carphone_frames()[:30])) as url:
        done = red_align(url, "-q", "-o", "{stem}.ndjson", folder=tmp_path)
    assert done.returncode in (0, 3), done.stderr
    lines = [json.loads(line) for line in (tmp_path / "stream.ndjson").read_text().splitlines()]
    assert lines[0]["video"]["width"] == 176
    assert sum(bool(line.get("faces")) for line in lines) > 10


def test_ctrl_c_ends_a_camera_and_keeps_what_was_found(tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    with camera(list(carphone_frames()) * 3) as url:
        with subprocess.Popen([*COMMAND, url, "-q", "-o", str(out)], stderr=subprocess.PIPE, text=True) as process:
            part, deadline = out.with_name("out.ndjson.part"), time.monotonic() + 60
            while time.monotonic() < deadline and not (part.exists() and part.stat().st_size > 10_000):
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=30)
        assert process.returncode in (0, 3), stderr
    lines = out.read_text().splitlines()
    assert json.loads(lines[-1])["type"] == "end"
    assert 5 < len(lines) < 360


def test_a_server_gives_what_this_machine_gives(server: RunningServer, clips: Path, tmp_path: Path) -> None:
    for name, more in (("here.json", []), ("there.json", ["--server", f"grpc://{server.grpc}"])):
        done = red_align(clips / "a.mp4", "-q", "-o", tmp_path / name, *more)
        assert done.returncode == 0, done.stderr
    here, there = (json.loads((tmp_path / name).read_text()) for name in ("here.json", "there.json"))
    for one, other in zip(here["frames"], there["frames"], strict=True):
        assert one["faces"][0]["landmarks"] == pytest.approx(other["faces"][0]["landmarks"], abs=0.011)
    done = red_align(clips / "a.mp4", "-q", "-o", tmp_path / "o.mp4", "--server", server.grpc)
    assert done.returncode == 0, done.stderr
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert len(list(container.decode(video=0))) == 12


def test_a_server_gives_features_and_subsets(server: RunningServer, clips: Path, tmp_path: Path) -> None:
    wanted = ("--features", "pose,expression,crop", "--points", "51", "--smooth", "look_ahead")
    for name, more in (("here.json", ()), ("there.json", ("--server", server.grpc))):
        done = red_align(clips / "a.mp4", "-q", "-o", tmp_path / name, *wanted, *more)
        assert done.returncode == 0, done.stderr
    here, there = (json.loads((tmp_path / name).read_text()) for name in ("here.json", "there.json"))
    assert here["scheme"] == there["scheme"] == "ibug51"
    for one, other in zip(here["frames"], there["frames"], strict=True):
        (ours,), (theirs,) = one["faces"], other["faces"]
        assert set(ours) == set(theirs)
        assert len(theirs["landmarks"]) == 2 * 51
        assert theirs["pose"]["yaw"] == pytest.approx(ours["pose"]["yaw"], abs=0.02)
        assert theirs["expression"]["coefficients"] == pytest.approx(ours["expression"]["coefficients"], abs=1e-3)
        assert theirs["alignment"]["crop"] == ours["alignment"]["crop"]


def test_a_network_camera_is_followed_by_a_server(server: RunningServer, tmp_path: Path) -> None:
    with camera(list(carphone_frames()) * 2) as url:  # Those that come before the connection stands are dropped.
        done = red_align(url, "-q", "-o", tmp_path / "o.ndjson", "--server", server.grpc)
    assert done.returncode in (0, 3), done.stderr
    lines = [json.loads(line) for line in (tmp_path / "o.ndjson").read_text().splitlines()]
    assert any(line.get("faces") for line in lines)


def test_a_server_s_key_comes_from_an_option_or_the_environment(clips: Path, tmp_path: Path) -> None:
    key = new_key()
    (tmp_path / "keys").write_text(f"me {hash_of(key)}\n")
    with running_server(API_KEYS_FILE=str(tmp_path / "keys")) as running:
        arguments = (clips / "c.png", "-q", "--server", running.grpc)
        assert red_align(*arguments, "--key", key).returncode == 0
        assert red_align(*arguments, RED_ALIGN_KEY=key).returncode == 0
        done = red_align(*arguments)
        assert (done.returncode, "RED_ALIGN_KEY" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--server", "127.0.0.1:1"], 1, "`red-align serve` starts one"),
        (["--server", "http://127.0.0.1:8080"], 1, "the client speaks gRPC"),
        (["--server", "127.0.0.1:1", "--ca", "none.pem"], 1, "there is no file none.pem"),
        (["--server", "x", "--precision", "fp16"], 2, "leave them out with --server"),
        (["--key", "x"], 2, "give its address by --server"),
        (["0"], 2, "a camera or stream does not end by itself"),
    ],
)
def test_bad_use_is_met_with_a_sentence_that_says_what_to_do(
    clips: Path, arguments: list[str], status: int, told: str
) -> None:
    done = red_align(clips / "c.png", "-q", *arguments)
    assert done.returncode == status
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_camera_that_is_not_there_is_said() -> None:
    done = red_align("93", "-q")
    assert done.returncode == 1
    assert "there is no camera 93" in done.stderr


def test_the_version_is_said() -> None:
    assert red_align("--version").stdout.startswith("red-align 0.")


def test_the_whole_clip_as_before(tmp_path: Path) -> None:
    done = red_align(carphone_path(), "-q", "--parallel", "2", "--max-faces", "2", "-o", tmp_path / "o.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "o.json").read_text())["frame_count"] == 120
