"""Which column, or folder, the faces of a clip are in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count


class TrackColumns:
    """Gives every track a column for as long as it is tracked; after that a new track may take it.

    Columns are counted from 0, and there are never more of them than faces were tracked at once.
    """

    def __init__(self) -> None:
        self._of_track: dict[int, int] = {}
        self._last_of: dict[int, int] = {}

    def assign(self, track_ids: Sequence[int]) -> dict[int, int]:
        """Columns of a frame's tracks: those that went on keep theirs, and those that are back where it is free.

        New ones take the first that is free.

        Args:
            track_ids: Of all faces of the frame.

        Returns:
            The column of each.
        """
        kept = {track_id: self._of_track[track_id] for track_id in track_ids if track_id in self._of_track}
        taken = set(kept.values())
        for track_id in track_ids:
            if track_id not in kept and (former := self._last_of.get(track_id)) is not None and former not in taken:
                kept[track_id] = former
                taken.add(former)
        free = (column for column in count() if column not in taken)
        for track_id in track_ids:
            if track_id not in kept:
                kept[track_id] = next(free)
        self._of_track = kept
        self._last_of.update(kept)
        return kept
