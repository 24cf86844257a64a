"""Clips for cameras and broadcasts, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.live.sources import write_h264, write_hls


@pytest.fixture(scope="session")
def h264(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_h264(tmp_path_factory.mktemp("camera") / "carphone.h264")


@pytest.fixture(scope="session")
def hls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, float]]]:
    """A folder of segments, and their names and lengths in seconds."""
    folder = tmp_path_factory.mktemp("hls")
    return folder, write_hls(folder)
