"""A live stream over a connection that may break: the driver for an event loop (see ``session`` for what it drives)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from typing import Any, Self

import grpc

from red_align.client.access import Access
from red_align.client.attempts import Attempts
from red_align.client.choices import StreamChoices
from red_align.client.errors import ServerTimeout, ServerUnreachable
from red_align.client.session import Answer, Session
from red_align.client.wire.connection import AsyncConnection, settle_async
from red_align.client.wire.pictures import GivenFrame, Pictures
from red_align.client.wire.statuses import error_of
from red_align.errors import InvalidRequest, RedAlignError
from red_align.frames import FrameResult, StreamEnd
from red_align.v1 import face_landmarks_pb2 as pb

_LOOK_S = 0.25
"""Seconds between two looks at whether a server is silent for too long."""
_OVER = object()


class AsyncLiveStream(AsyncIterator[FrameResult]):
    """The results of a live stream, as ``AsyncClient.stream`` gives them: see LiveStream, for an ``async with`` block.

    Args:
        frames: The source; one that blocks is read in threads.
        pictures: Makes messages of them.
        session: What the stream is.
        attempts: The addresses.
        connect: Opens a connection to the address at hand.
    """

    def __init__(
        self,
        frames: AsyncIterable[GivenFrame] | Iterable[GivenFrame],
        pictures: Pictures,
        session: Session,
        attempts: Attempts,
        connect: Callable[[], AsyncConnection],
    ) -> None:
        self._source, self._pictures, self._session = _Source(frames), pictures, session
        self._attempts, self._connect = attempts, connect
        self._changed = asyncio.Condition()
        self._closed = False
        self._connection: AsyncConnection | None = None
        self._call: Any = None
        self._call_number = 0
        self._reading: asyncio.Task[Any] | None = None
        self._feeding: asyncio.Task[None] | None = None
        self._progress_s = time.monotonic()
        self._ready: deque[Answer] = deque()
        self._frame: object = None
        self._source_error: Exception | None = None
        self.reconnects = 0
        """How often the stream went on over another connection."""

    @property
    def frame(self) -> Any:
        """The frame of the last result, as it was given.

        Raises:
            InvalidRequest: No result was taken yet.
        """
        if self._frame is None:
            raise InvalidRequest("no result was taken yet")
        return self._frame

    @property
    def end(self) -> StreamEnd:
        """How the stream ended; while it goes on it is not complete. Its token goes on in another stream."""
        return self._session.so_far

    async def __aenter__(self) -> Self:
        while self._connection is None:
            try:
                await self._open_connection()
            except RedAlignError as error:
                await self._lose(error)
        self._attempts.connected()
        self._feeding = asyncio.create_task(self._feed())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def __anext__(self) -> FrameResult:
        while not self._ready:
            if self._closed:
                raise StopAsyncIteration
            if self._session.end is not None:
                await self.close()
                if self._source_error is not None:
                    raise self._source_error
                raise StopAsyncIteration
            try:
                await self._step()
            except Exception:
                await self.close()
                raise
        kept, result = self._ready.popleft()
        self._frame = kept.given
        return result

    async def close(self) -> None:
        """End the stream wherever it is; safe to call twice."""
        self._closed = True
        if self._feeding is not None and self._feeding is not asyncio.current_task():
            self._feeding.cancel()
            await asyncio.gather(self._feeding, return_exceptions=True)
        await self._drop_connection()

    async def _step(self) -> None:
        """Take one answer, over a new connection where there is none."""
        try:
            if self._call is None:
                await self._begin()
            response = await self._response()
        except RedAlignError as error:
            if not self._closed:
                await self._lose(error)
        else:
            if response is not None:
                await self._take(response)
            if self._session.end is not None and self._call is not None:
                await settle_async(self._call)

    async def _response(self) -> pb.AlignStreamResponse | None:
        """The next one; None after a while without one. Whoever cancels this takes nothing from the stream."""
        if self._call is None or self._connection is None:
            return None
        access, address = self._connection.access, self._connection.address
        reading = self._reading = self._reading or asyncio.ensure_future(self._call.read())
        done, _ = await asyncio.wait({reading}, timeout=_LOOK_S)
        if not done:
            if self._session.awaits and time.monotonic() - self._progress_s >= access.timeout_s:
                raise ServerTimeout(f"{address} gave no answer for {access.timeout_s:g} s (timeout_s)")
            return None
        self._reading = None
        try:
            response = reading.result()
        except grpc.RpcError as error:
            raise error_of(error, address, access) from error
        except asyncio.CancelledError as error:  # of the call
            raise ServerUnreachable(f"the connection to {address} broke") from error
        if response is grpc.aio.EOF:
            raise ServerUnreachable("the server ended the stream before its time")
        return response  # type: ignore[no-any-return]

    async def _take(self, response: pb.AlignStreamResponse) -> None:
        self._progress_s = time.monotonic()
        match response.WhichOneof("event"):
            case "frame":
                answers = self._session.answered(response.frame)
                self._ready.extend(answers)
                if answers:
                    self._attempts.succeeded()
            case "going_away":
                self._session.going_away(response.going_away)
            case "end":
                self._session.finished(response.end)
        await self._notify()

    async def _begin(self) -> None:
        """Open a call once there is something to send."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._session.has_work or self._closed)
        if self._closed:
            return
        if self._connection is None:
            await self._open_connection()
            self.reconnects += 1
        connection = self._connection
        assert connection is not None
        self._call_number += 1
        first, self._progress_s = self._session.begin(), time.monotonic()
        metadata = connection.metadata(self._session.config.stream_id)
        requests = self._requests(self._call_number, first)
        self._call = connection.stub.AlignStream(requests, metadata=metadata)

    async def _open_connection(self) -> None:
        connection = self._connect()
        try:
            info = await connection.info()
            self._pictures.max_bytes = info.max_message_bytes
            config = self._session.config
            if config.stream_id and not config.resume_token:
                config.resume_token = await self._token_of_name(connection)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection

    async def _token_of_name(self, connection: AsyncConnection) -> str:
        """See LiveStream: where a named stream stands."""
        config, access = self._session.config, connection.access
        first = [pb.AlignStreamRequest(config=config)]
        metadata = connection.metadata(config.stream_id)
        try:
            call = connection.stub.AlignStream(first, timeout=access.connect_s, metadata=metadata)
            answers = [response async for response in call]
        except grpc.RpcError as error:
            raise error_of(error, connection.address, access) from error
        return str(answers[-1].end.resume_token) if answers else ""

    async def _lose(self, error: RedAlignError) -> None:
        """The connection is lost: wait for the next attempt, or raise."""
        await self._drop_connection()
        await asyncio.sleep(self._attempts.failed(error, time.monotonic()))

    async def _drop_connection(self) -> None:
        connection, reading = self._connection, self._reading
        self._connection = self._call = self._reading = None
        self._call_number += 1
        await self._notify()
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        if connection is not None:
            await connection.close()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _requests(self, number: int, first: pb.AlignStreamRequest) -> AsyncGenerator[pb.AlignStreamRequest]:
        """What a call sends; ends with its call."""
        yield first
        while number == self._call_number and not self._session.all_sent:
            awaited = self._session.awaits
            request = self._session.next_request()
            if request is not None:
                self._progress_s = self._progress_s if awaited else time.monotonic()
                yield request
            elif not self._session.all_sent:
                async with self._changed:
                    await self._changed.wait()

    async def _feed(self) -> None:
        """Take frames from their source."""
        try:
            while True:
                async with self._changed:
                    await self._changed.wait_for(lambda: self._session.has_room)
                given = await self._source.next()
                if given is _OVER:
                    break
                message = await asyncio.to_thread(self._pictures.message, given)
                self._session.add(given, message)
                await self._notify()
        except Exception as error:
            self._source_error = error  # Raised where the results of the frames before it are taken.
        finally:
            await self._source.close()
            self._session.ended = True
            await self._notify()


class _Source:
    """Frames of either kind of iterable, one after another."""

    def __init__(self, frames: AsyncIterable[GivenFrame] | Iterable[GivenFrame]) -> None:
        self._frames: Any = aiter(frames) if isinstance(frames, AsyncIterable) else iter(frames)

    async def next(self) -> Any:
        """The next frame; _OVER after the last."""
        if isinstance(self._frames, AsyncIterator):
            return await anext(self._frames, _OVER)
        return await asyncio.to_thread(next, self._frames, _OVER)

    async def close(self) -> None:
        """Let a generator let go of what it holds."""
        if hasattr(self._frames, "aclose"):
            await self._frames.aclose()
        elif hasattr(self._frames, "close"):
            with contextlib.suppress(ValueError):  # A thread is still in it, and cannot be stopped.
                self._frames.close()


def open_stream(
    frames: AsyncIterable[GivenFrame] | Iterable[GivenFrame], choices: StreamChoices, attempts: Attempts, access: Access
) -> AsyncLiveStream:
    """A stream that is not connected yet.

    Args:
        frames: The source.
        choices: What is asked for.
        attempts: The addresses.
        access: How to get in.
    """
    return AsyncLiveStream(
        frames, choices.pictures(), choices.session(), attempts, lambda: AsyncConnection(attempts.address, access)
    )
