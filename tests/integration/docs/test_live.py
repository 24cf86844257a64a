"""examples/live.py against a real RTSP server, as the guide says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from tests.support.live.rtsp import camera
from tests.support.media import carphone_frames
from tests.support.reader import ROOT

FRAMES = 50


def lines_of(address: str) -> Iterator[str]:
    """What the program prints; it goes on until it is killed, since a camera may come back."""
    command = [sys.executable, str(ROOT / "examples" / "live.py"), address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield from process.stdout
        finally:
            process.kill()


def test_frames_that_come_over_rtsp_are_tracked_by_the_camera_s_clock() -> None:
    with camera(list(carphone_frames()[:FRAMES])) as address:
        found = [line for line, _ in zip(lines_of(address), range(FRAMES - 5), strict=False)]
    assert len(found) == FRAMES - 5
    assert [line for line in found if "#0 nose at" not in line] == []
    assert found[25].split()[:2] == ["25", "1.000"]
