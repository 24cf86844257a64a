"""A live stream over a connection that may break: the driver that blocks (see ``session`` for what it drives)."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import grpc

from red_align.client.access import Access
from red_align.client.attempts import Attempts
from red_align.client.choices import StreamChoices
from red_align.client.errors import ServerTimeout, ServerUnreachable
from red_align.client.session import Answer, Session
from red_align.client.wire.connection import Connection, settle
from red_align.client.wire.pictures import GivenFrame, Pictures
from red_align.client.wire.statuses import error_of
from red_align.errors import InvalidRequest, RedAlignError
from red_align.frames import FrameResult, StreamEnd
from red_align.v1 import face_landmarks_pb2 as pb

LEAVE_S = 1.0
"""Seconds that ``close`` waits for the source of the frames to notice."""


class LiveStream(Iterator[FrameResult]):
    """The results of a live stream, as ``Client.stream`` gives them: an iterator of FrameResult, for a ``with`` block.

    Frames are taken from their source in a thread. Where the connection breaks, the stream goes on at the next address
    with its last resume token; every frame has one result, in the order of the frames.

    Args:
        frames: The source.
        pictures: Makes messages of them.
        session: What the stream is.
        attempts: The addresses.
        connect: Opens a connection to the address at hand.
    """

    def __init__(
        self,
        frames: Iterable[GivenFrame],
        pictures: Pictures,
        session: Session,
        attempts: Attempts,
        connect: Callable[[], Connection],
    ) -> None:
        self._source, self._pictures, self._session = iter(frames), pictures, session
        self._attempts, self._connect = attempts, connect
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._connection: Connection | None = None
        self._call: Any = None
        self._call_number = 0
        self._progress_s = time.monotonic()
        self._expired = False
        self._ready: deque[Answer] = deque()
        self._frame: object = None
        self._source_error: BaseException | None = None
        self._threads = [threading.Thread(target=t, daemon=True, name="red-align") for t in (self._feed, self._watch)]
        self.reconnects = 0
        """How often the stream went on over another connection."""

    @property
    def frame(self) -> Any:
        """The frame of the last result, as it was given, such as to draw on.

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

    def __enter__(self) -> Self:
        while self._connection is None:
            try:
                self._open_connection()
            except RedAlignError as error:
                self._lose(error)
        self._attempts.connected()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __next__(self) -> FrameResult:
        while not self._ready:
            if self._closed.is_set():
                raise StopIteration
            if self._session.end is not None:
                self.close()
                if self._source_error is not None:
                    raise self._source_error
                raise StopIteration
            try:
                self._step()
            except BaseException:
                self.close()
                raise
        kept, result = self._ready.popleft()
        self._frame = kept.given
        return result

    def close(self) -> None:
        """End the stream wherever it is; safe to call twice."""
        self._closed.set()
        with self._changed:
            self._changed.notify_all()
        self._drop_connection()
        if self._threads[0].is_alive() and threading.current_thread() not in self._threads:
            self._threads[0].join(LEAVE_S)

    def _step(self) -> None:
        """Take one answer, over a new connection where there is none."""
        try:
            call = self._call or self._begin()
            if call is None:
                return
            response = next(call)
        except StopIteration:
            self._lose(ServerUnreachable("the server ended the stream before its time"))
        except grpc.RpcError as error:
            if self._connection is not None and not self._closed.is_set():
                self._lose(self._why(error, self._connection))
        except RedAlignError as error:
            self._lose(error)
        else:
            self._take(response)
            if self._session.end is not None:
                settle(call)

    def _take(self, response: pb.AlignStreamResponse) -> None:
        with self._changed:
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
            self._changed.notify_all()

    def _begin(self) -> Any:
        """A call, once there is something to send; None where the stream was closed before."""
        with self._changed:
            self._changed.wait_for(lambda: self._session.has_work or self._closed.is_set())
            if self._closed.is_set():
                return None
        if self._connection is None:
            self._open_connection()
            self.reconnects += 1
        connection = self._connection
        assert connection is not None
        with self._changed:
            self._call_number += 1
            first, self._progress_s = self._session.begin(), time.monotonic()
            metadata = connection.metadata(self._session.config.stream_id)
            requests = self._requests(self._call_number, first)
            self._call = connection.stub.AlignStream(requests, metadata=metadata)
        return self._call

    def _open_connection(self) -> None:
        connection = self._connect()
        try:
            info = connection.info()
            self._pictures.max_bytes = info.max_message_bytes
            config = self._session.config
            if config.stream_id and not config.resume_token:
                config.resume_token = self._token_of_name(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _token_of_name(self, connection: Connection) -> str:
        """Where a named stream stands. Its name alone would go on behind answers that were lost on their way."""
        config, access = self._session.config, connection.access
        first = iter([pb.AlignStreamRequest(config=config)])
        metadata = connection.metadata(config.stream_id)
        try:
            answers = list(connection.stub.AlignStream(first, timeout=access.connect_s, metadata=metadata))
        except grpc.RpcError as error:
            raise error_of(error, connection.address, access) from error
        return str(answers[-1].end.resume_token) if answers else ""

    def _why(self, error: grpc.RpcError, connection: Connection) -> RedAlignError:
        if self._expired:
            self._expired = False
            return ServerTimeout(
                f"{connection.address} gave no answer for {connection.access.timeout_s:g} s (timeout_s)"
            )
        return error_of(error, connection.address, connection.access)

    def _lose(self, error: RedAlignError) -> None:
        """The connection is lost: wait for the next attempt, or raise."""
        self._drop_connection()
        pause = self._attempts.failed(error, time.monotonic())
        self._closed.wait(pause)

    def _drop_connection(self) -> None:
        connection, self._connection, self._call = self._connection, None, None
        with self._changed:
            self._call_number += 1
            self._changed.notify_all()
        if connection is not None:
            connection.close()

    def _requests(self, number: int, first: pb.AlignStreamRequest) -> Iterator[pb.AlignStreamRequest]:
        """What a call sends; runs in a thread of gRPC, and ends with its call."""
        yield first
        while True:
            with self._changed:
                request = None
                while number == self._call_number and not self._session.all_sent:
                    awaited = self._session.awaits
                    request = self._session.next_request()
                    if request is not None:
                        self._progress_s = self._progress_s if awaited else time.monotonic()
                        break
                    if not self._session.all_sent:
                        self._changed.wait()
            if request is None:
                return
            yield request

    def _feed(self) -> None:
        """Take frames from their source; runs in a thread."""
        try:
            while self._wait_for_room():
                given = next(self._source)
                message = self._pictures.message(given)
                with self._changed:
                    self._session.add(given, message)
                    self._changed.notify_all()
        except StopIteration:
            pass
        except BaseException as error:
            self._source_error = error  # Raised where the results of the frames before it are taken.
        finally:
            with self._changed:
                self._session.ended = True
                self._changed.notify_all()
            if self._closed.is_set() and hasattr(self._source, "close"):
                self._source.close()  # A generator lets go of its camera.

    def _wait_for_room(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._session.has_room or self._closed.is_set())
        return not self._closed.is_set()

    def _watch(self) -> None:
        """Give up a call whose server is silent though it owes an answer; runs in a thread."""
        while not self._closed.wait(0.25):
            with self._changed:
                call, connection = self._call, self._connection
                if call is None or connection is None or not self._session.awaits:
                    continue
                if time.monotonic() - self._progress_s < connection.access.timeout_s:
                    continue
                self._expired = True
            call.cancel()


def open_stream(frames: Iterable[GivenFrame], choices: StreamChoices, attempts: Attempts, access: Access) -> LiveStream:
    """A stream that is not connected yet.

    Args:
        frames: The source.
        choices: What is asked for.
        attempts: The addresses.
        access: How to get in.
    """
    return LiveStream(
        frames, choices.pictures(), choices.session(), attempts, lambda: Connection(attempts.address, access)
    )
