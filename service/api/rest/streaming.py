"""A streaming response that owns what its pieces are made from, and gives it back in every ending."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack

import anyio
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class OwningStream(StreamingResponse):
    """Closes ``pieces`` and then ``owned`` when the response ends: sent, client gone, or never begun.

    Args:
        pieces: The body.
        owned: What it is made from.
        media_type: Its type.
        headers: Further headers.
    """

    def __init__(
        self,
        pieces: AsyncGenerator[bytes],
        owned: AsyncExitStack,
        media_type: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(pieces, media_type=media_type, headers=headers)
        self._pieces, self._owned = pieces, owned

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, then give back."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._pieces.aclose()
                await self._owned.aclose()
