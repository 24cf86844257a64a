"""Which files the results of each clip go to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from red_align.cli.clips import Clip
from red_align.errors import InvalidRequest
from red_align.formats.base import Format
from red_align.formats.files import check_writable, chosen_format
from red_align.formats.names import DEFAULT, FORMATS, OVERLAY, PTS, format_of, format_of_path
from red_align.names import unknown

STDOUT = "-"
_FIELD = re.compile(r"\{(\w*)\}")


class BadPattern(ValueError):
    """The names of outputs cannot be used as they are; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Output:
    """One file to write.

    Attributes:
        path: The file; None for the standard output.
        format: Its format.
    """

    path: Path | None
    format: Format


def plan_outputs(
    clips: Sequence[Clip], patterns: Sequence[str], name: str | None, overlay: str | None
) -> list[list[Output]]:
    """The files of each clip.

    Args:
        clips: What is tracked.
        patterns: Names of outputs, with fields such as ``{stem}``; none for the standard output.
        name: Format of all of them; None: of each what its suffix says, JSON where it says none.
        overlay: Name of a further output, an overlay.

    Returns:
        The outputs of each clip.

    Raises:
        BadPattern: Several clips would go to one file, or a field does not exist.
        InvalidRequest: A file cannot be written.
    """
    wanted = [(pattern, name) for pattern in patterns or [STDOUT]] + ([(overlay, OVERLAY)] if overlay else [])
    if sum(pattern == STDOUT for pattern, _ in wanted) > 1:
        raise BadPattern("the standard output takes one answer: give the others files by -o")
    plans = [
        [_output(clip, index, pattern, kind, len(clips) > 1) for pattern, kind in wanted]
        for index, clip in enumerate(clips, 1)
    ]
    _check_apart(clips, plans)
    for output in (output for plan in plans for output in plan):
        if output.path is not None:
            check_writable(output.path, output.format)
    return plans


def _output(clip: Clip, index: int, pattern: str, name: str | None, several: bool) -> Output:
    if pattern == STDOUT:
        if several:
            raise BadPattern("several clips need a file each: write -o 'out/{stem}.json'")
        form = format_of(name or DEFAULT)
        if form.name == OVERLAY:
            raise BadPattern("an overlay is a file: give its name by -o, such as -o out.mp4")
        return Output(None, form)
    fields = clip.fields(index)
    text = _FIELD.sub(lambda match: _field(match[1], fields), pattern)
    path = Path(text)
    if (text.endswith("/") or path.is_dir()) and (several or name != PTS):
        path /= fields["stem"] + _suffix(name)
        path.parent.mkdir(parents=True, exist_ok=True)
    elif text != pattern:  # Of a name with fields nobody can make the folders beforehand.
        path.parent.mkdir(parents=True, exist_ok=True)
    return Output(path, chosen_format(path, _name(path, name)))


def _name(path: Path, name: str | None) -> str:
    """Of the format; a suffix of none is JSON, as it always was, but for those near one."""
    if name or format_of_path(path) is not None:
        return name or ""
    if path.suffix:
        raise InvalidRequest(
            unknown("format for files", path.suffix, [s for f in FORMATS.values() for s in f.suffixes])
        )
    return DEFAULT


def _suffix(name: str | None) -> str:
    form = format_of(name or DEFAULT)
    return "" if form.name == PTS else form.suffixes[0]


def _field(name: str, fields: dict[str, str]) -> str:
    if name not in fields:
        raise BadPattern(unknown("field", "{" + name + "}", ["{" + field + "}" for field in fields]))
    return fields[name]


def _check_apart(clips: Sequence[Clip], plans: Sequence[Sequence[Output]]) -> None:
    """No two answers go to one file, and none to a clip."""
    taken: dict[Path, str] = {}
    sources = {clip.path.resolve() for clip in clips if clip.path is not None}
    for clip, plan in zip(clips, plans, strict=True):
        for output in plan:
            if output.path is None:
                continue
            place = output.path.resolve()
            if place in sources:
                raise BadPattern(f"{output.path} is a clip itself, and would be overwritten: give another name by -o")
            if place in taken:
                raise BadPattern(
                    f"{taken[place]} and {clip.name} would both be written as {output.path}: give -o a pattern that "
                    "tells them apart, with {stem}, {name}, {parent} or {index}"
                )
            taken[place] = clip.name
