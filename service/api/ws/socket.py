"""uvicorn's protocol of a WebSocket, which leaves the end of a stream to the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent


class StreamSocket(WebSocketsSansIOProtocol):
    """When the service shuts down uvicorn would close at once; streams have a token to send before."""

    def shutdown(self) -> None:
        """The application closes; whoever has not shaken hands yet is refused."""
        if not self.handshake_complete:
            super().shutdown()

    async def send(self, message: ASGISendEvent) -> None:
        """What the application sends. A handshake that it refused is complete: uvicorn would log that as a fault."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True
