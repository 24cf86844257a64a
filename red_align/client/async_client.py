"""The client for an event loop: see ``client``. gRPC is imported when one is made."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Sequence
from typing import TYPE_CHECKING, Self

from red_align.client.access import Access, PathLike, Token, parse_addresses
from red_align.client.attempts import Attempts
from red_align.client.errors import ServerUnreachable, need_grpc
from red_align.client.info import ServerInfo
from red_align.client.sources import ClipSource, clip_bytes
from red_align.errors import RedAlignError
from red_align.features.options import FeatureOptions, FeaturesLike

if TYPE_CHECKING:
    from red_align.client.access import Address
    from red_align.client.async_clip import AsyncServerClip
    from red_align.client.async_live import AsyncLiveStream
    from red_align.client.wire.connection import AsyncConnection
    from red_align.client.wire.pictures import Colour, GivenFrame
    from red_align.clip.landmarks import ClipLandmarks


class AsyncClient:
    """``red_align.Client`` for an event loop: the same calls and results, and nothing that blocks the loop.

    It belongs to the event loop in which its first call is made; gRPC serves one event loop of a process.

    Args:
        server: See ``Client``.
        key: API key; empty for none.
        token: See ``Client``.
        ca: See ``Client``.
        certificate: See ``Client``.
        server_name: See ``Client``.
        proxy: See ``Client``.
        connect_s: Seconds to connect and hear who the server is.
        timeout_s: Seconds without any progress after which a call is given up.
        reconnect_s: Seconds for which a live stream that broke off tries to go on.

    Example:
        >>> import asyncio
        >>> import red_align
        >>> async def main() -> int:
        ...     async with red_align.AsyncClient("127.0.0.1:8081") as client:
        ...         clip = await client.align("clip.mp4")
        ...     return len(clip.points)
        >>> asyncio.run(main())
        120
    """

    def __init__(
        self,
        server: str | Sequence[str],
        *,
        key: str = "",
        token: Token = "",
        ca: PathLike | None = None,
        certificate: tuple[PathLike, PathLike] | None = None,
        server_name: str = "",
        proxy: str | None = None,
        connect_s: float = 10.0,
        timeout_s: float = 60.0,
        reconnect_s: float = 60.0,
    ) -> None:
        need_grpc("red_align.AsyncClient")
        self._addresses = parse_addresses(server)
        self._access = Access(key, token, ca, certificate, server_name, proxy, connect_s, timeout_s)
        self._reconnect_s = reconnect_s
        self._connections: dict[Address, AsyncConnection] = {}

    async def info(self) -> ServerInfo:
        """What the server says of itself.

        Returns:
            As ``Client.info``.

        Raises:
            RedAlignError: As ``Client.info``.
        """
        attempts = Attempts(self._addresses, 0.0)
        while True:
            try:
                return await self._connection(attempts.address).info()
            except RedAlignError as error:
                self._forget(attempts.address)
                attempts.failed(error, 0.0)

    async def track(
        self,
        source: ClipSource,
        *,
        max_faces: int = 1,
        stride: int = 1,
        parallel: int = 1,
        features: FeaturesLike = (),
        stream_id: str = "",
        resume_token: str = "",
    ) -> AsyncServerClip:
        """Track the faces of a clip at the server, frame by frame; see ``Client.track``.

        Args:
            source: See ``Client.track``. Files are read in threads.
            max_faces: See ``Client.track``.
            stride: See ``Client.track``.
            parallel: See ``Client.track``.
            features: See ``Client.track``.
            stream_id: See ``Client.track``.
            resume_token: See ``Client.track``.

        Returns:
            An asynchronous iterator of FrameResult with ``video``, ``scheme`` and ``end``.
        """
        from red_align.client.async_clip import AsyncClipCall, AsyncServerClip
        from red_align.client.choices import ClipChoices

        wanted, clip = FeatureOptions.of(features), clip_bytes(source)
        choices = ClipChoices(max_faces, stride, parallel, wanted, stream_id, resume_token)
        attempts = Attempts(self._addresses, 0.0)
        while True:
            connection, upload = self._connection(attempts.address), None
            try:
                info = await connection.info()
                clip.check_size(info.max_upload_bytes)
                upload = AsyncClipCall(connection, clip, choices)
                opened = AsyncServerClip(upload, await upload.video(), choices.points_of(info.points))
            except BaseException as error:
                self._forget(attempts.address)
                if upload is not None:
                    await upload.close()
                if not isinstance(error, RedAlignError) or (upload is not None and not choices.may_repeat(clip)):
                    raise
                if not (connection.proven and isinstance(error, ServerUnreachable)):
                    attempts.failed(error, 0.0)
            else:
                connection.proven = True
                return opened

    async def align(
        self,
        source: ClipSource,
        *,
        max_faces: int = 1,
        stride: int = 1,
        parallel: int = 1,
        features: FeaturesLike = (),
        stream_id: str = "",
        resume_token: str = "",
    ) -> ClipLandmarks:
        """Track the faces of a whole clip at the server; see ``Client.align``.

        Args:
            source: See ``track``.
            max_faces: See ``Client.align``.
            stride: See ``Client.align``.
            parallel: See ``Client.align``.
            features: See ``Client.align``.
            stream_id: See ``Client.align``.
            resume_token: See ``Client.align``.

        Returns:
            Arrays over all frames, as ``red_align.align`` gives them.
        """
        from red_align.client.choices import ClipChoices
        from red_align.clip.landmarks import Columns

        choices = ClipChoices(max_faces, stride, parallel, FeatureOptions.of(features), stream_id, resume_token)
        left = len(self._addresses) if choices.may_repeat(clip_bytes(source)) else 0
        while True:
            clip = await self.track(
                source,
                max_faces=max_faces,
                stride=stride,
                parallel=parallel,
                features=features,
                stream_id=stream_id,
                resume_token=resume_token,
            )
            columns = Columns(max_faces, clip.scheme.num_points, choices.features.names)
            try:
                async with clip:
                    async for result in clip:
                        columns.add(result)
            except ServerUnreachable:
                if not left:
                    raise
                left -= 1
            else:
                return columns.landmarks(clip.video, clip.end)

    def stream(
        self,
        frames: AsyncIterable[GivenFrame] | Iterable[GivenFrame],
        *,
        max_faces: int = 1,
        features: FeaturesLike = (),
        colour: Colour = "rgb",
        jpeg_quality: int | None = None,
        frame_rate: float | None = None,
        latest: bool = False,
        max_age_ms: int = 0,
        window: int = 8,
        resume_every: int = 15,
        stream_id: str = "",
        resume_token: str = "",
    ) -> AsyncLiveStream:
        """Send live frames and take their results, in order and each once; see ``Client.stream``.

        Args:
            frames: See ``Client.stream``; an asynchronous iterable, or an ordinary one, which is read in threads.
            max_faces: See ``Client.stream``.
            features: See ``Client.stream``.
            colour: See ``Client.stream``.
            jpeg_quality: See ``Client.stream``.
            frame_rate: See ``Client.stream``.
            latest: See ``Client.stream``.
            max_age_ms: See ``Client.stream``.
            window: See ``Client.stream``.
            resume_every: See ``Client.stream``.
            stream_id: See ``Client.stream``.
            resume_token: See ``Client.stream``.

        Returns:
            For an ``async with`` block: an asynchronous iterator of FrameResult with ``frame`` and ``end``.
        """
        from red_align.client.async_live import open_stream
        from red_align.client.choices import StreamChoices

        choices = StreamChoices(
            max_faces,
            FeatureOptions.of(features),
            colour,
            jpeg_quality,
            frame_rate,
            latest,
            max_age_ms,
            window,
            resume_every,
            stream_id,
            resume_token,
        )
        return open_stream(frames, choices, Attempts(self._addresses, self._reconnect_s), self._access)

    async def close(self) -> None:
        """End the connections, and the clips that are under way; safe to call twice."""
        connections = list(self._connections.values())
        self._connections.clear()
        for connection in connections:
            await connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _connection(self, address: Address) -> AsyncConnection:
        from red_align.client.wire.connection import AsyncConnection

        if address not in self._connections:
            self._connections[address] = AsyncConnection(address, self._access)
        return self._connections[address]

    def _forget(self, address: Address) -> None:
        """Connect anew for the next call. Other calls may still be under way on it: it ends with the last of them."""
        self._connections.pop(address, None)
