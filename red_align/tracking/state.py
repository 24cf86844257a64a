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

VERSION = 2


@dataclass(frozen=True, slots=True)
class TrackState:
    """One followed face.

    Attributes:
        track_id: Its number in the stream.
        points: float64 [L, 2], frame pixels.
        confidence: float32 [L], 0 to 1.
        memory: float32 [S], recurrent memory.
        appearance: float32, see ``red_align.tracking.rules.appearance_descriptor``.
    """

    track_id: int
    points: NDArray[np.float64]
    confidence: NDArray[np.float32]
    memory: NDArray[np.float32]
    appearance: NDArray[np.float32]


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

    def to_bytes(self) -> bytes:
        """The state as bytes.

        Returns:
            Packed; the same state gives the same bytes.
        """
        tracks = [_packed(track) for track in self.tracks]
        packed: bytes = msgpack.packb(
            [VERSION, self.next_id, self.next_index, self.size, self.since_search, self.time_s, tracks]
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
            version, next_id, next_index, size, since, time_s, tracks = msgpack.unpackb(data)
            if version != VERSION:
                raise ValueError(f"state version {version}, here {VERSION}")
            return cls(
                tuple(_track(*values) for values in tracks),
                int(next_id),
                int(next_index),
                None if size is None else (int(size[0]), int(size[1])),
                int(since),
                None if time_s is None else float(time_s),
            )
        except (TypeError, KeyError, IndexError, ValueError, msgpack.UnpackException) as error:
            raise ValueError(f"not the state of a tracker: {error}") from error


def _packed(track: TrackState) -> list[int | bytes]:
    arrays = (track.points, track.confidence, track.memory)
    # Appearances are compared to two digits: half the bytes do.
    appearance = np.asarray(track.appearance, np.float16).tobytes()
    return [track.track_id, *(np.ascontiguousarray(a).tobytes() for a in arrays), appearance]


def _track(track_id: Any, points: bytes, confidence: bytes, memory: bytes, appearance: bytes) -> TrackState:
    return TrackState(
        int(track_id),
        np.frombuffer(points, np.float64).reshape(-1, 2).copy(),
        np.frombuffer(confidence, np.float32).copy(),
        np.frombuffer(memory, np.float32).copy(),
        np.frombuffer(appearance, np.float16).astype(np.float32),
    )
