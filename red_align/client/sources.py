"""Clips to send: a path, bytes or an open file, in pieces."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import SEEK_SET
from pathlib import Path
from typing import BinaryIO

from red_align.client.access import PathLike
from red_align.errors import EmptyBody, InvalidRequest, TooLarge

CHUNK_BYTES = 256 * 1024
ClipSource = PathLike | bytes | bytearray | memoryview | BinaryIO


@dataclass(slots=True)
class ClipBytes:
    """The bytes of a clip, to be had again where the source allows it.

    Attributes:
        path: Where the clip is a file that can be opened here as well; None otherwise.
        size: Bytes of it; None where that is not known ahead.
        again: Whether ``pieces`` can be called a second time.
    """

    path: Path | None
    size: int | None
    again: bool
    _data: memoryview | None = None
    _file: BinaryIO | None = None
    _start: int = 0

    def check_size(self, limit: int) -> None:
        """Refuse what the server would refuse after the upload.

        Args:
            limit: Most bytes that the server takes; 0 where it does not say.

        Raises:
            TooLarge: The clip has more.
        """
        if self.size is not None and limit and self.size > limit:
            raise TooLarge(
                f"the clip has {self.size} bytes, and the server takes uploads of up to {limit}",
                limit="max_upload_bytes",
            )

    def pieces(self) -> Iterator[bytes]:
        """The bytes in order, CHUNK_BYTES at a time."""
        if self._data is not None:
            for at in range(0, len(self._data), CHUNK_BYTES):
                yield bytes(self._data[at : at + CHUNK_BYTES])
        elif self.path is not None:
            with self.path.open("rb") as file:
                yield from _read(file)
        elif self._file is not None:
            if self.again:
                self._file.seek(self._start, SEEK_SET)
            yield from _read(self._file)


def clip_bytes(source: ClipSource) -> ClipBytes:
    """Look at a clip that is to be sent.

    Args:
        source: A path, the bytes of a file, or a file opened for reading bytes.

    Returns:
        Its bytes.

    Raises:
        OSError: A path cannot be read.
        EmptyBody: There are no bytes.
        InvalidRequest: It is neither of these.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        data = memoryview(source).cast("B")
        if not len(data):
            raise EmptyBody("the clip has no bytes")
        return ClipBytes(None, len(data), True, data)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        with path.open("rb") as opened:  # What cannot be read is an OSError before any call.
            size = os.fstat(opened.fileno()).st_size if path.is_file() else None
        if size == 0:
            raise EmptyBody(f"{path} is empty")
        return ClipBytes(path, size, path.is_file())
    if not hasattr(source, "read"):
        raise InvalidRequest(f"a clip is a path, bytes or an open file, and this is a {type(source).__name__}")
    file = source
    if isinstance(file.read(0), str):
        raise InvalidRequest('the file was opened for text: open it with open(path, "rb")')
    seekable = bool(getattr(file, "seekable", lambda: False)())
    return ClipBytes(None, None, seekable, None, file, file.tell() if seekable else 0)


def _read(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(CHUNK_BYTES):
        yield piece
