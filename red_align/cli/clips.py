"""What the command line calls clips: files, folders, patterns, the standard input, cameras and network streams."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from red_align.names import nearest

STDIN = "-"
_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_SUFFIXES = {
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".wmv", ".asf", ".flv", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".3gp", ".ogv", ".mjpeg", ".mjpg", ".h264", ".264", ".h265", ".hevc", ".mxf", ".vob"),
    *(".jpg", ".jpeg", ".png", ".apng", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif"),
}
"""Files of a folder that are taken. A file that is named itself is taken whatever its suffix is."""


class UnknownClip(ValueError):
    """An argument names no clip; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Something to track.

    Attributes:
        name: As the user knows it.
        path: Of a file; None for the standard input, a camera or a stream.
    """

    name: str
    path: Path | None = None

    @property
    def is_live(self) -> bool:
        """Whether it is a camera or a network stream."""
        return self.path is None and self.name != STDIN

    @property
    def is_camera(self) -> bool:
        """Whether it is a camera of this machine."""
        return self.is_live and self.name.isdigit()

    def fields(self, index: int) -> dict[str, str]:
        """What the pattern of an output's name may ask for.

        Args:
            index: Number of the clip among all, from 1.
        """
        path = self.path
        if path is None:
            stem = "stdin" if self.name == STDIN else f"camera{self.name}" if self.is_camera else "stream"
            path = Path(stem)
        return {
            "stem": path.stem,
            "name": path.name,
            "suffix": path.suffix.lstrip("."),
            "parent": str(path.parent),
            "index": str(index),
        }


def find_clips(arguments: Sequence[str], commands: Sequence[str] = ()) -> list[Clip]:
    """All clips that arguments name, in their order.

    Args:
        arguments: Of the command line.
        commands: Words that are commands, of which one may have been meant.

    Raises:
        UnknownClip: One names nothing.
    """
    return [clip for argument in arguments for clip in _clips(argument, commands)]


def _clips(argument: str, commands: Sequence[str]) -> list[Clip]:
    path = Path(argument)
    if argument == STDIN:
        return [Clip(STDIN)]
    if path.is_dir():
        return _in_folder(path)
    if path.exists():
        return [Clip(argument, path)]
    if argument.isdigit() or _URL.match(argument):
        return [Clip(argument)]
    if glob.has_magic(argument):
        found = sorted(Path(name) for name in glob.glob(argument, recursive=True) if Path(name).is_file())
        if not found:
            raise UnknownClip(f"no file is called like {argument}")
        return [Clip(str(name), name) for name in found]
    raise UnknownClip(_nothing(argument, path, commands))


def _in_folder(folder: Path) -> list[Clip]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    shown = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not shown:
        raise UnknownClip(f"the folder {folder} holds no video and no picture")
    return [Clip(str(path), path) for path in shown]


def _nothing(argument: str, path: Path, commands: Sequence[str]) -> str:
    if near := nearest(argument, commands):
        return f"no file {argument}; did you mean the command 'red-align {near}'?"
    if not path.parent.is_dir():
        return f"no file {argument}: there is no folder {path.parent}"
    near = nearest(path.name, [file.name for file in path.parent.iterdir()])
    return f"no file {argument}" + (f"; did you mean '{path.parent / near}'?" if near else "")
