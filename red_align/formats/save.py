"""``save``: a clip to a file, in the format that its name says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from red_align.clip.landmarks import NO_TRACK, ClipLandmarks
from red_align.clip.tracking import ClipTrack
from red_align.errors import InvalidRequest
from red_align.features.subsets import SUBSETS
from red_align.features.values import COEFFICIENTS, Alignment, Expression, Pose
from red_align.formats.base import Format
from red_align.formats.files import check_writable, chosen_format, open_file
from red_align.formats.names import OVERLAY
from red_align.frames import Face, FrameResult, FrameStatus, Landmarks, StreamEnd
from red_align.geometry import FaceBox
from red_align.schemes import NamedPoints, scheme_of_count

NO_FOCAL = 0.0
"""Of poses that are saved from arrays, which do not keep their focal length."""


def save(clip: ClipTrack | ClipLandmarks, path: str | os.PathLike[str], format: str = "") -> StreamEnd:
    """Write a clip's results to a file, in the form that its suffix says.

    ``.json``, ``.ndjson``, ``.csv`` (OpenFace's columns), ``.parquet``, ``.zip`` (300-VW's ``annot/000001.pts``),
    ``.vtt`` and ``.srt`` (a cue for each blink and open mouth), and ``.mp4``, ``.png`` ... (what was found drawn on the
    frames). They are the formats of the command line and of REST, with the same names.

    Args:
        clip: What ``track`` gave, of which no result was taken yet: its frames are processed and written one by one,
            so that clips may be of any length. Or what ``align`` gave; overlays need what ``track`` gave.
        path: The file. It is there, whole, once this returns; what was there is replaced.
        format: Name of the format (``json``, ``ndjson``, ``csv``, ``parquet``, ``pts``, ``vtt``, ``srt``, ``overlay``)
            where the suffix does not say it; ``pts`` without the suffix ``.zip`` makes a folder.

    Returns:
        How the clip ended: whether it was read to its end, and what could not be.

    Raises:
        InvalidRequest: The suffix says no format, the place cannot be written to, or an overlay is asked of ``align``.
        MissingExtra: Parquet needs pyarrow: ``pip install "red-align[parquet]"``.
        OSError: The file cannot be written.

    Example:
        >>> import json
        >>> import red_align
        >>> red_align.save(red_align.track("clip.mp4"), "clip.json").frame_count
        120
        >>> with open("clip.json") as file:
        ...     len(json.load(file)["frames"])
        120
        >>> end = red_align.save(red_align.align("clip.mp4"), "clip.csv")
    """
    out = Path(path)
    form = chosen_format(out, format)
    check_writable(out, form)
    if isinstance(clip, ClipLandmarks):
        return _save_arrays(clip, out, form)
    with clip, open_file(out, form, clip.scheme, clip.features) as file:
        file.begin(clip.video)
        for result in clip:
            file.frame(result, clip)
        file.finish(clip.end)
    return clip.end


def _save_arrays(clip: ClipLandmarks, out: Path, form: Format) -> StreamEnd:
    if form.name == OVERLAY:
        raise InvalidRequest("an overlay needs the clip's frames: save what red_align.track gives, not red_align.align")
    scheme, features = _scheme(clip), feature_names(clip)
    end = StreamEnd(clip.complete, len(clip.index), clip.warnings)
    with open_file(out, form, scheme, features) as file:
        file.begin(clip.video)
        for result in results(clip):
            file.frame(result, _NoPictures())
        file.finish(end)
    return end


def results(clip: ClipLandmarks) -> Iterator[FrameResult]:
    """The results of frames that arrays are made of, but for the words of errors.

    Args:
        clip: A whole clip.
    """
    for row, index in enumerate(clip.index.tolist()):
        present = np.flatnonzero(clip.track_ids[row] != NO_TRACK)
        faces = tuple(_face(clip, row, int(column)) for column in present)
        yield FrameResult(index, float(clip.times[row]), FrameStatus(str(clip.status[row])), faces)


def _face(clip: ClipLandmarks, row: int, column: int) -> Face:
    pose = expression = alignment = None
    if clip.pose is not None:
        yaw, pitch, roll, *translation = clip.pose[row, column].tolist()
        pose = Pose(yaw, pitch, roll, np.array(translation), NO_FOCAL)
    if clip.expression is not None:
        expression = expression_of_columns({name: values[row, column] for name, values in clip.expression.items()})
    if clip.alignment is not None:
        crop = clip.crops[row][column] if clip.crops is not None else b""
        alignment = Alignment(clip.alignment[row, column], crop)
    return Face(
        int(clip.track_ids[row, column]),
        FaceBox(*clip.boxes[row, column].tolist()),
        float(clip.scores[row, column]),
        Landmarks(clip.points[row, column], clip.confidence[row, column]),
        bool(clip.reacquired[row, column]),
        pose,
        expression,
        alignment,
    )


def expression_of_columns(values: dict[str, float]) -> Expression:
    """An expression from the values that ClipLandmarks has by name."""
    return Expression(
        float(values["eye_opening_left"]),
        float(values["eye_opening_right"]),
        float(values["mouth_opening"]),
        bool(values["eye_closed_left"]),
        bool(values["eye_closed_right"]),
        int(values["blink_count"]),
        {name: float(values[name]) for name in COEFFICIENTS},
    )


def feature_names(clip: ClipLandmarks) -> tuple[str, ...]:
    """Names of the features that a clip holds."""
    arrays = {"pose": clip.pose, "expression": clip.expression, "alignment": clip.alignment, "crop": clip.crops}
    return tuple(name for name, array in arrays.items() if array is not None)


def _scheme(clip: ClipLandmarks) -> NamedPoints:
    count = clip.points.shape[2]
    scheme = scheme_of_count(count) or SUBSETS.get(count)
    if scheme is None:
        raise InvalidRequest(f"no scheme has {count} points")
    return scheme


class _NoPictures:
    @property
    def image(self) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        raise InvalidRequest("arrays hold no frames")
