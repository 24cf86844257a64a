"""THE mapping of domain errors to the outside: google.rpc.Status, from there gRPC codes and HTTP."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from red_align.errors import ClientTooSlow, RedAlignError, TooLarge, UnsupportedMedia

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
# Where HTTP has a sharper word than the code.
_HTTP_OF_REASON = {TooLarge.reason: 413, UnsupportedMedia.reason: 415, ClientTooSlow.reason: 408}


def to_status(error: RedAlignError) -> status_pb2.Status:
    """The error as google.rpc.Status with one ErrorInfo (reason, domain, metadata)."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    detail = any_pb2.Any()
    detail.Pack(info)
    return status_pb2.Status(code=code_pb2.Code.Value(error.code), message=error.message, details=[detail])


def http_status(error: RedAlignError) -> int:
    """The HTTP status code."""
    return _HTTP_OF_REASON.get(error.reason, _HTTP[error.code])


def http_body(error: RedAlignError) -> dict[str, Any]:
    """The JSON body: ``{"error": {code, reason, message, metadata}}``."""
    return {
        "error": {
            "code": error.code,
            "reason": error.reason,
            "message": error.message,
            "metadata": error.metadata,
        }
    }


def grpc_code(error: RedAlignError) -> grpc.StatusCode:
    """The gRPC status code."""
    code: grpc.StatusCode = grpc.StatusCode[error.code]
    return code


def grpc_trailers(error: RedAlignError) -> tuple[tuple[str, bytes], ...]:
    """The trailers that carry the Status, where grpc_status finds it."""
    return (("grpc-status-details-bin", to_status(error).SerializeToString()),)
