"""The gRPC server: our service, health and reflection."""

from __future__ import annotations

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from red_align.errors import ConfigurationError
from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from service.api.rpc.connections import GrpcConnections
from service.api.rpc.guard import CallGuard
from service.api.rpc.health import Health
from service.api.rpc.servicer import FaceLandmarkServicer
from service.config.settings import Settings
from service.dataplane import DataPlane

SERVICE = pb.DESCRIPTOR.services_by_name["FaceLandmarkService"].full_name
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
STREAMS_OF_A_CONNECTION = 128
HANDSHAKE_S = 10
"""Seconds from a connection's first packet to its HTTP/2 settings, TLS included."""
METADATA_BYTES = 16 * 1024


class GrpcServer:
    """A grpc.aio server bound to the settings' address.

    Args:
        dataplane: What it serves.
        limit: Most connections.
        share_port: Whether other processes of this service listen on the same port.

    Raises:
        ConfigurationError: The port is in use.
    """

    def __init__(self, dataplane: DataPlane, limit: int = 1024, *, share_port: bool = False) -> None:
        settings = dataplane.settings
        refused = dataplane.metrics.rejects.labels("CONNECTIONS").inc
        self._connections = GrpcConnections(limit, settings.peer_max_connections, refused)
        guard = CallGuard(dataplane, SERVICE, self._connections.know)
        # No maximum_concurrent_rpcs: grpc would count strangers' calls with those of others, and refuse them all.
        self._server = grpc.aio.server(interceptors=[guard], options=_options(settings, limit, share_port))
        self._health = Health("", SERVICE)
        self._keeping: asyncio.Task[None] | None = None
        pb_grpc.add_FaceLandmarkServiceServicer_to_server(FaceLandmarkServicer(dataplane), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((SERVICE, HEALTH, reflection.SERVICE_NAME), self._server)
        try:
            self.port = self._listen(settings)
        except RuntimeError as error:
            raise ConfigurationError(f"RED_GRPC_PORT: {settings.host}:{settings.grpc_port} is in use") from error

    def _listen(self, settings: Settings) -> int:
        address = f"{settings.host}:{settings.grpc_port}"
        if settings.tls_cert is None or settings.tls_key is None:
            return int(self._server.add_insecure_port(address))
        authorities = settings.tls_client_ca.read_bytes() if settings.tls_client_ca else None
        pair = (settings.tls_key.read_bytes(), settings.tls_cert.read_bytes())
        credentials = grpc.ssl_server_credentials([pair], authorities, require_client_auth=authorities is not None)
        return int(self._server.add_secure_port(address, credentials))

    async def start(self) -> None:
        """Listen; health reports NOT_SERVING until ``set_serving``."""
        await self._server.start()
        self._keeping = asyncio.create_task(self._connections.keep(self.port))

    def set_serving(self) -> None:
        """Let health report SERVING from now on."""
        self._health.set_serving(True)

    async def stop(self, grace_s: float) -> None:
        """Take no new calls, and wait for those under way.

        Args:
            grace_s: Seconds that they get; then they are ended.
        """
        self._health.set_serving(False)
        if self._keeping is not None:
            self._keeping.cancel()
        await self._server.stop(grace_s)


def _options(settings: Settings, limit: int, share_port: bool) -> list[tuple[str, int]]:
    """What grpc's core shall do by itself."""
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # A client whose machine died never says so; without an answer to pings its call ends.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.so_reuseport", int(share_port)),  # Else a port in use is an error.
        ("grpc.max_allowed_incoming_connections", limit),
        ("grpc.max_connection_idle_ms", int(settings.connection_idle_s * 1000)),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_S * 1000),
        ("grpc.max_concurrent_streams", STREAMS_OF_A_CONNECTION),
        ("grpc.max_metadata_size", METADATA_BYTES // 2),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES),
        # A connection is ended for its third ping in five minutes in which nothing was asked.
        ("grpc.http2.max_ping_strikes", 2),
    ]
