"""What an RTSP server says, message by message: nothing that leads elsewhere gets through.

FFmpeg follows a server that sends it to another address. What reaches FFmpeg is therefore read here first, more
strictly than FFmpeg reads it, and written anew.
"""

from __future__ import annotations

import re

from red_align.errors import SourceNotAllowed, SourceUnreachable

MAX_HEAD, MAX_BODY = 64 * 1024, 1024 * 1024
_STATUS = re.compile(rb"^RTSP/1\.0 (\d{3})(?: [^\r\n]*)?$")
_REQUEST = re.compile(rb"^(OPTIONS|GET_PARAMETER|SET_PARAMETER|ANNOUNCE|PAUSE|TEARDOWN) \S+ RTSP/1\.0$")
_DROPPED = (b"location",)


class RtspGuard:
    """Passes on messages and interleaved packets of a server."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._body = 0

    def feed(self, data: bytes) -> bytes:
        """Take what the server sent.

        Args:
            data: Any piece of it.

        Returns:
            What may be passed on now.

        Raises:
            SourceNotAllowed: It sends its client elsewhere.
            SourceUnreachable: It is no RTSP.
        """
        self._held += data
        out = bytearray()
        while (piece := self._next()) is not None:
            out += piece
        return bytes(out)

    def _next(self) -> bytes | None:
        """The next whole piece; None where more must come first."""
        held = self._held
        if self._body:
            size = min(self._body, len(held))
            self._body -= size
            return self._taken(size)
        if held[:1] == b"$":
            size = 4 + int.from_bytes(held[2:4], "big")
            return self._taken(size) if len(held) >= max(size, 4) else None
        end = held.find(b"\r\n\r\n")
        if end < 0:
            if len(held) > MAX_HEAD:
                raise SourceUnreachable("the source's answer has no end")
            return None
        return self._checked(self._taken(end + 4) or b"")

    def _taken(self, size: int) -> bytes | None:
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken or None

    def _checked(self, head: bytes) -> bytes:
        lines = head[:-4].split(b"\r\n")
        while lines and not lines[0]:  # Empty lines between messages.
            del lines[0]
        if not lines:
            return b""
        if any(b"\n" in line or b"\r" in line or line[:1] in b"$ \t" for line in lines):
            raise SourceUnreachable("the source's answer is no RTSP")
        status = _STATUS.match(lines[0])
        if status is None and not _REQUEST.match(lines[0]):
            raise SourceUnreachable("the source's answer is no RTSP")
        if status is not None and status[1][:1] == b"3":
            raise SourceNotAllowed("the source sends its client to another address, which is not followed")
        kept, sizes = [lines[0]], set()
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            name = name.strip().lower()
            if not colon or name in _DROPPED:
                continue
            if name == b"content-length":
                sizes.add(value.strip())
            kept.append(line)
        self._body = _size(sizes)
        return b"\r\n".join(kept) + b"\r\n\r\n"


def _size(given: set[bytes]) -> int:
    if not given:
        return 0
    size = given.pop()
    if given or not size.isdigit() or len(size) > 7 or int(size) > MAX_BODY:
        raise SourceUnreachable("the length of the source's answer cannot be read")
    return int(size)
