"""``red-align view``: one page that needs nothing else."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from red_align.cli.main import main
from tests.support.media import astronaut, carphone_frames, encode_video, png, write_video


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clips") / "a <short> clip.mp4", list(carphone_frames()[:8]))


def data_of(page: str) -> dict[str, object]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)
    assert found
    data: dict[str, object] = json.loads(found[1])
    return data


def test_the_page_holds_clip_points_and_timeline_and_asks_nobody(short: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    assert main(["view", str(short), "-o", str(out), "-q"]) == 0
    page = out.read_text("utf-8")
    assert "<title>a &lt;short&gt; clip.mp4</title>" in page
    found = re.search(r'<video[^>]* src="data:video/mp4;base64,([^"]+)"', page)
    assert found
    assert base64.b64decode(found[1]) == short.read_bytes()
    assert not re.search(r"https?://", page), "no request to anybody"
    assert "default-src 'none'" in page
    data = data_of(page)
    frames = data["frames"]
    assert isinstance(frames, list)
    assert [frame[2] for frame in frames] == list(range(8))
    (face,) = frames[0][1]
    track, score, mouth, eyes, yaw, again, points, sure = face
    assert (track, score) == (0, again)
    assert 0 <= mouth < 1
    assert 0.1 < eyes < 0.6
    assert -45 < yaw < 45
    assert (len(points), len(sure)) == (136, 68)
    assert 0 < points[60] / 10 < 176, "the tip of the nose lies in the frame"
    assert len(data["segments"]) == 16 + 4 + 4 + 3 + 4 + 6 + 6 + 12 + 8  # type: ignore[arg-type]


def test_a_large_clip_lies_beside_the_page(short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.html"
    assert main(["view", str(short), "-o", str(out), "-q", "--link"]) == 0
    page = out.read_text("utf-8")
    assert "base64," not in page
    assert "a%20%3Cshort%3E%20clip.mp4" in page
    assert "must stay where it is beside it" in str(data_of(page)["about"])
    assert "stays beside the page" in capsys.readouterr().err


def test_what_browsers_do_not_play_is_encoded_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = encode_video(tmp_path / "old.avi", carphone_frames()[:5], codec="mpeg4")
    monkeypatch.chdir(tmp_path)
    assert main(["view", "old.avi", "-q"]) == 0
    found = re.search(r"data:video/mp4;base64,([^\"]+)", (tmp_path / "old.html").read_text("utf-8"))
    assert found
    made = tmp_path / "made.mp4"
    made.write_bytes(base64.b64decode(found[1]))
    with av.open(str(made)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert len(list(container.decode(video=0))) == 5
    assert clip.is_file()


def test_a_picture_is_a_picture(tmp_path: Path) -> None:
    (tmp_path / "her.png").write_bytes(png(astronaut()))
    assert main(["view", str(tmp_path / "her.png"), "-o", str(tmp_path / "her.html"), "-q"]) == 0
    page = (tmp_path / "her.html").read_text("utf-8")
    found = re.search(r'<img alt="her.png" src="data:image/jpeg;base64,([^"]+)"', page)
    assert found
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(found[1]), np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (512, 512, 3)


def test_view_refuses_what_it_cannot_do(tmp_path: Path, short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", str(short), "-o", str(tmp_path / "none" / "x.html"), "-q"]) == 1
    assert "cannot be written" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["view", "none.mp4"])
    assert "no file none.mp4" in capsys.readouterr().err


def test_the_command_without_options_is_light() -> None:
    code = (
        "import sys\nfrom red_align.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print({'numpy', 'cv2', 'av', 'onnxruntime', 'tqdm', 'shtab', 'grpc', 'pyarrow'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")
