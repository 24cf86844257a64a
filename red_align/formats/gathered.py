"""A file that others write into piece by piece, and whose bytes are taken out as they come: it cannot seek."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Gathered(io.RawIOBase):
    """Gathers what is written until it is taken. ``tell`` counts all bytes that ever were."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._count = 0

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Gather; gives the number of bytes."""
        piece = bytes(data)
        self._pieces.append(piece)
        self._count += len(piece)
        return len(piece)

    def tell(self) -> int:
        """Bytes so far, those that were taken among them."""
        return self._count

    def take(self) -> bytes:
        """What was written since the last call."""
        taken, self._pieces = b"".join(self._pieces), []
        return taken
