"""Connections to one server, one that blocks and one for an event loop, and GetInfo over them."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import grpc

from red_align.client.access import Access, Address
from red_align.client.info import ServerInfo, check_fit
from red_align.client.wire.messages import server_info
from red_align.client.wire.statuses import error_of
from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc

SETTLE_S = 5.0
"""Seconds for which a call that has its last answer is waited for."""
Metadata = tuple[tuple[str, str], ...]


class Connection:
    """A channel to one server, for calls that block.

    Args:
        address: Of the server.
        access: How to get in.
    """

    def __init__(self, address: Address, access: Access) -> None:
        self.address, self.access = address, access
        self.proven = False
        """Whether it has served a call before: then a failure says nothing of whether the server is there now."""
        options, target = _options(access), address.target
        if address.tls:
            self._channel = grpc.secure_channel(target, _credentials(access), options)
        else:
            self._channel = grpc.insecure_channel(target, options)
        self.stub: Any = pb_grpc.FaceLandmarkServiceStub(self._channel)
        self._info: ServerInfo | None = None

    def metadata(self, stream_id: str = "") -> Metadata:
        """What goes with a call."""
        return _metadata(self.access, stream_id)

    def info(self) -> ServerInfo:
        """What the server says of itself; asked once.

        Raises:
            VersionMismatch: It does not fit this client.
            RedAlignError: It cannot be reached, or refuses.
        """
        if self._info is None:
            try:
                message = self.stub.GetInfo(
                    pb.GetInfoRequest(), timeout=self.access.connect_s, metadata=self.metadata()
                )
            except grpc.RpcError as error:
                raise error_of(error, self.address, self.access) from error
            self._info = server_info(message)
            check_fit(self._info, self.address)
        return self._info

    def close(self) -> None:
        """End it, and the calls on it."""
        self._channel.close()


class AsyncConnection:
    """As Connection, on the running event loop.

    Args:
        address: Of the server.
        access: How to get in.
    """

    def __init__(self, address: Address, access: Access) -> None:
        self.address, self.access = address, access
        self.proven = False
        options, target = _options(access), address.target
        if address.tls:
            self._channel = grpc.aio.secure_channel(target, _credentials(access), options)
        else:
            self._channel = grpc.aio.insecure_channel(target, options)
        self.stub: Any = pb_grpc.FaceLandmarkServiceStub(self._channel)
        self._info: ServerInfo | None = None

    def metadata(self, stream_id: str = "") -> Metadata:
        """What goes with a call."""
        return _metadata(self.access, stream_id)

    async def info(self) -> ServerInfo:
        """See Connection.info."""
        if self._info is None:
            try:
                message = await self.stub.GetInfo(
                    pb.GetInfoRequest(), timeout=self.access.connect_s, metadata=self.metadata()
                )
            except grpc.RpcError as error:
                raise error_of(error, self.address, self.access) from error
            self._info = server_info(message)
            check_fit(self._info, self.address)
        return self._info

    async def close(self) -> None:
        """End it, and the calls on it."""
        await self._channel.close()


def settle(call: Any) -> None:
    """Wait until the server is done with a call whose last answer came: who cancels it before may undo a named stream.

    Args:
        call: As gRPC's stub gave it.
    """
    ended = threading.Event()
    if call.add_callback(ended.set):
        ended.wait(SETTLE_S)


async def settle_async(call: Any) -> None:
    """See settle."""
    await asyncio.wait({asyncio.ensure_future(call.code())}, timeout=SETTLE_S)


def _metadata(access: Access, stream_id: str) -> Metadata:
    headers = access.headers()
    if stream_id and stream_id.isascii() and stream_id.isprintable():
        headers["x-red-stream-id"] = stream_id  # A hint for routers between here and the server.
    return tuple(headers.items())


def _options(access: Access) -> list[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_metadata_size", 64 * 1024),
        # A server that comes back shall be found at once, not after gRPC's default of up to two minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_http_proxy", int(access.proxy != "")),
    ]
    if access.proxy:
        options.append(("grpc.http_proxy", access.proxy))
    if access.server_name:
        options.append(("grpc.ssl_target_name_override", access.server_name))
    return options


def _credentials(access: Access) -> grpc.ChannelCredentials:
    chain, key = access.certificate or (None, None)
    return grpc.ssl_channel_credentials(
        Path(access.ca).read_bytes() if access.ca is not None else None,
        Path(key).read_bytes() if key is not None else None,
        Path(chain).read_bytes() if chain is not None else None,
    )
