"""Logs with the request and the stream they belong to, as text or as JSON lines; never an image, a key or a token."""

from __future__ import annotations

import logging
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_JSON = "%(asctime)s %(levelname)s %(name)s %(message)s %(request_id)s %(stream_id)s"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_request: ContextVar[str] = ContextVar("request_id", default="")
_stream: ContextVar[str] = ContextVar("stream_id", default="")


def configure_logs(level: str, form: str) -> None:
    """Logs go to stderr; uvicorn's with them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_with_ids)
    renamed = {"levelname": "level", "asctime": "time", "name": "logger"}
    handler.setFormatter(JsonFormatter(_JSON, rename_fields=renamed) if form == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True


@contextmanager
def log_ids(request_id: str, stream_id: str = "") -> Iterator[str]:
    """Name the request, and its stream, in all logs of the block; gives its id, a new one if none is sound."""
    known = request_id if _ID.fullmatch(request_id) else secrets.token_hex(8)
    tokens = _request.set(known), _stream.set(stream_id)
    try:
        yield known
    finally:
        # A generator may be ended in another context than it began in; the variables then end with that one.
        for variable, token in zip((_request, _stream), tokens, strict=True):
            try:
                variable.reset(token)
            except ValueError:
                variable.set("")


def _with_ids(record: logging.LogRecord) -> bool:
    record.request_id, record.stream_id = _request.get(), _stream.get()
    return True
