"""Results as files: each is there whole or not at all: a run that fails leaves no half answer under its name."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from red_align.errors import InvalidRequest
from red_align.formats.base import Format, Writer
from red_align.formats.names import OVERLAY, PTS, format_of, format_of_path, suffixes
from red_align.formats.pts import PtsFolder
from red_align.frames import FrameResult, StreamEnd, VideoInfo
from red_align.media.overlay import OverlayWriter
from red_align.schemes import NamedPoints

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Pictured(Protocol):
    """Has the frame of the last result, RGB uint8 [H, W, 3]; made only where it is asked for."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """The frame."""
        ...


class ResultFile:
    """A file that results are written to, for a ``with`` block: it is there once that ended without an error.

    Args:
        path: The file; None for the standard output.
        writer: Makes its bytes.
    """

    def __init__(self, path: Path | None, writer: Writer) -> None:
        self._path, self._writer = path, writer
        self._part = path.with_name(path.name + ".part") if path is not None else None
        self._file = self._part.open("wb") if self._part is not None else sys.stdout.buffer

    def begin(self, video: VideoInfo) -> None:
        """Write what comes before the first frame."""
        self._file.write(self._writer.begin(video))

    def frame(self, result: FrameResult, pictures: Pictured) -> None:
        """Write a frame's result."""
        self._file.write(self._writer.frame(result))

    def finish(self, end: StreamEnd) -> None:
        """Write what comes after the last frame."""
        self._file.write(self._writer.finish(end))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._part is None or self._path is None:
            if kind is None:
                self._file.flush()  # A reader that left is found here, not when the process ends.
            return
        try:
            self._file.close()
            if kind is None:
                self._part.replace(self._path)
        finally:
            self._part.unlink(missing_ok=True)


class FolderFile(ResultFile):
    """A folder of ``.pts`` files. Those of a run that failed stay: each of them is whole.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self._pts = PtsFolder(folder)
        folder.mkdir(exist_ok=True)

    def begin(self, video: VideoInfo) -> None:
        """See ResultFile."""

    def frame(self, result: FrameResult, pictures: Pictured) -> None:
        """See ResultFile."""
        self._pts.frame(result)

    def finish(self, end: StreamEnd) -> None:
        """See ResultFile."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Nothing is left to do."""


class OverlayFile(ResultFile):
    """A video, or a picture, with what was found drawn on it.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._out = path
        self._exits = contextlib.ExitStack()

    def begin(self, video: VideoInfo) -> None:
        """See ResultFile."""
        self._overlay = self._exits.enter_context(OverlayWriter(self._out, video))

    def frame(self, result: FrameResult, pictures: Pictured) -> None:
        """See ResultFile."""
        self._overlay.frame(pictures.image, result)

    def finish(self, end: StreamEnd) -> None:
        """See ResultFile."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.__exit__(kind, error, trace)


def open_file(path: Path | None, form: Format, scheme: NamedPoints, features: Sequence[str] = ()) -> ResultFile:
    """Open a file for results.

    Args:
        path: The file; for ``pts`` a folder where its name has not the suffix ``.zip``; None for the standard output.
        form: Its format.
        scheme: Name and number of the clip's points.
        features: Names of the features that its faces have.

    Returns:
        The file, for a ``with`` block.

    Raises:
        InvalidRequest: An overlay cannot go to the standard output.
        MissingExtra: A package is not installed that the format needs.
        OSError: It cannot be written.
    """
    if form.name == OVERLAY:
        if path is None:
            raise InvalidRequest("an overlay is a file: give its name, such as out.mp4")
        return OverlayFile(path)
    if is_folder(path, form):
        assert path is not None
        return FolderFile(path)
    return ResultFile(path, form.make(scheme, features))


def is_folder(path: Path | None, form: Format) -> bool:
    """Whether results of this format go to a folder of this name."""
    return form.name == PTS and path is not None and path.suffix.lower() not in form.suffixes


def chosen_format(path: Path, name: str = "") -> Format:
    """The format to write a file in.

    Args:
        path: The file.
        name: Of the format; empty: what the file's suffix says.

    Raises:
        InvalidRequest: There is no such format, or the suffix says none.
    """
    if name:
        return format_of(name)
    form = format_of_path(path)
    if form is None:
        raise InvalidRequest(
            f"the name {path.name} does not say in which format to write: give one of the suffixes "
            f"{', '.join(suffixes())}, or name the format"
        )
    return form


def check_writable(path: Path, form: Format) -> None:
    """See before any work that a file can be written.

    Raises:
        InvalidRequest: It is a folder, or would be in one that is not there.
    """
    if path.is_dir() and not is_folder(path, form):
        raise InvalidRequest(f"{path} is a folder, and cannot be written as a file")
    if not path.parent.is_dir():
        raise InvalidRequest(f"there is no folder {path.parent} to write {path.name} in")
