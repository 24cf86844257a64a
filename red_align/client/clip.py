"""A clip that a server tracks: its results as they come, in the form of ``red_align.track``. The driver that blocks."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from red_align.client.choices import ClipChoices
from red_align.client.errors import ServerTimeout, ServerUnreachable
from red_align.client.sources import ClipBytes
from red_align.client.wire.connection import Connection, settle
from red_align.client.wire.messages import frame_result, stream_end, video_info
from red_align.client.wire.statuses import error_of
from red_align.clip.tracking import ClipTrack
from red_align.conversion import to_rgb
from red_align.errors import InvalidRequest
from red_align.frames import Frame, FrameResult, StreamEnd, VideoInfo
from red_align.media.reader import DecodeLimits, Reader, open_media
from red_align.schemes import NamedPoints
from red_align.v1 import face_landmarks_pb2 as pb


class ServerClip(ClipTrack):
    """The faces of a clip, frame by frame, as ``Client.track`` gives them: a ClipTrack whose frames a server processes.

    Args:
        upload: The call, whose first answer is the clip's size.
        source: The clip.
        choices: What was asked for.
        scheme: The points that are answered.
    """

    def __init__(self, upload: ClipCall, source: ClipBytes, choices: ClipChoices, scheme: NamedPoints) -> None:
        self._events, self._source, self._choices, self._points = upload, source, choices, scheme
        self._video = upload.video()
        self._end: StreamEnd | None = None
        self._result: FrameResult | None = None
        self._image, self._count = None, 0
        self._local: Reader | None = None
        self._local_frames: Iterator[Frame] | None = None
        self._at_close: list[Callable[[], None]] = [upload.close]
        self._release = weakref.finalize(self, _call_all, self._at_close)

    @property
    def video(self) -> VideoInfo:
        """See ClipTrack."""
        return self._video

    @property
    def scheme(self) -> NamedPoints:
        """See ClipTrack."""
        return self._points

    @property
    def features(self) -> tuple[str, ...]:
        """See ClipTrack."""
        return self._choices.features.names

    @property
    def end(self) -> StreamEnd:
        """See ClipTrack."""
        return self._end or StreamEnd(False, self._count)

    @property
    def image(self) -> NDArray[np.uint8]:
        """The frame of the last result, RGB uint8 [H, W, 3], decoded here from the file that was sent.

        Raises:
            InvalidRequest: No result was taken yet, or what was sent is no file.
        """
        if self._result is None:
            raise InvalidRequest("no frame was processed yet")
        if self._image is None:
            self._image = self._decoded(self._result.index)
        if self._image is None:
            raise InvalidRequest(f"frame {self._result.index} does not decode here")
        return self._image

    def __next__(self) -> FrameResult:
        try:
            event = self._events.next() if self._release.alive else None
        except BaseException:
            self.close()
            raise
        if isinstance(event, FrameResult):
            self._result, self._image, self._count = event, None, self._count + 1
            return event
        self._end = event or self._end
        self.close()
        raise StopIteration

    def close(self) -> None:
        """See ClipTrack."""
        if self._local is not None:
            self._local.close()
        self._release()

    def then(self, call: Callable[[], None]) -> None:
        """Have something called once it is closed.

        Args:
            call: It must not hold the clip.
        """
        self._at_close.append(call)

    def _decoded(self, index: int) -> NDArray[np.uint8] | None:
        if self._source.path is None or self._choices.stream_id or self._choices.resume_token:
            raise InvalidRequest(
                "images are to be had of a clip that was sent as a path, and is no segment of a stream"
            )
        if self._local_frames is None:
            self._local = open_media(self._source.path, DecodeLimits())
            self._local_frames = self._local.frames(self._choices.stride, planes=True)
        for frame in self._local_frames:
            if frame.index == index and frame.error is None:
                return frame.image if frame.planes is None else to_rgb(frame.planes)
        return None


class ClipCall:
    """One clip on its way to a server, and its answers.

    Args:
        connection: To the server.
        source: The clip.
        choices: What is asked for.
    """

    def __init__(self, connection: Connection, source: ClipBytes, choices: ClipChoices) -> None:
        self._connection, self._source, self._choices = connection, source, choices
        self._progress_s = time.monotonic()
        self._waits, self._expired = False, False
        self._over = threading.Event()
        self._source_error: Exception | None = None
        self._begun = threading.Event()
        self._call: Any = connection.stub.AlignClip(self._requests(), metadata=connection.metadata(choices.stream_id))
        self._begun.set()
        threading.Thread(target=self._watch, daemon=True, name="red-align").start()

    def video(self) -> VideoInfo:
        """The first answer.

        Raises:
            RedAlignError: The clip is refused, or the server is gone.
        """
        response = self._response()
        if response is None or response.WhichOneof("event") != "video":
            self.close()
            raise ServerUnreachable(f"the server at {self._connection.address} ended the answer before it began")
        return video_info(response.video)

    def next(self) -> FrameResult | StreamEnd:
        """The next answer.

        Raises:
            RedAlignError: The server is gone.
        """
        response = self._response()
        if response is None:
            raise ServerUnreachable(f"the server at {self._connection.address} ended the answer before its time")
        if response.WhichOneof("event") == "frame":
            return frame_result(response.frame)
        self._over.set()
        settle(self._call)
        return stream_end(response.end)

    def close(self) -> None:
        """End it wherever it is; safe to call twice."""
        self._over.set()
        self._call.cancel()

    def _response(self) -> pb.AlignClipResponse | None:
        self._progress_s, self._waits = time.monotonic(), True
        try:
            response: pb.AlignClipResponse | None = next(self._call, None)
        except grpc.RpcError as error:
            self._over.set()
            raise self._why(error) from error
        finally:
            self._waits = False
        return response

    def _why(self, error: grpc.RpcError) -> Exception:
        if self._source_error is not None:
            return self._source_error
        address, access = self._connection.address, self._connection.access
        if self._expired:
            return ServerTimeout(f"{address} made no progress with the clip for {access.timeout_s:g} s (timeout_s)")
        return error_of(error, address, access)

    def _requests(self) -> Iterator[pb.AlignClipRequest]:
        """What the call sends; runs in a thread of gRPC."""
        yield self._choices.request
        try:
            for piece in self._source.pieces():
                if self._over.is_set():
                    return
                yield pb.AlignClipRequest(chunk=piece)
                self._progress_s = time.monotonic()
        except Exception as error:
            self._source_error = error
            self._begun.wait()
            self._call.cancel()

    def _watch(self) -> None:
        timeout_s = self._connection.access.timeout_s
        while not self._over.wait(0.25):
            if self._waits and time.monotonic() - self._progress_s >= timeout_s:
                self._expired = True
                self._call.cancel()
                return


def _call_all(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()
