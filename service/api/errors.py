"""THE mapping of domain errors to the outside: google.rpc.Status for gRPC, status and JSON for HTTP and WebSockets."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from red_align.errors import ClientTooSlow, GoingAway, NotAcceptable, RedAlignError, TooLarge, UnsupportedMedia

DOMAIN = "red-align"

# The HTTP mapping that google/rpc/code.proto gives for each code.
_HTTP = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
# Where HTTP has a sharper word than the code; it holds for what is derived from these as well.
_HTTP_OF_CLASS: dict[type, int] = {TooLarge: 413, UnsupportedMedia: 415, ClientTooSlow: 408, NotAcceptable: 406}


def http_status(error: RedAlignError) -> int:
    """The HTTP status code of an error."""
    sharper = (_HTTP_OF_CLASS[cls] for cls in type(error).__mro__ if cls in _HTTP_OF_CLASS)
    return next(sharper, _HTTP[error.code])


def websocket_close(error: RedAlignError) -> int:
    """The code that closes a WebSocket: 1001 where the service is going away, else 4000 and the HTTP status."""
    return 1001 if isinstance(error, GoingAway) else 4000 + http_status(error)


def http_body(error: RedAlignError) -> dict[str, Any]:
    """The JSON body of an error.

    Returns:
        ``{"error": {code, reason, message, metadata}}``.
    """
    return {
        "error": {
            "code": error.code,
            "reason": error.reason,
            "message": error.message,
            "metadata": error.metadata,
        }
    }


def grpc_status(error: RedAlignError) -> grpc.Status:
    """The status that ends a gRPC call.

    Returns:
        Code, details and trailers; these carry a google.rpc.Status with one ErrorInfo (reason, domain, metadata).
    """
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata))
    rich = status_pb2.Status(code=code_pb2.Code.Value(error.code), message=error.message, details=[detail])
    status: grpc.Status = rpc_status.to_status(rich)
    return status
