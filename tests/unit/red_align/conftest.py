"""The files that the examples of the public names use."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.media import astronaut, carphone_frames, carphone_path, png, write_sound, write_video


@pytest.fixture(scope="session")
def example_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``clip.mp4`` (120 frames, 176x144, one face), ``photo.png`` and files that are no clips."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copy(carphone_path(), folder / "clip.mp4")
    (folder / "photo.png").write_bytes(png(astronaut()))
    (folder / "notes.txt").write_text("a text, whatever its name\n" * 9)
    write_sound(folder / "sound.m4a")
    whole = write_video(folder / "damaged.mp4", list(carphone_frames()[:3]), options={"movflags": "faststart"})
    data = whole.read_bytes()
    start = data.index(b"mdat") + 4
    whole.write_bytes(data[:start] + b"\xff" * (len(data) - start))
    return folder
