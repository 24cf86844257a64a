"""Points as 300-VW has them: ``annot/000001.pts`` for each frame, in a zip, in a folder; or one file for a picture."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from red_align.clip.columns import TrackColumns
from red_align.datasets.pts import pts_text
from red_align.formats.gathered import Gathered
from red_align.frames import FrameResult, FrameStatus, StreamEnd, VideoInfo
from red_align.schemes import NamedPoints

FOLDER = "annot"


class PtsNames:
    """Names of the files of frames: 300-VW's for one face at a time, and folders beside it for others.

    A face keeps its folder for as long as it is tracked, as it keeps its column in ``ClipLandmarks``.
    """

    def __init__(self) -> None:
        self._columns = TrackColumns()

    def files(self, result: FrameResult) -> Iterator[tuple[str, str]]:
        """Names and texts of a frame's files; a frame without a face has none.

        Args:
            result: The frame's result.

        Returns:
            ``annot/000001.pts`` for frame 0, ``annot_2/000001.pts`` for a second face beside it, and so on.
        """
        if result.status is not FrameStatus.OK:  # It shows no face, but the tracks go on after it.
            return
        columns = self._columns.assign([face.track_id for face in result.faces])
        for face in result.faces:
            column = columns[face.track_id]
            folder = FOLDER if column == 0 else f"{FOLDER}_{column + 1}"
            yield f"{folder}/{result.index + 1:06d}.pts", pts_text(face.landmarks.points)


class PtsZipWriter:
    """A zip of ``.pts`` files. Its table of contents grows by half a kilobyte a frame and face until it ends."""

    def __init__(self, scheme: NamedPoints, features: Sequence[str] = ()) -> None:
        self._names = PtsNames()
        self._out = Gathered()
        self._zip = zipfile.ZipFile(self._out, "w", zipfile.ZIP_DEFLATED, compresslevel=1)

    def begin(self, video: VideoInfo) -> bytes:
        """See Writer."""
        return b""

    def frame(self, result: FrameResult) -> bytes:
        """See Writer."""
        for name, text in self._names.files(result):
            self._zip.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED, 1)
        return self._out.take()

    def finish(self, end: StreamEnd) -> bytes:
        """See Writer."""
        self._zip.close()
        return self._out.take()


class PtsFolder:
    """A folder of ``.pts`` files, written as frames come.

    Args:
        folder: Made where it is not there; ``annot`` is made in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._names = folder, PtsNames()

    def frame(self, result: FrameResult) -> None:
        """Write the files of one frame."""
        for name, text in self._names.files(result):
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "ascii")
