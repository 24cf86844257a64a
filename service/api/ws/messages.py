"""Messages of a WebSocket stream: the values of JSON answers, with ``type``, as JSON text or msgpack bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack
import orjson

from red_align.errors import RedAlignError
from red_align.frames import FrameResult, StreamEnd
from red_align.media.serialization import end_values, frame_values
from service.api.errors import http_body
from service.streams.session import Shapes

Message = str | bytes
"""Text or binary."""


def pack(kind: str, values: Mapping[str, Any], *, binary: bool) -> Message:
    """A message.

    Args:
        kind: Its ``type``.
        values: Its other fields.
        binary: msgpack instead of JSON.
    """
    whole = {"type": kind, **values}
    if binary:
        packed: bytes = msgpack.packb(whole)
        return packed
    return orjson.dumps(whole).decode()


def shapes(*, binary: bool) -> Shapes[Message]:
    """Makes the messages of a session.

    Args:
        binary: msgpack instead of JSON.
    """

    def frame(result: FrameResult, token: str) -> Message:
        values: dict[str, Any] = {**frame_values(result)}
        if token:
            values["resume_token"] = token
        return pack("frame", values, binary=binary)

    def end(end: StreamEnd) -> Message:
        return pack("end", {**end_values(end), "dropped_count": end.dropped_count}, binary=binary)

    def going_away(token: str, next_index: int) -> Message:
        return pack("going_away", {"resume_token": token, "next_index": next_index}, binary=binary)

    return Shapes(frame, going_away, end)


def error_message(error: RedAlignError, *, binary: bool) -> Message:
    """What comes before a stream is closed that cannot go on.

    Args:
        error: Why.
        binary: msgpack instead of JSON.
    """
    return pack("error", http_body(error), binary=binary)
