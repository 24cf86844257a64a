"""What a format is: its name, how files of it are called, and who writes it. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from red_align.frames import FrameResult, StreamEnd, VideoInfo
    from red_align.schemes import NamedPoints


class Writer(Protocol):
    """Writes the answers to one clip. Called in this order: ``begin``, ``frame`` for each frame, ``finish``.

    What it gives is to be joined; a piece may be empty, where more is gathered first.
    """

    def begin(self, video: VideoInfo) -> bytes:
        """What comes before the first frame."""
        ...

    def frame(self, result: FrameResult) -> bytes:
        """The answer to one frame."""
        ...

    def finish(self, end: StreamEnd) -> bytes:
        """What comes after the last frame, however the clip ended."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """One form of results.

    Attributes:
        name: Its name in the library, on the command line and in REST.
        suffixes: Of its files, in lower case with their dot; the first is the usual one.
        media_type: In HTTP.
        about: What it is, for people.
        writer: Module and class of its Writer, which takes what ``make`` takes; empty for overlays.
        tells_end: Whether the text itself says if the clip was complete.
        binary: Whether it is no text.
    """

    name: str
    suffixes: tuple[str, ...]
    media_type: str
    about: str
    writer: str = ""
    tells_end: bool = False
    binary: bool = False

    def make(self, scheme: NamedPoints, features: Sequence[str] = ()) -> Writer:
        """A writer for one clip.

        Args:
            scheme: Name and number of the clip's points.
            features: Names of the features that its faces have.

        Raises:
            InvalidRequest: The format has no room for one of the features, or needs points that are not there.
            MissingExtra: A package is not installed.
        """
        module, _, name = self.writer.partition(":")
        made: Writer = getattr(import_module(module), name)(scheme, features)
        return made
