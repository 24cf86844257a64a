"""Everything a tracker is between two frames, as plain values and as bytes: what a resume token holds.

No state of an engine is in it beside each face's ``memory``: with that a sequence begins again anywhere (see
red_align.engine.base).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import msgpack
import numpy as np
from numpy.typing import NDArray

VERSION = 3
NEVER = 1 << 30
"""Frames since a search that was never made."""


@dataclass(frozen=True, slots=True)
class TrackState:
    """One followed face.

    Attributes:
        track_id: Its number in the stream.
        points: float64 [L, 2], frame pixels.
        confidence: float32 [L], 0 to 1.
        memory: float32 [S], recurrent memory.
        appearance: float32, see ``red_align.tracking.rules.appearance_descriptor``.
        motion: How the centre of its region moved at last, x and y in pixels a second.
    """

    track_id: int
    points: NDArray[np.float64]
    confidence: NDArray[np.float32]
    memory: NDArray[np.float32]
    appearance: NDArray[np.float32]
    motion: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class LostFace:
    """A face that was lost a moment ago: found again it goes on under its number.

    Attributes:
        track_id: Its number in the stream.
        centre: Of its last region, x and y in frame pixels.
        side: Of its last region, frame pixels.
        motion: See TrackState.
        appearance: See TrackState.
        time_s: Of the last frame that showed it, seconds.
    """

    track_id: int
    centre: tuple[float, float]
    side: float
    motion: tuple[float, float]
    appearance: NDArray[np.float32]
    time_s: float


@dataclass(frozen=True, slots=True)
class TrackerState:
    """A tracker after its last frame.

    Attributes:
        tracks: The faces that are followed.
        next_id: Track id that the next new face gets.
        next_index: Number of the frame that comes next.
        size: Width and height of the frames in pixels; None before the first one.
        since_search: Frames since the last search for faces.
        time_s: Time of the last frame in seconds; None before the first one.
        since_turned: Frames since the last search of a turned frame.
        turn: Which turn is next.
        lost: Faces that were lost a moment ago.

    Example:
        >>> import red_align
        >>> clip = red_align.track("clip.mp4")
        >>> with clip, red_align.Tracker() as tracker:
        ...     for result in clip:
        ...         _ = tracker.track(clip.image, result.time_s)
        ...     saved = tracker.state().to_bytes()
        >>> state = red_align.TrackerState.from_bytes(saved)
        >>> with red_align.Tracker.from_state(state) as tracker:
        ...     tracker.track(clip.image, result.time_s + 0.04).faces[0].track_id
        0
    """

    tracks: tuple[TrackState, ...]
    next_id: int
    next_index: int
    size: tuple[int, int] | None
    since_search: int
    time_s: float | None
    since_turned: int = NEVER
    turn: int = 0
    lost: tuple[LostFace, ...] = ()

    def to_bytes(self) -> bytes:
        """The state as bytes.

        Returns:
            Packed; the same state gives the same bytes.
        """
        tracks = [_packed(track) for track in self.tracks]
        lost = [[*_face_values(face), _bytes(face.appearance)] for face in self.lost]
        search = [self.since_search, self.since_turned, self.turn]
        packed: bytes = msgpack.packb(
            [VERSION, self.next_id, self.next_index, self.size, search, self.time_s, tracks, lost]
        )
        return packed

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The inverse of to_bytes.

        Args:
            data: What ``to_bytes`` gave.

        Returns:
            The state.

        Raises:
            ValueError: The bytes are anything else.
        """
        try:
            version, next_id, next_index, size, search, time_s, tracks, lost = msgpack.unpackb(data)
            if version != VERSION:
                raise ValueError(f"state version {version}, here {VERSION}")
            return cls(
                tuple(_track(*values) for values in tracks),
                int(next_id),
                int(next_index),
                None if size is None else (int(size[0]), int(size[1])),
                int(search[0]),
                None if time_s is None else float(time_s),
                int(search[1]),
                int(search[2]),
                tuple(_lost(*values) for values in lost),
            )
        except (TypeError, KeyError, IndexError, ValueError, msgpack.UnpackException) as error:
            raise ValueError(f"not the state of a tracker: {error}") from error


def _packed(track: TrackState) -> list[Any]:
    arrays = (track.points, track.confidence, track.memory)
    packed = (np.ascontiguousarray(a).tobytes() for a in arrays)
    return [track.track_id, *packed, _bytes(track.appearance), list(track.motion)]


def _bytes(appearance: NDArray[np.float32]) -> bytes:
    return np.asarray(appearance, np.float16).tobytes()  # They are compared to two digits: half the bytes do.


def _appearance(data: bytes) -> NDArray[np.float32]:
    return np.frombuffer(data, np.float16).astype(np.float32)


def _track(
    track_id: Any, points: bytes, confidence: bytes, memory: bytes, appearance: bytes, motion: list[Any]
) -> TrackState:
    return TrackState(
        int(track_id),
        np.frombuffer(points, np.float64).reshape(-1, 2).copy(),
        np.frombuffer(confidence, np.float32).copy(),
        np.frombuffer(memory, np.float32).copy(),
        _appearance(appearance),
        _pair(motion),
    )


def _face_values(face: LostFace) -> list[Any]:
    return [face.track_id, list(face.centre), face.side, list(face.motion), face.time_s]


def _lost(track_id: Any, centre: list[Any], side: Any, motion: list[Any], time_s: Any, appearance: bytes) -> LostFace:
    return LostFace(int(track_id), _pair(centre), float(side), _pair(motion), _appearance(appearance), float(time_s))


def _pair(values: list[Any]) -> tuple[float, float]:
    x, y = values
    return float(x), float(y)
