"""What the status of a call means: the server's own error, or that there is no server to speak of."""

from __future__ import annotations

from typing import Any, Protocol

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from red_align.client.access import DEFAULT_PORT, Access, Address
from red_align.client.errors import ServerTimeout, ServerUnreachable, VersionMismatch
from red_align.client.wire.messages import domain_error
from red_align.errors import RedAlignError, Unauthenticated

_DETAILS = "grpc-status-details-bin"


class Ended(Protocol):
    """What gRPC's two kinds of errors have in common."""

    def code(self) -> grpc.StatusCode:
        """Its status."""
        ...

    def details(self) -> str | None:
        """What was said."""
        ...

    def trailing_metadata(self) -> Any:
        """Pairs of names and values, or None."""
        ...


def error_of(ended: Any, address: Address, access: Access) -> RedAlignError:
    """Why a call ended, as an error of the library.

    Args:
        ended: A ``grpc.RpcError`` (see Ended).
        address: Whom the call went to.
        access: How.

    Returns:
        The error of the server's reason; where no RED Align server spoke, one that says what may be wrong.
    """
    said: Ended = ended
    code, details = said.code(), said.details() or ""
    own = _own(said.trailing_metadata() or (), code, details)
    if isinstance(own, Unauthenticated):
        hint = "it does not know this key or token" if access.has_key else "it asks for one: Client(..., key=...)"
        return Unauthenticated(f"{own.message} (to {address}; {hint})", **own.metadata)
    if own is not None:
        return own
    match code:
        case grpc.StatusCode.UNIMPLEMENTED:
            why = (
                f"the server at {address} speaks gRPC, but not that of RED Align (red_align.v1): update one of the two"
            )
            return VersionMismatch(f"{why}, or look whether the address is right")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return ServerTimeout(f"the server at {address} did not answer in time")
        case grpc.StatusCode.UNAUTHENTICATED | grpc.StatusCode.PERMISSION_DENIED:
            return Unauthenticated(f"no access to {address}: {details}")
        case grpc.StatusCode.RESOURCE_EXHAUSTED | grpc.StatusCode.INVALID_ARGUMENT:
            return domain_error(f"{address}: {details}", code.name, "", {})
    return ServerUnreachable(_unreachable(address, details))


def _own(trailers: Any, code: grpc.StatusCode, details: str) -> RedAlignError | None:
    """The error that a RED Align server named; None where none did."""
    for name, value in trailers:
        if name != _DETAILS:
            continue
        try:
            status = status_pb2.Status.FromString(value)
        except DecodeError:
            return None
        info = error_details_pb2.ErrorInfo()
        for detail in status.details:
            if detail.Unpack(info):
                return domain_error(details, code.name, info.reason, dict(info.metadata))
    return None


def _unreachable(address: Address, details: str) -> str:
    said = details.lower()
    if "http1.x" in said or "http/1" in said:
        return (
            f"{address} is a server of HTTP/1, perhaps RED Align's REST port: the client needs the gRPC port, "
            f"{DEFAULT_PORT} unless it was set otherwise"
        )
    if "wrong_version_number" in said:
        return f"the server at {address} does not speak TLS: use grpc://{address.target}"
    if "ssl" in said or "certificate" in said or "tsi_" in said:
        hint = (
            "name the authority with ca=, the certificate's name with server_name=" if address.tls else "use grpcs://"
        )
        return f"no encrypted connection to {address}: {details} ({hint})"
    if "refused" in said:
        what = "nothing listens there"
    elif "dns" in said or "domain name" in said or "lookup" in said:
        what = "there is no such name"
    else:
        what = details or "the connection broke"
    tls = "" if address.tls else f", or does it want TLS (grpcs://{address.target})"
    return f"no RED Align server answers at {address}: {what}. Is it running, is this its gRPC port{tls}?"
