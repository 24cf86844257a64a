"""All formats by name, by the name of a file, and by HTTP's ``Accept``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePath

from red_align.errors import InvalidRequest, NotAcceptable
from red_align.formats.base import Format
from red_align.names import unknown

_HOME = "red_align.formats"
DEFAULT, OVERLAY, PTS = "json", "overlay", "pts"
FORMATS = {
    form.name: form
    for form in (
        Format(
            "json",
            (".json",),
            "application/json",
            "one object: scheme, video, frames and how the clip ended",
            f"{_HOME}.json_text:JsonWriter",
            tells_end=True,
        ),
        Format(
            "ndjson",
            (".ndjson", ".jsonl"),
            "application/x-ndjson",
            "one object a line, as frames come",
            f"{_HOME}.json_text:NdjsonWriter",
            tells_end=True,
        ),
        Format(
            "csv",
            (".csv",),
            "text/csv; charset=utf-8",
            "OpenFace's columns, head pose among them",
            f"{_HOME}.openface:CsvWriter",
        ),
        Format(
            "parquet",
            (".parquet", ".pq"),
            "application/vnd.apache.parquet",
            "the columns of csv and the confidence of each point, for pandas, Polars and DuckDB",
            f"{_HOME}.parquet:ParquetWriter",
            binary=True,
        ),
        Format(
            PTS,
            (".zip",),
            "application/zip",
            "300-VW's annot/000001.pts, ...: a zip, or a folder",
            f"{_HOME}.pts:PtsZipWriter",
            binary=True,
        ),
        Format(
            "vtt",
            (".vtt",),
            "text/vtt; charset=utf-8",
            "WebVTT: a cue for each blink and each time a mouth is open",
            f"{_HOME}.subtitles:VttWriter",
        ),
        Format(
            "srt",
            (".srt",),
            "application/x-subrip; charset=utf-8",
            "the same as SubRip",
            f"{_HOME}.subtitles:SrtWriter",
        ),
        Format(
            OVERLAY,
            (".mp4", ".mkv", ".mov", ".avi", ".png", ".jpg", ".jpeg"),
            "video/mp4",
            "the clip with contours and points drawn on it",
            binary=True,
        ),
    )
}
"""Formats by name; the first is the default."""


def format_of(name: str) -> Format:
    """The format of a name.

    Args:
        name: Such as ``csv``.

    Raises:
        InvalidRequest: There is none; the message tells the nearest.
    """
    if name not in FORMATS:
        raise InvalidRequest(unknown("format", name, FORMATS))
    return FORMATS[name]


def format_of_path(path: PurePath) -> Format | None:
    """The format that the name of a file asks for.

    Args:
        path: The file; its suffix counts.

    Returns:
        The format; None where there is none of this suffix.
    """
    suffix = path.suffix.lower()
    return next((form for form in FORMATS.values() if suffix in form.suffixes), None)


def suffixes() -> list[str]:
    """The suffixes of all formats, in the order of FORMATS."""
    return [suffix for form in FORMATS.values() for suffix in form.suffixes]


def format_of_accept(accept: str, forms: Sequence[Format] = tuple(FORMATS.values())) -> Format:
    """The format that a client takes, by the ``Accept`` header of RFC 9110.

    Args:
        accept: The header; empty where there is none.
        forms: Formats that can be answered; the first is the default.

    Returns:
        The format of the type that it likes best; of several the one that it names first.

    Raises:
        NotAcceptable: It takes none of ours.
    """
    wanted = sorted(_ranges(accept), key=lambda pair: -pair[1])
    for media_range, quality in wanted:
        for form in forms if quality > 0 else ():
            if _matches(media_range, form.media_type.partition(";")[0]):
                return form
    if not wanted:
        return forms[0]
    types = ", ".join(form.media_type.partition(";")[0] for form in forms)
    raise NotAcceptable(f"none of the types in Accept can be answered: ask for one of {types}, or */*")


def _ranges(accept: str) -> Iterable[tuple[str, float]]:
    for part in accept.split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((p.partition("=")[2] for p in parameters if p.replace(" ", "").startswith("q=")), "1")
        try:
            value = float(quality)
        except ValueError:
            value = 0.0
        if media_range:
            yield media_range, value


def _matches(media_range: str, media_type: str) -> bool:
    if media_range in ("*/*", "*", media_type):
        return True
    kind, _, rest = media_range.partition("/")
    return rest == "*" and media_type.startswith(f"{kind}/")
