"""Clips for cameras and broadcasts, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.live.sources import write_h264, write_hls
from tests.support.media import carphone_frames


@pytest.fixture(scope="session")
def h264(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A man talks in a car, forth and back, so that there is no cut where the clip begins again."""
    frames = carphone_frames()[:40]
    return write_h264(tmp_path_factory.mktemp("camera") / "carphone.h264", frames + frames[-2:0:-1])


@pytest.fixture(scope="session")
def hls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, float]]]:
    """A folder of segments, and their names and lengths in seconds."""
    folder = tmp_path_factory.mktemp("hls")
    return folder, write_hls(folder)
