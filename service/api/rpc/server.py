"""The gRPC server: our service, health and reflection."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from red_align.errors import ConfigurationError
from red_align.v1 import face_landmarks_pb2 as pb
from red_align.v1 import face_landmarks_pb2_grpc as pb_grpc
from service.api.rpc.servicer import FaceLandmarkServicer
from service.config.settings import Settings
from service.dataplane import DataPlane

OTHER_CALLS = 32
SERVICE = pb.DESCRIPTOR.services_by_name["FaceLandmarkService"].full_name


class GrpcServer:
    """A grpc.aio server bound to the settings' address.

    Args:
        dataplane: What it serves.
        share_port: Whether other processes of this service listen on the same port.

    Raises:
        ConfigurationError: The port is in use.
    """

    def __init__(self, dataplane: DataPlane, *, share_port: bool = False) -> None:
        settings = dataplane.settings
        self._server = grpc.aio.server(
            # Calls that have not begun to be streams or uploads yet, and those of monitors, are bounded as well.
            maximum_concurrent_rpcs=settings.max_streams + settings.max_uploads + OTHER_CALLS,
            options=[
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                ("grpc.max_send_message_length", settings.max_message_bytes),
                # A client whose machine died never says so; without an answer to pings its call ends.
                ("grpc.keepalive_time_ms", 30_000),
                ("grpc.keepalive_timeout_ms", 10_000),
                ("grpc.so_reuseport", int(share_port)),  # Else a port in use is an error.
            ],
        )
        self._health = health.aio.HealthServicer()
        pb_grpc.add_FaceLandmarkServiceServicer_to_server(FaceLandmarkServicer(dataplane), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
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
        for name in ("", SERVICE):
            await self._health.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)
        await self._server.start()

    async def set_serving(self) -> None:
        """Let health report SERVING from now on."""
        for name in ("", SERVICE):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_s: float) -> None:
        """Take no new calls, and wait for those under way.

        Args:
            grace_s: Seconds that they get; then they are ended.
        """
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)
