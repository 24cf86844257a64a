"""Errors that only a client has: no server, another version, no answer. What a server says keeps the server's class.

No gRPC is imported here; ``need_grpc`` says what to install where it is missing.
"""

from __future__ import annotations

from red_align.errors import RedAlignError


class ServerUnreachable(RedAlignError):
    """No server answers at the address, or the connection to it broke.

    Example:
        >>> import red_align
        >>> with red_align.Client("127.0.0.1:1") as client:
        ...     try:
        ...         client.info()
        ...     except red_align.ServerUnreachable as error:
        ...         print(error.reason)
        SERVER_UNREACHABLE
    """

    code = "UNAVAILABLE"
    reason = "SERVER_UNREACHABLE"


class ServerTimeout(RedAlignError):
    """A server is connected, and made no progress for longer than the client waits."""

    code = "UNAVAILABLE"
    reason = "SERVER_TIMEOUT"


class VersionMismatch(RedAlignError):
    """Client and server do not fit; the message says which of them to update.

    Example:
        >>> import red_align
        >>> issubclass(red_align.VersionMismatch, red_align.RedAlignError)
        True
    """

    code = "FAILED_PRECONDITION"
    reason = "VERSION_MISMATCH"


class ServerError(RedAlignError):
    """What a server says in words that this client does not know; its own code and reason are kept.

    Args:
        message: What is wrong, for people.
        code: Name of a google.rpc.Code.
        reason: The server's word.
        **metadata: Values for programs.
    """

    code = "UNKNOWN"
    reason = "SERVER_ERROR"

    def __init__(self, message: str, code: str = "", reason: str = "", **metadata: str) -> None:
        super().__init__(message, **metadata)
        self.code = code or type(self).code
        self.reason = reason or type(self).reason


def need_grpc(who: str) -> None:
    """See that gRPC and protobuf are there.

    Args:
        who: Needs them.

    Raises:
        ImportError: They are not, or are too old; the message says what to install.
    """
    try:
        import google.rpc
        import grpc

        assert google.rpc
        assert grpc
    except ImportError as error:
        raise ImportError(f'{who} needs gRPC: pip install "red-align[client]"') from error
    try:
        import red_align.v1.face_landmarks_pb2_grpc
    except Exception as error:  # of classes of their own
        why = f"{who} needs a newer grpcio or protobuf than are installed"
        raise ImportError(f'{why}: pip install --upgrade "red-align[client]" ({error})') from error
    assert red_align.v1.face_landmarks_pb2_grpc
