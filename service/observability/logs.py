"""Logs with the request and the stream they belong to, as text or as JSON lines; never an image, a key or a token.

A request's id is that of asgi-correlation-id, for HTTP and gRPC alike; a stream's id stands beside it. Both are context
variables of the request's own task and end with it.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
from contextvars import ContextVar

from asgi_correlation_id import CorrelationIdMiddleware
from asgi_correlation_id.context import correlation_id
from pythonjsonlogger.json import JsonFormatter
from starlette.types import ASGIApp, Receive, Scope, Send

from service.observability.repeats import RepeatFilter

REQUEST_ID_HEADER = "X-Request-Id"
_TEXT = "%(asctime)s %(levelname)s %(name)s request_id=%(request_id)s stream_id=%(stream_id)s: %(message)s"
_JSON = "%(asctime)s %(levelname)s %(name)s %(message)s %(request_id)s %(stream_id)s"
_RENAMED = {"levelname": "level", "asctime": "time", "name": "logger"}
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_stream_id: ContextVar[str] = ContextVar("stream_id", default="")


def configure_logs(level: str, form: str) -> None:
    """Send all logs to stderr, uvicorn's with them.

    Args:
        level: Least level.
        form: ``text`` or ``json``.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RepeatFilter())
    handler.addFilter(_add_ids)
    handler.setFormatter(JsonFormatter(_JSON, rename_fields=_RENAMED) if form == "json" else _TextFormatter(_TEXT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True


def with_request_ids(app: ASGIApp) -> ASGIApp:
    """An application whose requests have an id in the logs and in the answer's header.

    It is the one that the client sent, or a new one where that is none of 1 to 64 letters, digits, dots, underscores
    and hyphens.

    Args:
        app: The application. This goes around all of it, so that the answer to an unexpected error has the header too.
    """

    async def begin(scope: Scope, receive: Receive, send: Send) -> None:
        _stream_id.set("")  # A pipelined request's task begins in the context of the request before it.
        await app(scope, receive, send)

    return CorrelationIdMiddleware(
        begin, header_name=REQUEST_ID_HEADER, generator=_new_id, validator=_is_valid, transformer=None
    )


def set_request_id(given: str) -> None:
    """Name the request in all further logs of this task; gRPC's counterpart of ``with_request_ids``.

    Args:
        given: The id that the client sent; where it is not valid the request gets a new one.
    """
    correlation_id.set(given if _is_valid(given) else _new_id())


def set_stream_id(stream_id: str) -> None:
    """Name the stream in all further logs of this task."""
    _stream_id.set(stream_id)


def _new_id() -> str:
    return secrets.token_hex(8)


def _is_valid(given: str) -> bool:
    return _ID.fullmatch(given) is not None


def _add_ids(record: logging.LogRecord) -> bool:
    record.request_id, record.stream_id = correlation_id.get() or "", _stream_id.get()
    return True


class _TextFormatter(logging.Formatter):
    """Text with ``-`` for an id that is not there. A stream's name is the client's: it must not forge a line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        values = vars(record)
        shown = {name: _shown(values.get(name, "")) for name in ("request_id", "stream_id")}
        return _TEXT % (values | shown)


def _shown(value: str) -> str:
    return value if _is_valid(value) else json.dumps(value) if value else "-"
