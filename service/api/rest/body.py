"""The body of an upload request: multipart field ``video``, or the file itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import aclosing

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from red_align.errors import BadResumeToken, EmptyBody, InvalidRequest, UnsupportedMedia
from red_align.names import nearest, unknown
from service.api.rest.names import query_names
from service.limits.loop_share import LoopShare
from service.limits.timeouts import UploadLimits, iterate_upload
from service.streams.uploads import Upload, check_size

FIELD, TOKEN_FIELD = b"video", b"resume_token"
MAX_TOKEN_BYTES = 256 * 1024
"""Far more than the tokens of all faces that a stream may follow."""
MAX_PARTS = 16
"""Parts of a form; two are wanted."""
MAX_FORM_BYTES = MAX_TOKEN_BYTES + 64 * 1024
"""What a form may be larger than its largest file: token, other fields, and the heads of all parts."""
_PIECE = 16 * 1024
"""Bytes that are parsed in one turn of the event loop."""


async def receive(request: Request, upload: Upload, max_bytes: int, limits: UploadLimits) -> str:
    """Write the uploaded file to ``upload`` while it arrives.

    Args:
        request: The request whose body is the upload.
        upload: Where the file goes.
        max_bytes: Most bytes of a file; a declared length beyond it is refused before the body comes.
        limits: How slow the client may be.

    Returns:
        The field ``resume_token``, or "".

    Raises:
        UnsupportedMedia: The content type is neither that of a form nor of a video or image, or the body is compressed.
        EmptyBody: The file has no byte.
        TooLarge: The file exceeds the limit.
        ClientTooSlow: The body stopped arriving, or arrives too slowly.
        InvalidRequest: A multipart body is broken, or has not exactly one field ``video``, or a query parameter.
        BadResumeToken: The field ``resume_token`` is too long.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    length, token = request.headers.get("content-length", ""), ""
    form = kind == b"multipart/form-data"
    if length.isdigit():
        check_size(int(length), max_bytes + MAX_FORM_BYTES * form)
    if not form and not kind.startswith((b"video/", b"image/")):
        given = kind.decode("latin-1") or "none"
        raise UnsupportedMedia(
            f"content type is {given}; send multipart/form-data with a field 'video', or video/* or image/*"
        )
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedMedia(f"the body is compressed ({encoding[:40]}); send it as it is, without Content-Encoding")
    async with aclosing(iterate_upload(request.stream(), len, limits)) as chunks:
        if form:
            boundary, limit = options.get(b"boundary", b""), max_bytes + MAX_FORM_BYTES
            token = await _receive_fields(chunks, upload, boundary, limit, query_names(request))
        else:
            async for chunk in chunks:
                upload.write(chunk)
                await upload.drain()
    if upload.size == 0:
        raise EmptyBody("the upload is empty")
    return token


async def _receive_fields(
    chunks: AsyncIterator[bytes], upload: Upload, boundary: bytes, max_bytes: int, in_query: Collection[str]
) -> str:
    if not boundary:
        raise InvalidRequest("the multipart content type has no boundary")
    field, received, share = _FieldWriter(upload, in_query), 0, LoopShare()
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": field.begin,
                "on_header_field": field.header_name,
                "on_header_value": field.header_value,
                "on_header_end": field.header_end,
                "on_headers_finished": field.headers_finished,
                "on_part_data": field.data,
                "on_end": field.finish,
            },
        )
        async for chunk in chunks:
            received += len(chunk)
            check_size(received, max_bytes)
            for at in range(0, 0 if field.finished else len(chunk), _PIECE):
                began, piece = time.thread_time(), chunk[at : at + _PIECE]
                parser.write(piece)
                # Bytes that are nearly boundaries take the parser a hundred times as long as others.
                if pause_s := share.spend(time.thread_time() - began, len(piece)):
                    await asyncio.sleep(pause_s)
            await upload.drain()
    except FormParserError as error:
        raise InvalidRequest(f"the multipart body is broken: {error}") from error
    if not field.found:
        raise InvalidRequest("the multipart body has no field 'video'")
    if not field.finished:
        raise InvalidRequest("the multipart body breaks off before its closing boundary")
    return field.token.decode("ascii", "replace")


class _FieldWriter:
    """Callbacks of the multipart parser: ``video`` goes to the file, ``resume_token`` is kept, others go nowhere."""

    def __init__(self, upload: Upload, in_query: Collection[str]) -> None:
        self._upload, self._in_query = upload, in_query
        self._has_token = False
        self._name, self._value = b"", b""
        self._disposition = b""
        self._writing = self._is_token = False
        self._parts = 0
        self.token = b""
        self.found = False
        self.finished = False

    def begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise InvalidRequest(f"the multipart body has more than {MAX_PARTS} parts")
        self._disposition, self._writing, self._is_token = b"", False, False

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name, self._value = b"", b""

    def headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"")
        if name == FIELD:
            if self.found:
                raise InvalidRequest("the multipart body has more than one field 'video'")
            self.found = self._writing = True
        elif name == TOKEN_FIELD:
            if self._has_token:
                raise InvalidRequest("the multipart body has more than one field 'resume_token'")
            self._has_token = self._is_token = True
        else:
            self._check_other(name.decode("utf-8", "replace"))

    def _check_other(self, name: str) -> None:
        """A form may have fields of its own; one that looks like ours is a mistake."""
        if name in self._in_query:
            raise InvalidRequest(f"'{name}' is no form field but a query parameter: POST /align?{name}=...")
        known = (FIELD.decode(), TOKEN_FIELD.decode(), *self._in_query)
        if nearest(name, known):
            raise InvalidRequest(unknown("form field", name, known))

    def data(self, data: bytes, start: int, end: int) -> None:
        if self._writing:
            self._upload.write(data[start:end])
        elif self._is_token:
            self.token += data[start:end]
            if len(self.token) > MAX_TOKEN_BYTES:
                raise BadResumeToken(f"a resume token has at most {MAX_TOKEN_BYTES} bytes")

    def finish(self) -> None:
        self.finished = True
