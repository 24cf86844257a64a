"""How a gRPC call ends that cannot be served."""

from __future__ import annotations

import logging
from typing import Any

import grpc

from red_align.errors import RedAlignError
from service.api.errors import grpc_status
from service.observability.metrics import Metrics

log = logging.getLogger(__name__)
Context = grpc.aio.ServicerContext[Any, Any]


class ClientGoneError(Exception):
    """An answer could not be sent."""


async def abort(context: Context, error: Exception, metrics: Metrics) -> None:
    """End a call with the error's status; what is no domain error is logged and reported as INTERNAL.

    Args:
        context: Of the call.
        error: Why it ends.
        metrics: Count it.

    Raises:
        grpc.aio.AbortError: What ends the call.
    """
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, ClientGoneError):  # There is nobody to answer.
        log.debug("the client has gone", exc_info=error)
        return
    if not isinstance(error, RedAlignError):
        log.error("unexpected error", exc_info=error)
        error = RedAlignError("internal error")
    metrics.rejects.labels(error.reason).inc()
    status = grpc_status(error)
    await context.abort(status.code, status.details, status.trailing_metadata)
