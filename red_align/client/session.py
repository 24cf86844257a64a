"""What a live stream is on the client's side: which frames wait, were sent and were answered, and where to go on.

No connection, no lock and no clock: the two drivers (``live``, ``async_live``) tell it what happened and ask what to
send. A frame is kept until a resume token stands behind it. When a call is lost the next one begins with the last token
and sends again what came after it; answers to frames that were answered before are passed over: they are the same.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice

from red_align.client.errors import ServerError
from red_align.client.wire.messages import frame_result
from red_align.frames import FrameResult, FrameStatus, StreamEnd
from red_align.v1 import face_landmarks_pb2 as pb

MOST_LEFT_OUT = 1024
"""Frames without an answer, left-out ones among them, after which the source of a latest-first stream is held back."""


@dataclass(slots=True, eq=False)
class Kept:
    """A frame that was taken and that no token stands behind yet.

    Attributes:
        number: From 0 in this stream.
        given: As the caller gave it.
        time_s: Its time, seconds.
        message: What is sent; None where it is left out.
        answered: Whether the caller has, or is about to have, its result.
    """

    number: int
    given: object
    time_s: float
    message: pb.VideoFrame | None
    answered: bool = False


Answer = tuple[Kept, FrameResult]


@dataclass(slots=True)
class Session:
    """A stream under way.

    Attributes:
        config: Its first message; the token in it is where it goes on after the next connect.
        latest: Newer frames take the place of older ones that were not sent.
        window: Most frames that are sent and not answered.
        ended: The source has no more frames.
        end: How it ended, once the server said so.
    """

    config: pb.StreamConfig
    latest: bool
    window: int
    ended: bool = False
    end: StreamEnd | None = None
    _kept: deque[Kept] = field(default_factory=deque)
    _awaiting: deque[Kept] = field(default_factory=deque)
    _sent: int = 0  # of _kept, in this call
    _taken: int = 0
    _answered: int = 0
    _dropped: int = 0
    _base: int | None = None
    _resumed: bool = False

    @property
    def has_room(self) -> bool:
        """Whether the source may give another frame."""
        return self._taken - self._answered < (MOST_LEFT_OUT if self.latest else self.window)

    @property
    def awaits(self) -> bool:
        """Whether the server owes an answer."""
        return bool(self._awaiting)

    @property
    def has_work(self) -> bool:
        """Whether a server is needed now: for a frame, or for the end."""
        return self.ended or self._answered < self._taken

    def add(self, given: object, message: pb.VideoFrame) -> None:
        """Take the next frame of the source."""
        if self.latest and len(self._kept) > self._sent and not self._kept[-1].answered:
            self._kept[-1].message = None
        self._kept.append(Kept(self._taken, given, message.time_s, message))
        self._taken += 1

    def begin(self) -> pb.AlignStreamRequest:
        """A new call begins.

        Returns:
            Its first message.
        """
        self._sent = 0
        self._awaiting.clear()
        return pb.AlignStreamRequest(config=self.config)

    def next_request(self) -> pb.AlignStreamRequest | None:
        """The next frame to send; None where there is none now."""
        while self._sent < len(self._kept):
            frame = self._kept[self._sent]
            if frame.message is not None:
                if not self._may_send(frame):
                    return None
                self._awaiting.append(frame)
            self._sent += 1
            if frame.message is not None:
                return pb.AlignStreamRequest(frame=frame.message)
        return None

    @property
    def all_sent(self) -> bool:
        """Whether this call has everything that it will get."""
        return self.ended and self._sent == len(self._kept)

    def _may_send(self, frame: Kept) -> bool:
        if len(self._awaiting) >= self.window:
            return False
        # Latest-first, a server drops what waits: frames that were answered before and are only to bring it up to date
        # go one by one.
        return not (self.latest and self._awaiting and (frame.answered or self._awaiting[-1].answered))

    def answered(self, message: pb.FrameResult) -> list[Answer]:
        """The server answered a frame.

        Returns:
            Results that the caller has not had: none where this is the answer to a frame that was sent again, more
            than one where frames before it were left out here.

        Raises:
            ServerError: No frame was sent that this could be the answer to.
        """
        if not self._awaiting:
            raise ServerError("the server answered a frame that was not sent")
        frame = self._awaiting.popleft()
        if self._base is None:
            self._base = message.index
        self._resumed = self._resumed or message.resumed
        answers = [] if frame.answered else [*self._left_out(frame), self._delivered(frame, message)]
        if message.resume_token:
            self.config.resume_token = message.resume_token
            while self._kept and self._forget_first() is not frame:
                pass
        return answers

    def going_away(self, message: pb.GoingAway) -> None:
        """The server shuts down: its token stands behind all that it answered."""
        self.config.resume_token = message.resume_token
        first = self._awaiting[0] if self._awaiting else None
        while self._sent and self._kept[0] is not first and self._kept[0].answered:
            self._forget_first()

    def finished(self, message: pb.StreamEnd) -> None:
        """The server says that the stream has ended; where frames are unanswered, it has not."""
        if not self._awaiting and self.all_sent:
            warnings = tuple(message.warnings)
            self.end = StreamEnd(message.complete, self._answered, warnings, self._dropped, message.resume_token)

    @property
    def so_far(self) -> StreamEnd:
        """How it ended; not complete while it has not."""
        return self.end or StreamEnd(False, self._answered, (), self._dropped, self.config.resume_token)

    def _forget_first(self) -> Kept:
        self._sent -= 1
        return self._kept.popleft()

    def _left_out(self, frame: Kept) -> list[Answer]:
        """Results of the frames before this one that were never sent."""
        before = islice(self._kept, self._sent)
        return [self._delivered(f, None) for f in before if f.number < frame.number and not f.answered]

    def _delivered(self, frame: Kept, message: pb.FrameResult | None) -> Answer:
        index = frame.number + (self._base or 0)
        if message is None:
            result = FrameResult(index, frame.time_s, FrameStatus.DROPPED)
        else:
            result = frame_result(message, index, resumed=self._resumed)
            self._resumed = False
        if result.status is FrameStatus.DROPPED:
            frame.message = None  # It changed nothing in the tracker, and shall not when frames are sent again.
            self._dropped += 1
        frame.answered = True
        self._answered += 1
        return frame, result
