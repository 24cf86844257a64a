"""The client that blocks. gRPC is imported when one is made, so that the library works without it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
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
    from red_align.client.clip import ServerClip
    from red_align.client.live import LiveStream
    from red_align.client.wire.connection import Connection
    from red_align.client.wire.pictures import Colour, GivenFrame
    from red_align.clip.landmarks import ClipLandmarks


class Client:
    """A client of RED Align servers over gRPC: clips and live frames in, the library's own results out.

    Nothing is connected before the first call. It may be used from several threads; live streams have connections of
    their own. With several addresses a call that one server cannot serve goes to the next.

    Args:
        server: ``grpc://host:port``, ``grpcs://host:port`` (TLS) or ``host:port``; several in a sequence, or separated
            by commas. Without a port it is 8081.
        key: API key; empty for none.
        token: Bearer token, such as a signed JWT, or a function that gives a fresh one for each call.
        ca: PEM file of the authorities that vouch for the server; by default those of the system.
        certificate: PEM files of the client's own certificate chain and its key, where the server asks for one.
        server_name: Name in the server's certificate where it is not that of the address.
        proxy: ``http://host:port`` of an HTTP proxy, empty for none; by default what the environment says.
        connect_s: Seconds to connect and hear who the server is.
        timeout_s: Seconds without any progress after which a call is given up.
        reconnect_s: Seconds for which a live stream that broke off tries to go on.

    Example:
        >>> import red_align
        >>> with red_align.Client("127.0.0.1:8081") as client:
        ...     clip = client.align("clip.mp4", max_faces=2)
        ...     with client.track("clip.mp4") as frames:
        ...         first = next(frames)
        >>> clip.points.shape, len(first.faces)
        ((120, 2, 68, 2), 1)
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
        need_grpc("red_align.Client")
        self._addresses = parse_addresses(server)
        self._access = Access(key, token, ca, certificate, server_name, proxy, connect_s, timeout_s)
        self._reconnect_s = reconnect_s
        self._connections: dict[Address, Connection] = {}
        self._lock = threading.Lock()

    def info(self) -> ServerInfo:
        """What the server says of itself.

        Returns:
            Version, model, points and limits.

        Raises:
            ServerUnreachable: None answers.
            VersionMismatch: It does not fit this client.
            Unauthenticated: It asks for a key or token, or does not know this one.
        """
        attempts = Attempts(self._addresses, 0.0)
        while True:
            try:
                return self._connection(attempts.address).info()
            except RedAlignError as error:
                self._forget(attempts.address)
                attempts.failed(error, 0.0)

    def track(
        self,
        source: ClipSource,
        *,
        max_faces: int = 1,
        stride: int = 1,
        parallel: int = 1,
        features: FeaturesLike = (),
        stream_id: str = "",
        resume_token: str = "",
    ) -> ServerClip:
        """Track the faces of a clip at the server, frame by frame; see ``red_align.track``.

        The clip is uploaded at once; results are taken as the server makes them.

        Args:
            source: Path, bytes or a file opened for reading bytes, of a video, an image or an animated image.
            max_faces: Most faces to track at once.
            stride: Every stride-th frame is processed.
            parallel: Parts of a long video that are tracked side by side, at most.
            features: What faces are to have beside their points, and which points; see ``red_align.track``.
            stream_id: The clip is the next segment of the stream of this name.
            resume_token: The clip goes on from the end of an earlier one, ``end.resume_token``.

        Returns:
            An iterator of FrameResult with ``video``, ``scheme`` and ``end``, and ``image`` where the source is a path.
            Coordinates are those of the server's float32 messages, in pixels of the upright frame.

        Raises:
            OSError: The path cannot be read.
            InvalidRequest: An argument is out of range or the file is no clip, see ``red_align.track``.
            TooLarge: The clip exceeds a limit of the server.
            Overloaded: The server has no room.
            ServerUnreachable: No server answers, or (from the iterator) the connection broke.
        """
        from red_align.client.choices import ClipChoices
        from red_align.client.clip import ClipCall, ServerClip

        wanted, clip = FeatureOptions.of(features), clip_bytes(source)
        choices = ClipChoices(max_faces, stride, parallel, wanted, stream_id, resume_token)
        attempts = Attempts(self._addresses, 0.0)
        while True:
            connection, upload = self._connection(attempts.address), None
            try:
                info = connection.info()
                clip.check_size(info.max_upload_bytes)
                upload = ClipCall(connection, clip, choices)
                opened = ServerClip(upload, clip, choices, choices.points_of(info.points))
            except BaseException as error:
                self._forget(attempts.address)
                if upload is not None:
                    upload.close()
                if not isinstance(error, RedAlignError) or (upload is not None and not choices.may_repeat(clip)):
                    raise
                if not (connection.proven and isinstance(error, ServerUnreachable)):
                    attempts.failed(error, 0.0)
            else:
                connection.proven = True
                return opened

    def align(
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
        """Track the faces of a whole clip at the server; see ``red_align.align``.

        Args:
            source: See ``track``.
            max_faces: Most faces to track at once: the columns of the arrays.
            stride: Every stride-th frame is processed.
            parallel: See ``track``.
            features: See ``track``.
            stream_id: See ``track``.
            resume_token: See ``track``.

        Returns:
            Arrays over all frames, as ``red_align.align`` gives them.

        Raises:
            OSError: The path cannot be read.
            InvalidRequest: An argument is out of range or the file is no clip, see ``red_align.track``.
            TooLarge: The clip exceeds a limit of the server.
            Overloaded: The server has no room.
            ServerUnreachable: No server answers, or all of them broke off.
        """
        from red_align.client.choices import ClipChoices
        from red_align.clip.landmarks import Columns

        choices = ClipChoices(max_faces, stride, parallel, FeatureOptions.of(features), stream_id, resume_token)
        left = len(self._addresses) if choices.may_repeat(clip_bytes(source)) else 0
        while True:
            clip = self.track(
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
                with clip:
                    for result in clip:
                        columns.add(result)
            except ServerUnreachable:
                if not left:
                    raise
                left -= 1
            else:
                return columns.landmarks(clip.video, clip.end)

    def stream(
        self,
        frames: Iterable[GivenFrame],
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
    ) -> LiveStream:
        """Send live frames and take their results, in order and each once, over connections that may break.

        ``frames`` is read in a thread, no further ahead than ``window``. A stream whose connection breaks goes on at
        the next address with its last resume token and sends again what was not answered; until a token stands behind
        them, frames are kept in memory, at most ``window`` and ``resume_every`` of them.

        Args:
            frames: Pictures (uint8 [H, W, 3], or the bytes of a JPEG or PNG), or pairs of a picture and its time in
                seconds; times must grow. All pictures have one size.
            max_faces: Most faces to follow at once.
            features: What faces are to have beside their points, and which points; see ``red_align.track``.
            colour: ``rgb``, or ``bgr`` for arrays of OpenCV.
            jpeg_quality: Send arrays as JPEGs of this quality, 1 to 100: a tenth of the bytes, and points that differ a
                little. By default raw pixels.
            frame_rate: Frames a second where pictures come without times. By default their times are those at which
                they were taken from ``frames``.
            latest: For cameras: process the newest frame, and answer older ones that wait as ``dropped``. By default
                every frame is processed, and ``frames`` is held back.
            max_age_ms: A frame that waited longer at the server is answered as ``dropped``; 0 for no limit.
            window: Most frames that are sent and not answered.
            resume_every: Frames between two resume tokens.
            stream_id: Name of the stream: goes on where the last one of this name stopped.
            resume_token: Goes on from the end of an earlier stream, ``end.resume_token``.

        Returns:
            For a ``with`` block: an iterator of FrameResult with ``frame``, the last result's frame as it was given,
            and ``end``.

        Raises:
            InvalidRequest: An argument is out of range; or (from the iterator) a frame is of a wrong shape or dtype.
            ServerUnreachable: (From the ``with``) no server answers; (from the iterator) for ``reconnect_s`` none did.
            VersionMismatch: (From the ``with``) the server does not fit this client.
            Unauthenticated: (From the ``with``) the server asks for a key or token, or does not know this one.
            BadResumeToken: The servers have not the same keys of tokens (``RED_TOKEN_KEYS``).
        """
        from red_align.client.choices import StreamChoices
        from red_align.client.live import open_stream

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

    def close(self) -> None:
        """End the connections, and the clips that are under way; safe to call twice."""
        with self._lock:
            connections = list(self._connections.values())
            self._connections.clear()
        for connection in connections:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connection(self, address: Address) -> Connection:
        from red_align.client.wire.connection import Connection

        with self._lock:
            if address not in self._connections:
                self._connections[address] = Connection(address, self._access)
            return self._connections[address]

    def _forget(self, address: Address) -> None:
        """Connect anew for the next call. Other calls may still be under way on it: it ends with the last of them."""
        with self._lock:
            self._connections.pop(address, None)
